/* kernels.h - what kernels hold: functions made by kernel_cut.h.
 *
 * What a back end must be able to compile: kernels of the classes below.  The
 * fuse pass makes no others, kernel_verify() holds it to that.
 *
 *   row        ROW, EW and VIEW nodes.  All symbolic values share their leading
 *              symbol (T or R), one work item is one row: everything for row t
 *              is computed from row t of the parameters.  embed, rows and
 *              append address whole rows of parameters instead.  Values without
 *              a symbol (weights, constants) broadcast.
 *   matmul     one or more matmul nodes reading the same parameter x ([T,K] or
 *              [R,K], f32, q8a or q16a), each weight a parameter, packed or
 *              not, then EW nodes whose values are [T,N] like the products
 *              they (indirectly) read; other operands are parameters [T,N],
 *              [N], [1], [T,1] or scalars.  Products with different N are
 *              independent columns.  x may be a view whose rows lie at one
 *              stride.
 *   experts    the same for matmul_experts (one shared x and ids), values
 *              [T,k,N]; other operands [T,k,N], [T,k,1], [N], [1],
 *              scalars.
 *              With --fuse=layer (GPUs only), of matmul and experts: before the
 *              products rmsnorm over whole rows, then quantize, of a parameter,
 *              read by the products alone, or the norm
 *              by them and a quantize that is a result; among the elementwise nodes combine
 *              of two parameters; operands that are parts of rows; beside the
 *              products of experts those of matmul with the same x, or with any
 *              one x of their own if combine reads the product of experts; after
 *              the products of matmul, where topk chooses from them, ROW and EW
 *              nodes on the same rows, which read these, each other and
 *              weights.
 *   attention  one attention node, then EW nodes on [T,H,d] (or reshaped to
 *              [T,H*d]) with parameters of that shape or scalars.  With
 *              --fuse=layer also one quantize of such a value, d % 32 == 0.
 *   conv       one causal_conv1d, then EW nodes on [T,C] with parameters of that
 *              shape, [C] or scalars.
 *   delta      one delta_rule, then (rule delta_norm) ROW and EW nodes on
 *              [T,Hv,dv], each row of dv from that head alone: rmsnorm with a
 *              [dv] weight, EW with parameters [T,Hv,dv] or reshaped
 *              [T,Hv*dv], scalars.
 *              With --fuse=layer also one quantize of such a value, dv % 32 == 0;
 *              and before the rule, read by it alone: l2norm of the heads of q
 *              and k, then mul and div by constants; under all of q, k and v,
 *              as heads in one piece each, one conv kernel's last value. */
#ifndef COMPILER_KERNELS_H
#define COMPILER_KERNELS_H

#include "compiler/graph.h"

typedef enum {
    KERNEL_ROW, KERNEL_MATMUL, KERNEL_EXPERTS, KERNEL_ATTENTION, KERNEL_CONV,
    KERNEL_DELTA, KERNEL_CLASS_COUNT
} KernelClass;
extern const char *const kernel_class_name[KERNEL_CLASS_COUNT];

/* The class of a kernel function, decided by its one non-ROW op kind; experts if
 * other products stand beside them, delta if a convolution stands before it. */
KernelClass kernel_class(const Graph *kernel);
/* Of a kernel made of two. */
KernelClass kernel_class_of_both(KernelClass a, KernelClass b);
Err *kernel_verify(const Graph *kernel) MUST_USE;
/* A node of a prologue: a norm or rounding between a parameter and products. */
bool kernel_is_prologue(const Graph *kernel, Ref r);
/* A rounding of the norm that is the prologue: not for the products, but a result
 * for other kernels. */
bool kernel_is_left(const Graph *kernel, Ref r);
/* Does combine read the product of experts in the same kernel? */
bool kernel_combines(const Graph *kernel, Ref product);
/* Nodes of a choice that follows products, by node, in the graph's arena; NULL:
 * there is none. */
const bool *kernel_choice(const Graph *kernel);
/* May such a choice hold the operation? */
bool kernel_chooses_by(Op op);
/* Between heads and a delta rule that reads them: mul or div by a constant. */
bool kernel_is_factor(const Graph *g, Ref r);
/* The value under such factors and an l2norm below them: behind views, perhaps. */
Ref kernel_below_factors(const Graph *g, Ref r);
/* By node: does the delta rule read it through q, k or v?  NULL without such a
 * rule; in the graph's arena. */
const bool *kernel_before_rule(const Graph *kernel);
/* Only --fuse=layer makes such kernels: with prologues, combines, parts of rows,
 * or roundings behind attention and the delta rule. */
bool kernel_is_layered(const Graph *kernel);

#endif
