/* doc.h - text with places where it may break; private to dsl/.
 *
 * A group is laid out on one line if it fits into DOC_WIDTH columns, else all
 * of its own breaks become line ends; groups inside decide for themselves. */
#ifndef DSL_DOC_H
#define DSL_DOC_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"

enum { DOC_WIDTH = 100, DOC_INDENT = 4 };

typedef struct Doc Doc;

const Doc *doc_text(Arena *a, const char *text);
/* A line end, or else `flat` ("" or " "). */
const Doc *doc_break(Arena *a, const char *flat);
/* n parts (NULL ones are left out) one behind the other. */
const Doc *doc_cat(Arena *a, int n, const Doc *const *parts);
#define DOC(a, ...)                                                            \
    doc_cat((a), (int)(sizeof((const Doc *[]){__VA_ARGS__}) / sizeof(Doc *)),  \
            (const Doc *[]){__VA_ARGS__})
const Doc *doc_nest(Arena *a, const Doc *d);
const Doc *doc_group(Arena *a, const Doc *d);
/* Never breaks. */
const Doc *doc_flat(Arena *a, const Doc *d);
/* open items, separated by commas and breaks, close: a group. */
const Doc *doc_items(Arena *a, const char *open, int n, const Doc *const *items,
                     const char *close);

/* Appends to a line that has `column` characters already; lines after breaks
 * begin with `indent` blanks. */
void doc_put(const Doc *d, int column, int indent, Buf *out);
/* On one line, however long. */
void doc_put_flat(const Doc *d, Buf *out);

#endif
