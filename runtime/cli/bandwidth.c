#include "runtime/cli/bandwidth.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

/* A pass is long against the clock and a thread's wake-up; threads take the
 * buffer in pieces, as they take the tiles of a matrix. */
enum { PASSES = 8, PASS_BYTES = 64 << 20, PIECE = 64 << 10 };

/* What every CPU of this kind loads at once; two loads a cycle outrun any
 * memory. */
typedef uint64_t Lanes __attribute__((vector_size(16)));

typedef struct {
    const Lanes *v;
    Lanes sum[POOL_MAX_THREADS]; /* so that no read can be left out */
} Reader;

/* Several sums, so that loads wait for no addition. */
static void read_pieces(void *ctx, int64_t begin, int64_t end, int thread)
{
    Reader *r = ctx;
    const int64_t each = PIECE / (int64_t)sizeof *r->v;
    const Lanes *stop = r->v + end * each;
    Lanes s0 = {0}, s1 = s0, s2 = s0, s3 = s0;
    for (const Lanes *p = r->v + begin * each; p < stop; p += 4) {
        s0 += p[0];
        s1 += p[1];
        s2 += p[2];
        s3 += p[3];
    }
    r->sum[thread] += s0 + s1 + s2 + s3;
}

static double time_pass(Pool *p, Reader *r, int64_t pieces, int64_t rounds)
{
    double start = clock_seconds();
    for (int64_t i = 0; i < rounds; i++)
        pool_run(p, read_pieces, r, pieces);
    return clock_seconds() - start;
}

double bandwidth_read(Pool *p, int64_t n)
{
    int64_t pieces = (n + PIECE - 1) / PIECE, bytes = pieces * PIECE;
    int64_t rounds = (PASS_BYTES + bytes - 1) / (bytes ? bytes : 1);
    Reader *r = aligned_alloc(sizeof *r->sum, sizeof *r);
    Lanes *v = aligned_alloc(PIECE, (size_t)bytes);
    double best = 0;
    if (!r)
        memory_out(sizeof *r);
    if (v && bytes > 0) {
        memset(v, 1, (size_t)bytes);
        memset(r, 0, sizeof *r);
        r->v = v;
        for (int i = 0; i < PASSES; i++) {
            double s = time_pass(p, r, pieces, rounds);
            double rate = (double)(bytes * rounds) / s;
            best = rate > best ? rate : best;
        }
    }
    free(v);
    free(r);
    return best;
}
