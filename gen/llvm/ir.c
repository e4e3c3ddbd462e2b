#include "gen/llvm/ir.h"

#include <string.h>

void ir_init(Ir *ir, Arena *a, const Cpu *cpu, const char *module)
{
    LLVMContextRef c = LLVMContextCreate();
    *ir = (Ir){.arena = a, .cpu = cpu, .lanes = cpu->lanes, .ctx = c};
    ir->mod = LLVMModuleCreateWithNameInContext(module, c);
    ir->b = LLVMCreateBuilderInContext(c);
    ir->none = LLVMVoidTypeInContext(c);
    ir->i1 = LLVMInt1TypeInContext(c);
    ir->i8 = LLVMInt8TypeInContext(c);
    ir->i16 = LLVMInt16TypeInContext(c);
    ir->i32 = LLVMInt32TypeInContext(c);
    ir->i64 = LLVMInt64TypeInContext(c);
    ir->f16 = LLVMHalfTypeInContext(c);
    ir->f32 = LLVMFloatTypeInContext(c);
    ir->f64 = LLVMDoubleTypeInContext(c);
    ir->ptr = LLVMPointerTypeInContext(c, 0);
}

void ir_fini(Ir *ir)
{
    LLVMDisposeBuilder(ir->b);
    LLVMDisposeModule(ir->mod);
    LLVMContextDispose(ir->ctx);
}

/* ---- functions ---- */

LLVMTypeRef l_fn_type(LLVMTypeRef ret, const LLVMTypeRef *params, int n)
{
    LLVMTypeRef copy[8];
    for (int i = 0; i < n; i++)
        copy[i] = params[i];
    return LLVMFunctionType(ret, copy, (unsigned)n, false);
}

IrPlace l_fn_begin(Ir *ir, LLVMValueRef fn)
{
    IrPlace back = {ir->fn, ir->entry_end, LLVMGetInsertBlock(ir->b)};
    LLVMBasicBlockRef entry, body;
    entry = LLVMAppendBasicBlockInContext(ir->ctx, fn, "entry");
    body = LLVMAppendBasicBlockInContext(ir->ctx, fn, "body");
    LLVMPositionBuilderAtEnd(ir->b, entry);
    ir->entry_end = LLVMBuildBr(ir->b, body);
    ir->fn = fn;
    LLVMPositionBuilderAtEnd(ir->b, body);
    return back;
}

void l_fn_end(Ir *ir, IrPlace back)
{
    ir->fn = back.fn;
    ir->entry_end = back.entry_end;
    if (back.at)
        LLVMPositionBuilderAtEnd(ir->b, back.at);
}

LLVMValueRef l_helper(Ir *ir, const char *name, const char *params,
                      bool *is_new)
{
    LLVMTypeRef type[8];
    int n = 0;
    LLVMValueRef fn = LLVMGetNamedFunction(ir->mod, name);
    *is_new = !fn;
    if (fn)
        return fn;
    for (; params[n]; n++)
        type[n] = params[n] == 'p' ? ir->ptr : ir->i64;
    fn = LLVMAddFunction(ir->mod, name, l_fn_type(ir->none, type, n));
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    unsigned kind = LLVMGetEnumAttributeKindForName("noinline", 8);
    LLVMAddAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(ir->ctx, kind, 0));
    return fn;
}

LLVMValueRef l_helper_end(Ir *ir, IrPlace back)
{
    LLVMValueRef fn = ir->fn;
    LLVMBuildRetVoid(ir->b);
    l_fn_end(ir, back);
    return fn;
}

LLVMValueRef l_call(Ir *ir, LLVMValueRef fn, LLVMValueRef *args, int n)
{
    return LLVMBuildCall2(ir->b, LLVMGlobalGetValueType(fn), fn, args,
                          (unsigned)n, "");
}

LLVMValueRef l_intrinsic(Ir *ir, const char *name, LLVMTypeRef over,
                         LLVMValueRef *args, int n)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef fn =
        LLVMGetIntrinsicDeclaration(ir->mod, id, &over, over ? 1 : 0);
    return l_call(ir, fn, args, n);
}

/* ---- types and constants ---- */

int l_lanes(LLVMValueRef v)
{
    LLVMTypeRef t = LLVMTypeOf(v);
    return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(t)
                                                    : 1;
}

