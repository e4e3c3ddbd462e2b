#include "gen/llvm/rows.h"

#include "gen/llvm/tile.h"

Rows rows_new(Emit *e, const bool *member, int64_t total, int64_t width)
{
    Rows r = {.e = e, .ir = e->ir, .g = e->g, .lead = 1, .member = member};
    r.total = total;
    r.width = width;
    r.value = ARENA_ARRAY(e->ir->arena, Value, e->g->n_nodes);
    return r;
}

/* ---- shapes and ranges ---- */

static bool is_symbolic(const Type *t)
{
    return t->rank && t->dim[0].sym != SYM_ONE;
}

/* Takes `lead` rows out of a shape: whole outer axes, then part of one. */
static bool shape_split(Shape *s, int64_t lead)
{
    int drop = 0;
    while (lead > 1 && drop < s->rank && lead % s->dim[drop] == 0)
        lead /= s->dim[drop++];
    s->rank -= drop;
    for (int i = 0; i < s->rank; i++)
        s->dim[i] = s->dim[i + drop];
    if (lead == 1)
        return true;
    if (!s->rank || s->dim[0] % lead)
        return false;
    s->dim[0] /= lead;
    return true;
}

Shape rows_shape(const Rows *r, Ref n)
{
    const Type *t = &r->g->node[n].type;
    Shape s = {0};
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i].sym == SYM_ONE || t->dim[i].k > 1)
            s.dim[s.rank++] = t->dim[i].k;
    if (is_symbolic(t) && !shape_split(&s, r->lead))
        emit_fail(r->e, err_new(ERR_LIMIT,
                                "@%s: %s has no rows like the "
                                "others'",
                                r->g->name, r->g->node[n].name));
    return s;
}

int64_t rows_count(const Rows *r, Ref n)
{
    Shape s = rows_shape(r, n);
    int64_t size = shape_size(&s);
    return r->total ? size * r->width / r->total : size;
}

LLVMValueRef rows_start(Rows *r, Ref n)
{
    if (!r->first)
        return l_int(r->ir, 0);
    Shape s = rows_shape(r, n);
    int64_t size = shape_size(&s);
    if (size == r->total)
        return r->first;
    LLVMValueRef at = l_muli(r->ir, r->first, size);
    return l_div(r->ir, at, l_int(r->ir, r->total));
}

Ref rows_root(const Rows *r, Ref n)
{
    while (r->g->node[n].op == OP_reshape)
        n = r->g->node[n].arg[0];
    return n;
}

/* ---- where values lie ---- */

/* A weight vector of a block type is decoded once, before everything else. */
static LLVMValueRef decoded_vector(Rows *r, Ref n, int64_t size)
{
    Ir *ir = r->ir;
    LLVMValueRef decode = tile_decoder(ir, r->g->node[n].type.dtype);
    LLVMBasicBlockRef at = LLVMGetInsertBlock(ir->b);
    LLVMPositionBuilderBefore(ir->b, ir->entry_end);
    LLVMValueRef to = emit_scratch_f32(r->e, size);
    LLVMValueRef args[] = {r->e->arg[n], l_int(ir, size), to};
    l_call(ir, decode, args, 3);
    LLVMPositionBuilderAtEnd(ir->b, at);
    return to;
}

static Value param_value(Rows *r, Ref n)
{
    const Type *t = &r->g->node[n].type;
    Shape s = rows_shape(r, n);
    int64_t size = shape_size(&s);
    Value v = {r->e->arg[n], t->dtype, 0, 0, layout_dense(size)};
    if (is_symbolic(t)) {
        v.row_stride = size;
    } else if (block_info[t->dtype].kind == BLOCK_QUANT) {
        v.base = decoded_vector(r, n, size);
        v.type = BT_f32;
    }
    return v;
}

static Value no_value(Rows *r, Ref n, const char *why)
{
    emit_fail(r->e, err_new(ERR_LIMIT, "@%s: %%%s: %s", r->g->name,
                            r->g->node[n].name, why));
    Value v = {LLVMGetUndef(r->ir->ptr), BT_f32, 0, 0, {0}};
    return v;
}

