/* dot.h - graphs as pictures: Graphviz text of a module. */
#ifndef COMPILER_DOT_H
#define COMPILER_DOT_H

#include "compiler/graph.h"

/* One cluster a graph, one box a kernel; weights are left out. */
void dot_print(const Module *m, FILE *f);

#endif
