#include "gen/llvm/emit.h"

#include <stddef.h>
#include <string.h>

void emit_fail(Emit *e, Err *err)
{
    if (!e->err)
        e->err = err;
    else
        err_free(err);
}

/* The next bytes of an area, of which *used are taken. */
static LLVMValueRef take(const Emit *e, LLVMValueRef area, int64_t *used,
                         int64_t bytes)
{
    LLVMValueRef p = l_at(e->ir, area, *used);
    *used += (bytes + 63) / 64 * 64;
    return p;
}

LLVMValueRef emit_scratch(Emit *e, int64_t bytes)
{
    return take(e, e->scratch, &e->scratch_used, bytes);
}

LLVMValueRef emit_shared(Emit *e, int64_t bytes)
{
    return take(e, e->shared, &e->shared_used, bytes);
}

LLVMValueRef emit_counters(Emit *e, int64_t n)
{
    return take(e, e->counters, &e->counters_used, n * COUNTER_BYTES);
}

LLVMValueRef emit_dim(Emit *e, Dim d)
{
    Ir *ir = e->ir;
    LLVMValueRef by[SYM_COUNT] = {l_int(ir, 1), e->tokens, e->outputs,
                                  l_add(ir, e->past, e->tokens)};
    return d.k == 1 ? by[d.sym] : l_muli(ir, by[d.sym], d.k);
}

Ref emit_find(const Emit *e, OpKind kind)
{
    for (Ref n = 0; n < e->g->n_nodes; n++)
        if (op_info(e->g->node[n].op)->kind == kind)
            return n;
    return NO_REF;
}

/* ---- one kernel ---- */

/* A field of the KernelCall, loaded before everything else. */
static LLVMValueRef call_field(Emit *e, LLVMTypeRef t, size_t offset,
                               const char *name)
{
    LLVMValueRef c = LLVMGetParam(e->ir->fn, 0);
    LLVMValueRef v = l_load(e->ir, t, l_at(e->ir, c, (int64_t)offset));
    LLVMSetValueName(v, name);
    return v;
}

static void load_arguments(Emit *e)
{
    Ir *ir = e->ir;
    const Graph *g = e->g;
    int n = (int)g->n_params + g->n_results;
    LLVMValueRef list =
        call_field(e, ir->ptr, offsetof(KernelCall, arg), "args");
    e->tokens = call_field(e, ir->i64, offsetof(KernelCall, tokens), "T");
    e->outputs = call_field(e, ir->i64, offsetof(KernelCall, outputs), "R");
    e->past = call_field(e, ir->i64, offsetof(KernelCall, past), "past");
    e->shared = call_field(e, ir->ptr, offsetof(KernelCall, shared), "shared");
    e->counters =
        call_field(e, ir->ptr, offsetof(KernelCall, counters), "counters");
    e->arg = ARENA_ARRAY(ir->arena, LLVMValueRef, n + 1);
    for (int i = 0; i < n; i++) {
        int k = i - (int)g->n_params;
        Ref at = k < 0 ? (Ref)i : g->result[k].ref;
        e->arg[i] = l_load(ir, ir->ptr, l_at(ir, list, 8 * i));
        LLVMSetValueName(e->arg[i], g->node[at].name);
    }
}

static IrPlace begin_function(Emit *e)
{
    Ir *ir = e->ir;
    LLVMTypeRef params[] = {ir->ptr, ir->i64, ir->i64, ir->ptr};
    LLVMTypeRef type = l_fn_type(ir->none, params, 4);
    IrPlace back = l_fn_begin(ir, LLVMAddFunction(ir->mod, e->g->name, type));
    l_param(ir, 0, "call");
    e->begin = l_param(ir, 1, "begin");
    e->end = l_param(ir, 2, "end");
    e->scratch = l_param(ir, 3, "scratch");
    LLVMBasicBlockRef body = LLVMGetInsertBlock(ir->b);
    LLVMPositionBuilderBefore(ir->b, ir->entry_end);
    load_arguments(e);
    LLVMPositionBuilderAtEnd(ir->b, body);
    return back;
}

enum { INFO_FIELDS = sizeof(KernelInfo) / sizeof(int64_t) };
_Static_assert(sizeof(KernelInfo) == INFO_FIELDS * sizeof(int64_t), "all i64");

static void emit_info(const Emit *e)
{
    const Ir *ir = e->ir;
    char name[160];
    KernelInfo info = {e->items.k, e->items.sym, e->scratch_used,
                       e->shared_used, e->counters_used};
    int64_t v[INFO_FIELDS];
    LLVMValueRef field[INFO_FIELDS];
    memcpy(v, &info, sizeof v);
    for (int i = 0; i < INFO_FIELDS; i++)
        field[i] = l_int(ir, v[i]);
    snprintf(name, sizeof name, "%s.info", e->g->name);
    LLVMValueRef c = LLVMConstArray2(ir->i64, field, INFO_FIELDS);
    LLVMValueRef g = LLVMAddGlobal(ir->mod, l_type(c), name);
    LLVMSetInitializer(g, c);
    LLVMSetGlobalConstant(g, true);
}

static ClassFn *const class_emitter[KERNEL_CLASS_COUNT] = {
    [KERNEL_ROW] = emit_row_class,
    [KERNEL_MATMUL] = emit_matmul_class,
    [KERNEL_EXPERTS] = emit_experts_class,
    [KERNEL_ATTENTION] = emit_attention_class,
    [KERNEL_CONV] = emit_conv_class,
    [KERNEL_DELTA] = emit_delta_class,
};

/* What the emitters rely on beyond kernel_verify(). */
static Err *check_kernel(const Graph *g)
{
    for (Ref n = 0; n < g->n_nodes; n++) {
        const Node *node = &g->node[n];
        if (node->type.dtype == TYPE_ANY)
            return err_new(ERR_INPUT, "@%s: %s has no type yet", g->name,
                           node->name);
        if (node->type.rank && node->op == OP_weight &&
            node->type.dim[0].k % block_info[node->type.dtype].elems)
            return err_new(ERR_INPUT, "@%s: %s: rows are not whole blocks",
                           g->name, node->name);
        if (node->type.packing == PACK_TILE)
            return err_new(ERR_INPUT, "@%s: %s: tiles are for a GPU", g->name,
                           node->name);
    }
    if (kernel_is_layered(g))
        return err_new(ERR_INPUT, "@%s: fused as for a GPU (--fuse=layer)",
                       g->name);
    return NULL;
}

Err *emit_kernel(Ir *ir, const Graph *g)
{
    Emit e = {.ir = ir, .g = g};
    TRY(check_kernel(g));
    IrPlace back = begin_function(&e);
    class_emitter[kernel_class(g)](&e);
    LLVMBuildRetVoid(ir->b);
    emit_info(&e);
    l_fn_end(ir, back);
    return e.err;
}