LLVMValueRef l_int(const Ir *ir, int64_t v)
{
    return LLVMConstInt(ir->i64, (unsigned long long)v, true);
}

LLVMValueRef l_i32(const Ir *ir, int64_t v)
{
    return LLVMConstInt(ir->i32, (unsigned long long)v, true);
}

LLVMValueRef l_real(const Ir *ir, double v)
{
    return LLVMConstReal(ir->f32, v);
}

enum { MAX_LANES = 128 };

static LLVMValueRef const_splat(LLVMValueRef k, int lanes)
{
    LLVMValueRef v[MAX_LANES];
    if (lanes == 1)
        return k;
    for (int i = 0; i < lanes; i++)
        v[i] = k;
    return LLVMConstVector(v, (unsigned)lanes);
}

static LLVMTypeRef elem_type(LLVMValueRef x)
{
    LLVMTypeRef t = LLVMTypeOf(x);
    return l_lanes(x) == 1 ? t : LLVMGetElementType(t);
}

LLVMValueRef l_like(LLVMValueRef x, double v)
{
    return const_splat(LLVMConstReal(elem_type(x), v), l_lanes(x));
}

LLVMValueRef l_int_like(LLVMValueRef x, int64_t v)
{
    return const_splat(LLVMConstInt(elem_type(x), (unsigned long long)v, true),
                       l_lanes(x));
}

LLVMValueRef l_const_vec(LLVMTypeRef elem, const int64_t *v, int n)
{
    LLVMValueRef c[MAX_LANES];
    for (int i = 0; i < n; i++)
        c[i] = LLVMConstInt(elem, (unsigned long long)v[i], true);
    return LLVMConstVector(c, (unsigned)n);
}

LLVMValueRef l_table(Ir *ir, const char *name, LLVMTypeRef elem,
                     LLVMValueRef *v, int n)
{
    LLVMValueRef g = LLVMGetNamedGlobal(ir->mod, name);
    if (g)
        return g;
    LLVMTypeRef t = LLVMArrayType2(elem, (uint64_t)n);
    g = LLVMAddGlobal(ir->mod, t, name);
    LLVMSetInitializer(g, LLVMConstArray2(elem, v, (uint64_t)n));
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMInternalLinkage);
    LLVMSetAlignment(g, 64);
    return g;
}

/* ---- arithmetic ---- */

LLVMValueRef l_min(const Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    return l_select(ir, l_icmp(ir, LLVMIntSLT, a, b), a, b);
}

LLVMValueRef l_max(const Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    return l_select(ir, l_icmp(ir, LLVMIntSGT, a, b), a, b);
}

LLVMValueRef l_fmax(const Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    return l_select(ir, l_fcmp(ir, LLVMRealOGT, a, b), a, b);
}

LLVMValueRef l_fabs(Ir *ir, LLVMValueRef a)
{
    return l_intrinsic(ir, "llvm.fabs", l_type(a), &a, 1);
}

LLVMValueRef l_fma(Ir *ir, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c)
{
    if (!ir->cpu->fma)
        return l_fadd(ir, l_fmul(ir, a, b), c);
    LLVMValueRef args[] = {a, b, c};
    return l_intrinsic(ir, "llvm.fma", l_type(a), args, 3);
}

/* ---- lanes ---- */

LLVMValueRef l_shuffle(Ir *ir, LLVMValueRef a, LLVMValueRef b, const int *from,
                       int n)
{
    LLVMValueRef mask[MAX_LANES];
    for (int i = 0; i < n; i++)
        mask[i] = l_i32(ir, from[i]);
    if (!b)
        b = LLVMGetPoison(l_type(a));
    return LLVMBuildShuffleVector(ir->b, a, b,
                                  LLVMConstVector(mask, (unsigned)n), "");
}

LLVMValueRef l_splat(Ir *ir, LLVMValueRef scalar, int lanes)
{
    int zero[MAX_LANES] = {0};
    if (lanes == 1)
        return scalar;
    LLVMValueRef v = LLVMGetPoison(l_vec(l_type(scalar), lanes));
    v = LLVMBuildInsertElement(ir->b, v, scalar, l_i32(ir, 0), "");
    return l_shuffle(ir, v, NULL, zero, lanes);
}

LLVMValueRef l_lane(Ir *ir, LLVMValueRef v, int i)
{
    if (l_lanes(v) == 1)
        return v;
    return LLVMBuildExtractElement(ir->b, v, l_i32(ir, i), "");
}

