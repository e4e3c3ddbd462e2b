/* scopes.h - which names a part of a template hides before it sets them. */
#ifndef JINJA_SCOPES_H
#define JINJA_SCOPES_H

#include "runtime/jinja/ast.h"

/* Fills Node.hides of all bodies that are scopes of their own. */
void scopes_find(Arena *a, Node *template_body);

#endif
