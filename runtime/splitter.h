/* splitter.h - cuts text into pieces before byte pairs are merged.
 *
 * The patterns are the rows of splitters.def, run by PCRE2 (JIT where the
 * system allows it).  They were checked to take linear time; a match limit
 * proportional to the text turns a surprise into an error.  A Splitter is
 * read-only after it was made; a SplitWork belongs to one thread. */
#ifndef RUNTIME_SPLITTER_H
#define RUNTIME_SPLITTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef struct Splitter Splitter;
typedef struct SplitWork SplitWork;

/* What else the name of a pattern stands for; splitters.def. */
typedef struct {
    bool nfc, bos, whole;
} SplitRules;

/* `pre` is the value of tokenizer.ggml.pre; an unknown one is refused with the
 * list of the known.  `jit` false runs the pattern interpreter (for tests). */
Err *splitter_new(const char *pre, bool jit, Splitter **out) MUST_USE;
void splitter_free(Splitter *s);
const SplitRules *splitter_rules(const Splitter *s);

Err *splitter_work_new(const Splitter *s, SplitWork **out) MUST_USE;
void splitter_work_free(SplitWork *w);

/* End of the piece that begins at `at` (at < n) of well-formed UTF-8;
 * look-ahead sees nothing past n.  Text that no alternative matches is a piece
 * too. */
Err *splitter_next(const Splitter *s, SplitWork *w, const char *text, size_t n,
                   size_t at, size_t *end) MUST_USE;

#endif
