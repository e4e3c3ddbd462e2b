/* clone.h - copies of graphs, and of graphs into graphs. */
#ifndef COMPILER_CLONE_H
#define COMPILER_CLONE_H

#include "compiler/graph.h"

/* "blk.{i}.x" with the layer's number in it: appended to b, or as a string
 * (the pattern itself if it holds no {i}). */
void clone_print_name(Buf *b, const char *pattern, int64_t index);
const char *clone_name(Arena *a, const char *pattern, int64_t index);
/* The same graph in memory of its own. */
Graph *clone_graph(Arena *a, const Graph *g, const char *name);
/* Appends f's nodes (parameters replaced by args) to g as layer `index`, with
 * groups of their own, on `device`; value names get the prefix.  Returns what
 * f's first result became. */
Ref clone_into(Graph *g, const Graph *f, const Ref *args, int64_t index,
               int device, const char *prefix);

#endif