LLVMValueRef l_pick(Ir *ir, LLVMValueRef a, int first, int step, int n)
{
    int from[MAX_LANES];
    if (n == 1)
        return l_lane(ir, a, first);
    for (int i = 0; i < n; i++)
        from[i] = first + i * step;
    return l_shuffle(ir, a, NULL, from, n);
}

LLVMValueRef l_concat(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    int from[MAX_LANES], n = 2 * l_lanes(a);
    if (n == 2) {
        LLVMValueRef v = LLVMGetPoison(l_vec(l_type(a), 2));
        v = LLVMBuildInsertElement(ir->b, v, a, l_i32(ir, 0), "");
        return LLVMBuildInsertElement(ir->b, v, b, l_i32(ir, 1), "");
    }
    for (int i = 0; i < n; i++)
        from[i] = i;
    return l_shuffle(ir, a, b, from, n);
}

LLVMValueRef l_pad(Ir *ir, LLVMValueRef v, int lanes, double with)
{
    int from[MAX_LANES], n = l_lanes(v);
    LLVMValueRef rest;
    if (n == lanes)
        return v;
    if (n == 1) {
        rest = l_like(LLVMGetUndef(l_vec(l_type(v), lanes)), with);
        return LLVMBuildInsertElement(ir->b, rest, v, l_i32(ir, 0), "");
    }
    for (int i = 0; i < lanes; i++)
        from[i] = i < n ? i : n;
    return l_shuffle(ir, v, l_like(v, with), from, lanes);
}

LLVMValueRef l_fold(Ir *ir, LLVMValueRef v, int lanes)
{
    int full = lanes;
    while (full < l_lanes(v))
        full *= 2;
    v = l_pad(ir, v, full, 0);
    for (int h = full / 2; h >= lanes; h /= 2)
        v = l_fadd(ir, l_pick(ir, v, 0, 1, h), l_pick(ir, v, h, 1, h));
    return v;
}

LLVMValueRef l_hsum(Ir *ir, LLVMValueRef v) { return l_fold(ir, v, 1); }

/* Sums of neighbours: two of a, then two of b. */
static LLVMValueRef add_pairs(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    static const int even[] = {0, 2, 4, 6}, odd[] = {1, 3, 5, 7};
    return l_fadd(ir, l_shuffle(ir, a, b, even, 4),
                  l_shuffle(ir, a, b, odd, 4));
}

LLVMValueRef l_hsum4(Ir *ir, const LLVMValueRef *v)
{
    LLVMValueRef q[4];
    for (int i = 0; i < 4; i++)
        q[i] = l_fold(ir, v[i], 4);
    return add_pairs(ir, add_pairs(ir, q[0], q[1]), add_pairs(ir, q[2], q[3]));
}

/* ---- memory ---- */

LLVMValueRef l_load(Ir *ir, LLVMTypeRef t, LLVMValueRef p)
{
    LLVMValueRef v = LLVMBuildLoad2(ir->b, t, p, "");
    LLVMSetAlignment(v, 1);
    return v;
}

void l_store(Ir *ir, LLVMValueRef v, LLVMValueRef p)
{
    LLVMSetAlignment(LLVMBuildStore(ir->b, v, p), 1);
}

LLVMValueRef l_at(Ir *ir, LLVMValueRef p, int64_t bytes)
{
    LLVMValueRef i = l_int(ir, bytes);
    return bytes ? LLVMBuildGEP2(ir->b, ir->i8, p, &i, 1, "") : p;
}

LLVMValueRef l_index(Ir *ir, LLVMValueRef p, LLVMValueRef i, int64_t bytes)
{
    if (LLVMIsAConstantInt(i))
        return l_at(ir, p, LLVMConstIntGetSExtValue(i) * bytes);
    i = bytes == 1 ? i : l_muli(ir, i, bytes);
    return LLVMBuildGEP2(ir->b, ir->i8, p, &i, 1, "");
}

LLVMValueRef l_elem(Ir *ir, LLVMValueRef p, BlockType t, LLVMValueRef i)
{
    const BlockInfo *info = &block_info[t];
    if (info->elems > 1)
        i = LLVMBuildExactSDiv(ir->b, i, l_int(ir, info->elems), "");
    return l_index(ir, p, i, info->bytes);
}

