/* attention.h - between the two ways of attention: emit_attention.c for few
 * tokens, attention_block.c for many. */
#ifndef GEN_LLVM_ATTENTION_H
#define GEN_LLVM_ATTENTION_H

#include "gen/llvm/rows.h"

/* A state as the loops see it: rows of d values of type t. */
typedef struct {
    LLVMValueRef base; /* of row 0, this group */
    BlockType state;   /* as stored */
    int64_t row_bytes; /* as stored */
} KvRows;

/* State argument `arg` of an attention node, for one group of heads. */
KvRows attention_rows(Emit *e, const Node *n, int arg, LLVMValueRef group);

/* Can many tokens be attended to together, and from how many on? */
enum { ATTENTION_MANY = 8 };
bool attention_blocks(const Node *n);
/* The same items as the other way, for ATTENTION_MANY tokens and more: `heads`
 * query heads of a group at a time; r computes what follows node n. */
void attention_block(Emit *e, Rows *r, Ref n, int heads);

#endif
