// sample_pick.cuh - the second launch of sample.cuh: the choice, by the list or the
// long way over all ids.
#pragma once
#include "sample_list.cuh"

// ---- over all ids

// Draws from what is left; sum[] holds the slices' sums.
DEVICE i32 draw_of_all(const Pick &p, const Kept &kept, u64 all)
{
    PickRoom *room = p.room;
    u64 at = multiply_high(sample_uniform(p.s->seed, p.s->position) << 11, all);
    u64 base = 0, part;
    for (int from = 0; from < p.slices; from += SAMPLE_PICK) {
        int i = from + thread();
        u64 x = i < p.slices ? p.sum[i] : 0;
        u64 before = base + pick_before(room, x, &part);
        if (at >= before && at - before < x) {
            room->digit = (u32)i;
            room->found[0] = at - before;
        }
        base += part;
    }
    sync_pick();
    int slice = (int)room->digit;
    u64 left = room->found[0], upto = 0, last = p.largest[slice], hit = 0;
    UNROLL for (int j = 0; j < SAMPLE_SLICE / 32; j++) {
        i32 id = slice * SAMPLE_SLICE + 32 * j + lane();
        u64 r = rank_at(p.logits, *p.s, id), x = kept_share(kept, r);
        u64 sum = warp_upto_u64(x) + upto;
        u32 some = warp_ballot(x > 0), over = warp_ballot(x > 0 && sum > left);
        u32 which = over ? over & -over : some;
        u64 r_which = shuffle_u64(r, 31 - leading_zeros(which | 1));
        last = which && !hit ? r_which : last;
        hit |= over;
        upto = shuffle_u64(sum, 31);
    }
    return ranked_id(last);
}

// The bins of a pass of select_bound, largest digit first, two a thread: the
// digit at which the weights reach the target, or the smallest that is there.
DEVICE u32 find_digit(PickRoom *room, double target, u64 *above)
{
    u64 x[2], all, before;
    u32 digit[2];
    UNROLL for (int j = 0; j < 2; j++) {
        digit[j] = (u32)(SAMPLE_LIST - 1 - 2 * thread() - j);
        x[j] = room->list[digit[j]];
    }
    before = *above + pick_before(room, x[0] + x[1], &all);
    u64 lowest = 0; // the most thread that has anything
    UNROLL for (int j = 0; j < 2; j++)
        if (room->share[digit[j]])
            lowest = (u64)(SAMPLE_LIST - digit[j]);
    lowest = pick_max(room, lowest);
    bool reached = (double)(*above + all) >= target;
    UNROLL for (int j = 0; j < 2; j++) {
        u64 upto = before + x[j];
        bool here = reached ? (double)before < target && (double)upto >= target
                            : digit[j] == SAMPLE_LIST - (u32)lowest;
        if (here) {
            room->digit = digit[j];
            room->found[0] = before;
        }
        before = upto;
    }
    sync_pick();
    *above = room->found[0];
    return room->digit;
}

// The least of those kept, if so many of the most likely stay that their
// weights, 1 each or their shares, reach the target > 0.
DEVICE u64 select_bound(const Pick &p, const Kept &kept, bool shares, double target)
{
    PickRoom *room = p.room;
    const int shift[] = {53, 42, 32, 10, 0};
    const u32 last[] = {2047, 2047, 1023, 1023, 1023};
    u64 above = 0, prefix = 0, fixed = 0;
    NO_UNROLL for (int pass = 0; pass < 5; pass++) {
        sync_pick();
        for (int i = thread(); i < SAMPLE_LIST; i += SAMPLE_PICK)
            room->list[i] = room->share[i] = 0;
        sync_pick();
        for (int id = thread(); id < p.s->vocab; id += SAMPLE_PICK) {
            u64 r = rank_at(p.logits, *p.s, id);
            if (r < kept.bound || (r & fixed) != prefix)
                continue;
            u32 digit = (u32)(r >> shift[pass]) & last[pass];
            add_u64(&room->list[digit], shares ? kept_share(kept, r) : 1);
            room->share[digit] = 1;
        }
        sync_pick();
        prefix |= (u64)find_digit(room, target, &above) << shift[pass];
        fixed |= (u64)last[pass] << shift[pass];
    }
    return prefix | 0xfff00000u; // ids are below 2^20, the bits of ~id above are 1
}