/* f32 copy of the range of n in scratch, dense. */
static Value flattened(Rows *r, Ref n, const Value *v)
{
    int64_t count = rows_count(r, n);
    LLVMValueRef start = rows_start(r, n), to = emit_scratch_f32(r->e, count);
    rows_copy(r, &v->lay, rows_at(r, v), start, count, to);
    Shape s = rows_shape(r, n);
    LLVMValueRef back = l_sub(r->ir, l_int(r->ir, 0), start);
    return (Value){l_index(r->ir, to, back, 4), BT_f32, 0, 0,
                   layout_dense(shape_size(&s))};
}

static Value slice_value(Rows *r, Ref n)
{
    const Node *node = &r->g->node[n];
    Value v = rows_value(r, node->arg[0]), out;
    int64_t begin = node->attr[ATTR_begin].i, size = type_last(&node->type);
    int64_t last = type_last(&r->g->node[node->arg[0]].type), offset;
    out = v;
    if (!layout_slice(&v.lay, last, begin, size, &out.lay, &offset)) {
        if (r->total || v.type != BT_f32)
            return no_value(r, n, "a slice of a view that has no strides");
        v = out = flattened(r, node->arg[0], &v);
        layout_slice(&v.lay, last, begin, size, &out.lay, &offset);
    }
    out.offset += offset;
    return out;
}

/* Views are made anew each time: the code of what they see may stand in another
 * branch than last time. */
Value rows_value(Rows *r, Ref n)
{
    const Node *node = &r->g->node[n];
    if (node->op == OP_reshape)
        return rows_value(r, node->arg[0]);
    if (node->op == OP_slice)
        return slice_value(r, n);
    if (!r->value[n].base && n < r->g->n_params)
        r->value[n] = param_value(r, n);
    if (!r->value[n].base)
        return no_value(r, n, "is read before it is computed");
    return r->value[n];
}

LLVMValueRef rows_at_row(Rows *r, const Value *v, LLVMValueRef row)
{
    Ir *ir = r->ir;
    if (!v->row_stride)
        return l_elem(ir, v->base, v->type, l_int(ir, v->offset));
    LLVMValueRef at = l_muli(ir, row, v->row_stride);
    return l_elem(ir, v->base, v->type, l_addi(ir, at, v->offset));
}

LLVMValueRef rows_at(Rows *r, const Value *v)
{
    return rows_at_row(r, v, r->row);
}

static int result_of(const Rows *r, Ref n)
{
    for (int i = 0; i < r->g->n_results; i++)
        if (rows_root(r, r->g->result[i].ref) == n)
            return i;
    return -1;
}

Value rows_place(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    Shape s = rows_shape(r, n);
    int64_t size = shape_size(&s);
    int at = result_of(r, n);
    Value v = {NULL, r->g->node[n].type.dtype, 0, 0, layout_dense(size)};
    if (at >= 0) {
        v.base = emit_result(r->e, at);
        v.row_stride = is_symbolic(&r->g->node[n].type) ? size : 0;
    } else {
        LLVMValueRef back = l_sub(ir, l_int(ir, 0), rows_start(r, n));
        int64_t bytes = block_bytes(v.type, rows_count(r, n));
        v.base = l_elem(ir, emit_scratch(r->e, bytes), v.type, back);
    }
    return r->value[n] = v;
}

void rows_given(Rows *r, Ref n, LLVMValueRef base)
{
    Shape s = rows_shape(r, n);
    LLVMValueRef back = l_sub(r->ir, l_int(r->ir, 0), rows_start(r, n));
    r->value[n] = (Value){l_index(r->ir, base, back, 4), BT_f32, 0, 0,
                          layout_dense(shape_size(&s))};
}

Value rows_input(Rows *r, Ref n, int64_t d)
{
    Value v = rows_value(r, n);
    int64_t run = layout_run(&v.lay);
    bool fits = run == 0 || (d && run % d == 0);
    if (v.type == BT_f32 && fits && !(v.lay.n && layout_is_repeat(&v.lay)))
        return v;
    return flattened(r, n, &v);
}

/* ---- copying ---- */

typedef struct {
    LLVMValueRef from, to;
    bool repeat;
} Copy;

static void copy_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Copy *c = ctx;
    LLVMValueRef v = c->repeat
                         ? l_splat(ir, l_load(ir, ir->f32, c->from), lanes)
                         : l_f32_at(ir, c->from, i, lanes);
    l_store(ir, v, l_index(ir, c->to, i, 4));
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

