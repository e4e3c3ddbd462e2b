/* Loops, branches and running sums. */
#include "gen/llvm/ir.h"

#include <math.h>
#include <stdio.h>

static LLVMBasicBlockRef new_block(const Ir *ir, const char *name,
                                   const char *part)
{
    char text[64];
    snprintf(text, sizeof text, "%s.%s", name, part);
    return LLVMAppendBasicBlockInContext(ir->ctx, ir->fn, text);
}

/* from < to <= from + step, all known */
static bool runs_once(LLVMValueRef from, LLVMValueRef to, int64_t step)
{
    if (!LLVMIsAConstantInt(from) || !LLVMIsAConstantInt(to))
        return false;
    int64_t n = LLVMConstIntGetSExtValue(to) - LLVMConstIntGetSExtValue(from);
    return n > 0 && n <= step;
}

Loop l_for(Ir *ir, const char *name, LLVMValueRef from, LLVMValueRef to,
           int64_t step)
{
    Loop l = {.i = from, .step = step};
    if (runs_once(from, to, step))
        return l;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(ir->b), body;
    l.head = new_block(ir, name, "head");
    body = new_block(ir, name, "body");
    l.exit = new_block(ir, name, "exit");
    LLVMBuildBr(ir->b, l.head);
    LLVMPositionBuilderAtEnd(ir->b, l.head);
    l.i = LLVMBuildPhi(ir->b, ir->i64, name);
    LLVMAddIncoming(l.i, &from, &before, 1);
    LLVMBuildCondBr(ir->b, l_icmp(ir, LLVMIntSLT, l.i, to), body, l.exit);
    LLVMPositionBuilderAtEnd(ir->b, body);
    return l;
}

void l_end(Ir *ir, Loop *l)
{
    if (!l->head)
        return;
    LLVMValueRef next = LLVMBuildNSWAdd(ir->b, l->i, l_int(ir, l->step), "");
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(ir->b);
    LLVMAddIncoming(l->i, &next, &latch, 1);
    LLVMBuildBr(ir->b, l->head);
    LLVMPositionBuilderAtEnd(ir->b, l->exit);
}

Branch l_if(Ir *ir, const char *name, LLVMValueRef cond)
{
    LLVMBasicBlockRef then = new_block(ir, name, "then");
    Branch br = {new_block(ir, name, "else"), new_block(ir, name, "done")};
    LLVMBuildCondBr(ir->b, cond, then, br.other);
    LLVMPositionBuilderAtEnd(ir->b, then);
    return br;
}

void l_else(Ir *ir, Branch *br)
{
    LLVMBuildBr(ir->b, br->done);
    LLVMPositionBuilderAtEnd(ir->b, br->other);
    br->other = NULL;
}

void l_endif(Ir *ir, Branch *br)
{
    if (br->other)
        l_else(ir, br);
    LLVMBuildBr(ir->b, br->done);
    LLVMPositionBuilderAtEnd(ir->b, br->done);
}

void l_lanes_for(Ir *ir, int64_t n, int width, LaneBody *body, void *ctx)
{
    int64_t full = n / width * width;
    if (full) {
        Loop l = l_for(ir, "lanes", l_int(ir, 0), l_int(ir, full), width);
        body(ir, ctx, l.i, width);
        l_end(ir, &l);
    }
    if (n > full)
        body(ir, ctx, l_int(ir, full), (int)(n - full));
}

void l_lanes_upto(Ir *ir, LLVMValueRef n, int width, LaneBody *body, void *ctx)
{
    LLVMValueRef full = l_sub(ir, n, l_rem(ir, n, l_int(ir, width)));
    Loop l = l_for(ir, "lanes", l_int(ir, 0), full, width);
    body(ir, ctx, l.i, width);
    l_end(ir, &l);
    if (width == 1)
        return;
    l = l_for(ir, "rest", full, n, 1);
    body(ir, ctx, l.i, 1);
    l_end(ir, &l);
}

/* ---- running sums ---- */

Acc l_acc(Ir *ir, int lanes, double start)
{
    LLVMTypeRef t = l_vec(ir->f32, lanes);
    Acc acc = {l_var(ir, t, "acc"), lanes};
    l_store(ir, l_like(LLVMGetUndef(t), start), acc.at);
    return acc;
}

LLVMValueRef l_acc_get(Ir *ir, const Acc *acc)
{
    return l_load(ir, l_vec(ir->f32, acc->lanes), acc->at);
}

void l_acc_add(Ir *ir, const Acc *acc, LLVMValueRef v)
{
    v = l_pad(ir, v, acc->lanes, 0);
    l_store(ir, l_fadd(ir, l_acc_get(ir, acc), v), acc->at);
}

void l_acc_fma(Ir *ir, const Acc *acc, LLVMValueRef a, LLVMValueRef b)
{
    a = l_pad(ir, a, acc->lanes, 0);
    b = l_pad(ir, b, acc->lanes, 0);
    l_store(ir, l_fma(ir, a, b, l_acc_get(ir, acc)), acc->at);
}

void l_acc_max(Ir *ir, const Acc *acc, LLVMValueRef v)
{
    v = l_pad(ir, v, acc->lanes, -HUGE_VAL);
    l_store(ir, l_fmax(ir, v, l_acc_get(ir, acc)), acc->at);
}

LLVMValueRef l_acc_sum(Ir *ir, const Acc *acc)
{
    return l_hsum(ir, l_acc_get(ir, acc));
}

LLVMValueRef l_acc_most(Ir *ir, const Acc *acc)
{
    LLVMValueRef v = l_acc_get(ir, acc), m = l_lane(ir, v, 0);
    for (int i = 1; i < acc->lanes; i++)
        m = l_fmax(ir, l_lane(ir, v, i), m);
    return m;
}
