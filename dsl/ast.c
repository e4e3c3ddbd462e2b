#include "dsl/ast.h"

#include <assert.h>
#include <string.h>

#include "dsl/dsl.h"

const Decl *ast_find(const Ast *ast, DeclKind kind, const char *name)
{
    for (int i = 0; i < ast->n_decls; i++) {
        const Decl *d = ast->decls[i];
        if (d->kind == kind && d->name.text && !strcmp(d->name.text, name))
            return d;
    }
    return NULL;
}

static const char *const builtin_names[] = {
#define BUILTIN(id, name, rule, slots, result, shape, formula) name,
#include "dsl/builtins.def"
#undef BUILTIN
};

static const char *const builtin_slots[] = {
#define BUILTIN(id, name, rule, slots, result, shape, formula) slots,
#include "dsl/builtins.def"
#undef BUILTIN
};

const char *ast_builtin_name(Builtin b) { return builtin_names[b]; }

/* Slots are "name:kind name:kind ..."; see builtins.def. */
static int slot_number(const char *slots, const char *name)
{
    size_t n = strlen(name);
    for (int i = 0; *slots; i++) {
        if (strncmp(slots, name, n) == 0 && slots[n] == ':')
            return i;
        slots += strcspn(slots, " ");
        slots += strspn(slots, " ");
    }
    return -1;
}

const Expr *ast_arg(const Expr *call, const char *slot)
{
    assert(call->kind == EXPR_CALL && call->u.call.callee == CALLEE_BUILTIN);
    int i = slot_number(builtin_slots[call->u.call.builtin], slot);
    assert(i >= 0);
    return i < call->u.call.n_slots ? call->u.call.slots[i] : NULL;
}

const char *ast_word(const Expr *call, const char *slot)
{
    const Expr *e = ast_arg(call, slot);
    return e ? e->u.name.text : "";
}

const char *ast_plain_string(const Expr *e)
{
    if (e->u.string.n_parts == 0)
        return "";
    const StringPart *first = &e->u.string.parts[0];
    return e->u.string.n_parts == 1 ? first->text : NULL;
}
