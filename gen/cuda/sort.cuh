// sort.cuh - the pairs (token, slot) of a step by the expert they chose, for
// products of many tokens: one block counts, adds up and places.
#pragma once
#include "common.cuh"

CONSTANT int SORT_THREADS = 1024;

// In scratch, i32 each: the number of pieces (and three unused), pair[pairs]
// sorted, then of each piece of up to COLS pairs of one expert {expert, first,
// count}.
struct SortPlace {
    i32 *pair, *piece, *n_pieces;
};

DEVICE SortPlace sort_place(u8 *scratch, i64 pairs)
{
    i32 *p = (i32 *)scratch;
    return {p + 4, p + 4 + pairs, p};
}

// The sum of what threads below this one hold; *all: of all threads.
DEVICE int sort_before(int x, i32 *room, int *all)
{
    int sum = x;
    UNROLL for (int d = 1; d < 32; d *= 2) {
        int other = (int)shuffle((u32)sum, lane() >= d ? lane() - d : lane());
        sum += lane() >= d ? other : 0;
    }
    if (lane() == 31)
        room[warp()] = sum;
    sync_threads(0, SORT_THREADS);
    int base = 0, total = 0;
    NO_UNROLL for (int w = 0; w < SORT_THREADS / 32; w++) {
        base += w < warp() ? room[w] : 0;
        total += room[w];
    }
    sync_threads(0, SORT_THREADS);
    *all = total;
    return base + sum - x;
}

// shared: experts + 32 words.  EXPERTS may exceed the threads.
template <int EXPERTS, int COLS>
DEVICE void sort_pairs(const SortPlace &to, const i32 *ids, i64 pairs, u8 *shared)
{
    u32 *count = (u32 *)shared;
    i32 *room = (i32 *)(count + EXPERTS);
    for (int e = thread(); e < EXPERTS; e += SORT_THREADS)
        count[e] = 0;
    sync_threads(0, SORT_THREADS);
    for (i64 i = thread(); i < pairs; i += SORT_THREADS)
        add_u32(&count[ids[i]], 1);
    sync_threads(0, SORT_THREADS);
    int pairs_before = 0, pieces_before = 0;
    for (int from = 0; from < EXPERTS; from += SORT_THREADS) {
        int e = from + thread(), n = e < EXPERTS ? (int)count[e] : 0;
        int pieces = (int)ceil_div(n, COLS), all_pairs, all_pieces;
        int first = pairs_before + sort_before(n, room, &all_pairs);
        int piece = pieces_before + sort_before(pieces, room, &all_pieces);
        for (int i = 0; i < pieces; i++) {
            i32 *p = to.piece + 3 * (piece + i);
            p[0] = e;
            p[1] = first + i * COLS;
            p[2] = least(n - i * COLS, COLS);
        }
        if (e < EXPERTS)
            count[e] = (u32)first;
        pairs_before += all_pairs;
        pieces_before += all_pieces;
    }
    sync_threads(0, SORT_THREADS);
    for (i64 i = thread(); i < pairs; i += SORT_THREADS)
        to.pair[add_u32(&count[ids[i]], 1)] = (i32)i;
    if (thread() == 0)
        *to.n_pieces = pieces_before;
}
