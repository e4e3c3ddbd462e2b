/* emit_rope.c - rotary positions. */
#include "gen/llvm/emit_row.h"

#include <math.h>
#include <stdio.h>

#include "gen/llvm/vecmath.h"

typedef struct {
    LLVMValueRef x, y, cos, sin;         /* of one head */
    LLVMValueRef position, freq, factor; /* f64; table; weight or NULL */
    BlockType factor_type;
    int64_t half; /* dims / 2 */
} Rope;

/* theta^(-2i/dims) / stretch, named by what it depends on. */
static LLVMValueRef rope_table(Ir *ir, int64_t dims, double theta,
                               double stretch)
{
    char name[100];
    LLVMValueRef *v = ARENA_ARRAY(ir->arena, LLVMValueRef, dims / 2);
    for (int64_t i = 0; i < dims / 2; i++)
        v[i] = LLVMConstReal(
            ir->f64, pow(theta, -2.0 * (double)i / (double)dims) / stretch);
    snprintf(name, sizeof name, "rope.%lld.%a.%a", (long long)dims, theta,
             stretch);
    return l_table(ir, name, ir->f64, v, (int)(dims / 2));
}

static void angle_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Rope *p = ctx;
    LLVMTypeRef wide = l_vec(ir->f64, lanes);
    LLVMValueRef a = l_load(ir, wide, l_index(ir, p->freq, i, 8)), s, c;
    a = l_fmul(ir, a, l_splat(ir, p->position, lanes));
    if (p->factor) {
        LLVMValueRef at = l_elem(ir, p->factor, p->factor_type, i);
        LLVMValueRef f = l_load_f32(ir, p->factor_type, at, lanes);
        a = l_fdiv(ir, a, LLVMBuildFPExt(ir->b, f, wide, ""));
    }
    vec_sincos(ir, a, &s, &c);
    l_store(ir, s, l_index(ir, p->sin, i, 4));
    l_store(ir, c, l_index(ir, p->cos, i, 4));
}

/* (a, b) -> (a cos - b sin, b cos + a sin) */
static void turn(Ir *ir, const Rope *p, LLVMValueRef i, LLVMValueRef *a,
                 LLVMValueRef *b)
{
    int lanes = l_lanes(*a);
    LLVMValueRef c = l_f32_at(ir, p->cos, i, lanes), x = *a;
    LLVMValueRef s = l_f32_at(ir, p->sin, i, lanes);
    *a = l_fsub(ir, l_fmul(ir, x, c), l_fmul(ir, *b, s));
    *b = l_fadd(ir, l_fmul(ir, *b, c), l_fmul(ir, x, s));
}

static void half_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Rope *p = ctx;
    LLVMValueRef j = l_addi(ir, i, p->half);
    LLVMValueRef a = l_f32_at(ir, p->x, i, lanes);
    LLVMValueRef b = l_f32_at(ir, p->x, j, lanes);
    turn(ir, p, i, &a, &b);
    l_store(ir, a, l_index(ir, p->y, i, 4));
    l_store(ir, b, l_index(ir, p->y, j, 4));
}

static void adjacent_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Rope *p = ctx;
    int mix[64];
    LLVMValueRef v =
        l_load(ir, l_vec(ir->f32, 2 * lanes), l_index(ir, p->x, i, 8));
    LLVMValueRef a = l_pick(ir, v, 0, 2, lanes), b = l_pick(ir, v, 1, 2, lanes);
    turn(ir, p, i, &a, &b);
    for (int k = 0; k < 2 * lanes; k++)
        mix[k] = k / 2 + k % 2 * lanes;
    v = lanes == 1 ? l_concat(ir, a, b) : l_shuffle(ir, a, b, mix, 2 * lanes);
    l_store(ir, v, l_index(ir, p->y, i, 8));
}

static Rope rope_angles(Rows *r, const Node *node)
{
    Ir *ir = r->ir;
    int64_t dims = node->attr[ATTR_rope_dims].i;
    Value pos = rows_value(r, node->arg[1]);
    LLVMValueRef p = l_load(ir, ir->i32, rows_at(r, &pos));
    Rope rope = {.half = dims / 2};
    rope.position = LLVMBuildSIToFP(ir->b, p, ir->f64, "position");
    rope.freq = rope_table(ir, dims, node->attr[ATTR_rope_theta].f,
                           node->attr[ATTR_rope_stretch].f);
    if (node->n_args == 3) {
        Value f = rows_value(r, node->arg[2]);
        rope.factor = rows_at(r, &f);
        rope.factor_type = f.type;
    }
    rope.cos = emit_scratch_f32(r->e, dims / 2);
    rope.sin = emit_scratch_f32(r->e, dims / 2);
    l_lanes_for(ir, dims / 2, ir->lanes, angle_lanes, &rope);
    return rope;
}

void row_rope(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    const Node *node = row_node(r, n);
    int64_t dims = node->attr[ATTR_rope_dims].i;
    bool half = node->attr[ATTR_rope_pairing].i == ROPE_HALF;
    Rope rope = rope_angles(r, node);
    Last l = row_last_begin(r, n);
    rope.x = l.x;
    rope.y = l.y;
    l_lanes_for(ir, dims / 2, ir->lanes, half ? half_lanes : adjacent_lanes,
                &rope);
    Layout rest = layout_dense(l.d - dims);
    if (l.d > dims)
        rows_copy(r, &rest, l_at(ir, l.x, dims * 4), l_int(ir, 0), l.d - dims,
                  l_at(ir, l.y, dims * 4));
    row_last_end(&l);
}
