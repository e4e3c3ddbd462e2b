/* emit_ew.c - what is computed element by element, as C++ expressions spelled
 * from the op table. */
#include <ctype.h>
#include <string.h>

#include "gen/cuda/emit.h"
#include "gen/cuda/emit_pack.h"

/* ops.def's column of meanings, on doubles. */
static const char *const meaning[OP_COUNT] = {
#define OP(name, min, max, kind, attrs, expr) [OP_##name] = #expr,
#include "compiler/ops.def"
#undef OP
};

static const char *copy_word(const char *p, Buf *out)
{
    const char *from = p;
    while (isalnum((unsigned char)*p) || *p == '_')
        p++;
    buf_add(out, from, (size_t)(p - from));
    if (*p == '(')
        buf_puts(out, "f"); /* exp -> expf */
    return p;
}

static const char *copy_number(const char *p, Buf *out)
{
    const char *from = p;
    bool real = false;
    while (isdigit((unsigned char)*p) || *p == '.')
        real = *p++ == '.' || real;
    buf_add(out, from, (size_t)(p - from));
    if (real)
        buf_puts(out, "f");
    return p;
}

/* The same in single precision. */
static void put_meaning(const char *p, Buf *out)
{
    while (*p)
        if (isalpha((unsigned char)*p))
            p = copy_word(p, out);
        else if (isdigit((unsigned char)*p))
            p = copy_number(p, out);
        else
            buf_add(out, p++, 1);
}

void emit_ops(Emit *e)
{
    bool done[OP_COUNT] = {false};
    for (Ref i = 0; i < e->g->n_nodes; i++) {
        Op op = emit_node(e, i)->op;
        if (op_info(op)->kind != KIND_EW || done[op])
            continue;
        done[op] = true;
        emit_text(e, "DEVICE float op_%s(float a%s) { return ",
                  op_info(op)->name,
                  op_info(op)->max_args > 1 ? ", float b" : "");
        put_meaning(meaning[op], &e->body);
        emit_text(e, "; }\n");
    }
}

const char *emit_type(BlockType t)
{
    if (t == BT_f32)
        return "float";
    if (t == BT_i32)
        return "i32";
    return t == BT_f16 || t == BT_bf16 ? "u16" : "u8";
}

const char *emit_view_index(Emit *e, Ref r, const char *i)
{
    for (; op_info(emit_node(e, r)->op)->kind == KIND_VIEW;
         r = emit_node(e, r)->arg[0]) {
        const Node *n = emit_node(e, r);
        const Type *from = &emit_node(e, n->arg[0])->type;
        if (n->op != OP_slice)
            continue;
        long long w = type_last(&n->type), all = type_last(from),
                  begin = n->attr[ATTR_begin].i;
        if (emit_row_size(&n->type) == w)
            i = emit_format(e, "(%s + %lld)", i, begin);
        else
            i = emit_format(e, "(%s / %lld * %lld + %s %% %lld + %lld)", i, w,
                            all, i, w, begin);
    }
    return i;
}

/* Extents behind the leading axis of a shape, the last ones first. */
static int extents(const Type *t, int64_t out[MAX_RANK])
{
    int n = 0;
    for (int k = t->rank; k-- > (emit_lead(t) == SYM_ONE ? 0 : 1);)
        out[n++] = t->dim[k].k;
    return n;
}

/* From the index in a row shaped `as` to that in one shaped `t`, whose unit axes
 * are repeated. */
static const char *broadcast(Emit *e, const Type *t, const Type *as,
                             const char *i)
{
    int64_t to[MAX_RANK] = {0}, from[MAX_RANK] = {0};
    int n_to = extents(t, to), n_from = extents(as, from);
    if (emit_row_size(t) == emit_row_size(as))
        return i;
    if (emit_row_size(t) == 1)
        return "0";
    long long step = 1, stride = 1;
    const char *sum = "";
    for (int k = 0; k < n_to && k < n_from; k++) {
        if (to[k] != 1)
            sum = emit_format(e, "%s%s%s / %lld %% %lld * %lld", sum,
                              *sum ? " + " : "", i, step, (long long)to[k],
                              stride);
        step *= from[k];
        stride *= to[k];
    }
    return emit_format(e, "(%s)", sum);
}

static bool is_stored(const Emit *e, Ref r)
{
    return e->stored && e->stored[r];
}

/* Element of a weight in blocks. */
static const char *load_blocks(Emit *e, BlockType t, int arg, const char *index)
{
    const char *file = emit_pack_file(t);
    if (!file)
        emit_fail(e, err_new(ERR_DEVICE, "no CUDA code reads %s",
                             block_info[t].name));
    else
        emit_include(e, file);
    return emit_format(e, "file_value_%s(call.arg[%d], %s)",
                       block_info[t].name, arg, index);
}

