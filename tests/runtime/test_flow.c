/* test_flow.c - the rule of the pipeline, with the order in which work ends
 * chosen at random: nothing breaks the rule, nothing gets stuck. */
#include <criterion/criterion.h>

#include "runtime/flow.h"

enum { MOST_STAGES = 7, MOST_CHUNKS = 12 };

static uint64_t draw(uint64_t *seed, uint64_t n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % n;
}

/* What the test itself knows of each piece of work. */
typedef enum { WAITING, BUSY, DONE } Progress;
typedef struct {
    Flow f;
    Progress at[MOST_STAGES][MOST_CHUNKS];
    int64_t taken;
    int n_busy, most_busy;
} World;

static bool is_done(const World *w, int s, int64_t c)
{
    return c < 0 || s < 0 || w->at[s][c] == DONE;
}

/* The sentences of flow.h, one by one. */
static void begin(World *w, FlowWork k)
{
    int last = w->f.n_stages - 1;
    cr_assert(k.stage >= 0 && k.stage <= last);
    cr_assert(k.chunk >= 0 && k.chunk < w->f.n_chunks);
    cr_assert_eq(w->at[k.stage][k.chunk], WAITING);
    cr_assert(is_done(w, k.stage, k.chunk - 1));
    cr_assert(is_done(w, k.stage - 1, k.chunk));
    if (k.stage < last)
        cr_assert(is_done(w, k.stage + 1, k.chunk - 2));
    else
        cr_assert_eq(w->taken, k.chunk);
    w->at[k.stage][k.chunk] = BUSY;
    w->most_busy = ++w->n_busy > w->most_busy ? w->n_busy : w->most_busy;
    cr_assert_leq(w->n_busy, w->f.lanes);
}

static void begin_all(World *w)
{
    FlowWork k;
    while (flow_next(&w->f, &k))
        begin(w, k);
}

/* Ends the work of the r-th stage that has some. */
static void end_one(World *w, uint64_t r)
{
    for (int s = 0; s < w->f.n_stages; s++)
        for (int64_t c = 0; c < w->f.n_chunks; c++)
            if (w->at[s][c] == BUSY && r-- == 0) {
                w->at[s][c] = DONE;
                w->n_busy--;
                flow_done(&w->f, s);
                return;
            }
    cr_assert_fail("nobody is busy");
}

/* Returns the most stages that were busy at once. */
static int run(int stages, int lanes, int64_t chunks, uint64_t seed)
{
    World w = {.taken = 0};
    flow_init(&w.f, stages, lanes, chunks);
    begin_all(&w);
    while (w.taken < chunks) {
        bool result = flow_has_result(&w.f);
        cr_assert(result || w.n_busy, "stuck: %d stages, %d lanes, %lld chunks",
                  stages, lanes, (long long)chunks);
        if (result && (!w.n_busy || draw(&seed, 2))) {
            flow_take(&w.f);
            w.taken++;
        } else {
            end_one(&w, draw(&seed, (uint64_t)w.n_busy));
        }
        begin_all(&w);
    }
    cr_assert_eq(w.n_busy, 0);
    for (int s = 0; s < stages; s++)
        for (int64_t c = 0; c < chunks; c++)
            cr_assert_eq(w.at[s][c], DONE);
    return w.most_busy;
}

Test(flow, any_order_of_ends)
{
    for (int stages = 1; stages <= MOST_STAGES; stages++)
        for (int lanes = 1; lanes <= stages; lanes++)
            for (int64_t chunks = 0; chunks <= MOST_CHUNKS; chunks++)
                for (uint64_t seed = 0; seed < 20; seed++)
                    run(stages, lanes, chunks, seed);
}

/* With work of equal length all stages are busy once the first chunk has
 * arrived at the last, and n chunks take n + stages - 1 beats. */
Test(flow, beats)
{
    for (int stages = 1; stages <= MOST_STAGES; stages++) {
        Flow f;
        FlowWork k;
        int beats = 0, work = 0, most = 0;
        flow_init(&f, stages, stages, MOST_CHUNKS);
        while (f.taken < MOST_CHUNKS) {
            bool busy[MOST_STAGES] = {false};
            int n = 0;
            for (; flow_next(&f, &k); n++)
                busy[k.stage] = true;
            for (int s = 0; s < stages; s++)
                if (busy[s])
                    flow_done(&f, s);
            if (flow_has_result(&f))
                flow_take(&f);
            most = n > most ? n : most;
            work += n;
            beats++;
        }
        cr_expect_eq(beats, MOST_CHUNKS + stages - 1);
        cr_expect_eq(work, MOST_CHUNKS * stages);
        cr_expect_eq(most, stages);
    }
}

/* The oldest chunk goes first, so few lanes finish chunks one after another
 * instead of beginning many. */
Test(flow, one_lane_is_in_order)
{
    Flow f;
    FlowWork k;
    flow_init(&f, 3, 1, 4);
    for (int64_t c = 0; c < 4; c++) {
        for (int s = 0; s < 3; s++) {
            cr_assert(flow_next(&f, &k));
            cr_expect_eq(k.stage, s);
            cr_expect_eq(k.chunk, c);
            cr_expect(!flow_next(&f, &k));
            flow_done(&f, s);
        }
        flow_take(&f);
    }
    cr_expect(!flow_next(&f, &k));
}
