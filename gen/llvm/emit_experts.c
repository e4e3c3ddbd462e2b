/* emit_experts.c - products with matrices that each token chooses.
 *
 * A slot is one choice of one token: slot t*k + j has row t*k + j of the
 * result.  A work item is a tile of columns and a number s below k.  With one
 * token it is that token's slot s: only chosen matrices are touched.  With more
 * it is the experts s, s+k, s+2k, ..: each with all slots that chose it, so
 * that a matrix is decoded once for all of them.  The slots are sorted by
 * expert at the start of each call, TOKENS tokens at a time. */
#include "gen/llvm/part.h"

enum { TOKENS = 512 };

typedef struct {
    Parts *ps;
    Emit *e;
    Ir *ir;
    int64_t slots, experts; /* k, E */
    Rows all;               /* where values lie */
    Value ids;              /* i32 [T,k] */
    LLVMValueRef tokens, single;
    LLVMValueRef order; /* scratch i32: slots, sorted by expert */
    LLVMValueRef start; /* scratch i64 [E+1]: where an expert's slots begin */
} Experts;

/* The expert of a slot; wrong numbers stay inside the weights. */
static LLVMValueRef chosen(Experts *x, LLVMValueRef slot)
{
    Ir *ir = x->ir;
    LLVMValueRef k = l_int(ir, x->slots), row, at, id, ok;
    row = rows_at_row(&x->all, &x->ids, l_div(ir, slot, k));
    at = layout_offset(ir, &x->ids.lay, l_rem(ir, slot, k));
    id = l_load(ir, ir->i32, l_index(ir, row, at, 4));
    id = l_zext(ir, id, ir->i64);
    ok = l_icmp(ir, LLVMIntULT, id, l_int(ir, x->experts));
    return l_select(ir, ok, id, l_int(ir, x->experts - 1));
}

/* ---- counting sort ---- */

static LLVMValueRef start_of(Experts *x, LLVMValueRef expert)
{
    return l_index(x->ir, x->start, expert, 8);
}

static void add_to(Ir *ir, LLVMValueRef p, LLVMValueRef n)
{
    l_store(ir, l_add(ir, l_load(ir, ir->i64, p), n), p);
}

/* start[e + 1] = slots of expert e */
static void count_slots(Experts *x, LLVMValueRef from, LLVMValueRef to)
{
    Ir *ir = x->ir;
    Loop l = l_for(ir, "clear", l_int(ir, 0), l_int(ir, x->experts + 1), 1);
    l_store(ir, l_int(ir, 0), start_of(x, l.i));
    l_end(ir, &l);
    l = l_for(ir, "count", from, to, 1);
    add_to(ir, l_at(ir, start_of(x, chosen(x, l.i)), 8), l_int(ir, 1));
    l_end(ir, &l);
}

/* start[e] = slots of all experts before e */
static void sum_starts(Experts *x)
{
    Ir *ir = x->ir;
    Loop l = l_for(ir, "total", l_int(ir, 0), l_int(ir, x->experts), 1);
    LLVMValueRef p = start_of(x, l.i);
    add_to(ir, l_at(ir, p, 8), l_load(ir, ir->i64, p));
    l_end(ir, &l);
}

/* Puts each slot in place, which moves start[e] to the end of e; then moves
 * all starts back by one expert. */
static void place_slots(Experts *x, LLVMValueRef from, LLVMValueRef to)
{
    Ir *ir = x->ir;
    Loop l = l_for(ir, "place", from, to, 1);
    LLVMValueRef p = start_of(x, chosen(x, l.i)), at = l_load(ir, ir->i64, p);
    l_store(ir, l_trunc(ir, l.i, ir->i32), l_index(ir, x->order, at, 4));
    add_to(ir, p, l_int(ir, 1));
    l_end(ir, &l);
    l = l_for(ir, "back", l_int(ir, 0), l_int(ir, x->experts), 1);
    p = l_sub(ir, l_int(ir, x->experts), l.i);
    p = start_of(x, p);
    l_store(ir, l_load(ir, ir->i64, l_at(ir, p, -8)), p);
    l_end(ir, &l);
    l_store(ir, l_int(ir, 0), x->start);
}

/* Slots [from, to) by expert; of a single token as they are. */
static void sort_slots(Experts *x, LLVMValueRef from, LLVMValueRef to)
{
    Ir *ir = x->ir;
    Branch br = l_if(ir, "single", x->single);
    Loop l = l_for(ir, "slot", l_int(ir, 0), l_int(ir, x->slots), 1);
    l_store(ir, l_trunc(ir, l.i, ir->i32), l_index(ir, x->order, l.i, 4));
    l_end(ir, &l);
    l_else(ir, &br);
    count_slots(x, from, to);
    sum_starts(x);
    place_slots(x, from, to);
    l_endif(ir, &br);
}

