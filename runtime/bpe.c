#include "bpe.h"

#include <string.h>

#include "hash.h"

typedef struct BpeNode BpeNode;
struct BpeNode {
    int32_t id; /* DEAD once merged into its left neighbour */
    uint32_t prev, next;
};

enum { DEAD = -1 };
static const uint32_t none = UINT32_MAX;

/* ---- the table */

static uint32_t slot_of(int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    return (uint32_t)hash_mix(key);
}

void bpe_init(Arena *a, Bpe *b, uint32_t n)
{
    uint32_t cap = 16;
    while (cap < 2 * n)
        cap *= 2;
    *b = (Bpe){
        .merge = ARENA_ARRAY(a, BpeMerge, n),
        .slot = ARENA_ARRAY(a, uint32_t, cap),
        .mask = cap - 1,
    };
}

Err *bpe_add(Bpe *b, BpeMerge m)
{
    uint32_t at = slot_of(m.left, m.right);
    for (int probe = 0; probe < HASH_MAX_PROBES; probe++, at++) {
        uint32_t *slot = &b->slot[at & b->mask];
        if (!*slot) {
            b->merge[b->n] = m;
            *slot = ++b->n;
            return NULL;
        }
        const BpeMerge *o = &b->merge[*slot - 1];
        if (o->left == m.left && o->right == m.right)
            return err_new(ERR_INPUT, "the same pair as merge %u", *slot - 1);
    }
    return err_new(ERR_INPUT, "its pairs all fall into one hash bucket");
}

static uint32_t rank_of(const Bpe *b, int32_t left, int32_t right)
{
    for (uint32_t at = slot_of(left, right);; at++) {
        uint32_t slot = b->slot[at & b->mask];
        if (!slot)
            return none;
        const BpeMerge *m = &b->merge[slot - 1];
        if (m->left == left && m->right == right)
            return slot - 1;
    }
}

/* ---- the heap: rank in the high half, place in the low half of a key.
 * Eight children, all in one cache line: a piece of megabytes costs one miss
 * a level, and there are few levels. */

enum { KIDS = 8, LINE = 64 };

static void sift_down(uint64_t *heap, size_t n, uint64_t key)
{
    size_t i = 0;
    for (size_t kid; (kid = KIDS * i + 1) < n;) {
        size_t end = kid + KIDS < n ? kid + KIDS : n, best = kid;
        for (size_t k = kid + 1; k < end; k++)
            if (heap[k] < heap[best])
                best = k;
        if (heap[best] >= key)
            break;
        heap[i] = heap[best];
        i = best;
    }
    heap[i] = key;
}

static uint64_t heap_pop(uint64_t *heap, size_t *n)
{
    uint64_t top = heap[0];
    --*n;
    if (*n)
        sift_down(heap, *n, heap[*n]);
    return top;
}

static void heap_push(uint64_t *heap, size_t *n, uint64_t key)
{
    size_t i = (*n)++;
    for (size_t up; i && heap[up = (i - 1) / KIDS] > key; i = up)
        heap[i] = heap[up];
    heap[i] = key;
}

/* ---- merging */

static Err *work_reserve(BpeWork *w, size_t n)
{
    if (n <= w->cap)
        return NULL;
    size_t cap = n < 4096 ? 4096 : n + n / 4;
    bpe_work_free(w);
    w->node = malloc(cap * sizeof *w->node);
    /* n - 1 pairs to begin with; a merge takes one out and puts two in. */
    w->heap_memory = malloc(2 * cap * sizeof *w->heap + 2 * (size_t)LINE);
    if (!w->node || !w->heap_memory) {
        bpe_work_free(w);
        return err_new(ERR_LIMIT, "no memory to merge a piece of %zu bytes", n);
    }
    /* Entry 1, the first child, begins a line. */
    char *line = (char *)w->heap_memory + LINE;
    line -= (uintptr_t)line % LINE;
    w->heap = (uint64_t *)(void *)(line + LINE) - 1;
    w->cap = cap;
    return NULL;
}

static void offer(const Bpe *b, BpeWork *w, uint32_t at, size_t *heaped)
{
    const BpeNode *l = &w->node[at];
    if (l->next == none)
        return;
    uint32_t rank = rank_of(b, l->id, w->node[l->next].id);
    if (rank != none)
        heap_push(w->heap, heaped, (uint64_t)rank << 32 | at);
}

static void merge_at(const Bpe *b, BpeWork *w, uint64_t key, size_t *heaped)
{
    uint32_t at = (uint32_t)key;
    BpeNode *l = &w->node[at];
    const BpeMerge *m = &b->merge[key >> 32];
    if (l->id != m->left || l->next == none || w->node[l->next].id != m->right)
        return; /* one of the two has been merged since */
    BpeNode *r = &w->node[l->next];
    l->id = m->result;
    l->next = r->next;
    r->id = DEAD;
    if (l->next != none)
        w->node[l->next].prev = at;
    offer(b, w, at, heaped);
    if (l->prev != none)
        offer(b, w, l->prev, heaped);
}

Err *bpe_run(const Bpe *b, BpeWork *w, int32_t *id, size_t n, size_t *result)
{
    size_t heaped = 0, kept = 0;
    *result = n;
    if (n < 2)
        return NULL;
    TRY(work_reserve(w, n));
    for (size_t i = 0; i < n; i++)
        w->node[i] = (BpeNode){id[i], i ? (uint32_t)i - 1 : none,
                               i + 1 < n ? (uint32_t)i + 1 : none};
    for (size_t i = 0; i < n; i++)
        offer(b, w, (uint32_t)i, &heaped);
    while (heaped)
        merge_at(b, w, heap_pop(w->heap, &heaped), &heaped);
    for (uint32_t i = 0; i != none; i = w->node[i].next)
        id[kept++] = w->node[i].id;
    *result = kept;
    return NULL;
}

void bpe_work_free(BpeWork *w)
{
    free(w->node);
    free(w->heap_memory);
    *w = (BpeWork){0};
}
