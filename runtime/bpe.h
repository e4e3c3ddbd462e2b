/* bpe.h - merges byte pairs by rank.
 *
 * The ids of a piece's bytes stand in a row; the neighbours whose merge has
 * the lowest rank (leftmost on a tie) become one, until no neighbours merge.
 * A heap of candidates makes that O(n log n) for any piece. */
#ifndef RUNTIME_BPE_H
#define RUNTIME_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

typedef struct {
    int32_t left, right, result;
} BpeMerge;

/* Rows in rank order and an index by (left, right).  Arena memory. */
typedef struct {
    BpeMerge *merge;
    uint32_t n;
    uint32_t *slot; /* rank + 1; 0 = free */
    uint32_t mask;
} Bpe;

/* Scratch of one thread, grown to the largest piece: 28 bytes a byte. */
typedef struct {
    struct BpeNode *node;
    uint64_t *heap; /* inside heap_memory */
    void *heap_memory;
    size_t cap;
} BpeWork;

/* Room for n merges, n < 2^24. */
void bpe_init(Arena *a, Bpe *b, uint32_t n);
/* Adds the next rank.  A pair that already has a rank is refused, and so is a
 * table whose keys all collide (a file made to be slow). */
Err *bpe_add(Bpe *b, BpeMerge m) MUST_USE;

/* The merged ids of `n` starting ids, compacted into id[0..result).
 * n < 2^31. */
Err *bpe_run(const Bpe *b, BpeWork *w, int32_t *id, size_t n,
             size_t *result) MUST_USE;
void bpe_work_free(BpeWork *w);

#endif
