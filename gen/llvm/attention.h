/* attention.h - between the two ways of attention: emit_attention.c for few
 * tokens, attention_block.c for many. */
#ifndef GEN_LLVM_ATTENTION_H
#define GEN_LLVM_ATTENTION_H

#include "gen/llvm/rows.h"

/* A state as the loops see it: rows of heads, of which one group is read. */
typedef struct {
    LLVMValueRef base; /* of row 0, this group */
    BlockType state;   /* as stored */
    int64_t row_bytes; /* as stored */
} KvRows;

/* State argument `arg` of an attention node, for one group of heads. */
KvRows attention_rows(Emit *e, const Node *n, int arg, LLVMValueRef group);

/* y *= factor and y += factor * x, of n floats; factor is a scalar. */
void attention_scale(Ir *ir, LLVMValueRef y, int64_t n, LLVMValueRef factor);
void attention_add(Ir *ir, LLVMValueRef y, int64_t n, LLVMValueRef factor,
                   LLVMValueRef x);

/* Can many tokens be attended to together, and from how many on? */
enum { ATTENTION_MANY = 8 };
bool attention_blocks(const Node *n);
/* The same items as the other way, for ATTENTION_MANY tokens and more: `heads`
 * query heads of a group at a time; r computes what follows node n. */
void attention_block(Emit *e, Rows *r, Ref n, int heads);

#endif