void rows_copy(Rows *r, const Layout *lay, LLVMValueRef from,
               LLVMValueRef first, int64_t n, LLVMValueRef to)
{
    Ir *ir = r->ir;
    int64_t run = layout_run(lay), chunk = run ? gcd(run, n) : n;
    LLVMValueRef end = r->len && n == r->width ? r->len : NULL;
    if (end && !run) {
        LLVMValueRef at = layout_offset(ir, lay, first);
        Copy c = {l_index(ir, from, at, 4), to, layout_is_repeat(lay)};
        l_lanes_upto(ir, end, ir->lanes, copy_lanes, &c);
        return;
    }
    Loop l = l_for(ir, "copy", l_int(ir, 0), end ? end : l_int(ir, n), chunk);
    LLVMValueRef at = layout_offset(ir, lay, l_add(ir, first, l.i));
    Copy c = {l_index(ir, from, at, 4), l_index(ir, to, l.i, 4),
              layout_is_repeat(lay)};
    l_lanes_for(ir, chunk, ir->lanes, copy_lanes, &c);
    l_end(ir, &l);
}

/* Results that are views, parameters or computed elsewhere, or that stand
 * twice. */
static void store_results(Rows *r)
{
    for (int i = 0; i < r->g->n_results; i++) {
        Ref n = r->g->result[i].ref;
        const Type *t = &r->g->node[n].type;
        if (!r->member[n] || (t->rank && t->dim[0].sym == SYM_C))
            continue;
        Value v = rows_value(r, n), to = v;
        if (v.base == emit_result(r->e, i))
            continue;
        if (block_info[v.type].bytes != 4)
            no_value(r, n, "is stored twice");
        Shape s = rows_shape(r, n);
        to = (Value){emit_result(r->e, i), BT_f32, shape_size(&s), 0, {0}};
        to.row_stride = is_symbolic(t) ? to.row_stride : 0;
        LLVMValueRef start = rows_start(r, n);
        rows_copy(r, &v.lay, rows_at(r, &v), start, rows_count(r, n),
                  l_index(r->ir, rows_at(r, &to), start, 4));
    }
}

/* ---- the members in order ---- */

/* What a chain of views in the open loop would hide: a slice needs memory. */
static bool reads_slice_of(const Rows *r, Ref n, const Ref *open, int n_open)
{
    bool sliced = false;
    while (r->g->node[n].op == OP_reshape || r->g->node[n].op == OP_slice) {
        sliced = sliced || r->g->node[n].op == OP_slice;
        n = r->g->node[n].arg[0];
    }
    for (int i = 0; i < n_open && sliced; i++)
        if (open[i] == n)
            return true;
    return false;
}

/* Can n be computed in the same loop as the open nodes? */
static bool joins(const Rows *r, Ref n, const Ref *open, int n_open)
{
    const Node *node = &r->g->node[n];
    Shape s = rows_shape(r, n);
    Shape t = n_open ? rows_shape(r, open[0]) : s;
    bool ok = shape_size(&s) == shape_size(&t);
    for (int k = 0; k < node->n_args && ok; k++) {
        Ref root = rows_root(r, node->arg[k]);
        ok = !reads_slice_of(r, node->arg[k], open, n_open);
        Shape a = rows_shape(r, root);
        for (int i = 0; i < n_open && ok; i++)
            ok = open[i] != root || shape_size(&a) == shape_size(&s);
    }
    return ok;
}

void rows_run(Rows *r)
{
    Ref *open = ARENA_ARRAY(r->ir->arena, Ref, r->g->n_nodes + 1);
    int n_open = 0;
    for (Ref n = r->g->n_params; n < r->g->n_nodes; n++) {
        OpKind kind = op_info(r->g->node[n].op)->kind;
        if (!r->member[n] || (kind != KIND_EW && kind != KIND_ROW))
            continue;
        if (n_open && (kind == KIND_ROW || !joins(r, n, open, n_open))) {
            rows_elementwise(r, open, n_open);
            n_open = 0;
        }
        if (kind == KIND_ROW)
            emit_row_op[r->g->node[n].op](r, n);
        else
            open[n_open++] = n;
    }
    if (n_open)
        rows_elementwise(r, open, n_open);
    store_results(r);
}
