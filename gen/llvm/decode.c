#include "gen/llvm/decode.h"

static const Decoder *const decoders[BT_COUNT] = {
#undef DECODE_QUANT
#define DECODE_QUANT(name) [BT_##name] = &decoder_##name,
#define BLOCK(name, id, elems, bytes, kind) DECODE_##kind(name)
#include "base/blocks.def"
#undef BLOCK
};

const Decoder *decode_of(BlockType t)
{
    static const Decoder none = {0};
    return decoders[t] ? decoders[t] : &none;
}

Head decode_head(Ir *ir, BlockType t, LLVMValueRef p, bool wide)
{
    Head h = {.p = p, .wide = wide};
    if (decoders[t]->d_at >= 0)
        h.d = decode_half(ir, p, decoders[t]->d_at);
    if (decoders[t]->head)
        decoders[t]->head(ir, &h);
    return h;
}

/* Two scalars, each for one half of 32 lanes. */
static LLVMValueRef halves(Ir *ir, const LLVMValueRef v[2])
{
    if (v[0] == v[1])
        return l_splat(ir, v[0], 32);
    return l_concat(ir, l_splat(ir, v[0], 16), l_splat(ir, v[1], 16));
}

LLVMValueRef decode_codes(Ir *ir, const Group *g)
{
    LLVMTypeRef i32s = l_vec(ir->i32, 32);
    bool wide = l_type(g->code) == i32s;
    return l_to_f32(ir, wide ? g->code : l_sext(ir, g->code, ir->i32));
}

LLVMValueRef decode_values(Ir *ir, const Group *g)
{
    LLVMValueRef y = l_fmul(ir, halves(ir, g->scale), decode_codes(ir, g));
    return g->min[0] ? l_fsub(ir, y, halves(ir, g->min)) : y;
}

/* ---- for the type files ---- */

Group decode_group(LLVMValueRef code, LLVMValueRef scale)
{
    return (Group){code, {scale, scale}, {NULL, NULL}};
}

LLVMValueRef decode_bytes(Ir *ir, LLVMValueRef p, int offset, int n)
{
    return l_load(ir, l_vec(ir->i8, n), l_at(ir, p, offset));
}

LLVMValueRef decode_fields(Ir *ir, const Head *h, int offset, int n)
{
    LLVMValueRef v = decode_bytes(ir, h->p, offset, n);
    return h->wide ? l_zext(ir, v, ir->i32) : v;
}

LLVMValueRef decode_u8(Ir *ir, LLVMValueRef p, int offset)
{
    return l_zext(ir, l_load(ir, ir->i8, l_at(ir, p, offset)), ir->i32);
}

LLVMValueRef decode_u16(Ir *ir, LLVMValueRef p, int offset)
{
    return l_zext(ir, l_load(ir, ir->i16, l_at(ir, p, offset)), ir->i32);
}

LLVMValueRef decode_u32(Ir *ir, LLVMValueRef p, int offset)
{
    return l_load(ir, ir->i32, l_at(ir, p, offset));
}

LLVMValueRef decode_half(Ir *ir, LLVMValueRef p, int offset)
{
    return l_load_f32(ir, BT_f16, l_at(ir, p, offset), 1);
}

LLVMValueRef decode_half_bits(Ir *ir, LLVMValueRef bits)
{
    LLVMValueRef at = l_var(ir, ir->i16, "half");
    l_store(ir, bits, at);
    return l_load_f32(ir, BT_f16, at, 1);
}

LLVMValueRef decode_nibbles(Ir *ir, LLVMValueRef qs)
{
    return l_concat(ir, l_andi(ir, qs, 15), l_shri(ir, qs, 4));
}

LLVMValueRef decode_mask(Ir *ir, LLVMValueRef word)
{
    int from[32];
    int64_t bit[32];
    for (int i = 0; i < 32; i++) {
        from[i] = i / 8;
        bit[i] = 1 << i % 8;
    }
    LLVMValueRef v = l_bits(ir, word, l_vec(ir->i8, 4)), mask;
    mask = l_const_vec(ir->i8, bit, 32);
    v = l_and(ir, l_shuffle(ir, v, NULL, from, 32), mask);
    return l_icmp(ir, LLVMIntNE, v, l_int_like(v, 0));
}

/* The byte shuffle of 16 lanes, or of 16 and 16. */
static LLVMValueRef shuffle_bytes(Ir *ir, LLVMValueRef table, LLVMValueRef i)
{
    LLVMValueRef args[] = {table, i};
    const char *name = l_lanes(i) == 16 ? "llvm.x86.ssse3.pshuf.b.128"
                                        : "llvm.x86.avx2.pshuf.b";
    return l_intrinsic(ir, name, NULL, args, 2);
}

LLVMValueRef decode_lookup(Ir *ir, const int8_t *table, LLVMValueRef index)
{
    int64_t v[32];
    for (int i = 0; i < 32; i++)
        v[i] = table[i % 16];
    if (ir->lanes >= 8)
        return shuffle_bytes(ir, l_const_vec(ir->i8, v, 32), index);
    LLVMValueRef t = l_const_vec(ir->i8, v, 16);
    return l_concat(ir, shuffle_bytes(ir, t, l_pick(ir, index, 0, 1, 16)),
                    shuffle_bytes(ir, t, l_pick(ir, index, 16, 1, 16)));
}

LLVMValueRef decode_times(Ir *ir, LLVMValueRef d, LLVMValueRef i)
{
    return l_fmul(ir, d, l_to_f32(ir, i));
}
