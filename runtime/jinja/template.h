/* template.h - chat templates: a sandboxed Jinja with Hugging Face semantics.
 *
 * A template is parsed once and rendered many times, by any number of threads
 * at once.  It sees its context, the functions, filters and tests of the .def
 * tables and nothing else: no files, no other templates, no clock but the one
 * it is given.  docs/templates.md says what the language is.
 *
 * Every rendering is bounded; more than a bound allows is an ERR_LIMIT.  What
 * the template itself refuses by raise_exception is ERR_RAISED, anything else
 * that is wrong ERR_INPUT.  Errors begin with the template's line. */
#ifndef JINJA_TEMPLATE_H
#define JINJA_TEMPLATE_H

#include <time.h>

#include "base/buf.h"
#include "runtime/value.h"

typedef struct Template Template;

enum { TEMPLATE_MAX_BYTES = 1 << 20 };

/* Everything of the template lies in the arena; the text may go. */
Err *template_parse(Arena *a, const char *text, size_t n,
                    Template **out) MUST_USE;

/* The template as text that parses to the same. */
void template_print(const Template *t, Buf *out);

typedef struct {
    int64_t steps; /* operations, loop rounds, and bytes / 64 */
    int depth;     /* of nested expressions, blocks and macro calls */
    size_t output; /* bytes of the result, and of any string in between */
    size_t memory; /* bytes while rendering */
} TemplateBounds;

/* 10 million steps, depth 600, 32 MiB of text, 256 MiB of memory: the slowest
 * template ends within a second or two. */
extern const TemplateBounds template_bounds;

typedef struct {
    const Dict *context;          /* variables */
    const TemplateBounds *bounds; /* NULL: template_bounds */
    const struct tm *now;         /* NULL: the local time */
} TemplateInput;

/* The text with its origins, for a tokenizer that must not take what a user
 * wrote for a control token.  In the caller's arena; *steps, if not NULL, is
 * what it took. */
Err *template_render(Arena *a, const Template *t, const TemplateInput *in,
                     const Str **out, int64_t *steps) MUST_USE;

#endif