// Each slice's sum of what is left, to sum[]; returns all.
DEVICE u64 sum_all(const Pick &p, const Kept &kept)
{
    u64 mine = 0, all;
    for (int i = warp(); i < p.slices; i += SAMPLE_PICK / 32) {
        u64 x = 0;
        UNROLL for (int j = 0; j < SAMPLE_SLICE / 32; j++)
            x += kept_share(kept, rank_at(p.logits, *p.s,
                                          i * SAMPLE_SLICE + 32 * j + lane()));
        x = warp_sum_u64(x);
        if (lane() == 0)
            p.sum[i] = x;
        mine += lane() == 0 ? x : 0;
    }
    pick_before(p.room, mine, &all); // its barriers order sum[], too
    return all;
}

// Applies the filters; returns the sum of what is left.
DEVICE u64 filter_all(const Pick &p, Kept &kept)
{
    const Sample &s = *p.s;
    if (s.top_k) {
        int valid = 0;
        for (int id = thread(); id < s.vocab; id += SAMPLE_PICK)
            valid += rank_at(p.logits, s, id) != 0;
        if (s.top_k < (i64)pick_count(p.room, valid))
            kept.bound = select_bound(p, kept, false, (double)s.top_k);
    }
    if (s.top_p < 1) {
        double target = s.top_p * (double)sum_all(p, kept);
        kept.bound = select_bound(p, kept, true, target);
    }
    kept.min_p = (float)s.min_p;
    return sum_all(p, kept);
}

// ---- the choice

// By a short list first, then by a long one; -1: by none.
DEVICE i32 pick_of_lists(const Pick &p, u64 all)
{
    const Sample &s = *p.s;
    const u32 longest = SAMPLE_LIST / 2;
    u32 wanted = s.top_k ? (u32)least(s.top_k, (i64)longest + 1) : 64;
    NO_UNROLL for (; wanted <= longest; wanted *= 8) {
        u32 n_slices, key = find_key(p, wanted, &n_slices);
        int n = make_list(p, key, n_slices);
        if (n > SAMPLE_LIST)
            break;
        i32 id = pick_of_list(p, n, key == SAMPLE_MASKED + 1, all);
        if (id >= 0)
            return id;
    }
    return -1;
}

DEVICE i32 pick_one(const Pick &p)
{
    const Sample &s = *p.s;
    bool filters = s.top_k || s.top_p < 1 || s.min_p > 0;
    u64 all = sample_sums(s) ? sum_of_slices(p) : 0;
    i32 id = filters ? pick_of_lists(p, all) : -1;
    if (id >= 0)
        return id;
    Kept kept = {SAMPLE_LEAST, ranked_logit(p.best), sample_heat(s), 0};
    if (filters)
        all = filter_all(p, kept);
    sync_pick();
    return draw_of_all(p, kept, all);
}

DEVICE void remember_token(Sample &s, i32 id)
{
    i64 at = s.ring ? s.history % s.window : 0;
    if (!s.count)
        return;
    if (s.ring && s.history >= s.window) {
        i32 old = s.ring[at];
        if (old >= 0 && old < s.vocab)
            s.count[old]--;
    }
    if (s.ring)
        s.ring[at] = id;
    s.count[id]++;
    s.history++;
}

// For the next step, the next choice and the host.  error: 0, or what the
// logits are: 1 NaN at id, 2 all -Inf, 3 all banned, 4 +Inf at id.  A step of n
// tokens has ended.
DEVICE void tell_choice(Sample &s, i32 id, u32 error, i32 n)
{
    i32 next = error ? 0 : id;
    s.out[s.chosen % SAMPLE_OUT] = (u64)error << 32 | (u32)id;
    s.chosen++;
    if (s.tokens) {
        i64 past = s.step->past + n;
        s.step->past = past;
        *s.tokens = next;
        if (s.positions)
            *s.positions = (i32)past;
        if (s.rows)
            *s.rows = 0;
    }
    s.next = next;
    s.position++;
    if (!error)
        remember_token(s, id);
}

DEVICE void sample_pick(const Call<2> &call, u8 *shared)
{
    stage_begin();
    Sample &s = *(Sample *)call.arg[1];
    u64 *largest = (u64 *)call.scratch;
    int slices = sample_slices(s);
    Pick p = {(const float *)call.arg[0], &s, largest, largest + slices, slices, 0,
              (PickRoom *)shared};
    for (int i = thread(); i < slices; i += SAMPLE_PICK)
        p.best = largest[i] > p.best ? largest[i] : p.best;
    p.best = pick_max(p.room, p.best);
    u32 key = ranked_key(p.best);
    u32 error = !p.best ? 2 : key == SAMPLE_MASKED ? 3 : 0;
    i32 id = ranked_id(p.best);
    if (key == SAMPLE_BAD)
        error = isnan(p.logits[id]) ? 1 : 4;
    if (!error && s.temperature > 0)
        id = pick_one(p);
    sync_pick();
    if (thread() == 0)
        tell_choice(s, id, error, call.tokens);
}