static const char *load(Emit *e, Ref root, const char *index)
{
    BlockType t = emit_node(e, root)->type.dtype;
    int arg = emit_arg(e, root);
    if (is_stored(e, root))
        return emit_format(e, "%s(%s)", e->stored[root], index);
    if (e->kept && e->kept[root])
        return emit_format(e, "((const float *)%s)[%s]", e->kept[root], index);
    if (arg < 0) {
        emit_fail(e, err_new(ERR_DEVICE, "a value that is no argument"));
        return "0";
    }
    if (block_info[t].kind == BLOCK_QUANT)
        return load_blocks(e, t, arg, index);
    const char *p =
        emit_format(e, "((const %s *)call.arg[%d])[%s]", emit_type(t), arg,
                    index);
    if (t == BT_f16)
        return emit_format(e, "half_float(%s)", p);
    if (t == BT_bf16)
        return emit_format(e, "bits_float((u32)%s << 16)", p);
    return p;
}

const char *emit_element(Emit *e, Ref r, const Type *as, const char *row,
                         const char *i)
{
    Ref root = emit_root(e, r);
    const Node *n = emit_node(e, root);
    if (n->op == OP_const)
        return emit_format(e, "(float)%.9g", n->attr[ATTR_value].f);
    i = emit_view_index(e, r, broadcast(e, &emit_node(e, r)->type, as, i));
    if (emit_lead(&n->type) != SYM_ONE && !is_stored(e, root))
        i = emit_format(e, "(i64)(%s) * %lld + %s", row,
                        (long long)emit_row_size(&n->type), i);
    return load(e, root, i);
}

/* ---- members */

static const char *operand(Emit *e, const Element *x, const Node *reader,
                           Ref r)
{
    Ref root = emit_root(e, r);
    if (x->given[root])
        return x->given[root];
    if (x->member[root])
        return emit_format(e, "v%u", root);
    return emit_element(e, r, &reader->type, x->row, x->i);
}

static void store(Emit *e, const Element *x, Ref r, const char *value)
{
    const Type *t = &emit_node(e, r)->type;
    int arg = r < e->g->n_params ? -1 : emit_arg(e, r);
    const char *at = emit_format(e, "[(i64)(%s) * %lld + %s]", x->row,
                                 (long long)emit_row_size(t), x->i);
    if (arg >= 0)
        emit_text(e, "    ((%s *)call.arg[%d])%s = %s;\n", emit_type(t->dtype),
                  arg, at, value);
    if (e->kept && e->kept[r])
        emit_text(e, "    ((float *)%s)%s = %s;\n", e->kept[r], at, value);
}

/* The sum over a token's experts of what they made, weighted. */
static void combine(Emit *e, const Element *x, Ref r)
{
    const Node *n = emit_node(e, r);
    long long slots = type_last(&emit_node(e, n->arg[1])->type);
    emit_text(e, "    float v%u = 0;\n"
                 "    for (int s = 0; s < %lld; s++)\n"
                 "        v%u += %s * %s;\n",
              r, slots, r,
              emit_element(e, n->arg[1], &emit_node(e, n->arg[1])->type, x->row,
                           "s"),
              emit_element(e, n->arg[0], &emit_node(e, n->arg[0])->type, x->row,
                           emit_format(e, "(s * %lld + %s)",
                                       (long long)type_last(&n->type), x->i)));
}

/* A result in blocks, each by the lanes of a warp. */
static void round_block(Emit *e, const Element *x, Ref r)
{
    const Node *n = emit_node(e, r);
    const BlockInfo *b = &block_info[n->type.dtype];
    emit_text(e, "    encode_%s(call.arg[%d] + ((i64)(%s) * %lld + %s) / %d * "
                 "%d, %s);\n",
              b->name, emit_arg(e, r), x->row,
              (long long)emit_row_size(&n->type), x->i, (int)b->elems,
              (int)b->bytes, operand(e, x, n, n->arg[0]));
}

void emit_elements(Emit *e, const Element *x)
{
    for (Ref i = 0; i < e->g->n_nodes; i++) {
        const Node *n = emit_node(e, i);
        if (x->given[i])
            store(e, x, i, x->given[i]);
        if (!x->member[i])
            continue;
        if (n->op == OP_combine) {
            combine(e, x, i);
            store(e, x, i, emit_format(e, "v%u", i));
            continue;
        }
        if (n->op == OP_quantize) {
            round_block(e, x, i);
            continue;
        }
        emit_text(e, "    float v%u = op_%s(%s", i, op_info(n->op)->name,
                  operand(e, x, n, n->arg[0]));
        if (n->n_args > 1)
            emit_text(e, ", %s", operand(e, x, n, n->arg[1]));
        emit_text(e, ");\n");
        store(e, x, i, emit_format(e, "v%u", i));
    }
}
