/* diag.h - what is wrong with a model text, shown where it is wrong.
 *
 * Messages collect in source order of discovery; at most DIAG_MAX are kept.
 * Everything lives in the arena of the Source.  One thread. */
#ifndef DSL_DIAG_H
#define DSL_DIAG_H

#include "base/buf.h"
#include "dsl/source.h"

enum { DIAG_MAX = 20 };

typedef enum { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE } DiagLevel;

typedef struct Diag Diag;
struct Diag {
    DiagLevel level;
    Span span;
    const char *text;
    Diag *notes; /* of level DIAG_NOTE, in the order added */
    Diag *next;
};

typedef struct {
    const Source *source;
    Diag *first, *last;
    int n_errors, n_warnings;
    int n_dropped; /* beyond DIAG_MAX */
} Diags;

Diags *diag_new(const Source *s);
/* Returns the message so that notes can hang on it; never NULL.  A second
 * error at the very same span is dropped: it is a consequence. */
Diag *diag_error(Diags *d, Span at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
Diag *diag_warning(Diags *d, Span at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Whether more errors would be dropped: then suggestions are wasted work. */
int diag_full(const Diags *d);
void diag_note(Diags *d, Diag *on, Span at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* "path:line:col: error: text", the line, ^~~~ under the span, notes likewise.
 * Sorted by place. */
void diag_print(const Diags *d, Buf *out);
/* NULL if there were no errors, else one error that counts them. */
Err *diag_result(const Diags *d) MUST_USE;

/* The candidate nearest to `name`: at most two edits away, and fewer than the
 * name has letters unless only case differs.  Feed all, then ask. */
typedef struct {
    const char *name;
    const char *best;
    int distance;
} Guess;

Guess diag_guess(const char *name);
void diag_guess_add(Guess *g, const char *candidate);
/* ", did you mean 'x'?" or "" */
const char *diag_guess_text(const Diags *d, const Guess *g);

#endif