LLVMValueRef l_pointer_at(Ir *ir, LLVMValueRef list, int i)
{
    return l_load(ir, ir->ptr, l_at(ir, list, 8 * i));
}

LLVMValueRef l_f32_at(Ir *ir, LLVMValueRef p, LLVMValueRef i, int lanes)
{
    return l_load(ir, l_vec(ir->f32, lanes), l_index(ir, p, i, 4));
}

/* Half to float in integers: shift into place, rescale, mend the exponent of
 * infinities and NaN. */
static LLVMValueRef half_bits_to_f32(Ir *ir, LLVMValueRef h)
{
    LLVMValueRef u = l_zext(ir, h, ir->i32), mag, big, v;
    LLVMTypeRef f = l_vec(ir->f32, l_lanes(h));
    mag = l_shli(ir, l_andi(ir, u, 0x7fff), 13);
    v = l_fmulc(ir, l_bits(ir, mag, f), 0x1p112);
    big = l_icmp(ir, LLVMIntUGE, mag, l_int_like(mag, 0x7c00 << 13));
    v = l_bits(ir, v, l_type(mag));
    v = l_or(
        ir, v,
        l_select(ir, big, l_int_like(mag, 0x7f800000), l_int_like(mag, 0)));
    return l_bits(ir, l_or(ir, v, l_shli(ir, l_andi(ir, u, 0x8000), 16)), f);
}

LLVMValueRef l_load_f32(Ir *ir, BlockType t, LLVMValueRef p, int lanes)
{
    LLVMTypeRef f = l_vec(ir->f32, lanes);
    LLVMValueRef v;
    if (t == BT_f16 && ir->cpu->f16c)
        return LLVMBuildFPExt(ir->b, l_load(ir, l_vec(ir->f16, lanes), p), f,
                              "");
    if (t == BT_f16)
        return half_bits_to_f32(ir, l_load(ir, l_vec(ir->i16, lanes), p));
    if (t == BT_i32)
        return l_to_f32(ir, l_load(ir, l_vec(ir->i32, lanes), p));
    if (t != BT_bf16)
        return l_load(ir, f, p);
    v = l_zext(ir, l_load(ir, l_vec(ir->i16, lanes), p), ir->i32);
    return l_bits(ir, l_shli(ir, v, 16), f);
}

/* Round to nearest even; a NaN stays one. */
static LLVMValueRef f32_to_bf16(Ir *ir, LLVMValueRef v)
{
    LLVMValueRef u = l_bits(ir, v, l_vec(ir->i32, l_lanes(v))), odd, r, nan;
    odd = l_andi(ir, l_shri(ir, u, 16), 1);
    r = l_shri(ir, l_add(ir, l_addi(ir, u, 0x7fff), odd), 16);
    nan = l_or(ir, l_shri(ir, u, 16), l_int_like(u, 0x40));
    r = l_select(ir, l_fcmp(ir, LLVMRealUNO, v, v), nan, r);
    return l_trunc(ir, r, ir->i16);
}

void l_store_f32(Ir *ir, BlockType t, LLVMValueRef v, LLVMValueRef p)
{
    if (t == BT_bf16)
        v = f32_to_bf16(ir, v);
    if (t == BT_f16)
        v = LLVMBuildFPTrunc(ir->b, v, l_vec(ir->f16, l_lanes(v)), "");
    l_store(ir, v, p);
}

void l_copy(Ir *ir, LLVMValueRef p, LLVMValueRef src, LLVMValueRef n)
{
    LLVMBuildMemCpy(ir->b, p, 1, src, 1, n);
}

void l_prefetch(Ir *ir, LLVMValueRef p)
{
    /* to read, keep in all caches, data */
    LLVMValueRef a[] = {p, l_i32(ir, 0), l_i32(ir, 3), l_i32(ir, 1)};
    l_intrinsic(ir, "llvm.prefetch", ir->ptr, a, 4);
}

LLVMValueRef l_var(Ir *ir, LLVMTypeRef t, const char *name)
{
    LLVMBasicBlockRef at = LLVMGetInsertBlock(ir->b);
    LLVMPositionBuilderBefore(ir->b, ir->entry_end);
    LLVMValueRef v = LLVMBuildAlloca(ir->b, t, name);
    LLVMSetAlignment(v, 64);
    LLVMPositionBuilderAtEnd(ir->b, at);
    return v;
}