/* ---- items ---- */

/* Column tiles [first, end) of one expert for the sorted slots [from, to): what
 * is prepared for a row serves all of them. */
static void expert_rows(Experts *x, Part *p, LLVMValueRef expert,
                        const LLVMValueRef tiles[2], LLVMValueRef from,
                        LLVMValueRef to)
{
    Ir *ir = x->ir;
    Product *left = &x->ps->left;
    Loop l = l_for(ir, "slots", from, to, PRODUCT_ROWS);
    left->list = x->order;
    left->first = l.i;
    left->count = l_min(ir, l_sub(ir, to, l.i), l_int(ir, PRODUCT_ROWS));
    product_rows_ready(left);
    Loop t = l_for(ir, "tile", tiles[0], tiles[1], 1);
    part_tile(x->ps, p, t.i, expert);
    l_end(ir, &t);
    l_end(ir, &l);
}

/* Tiles [first, end) of number s: of its slot, or of its experts. */
static void items(Experts *x, Part *p, LLVMValueRef s,
                  const LLVMValueRef tiles[2])
{
    Ir *ir = x->ir;
    LLVMValueRef mine = chosen(x, s), first, end, from, to;
    first = l_select(ir, x->single, mine, s);
    end = l_select(ir, x->single, l_addi(ir, mine, 1), l_int(ir, x->experts));
    Loop l = l_for(ir, "expert", first, end, x->slots);
    from = l_load(ir, ir->i64, start_of(x, l.i));
    to = l_load(ir, ir->i64, l_at(ir, start_of(x, l.i), 8));
    from = l_select(ir, x->single, s, from);
    to = l_select(ir, x->single, l_addi(ir, s, 1), to);
    expert_rows(x, p, l.i, tiles, from, to);
    l_end(ir, &l);
}

/* Items of a part, of which the first is number `offset`: those with one s
 * follow each other. */
static void items_of(Experts *x, Part *p, int64_t offset)
{
    Ir *ir = x->ir;
    LLVMValueRef from, to, each = l_int(ir, part_tiles(p)), last, start, tiles[2];
    from = l_max(ir, l_addi(ir, x->e->begin, -offset), l_int(ir, 0));
    to = l_min(ir, l_addi(ir, x->e->end, -offset),
               l_int(ir, part_tiles(p) * x->slots));
    /* none if from > to, which division would hide */
    to = l_max(ir, to, from);
    last = l_div(ir, l_addi(ir, to, part_tiles(p) - 1), each);
    last = l_select(ir, l_icmp(ir, LLVMIntEQ, from, to), l_int(ir, 0), last);
    Loop l = l_for(ir, "number", l_div(ir, from, each), last, 1);
    start = l_mul(ir, l.i, each);
    tiles[0] = l_max(ir, l_sub(ir, from, start), l_int(ir, 0));
    tiles[1] = l_min(ir, l_sub(ir, to, start), each);
    items(x, p, l.i, tiles);
    l_end(ir, &l);
}

static Experts experts_new(Emit *e)
{
    Experts x = {.ps = parts_new(e, KIND_EXPERTS), .e = e, .ir = e->ir};
    const Node *any = &e->g->node[x.ps->part[0].product[0]];
    const Type *ids = &e->g->node[any->arg[2]].type;
    x.slots = type_last(ids);
    x.experts = e->g->node[any->arg[1]].type.dim[2].k;
    bool *none = ARENA_ARRAY(e->ir->arena, bool, e->g->n_nodes + 1);
    x.all = rows_new(e, none, 0, 0);
    x.ids = rows_value(&x.all, any->arg[2]);
    x.tokens = emit_dim(e, ids->dim[0]);
    x.single = l_icmp(e->ir, LLVMIntEQ, x.tokens, l_int(e->ir, 1));
    x.order = emit_scratch(e, 4 * TOKENS * x.slots);
    x.start = emit_scratch(e, 8 * (x.experts + 1));
    if (e->g->node[any->arg[0]].type.rank == 2)
        x.ps->left.share = x.slots;
    return x;
}

void emit_experts_class(Emit *e)
{
    Ir *ir = e->ir;
    Experts x = experts_new(e);
    int64_t offset = 0;
    Loop l = l_for(ir, "tokens", l_int(ir, 0), x.tokens, TOKENS);
    LLVMValueRef end = l_min(ir, x.tokens, l_addi(ir, l.i, TOKENS));
    sort_slots(&x, l_muli(ir, l.i, x.slots), l_muli(ir, end, x.slots));
    for (int i = 0; i < x.ps->n; i++) {
        items_of(&x, &x.ps->part[i], offset);
        offset += part_tiles(&x.ps->part[i]) * x.slots;
    }
    l_end(ir, &l);
    e->items = dim_const(offset);
}
