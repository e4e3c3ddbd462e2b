/* emit_row.c - row kernels: parts, phases, what lies in shared memory, and how
 * blocks share the rows.
 *
 * A block has a row and, of it, one part or a piece of one.  So a single token
 * still fills many multiprocessors. */
#include "gen/cuda/emit_row.h"

#include <string.h>

enum {
    ROOM = 512,           /* of row.cuh's reductions */
    SHARED_MOST = 48 << 10,
    SMALL_BLOCK = 128,    /* threads, if no row needs a whole block */
    BLOCK = 256,
    LARGE_BLOCK = 1024,
    LARGE_ROW = 4096,     /* elements from which on a row takes such a block */
    WARP_MOST = 512,      /* elements that a warp takes */
    PIECE_MOST = 8,       /* warps of a block that take pieces */
    PARTS_MOST = 4096,    /* blocks of a row */
    FEW = 8,              /* rows up to which a thread has one element.. */
    ELEMENTS_EACH = 4,    /* ..then so many */
};

static bool is_made(const Emit *e, Ref r)
{
    const Node *n = emit_node(e, r);
    OpKind k = op_info(n->op)->kind;
    return r >= e->g->n_params && (k == KIND_ROW || k == KIND_EW);
}

int64_t row_size(const RowPart *p, Ref r)
{
    return emit_row_size(&emit_node(p->e, r)->type);
}

int64_t row_last(const RowPart *p, Ref r)
{
    const Type *t = &emit_node(p->e, r)->type;
    if (p->piece)
        return p->piece;
    return emit_lead(t) != SYM_ONE && t->rank == 1 ? 1 : type_last(t);
}

/* ---- parts: nodes that (indirectly) read each other ---- */

static void join(int *in, Ref n, int from, int to)
{
    for (Ref i = 0; i < n; i++)
        if (in[i] == from)
            in[i] = to;
}

/* Numbers of parts, 0 and up, by node; of the nodes in `only`, if it is given. */
static int find_parts(const Emit *e, const bool *only, int *in)
{
    int n = 0;
    for (Ref i = 0; i < e->g->n_nodes; i++) {
        const Node *node = emit_node(e, i);
        in[i] = is_made(e, i) && (!only || only[i]) ? (int)i : -1;
        for (int k = 0; in[i] >= 0 && k < node->n_args; k++) {
            Ref root = emit_root(e, node->arg[k]);
            if (in[root] >= 0)
                join(in, i, in[root], in[i]);
        }
    }
    for (Ref i = 0; i < e->g->n_nodes; i++)
        if (in[i] >= n)
            join(in, e->g->n_nodes, in[i], n++);
    return n;
}

/* ---- phases ---- */

/* Does element i of the node's row come from element i of the argument's root? */
static bool in_place(const RowPart *p, Ref n, Ref arg)
{
    int64_t size = row_size(p, n);
    while (row_size(p, arg) == size &&
           op_info(emit_node(p->e, arg)->op)->kind == KIND_VIEW)
        arg = emit_node(p->e, arg)->arg[0];
    return arg == emit_root(p->e, arg) && row_size(p, arg) == size;
}

/* May elementwise node n be computed where the phase makes its elements? */
static bool follows(const RowPart *p, Ref n, int phase)
{
    const Node *node = emit_node(p->e, n);
    if (!phase)
        return false;
    Ref leader = row_leader(p, phase);
    Op op = emit_node(p->e, leader)->op;
    if (op == OP_append || op == OP_quantize ||
        row_size(p, n) != row_size(p, leader) ||
        row_last(p, n) != row_last(p, leader))
        return false;
    for (int k = 0; k < node->n_args; k++) {
        Ref root = emit_root(p->e, node->arg[k]);
        if (row_has(p, root) && p->phase[root] == phase &&
            !in_place(p, n, node->arg[k]))
            return false;
    }
    return true;
}

static void find_phases(RowPart *p)
{
    for (Ref i = 0; i < p->e->g->n_nodes; i++) {
        const Node *n = emit_node(p->e, i);
        if (!row_has(p, i))
            continue;
        bool ew = op_info(n->op)->kind == KIND_EW;
        if (!ew || !follows(p, i, p->n_phases))
            p->n_phases++;
        p->phase[i] = p->n_phases;
        for (int k = 0; k < n->n_args; k++) {
            Ref root = emit_root(p->e, n->arg[k]);
            if (row_has(p, root) && p->phase[root] < p->phase[i])
                p->stored[root] = true;
        }
        p->size = row_size(p, i) > p->size ? row_size(p, i) : p->size;
    }
}

Ref row_leader(const RowPart *p, int phase)
{
    Ref i = 0;
    while (!row_has(p, i) || p->phase[i] != phase)
        i++;
    return i;
}

/* ---- who computes what ---- */

/* Is the argument cut into the part's pieces, too? */
static bool arg_in_pieces(const RowPart *p, Ref arg)
{
    for (;; arg = emit_node(p->e, arg)->arg[0]) {
        if (row_size(p, arg) != p->n * row_last(p, arg))
            return false;
        if (op_info(emit_node(p->e, arg)->op)->kind != KIND_VIEW)
            return true;
    }
}

static bool node_in_pieces(const RowPart *p, Ref i)
{
    const Node *n = emit_node(p->e, i);
    const Type *first = &emit_node(p->e, n->arg[0])->type;
    int elems = block_info[n->type.dtype].elems;
    if (row_size(p, i) != p->n * row_last(p, i) || n->op == OP_combine ||
        row_last(p, i) > WARP_MOST || row_last(p, i) % elems ||
        first->packing)
        return false;
    if (op_info(n->op)->kind == KIND_ROW && !row_is_pointwise(p, i) &&
        row_last(p, n->arg[0]) > WARP_MOST)
        return false;
    for (int k = 0; k < n->n_args; k++)
        if (row_has(p, emit_root(p->e, n->arg[k])) &&
            !arg_in_pieces(p, n->arg[k]))
            return false;
    return true;
}

/* All nodes cut into the same number of pieces. */
static bool in_pieces(RowPart *p)
{
    p->n = 0;
    for (Ref i = 0; i < p->e->g->n_nodes; i++) {
        if (!row_has(p, i))
            continue;
        if (!p->n)
            p->n = row_size(p, i) / row_last(p, i);
        if (!node_in_pieces(p, i))
            return false;
    }
    return p->n <= PARTS_MOST;
}

/* Blocks of a value that is only rounded know nothing of each other: they are
 * cut into pieces of the row, whatever its axes. */
static void cut_rounding(RowPart *p, Ref first)
{
    enum { PIECE = 128 };
    bool alone = p->n_phases == 1 && emit_node(p->e, first)->op == OP_quantize &&
                 row_size(p, first) % PIECE == 0;
    for (Ref i = 0; i < p->e->g->n_nodes; i++)
        alone = alone && (i == first || !row_has(p, i));
    p->piece = alone ? PIECE : 0;
}

static void choose_spread(RowPart *p)
{
    Ref first = row_leader(p, 1);
    cut_rounding(p, first);
    bool ew = op_info(emit_node(p->e, first)->op)->kind == KIND_EW;
    if (p->n_phases == 1 && (ew || row_is_pointwise(p, first)))
        p->spread = SPREAD_ELEMENTS;
    else
        p->spread = in_pieces(p) ? SPREAD_HEADS : SPREAD_ROW;
}

/* Threads of the kernel's blocks: one number for all parts. */
static int choose_threads(const RowPart *part, int n)
{
    int threads = SMALL_BLOCK;
    for (int i = 0; i < n; i++)
        if (part[i].spread == SPREAD_ROW) {
            int wanted = part[i].size >= LARGE_ROW ? LARGE_BLOCK : BLOCK;
            threads = wanted > threads ? wanted : threads;
        }
    return threads;
}

static int64_t at_least_1(int64_t n) { return n > 1 ? n : 1; }

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

static int warps_of(const RowPart *p)
{
    int n = p->threads / 32;
    return n < PIECE_MOST ? n : PIECE_MOST;
}

/* Blocks of one row. */
static int64_t blocks_of(const RowPart *p, bool few)
{
    if (p->spread == SPREAD_ROW)
        return 1;
    if (p->spread == SPREAD_HEADS)
        return ceil_div(p->n, warps_of(p));
    int64_t n = ceil_div(p->size, p->threads * (few ? 1 : ELEMENTS_EACH));
    return n < PARTS_MOST ? n : PARTS_MOST;
}

/* ---- memory of stored values ---- */

static int64_t align16(int64_t n) { return (n + 15) / 16 * 16; }

/* Where a stored value lies: shared memory while there is some, else scratch.
 * Elements count from the piece's first. */
static void put_place(RowPart *p, Ref r)
{
    Emit *e = p->e;
    bool heads = p->spread == SPREAD_HEADS;
    const Type *t = &emit_node(e, r)->type;
    const char *type = emit_type(t->dtype), *from;
    int64_t last = row_last(p, r), n = heads ? last : row_size(p, r);
    if (heads || p->bytes + 4 * n <= SHARED_MOST) {
        from = emit_format(e, "shared + %lld", (long long)p->bytes);
        p->bytes += align16(4 * n);
    } else {
        from = emit_scratch(e, 4 * n, emit_lead(t));
        from = emit_format(e, "%s + row * %lld", from,
                           (long long)(ceil_div(4 * n, 256) * 256));
    }
    e->stored[r] = emit_format(e, "s%u", r);
    emit_text(e, "    auto s%u = [&](int i) -> %s & {\n"
                 "        return ((%s *)(%s))[i - h * %lld];\n    };\n",
              r, type, type, from, heads ? (long long)last : 0);
}

/* ---- text ---- */

static bool has_topk(const RowPart *p)
{
    bool has = false;
    for (Ref i = 0; i < p->e->g->n_nodes; i++)
        has = has || (row_has(p, i) && emit_node(p->e, i)->op == OP_topk);
    return has;
}

static void put_part(RowPart *p)
{
    Emit *e = p->e;
    bool room = p->spread == SPREAD_ROW || has_topk(p);
    emit_text(e, "DEVICE void %s_part%d(const Call<%d> &call, u8 *shared, "
                 "i64 row, int h%s)\n{\n",
              e->name, p->number, e->n_args,
              p->spread == SPREAD_ELEMENTS ? ", int first, int stride" : "");
    if (p->spread != SPREAD_ELEMENTS)
        emit_text(e, "    Team<%d> team = {%s};\n",
                  p->spread == SPREAD_ROW ? p->threads : 32,
                  room ? "(float *)shared" : "");
    p->bytes = (room ? ROOM : 0) +
               (p->spread == SPREAD_ROW ? emit_row_room(p) : 0);
    for (Ref i = 0; i < e->g->n_nodes; i++)
        if (row_has(p, i) && p->stored[i])
            put_place(p, i);
    for (int k = 1; k <= p->n_phases; k++) {
        emit_phase(p, k);
        if (k < p->n_phases)
            emit_text(e, "    team_sync(team);\n");
    }
    emit_text(e, "}\n");
}

/* The blocks from `from` on of a row are the part's. */
static void put_call(const RowPart *p, const char *from, const char *blocks)
{
    Emit *e = p->e;
    if (p->spread == SPREAD_HEADS)
        emit_text(e, "        int h = (y - %s) * %d + warp();\n"
                     "        if (warp() < %d && h < %lld)\n"
                     "            %s_part%d(call, shared + warp() * %lld, row, "
                     "h);\n",
                  from, warps_of(p), warps_of(p), (long long)p->n, e->name,
                  p->number, (long long)p->bytes);
    else if (p->spread == SPREAD_ELEMENTS)
        emit_text(e, "        %s_part%d(call, shared, row, 0, (y - %s) * %d + "
                     "thread(), %s * %d);\n",
                  e->name, p->number, from, p->threads, blocks, p->threads);
    else
        emit_text(e, "        %s_part%d(call, shared, row, 0);\n", e->name,
                  p->number);
}

/* "40", or by the number of rows if that matters */
static const char *by_rows(Emit *e, int64_t few, int64_t many)
{
    return few == many ? emit_format(e, "%lld", (long long)few)
                       : emit_format(e, "(few ? %lld : %lld)", (long long)few,
                                     (long long)many);
}

static void put_body(Emit *e, const RowPart *part, int n, Sym rows)
{
    int64_t few = 0, many = 0;
    emit_text(e, "{\n    SHARED_BUFFER(shared);\n"
                 "    i64 row = block_x();\n    int y = block_y();\n"
                 "    bool few = %s <= %d;\n    stage_begin();\n",
              emit_count(rows), FEW);
    for (int i = 0; i < n; i++) {
        int64_t a = blocks_of(&part[i], true), b = blocks_of(&part[i], false);
        const char *from = by_rows(e, few, many);
        emit_text(e, "    %sif (y < %s) {\n", i ? "} else " : "",
                  by_rows(e, few + a, many + b));
        put_call(&part[i], from, by_rows(e, a, b));
        few += a;
        many += b;
    }
    emit_text(e, "    }\n}\n");
}

static int64_t shared_of(const RowPart *part, int n)
{
    int64_t most = 0;
    for (int i = 0; i < n; i++) {
        int64_t b = part[i].bytes;
        b *= part[i].spread == SPREAD_HEADS ? warps_of(&part[i]) : 1;
        most = b > most ? b : most;
    }
    return most;
}

/* Launches for `from` rows and more. */
static void put_kernel(Emit *e, const char *suffix, int64_t from,
                       const RowPart *part, int n, Sym rows)
{
    int64_t few = 0, many = 0;
    int64_t most = rows == SYM_R ? e->outputs : e->tokens;
    Sym by = rows == SYM_R ? SYM_R : SYM_T;
    for (int i = 0; i < n; i++) {
        few += blocks_of(&part[i], true);
        many += blocks_of(&part[i], false);
    }
    bool two = few != many && rows != SYM_ONE && most > FEW && from <= FEW;
    CudaLaunch l = {.by = by, .from = from, .to = two ? FEW : at_least_1(most),
                    .x = {1, rows, 1},
                    .y = {from > FEW ? many : few, SYM_ONE, 1},
                    .shared = shared_of(part, n)};
    emit_kernel(e, suffix, part[0].threads, 1, l);
    put_body(e, part, n, rows);
    l.from = FEW + 1;
    l.to = most;
    l.y.k = many;
    if (two)
        emit_launch_again(e, l);
}

/* The axis whose steps are the rows: that of the results, or of the states that
 * are appended to. */
static Sym row_symbol(const Emit *e)
{
    for (Ref i = e->g->n_params; i < e->g->n_nodes; i++) {
        const Node *n = emit_node(e, i);
        if (n->op == OP_append)
            return SYM_T;
        if (is_made(e, i) && emit_lead(&n->type) != SYM_ONE)
            return emit_lead(&n->type);
    }
    return SYM_ONE;
}

/* Indices in a row are ints. */
static bool rows_too_long(const Emit *e)
{
    for (Ref i = 0; i < e->g->n_nodes; i++) {
        const Node *n = emit_node(e, i);
        bool table = n->op == OP_weight && n->type.rank > 1;
        if (!table && emit_row_size(&n->type) > INT32_MAX / 2)
            return true;
    }
    return false;
}

/* Parts of the nodes in `only`, or of all; threads: of their blocks, 0: what
 * suits them. */
static void make_parts(Emit *e, const bool *only, int threads, Rows *out)
{
    Ref n_nodes = e->g->n_nodes;
    int *in = ARENA_ARRAY(e->arena, int, n_nodes);
    int *phase = ARENA_ARRAY(e->arena, int, n_nodes);
    bool *stored = ARENA_ARRAY(e->arena, bool, n_nodes);
    int n = find_parts(e, only, in);
    RowPart *part = ARENA_ARRAY(e->arena, RowPart, n + 1);
    *out = (Rows){e, part, n};
    e->stored = ARENA_ARRAY(e->arena, const char *, n_nodes);
    emit_include(e, "rope.cuh");
    emit_include(e, "place.cuh");
    for (int i = 0; i < n; i++) {
        part[i] = (RowPart){.e = e, .number = i, .in = in, .phase = phase,
                            .stored = stored};
        find_phases(&part[i]);
        choose_spread(&part[i]);
        emit_row_tables(&part[i]);
    }
    threads = threads ? threads : choose_threads(part, n);
    for (int i = 0; i < n; i++) {
        part[i].threads = threads;
        put_part(&part[i]);
    }
}

void emit_row_class(Emit *e)
{
    Rows rows;
    if (rows_too_long(e)) {
        emit_fail(e, err_new(ERR_LIMIT, "a row is too long for a kernel"));
        return;
    }
    emit_ops(e);
    make_parts(e, NULL, 0, &rows);
    put_kernel(e, "", 1, rows.part, rows.n, row_symbol(e));
}

/* ---- rows beside products */

Rows *rows_beside(Emit *e, const bool *only)
{
    enum { THREADS = 256 };
    Rows *r = ARENA_NEW(e->arena, Rows);
    make_parts(e, only, THREADS, r);
    e->stored = NULL; /* inside the functions alone */
    return r;
}

/* Warps of a block that compute pieces of a row. */
static int64_t pieces_at_once(const RowPart *p)
{
    return p->spread != SPREAD_HEADS ? 1
           : p->n < warps_of(p)      ? p->n
                                     : warps_of(p);
}

static bool in_choice(const RowPart *p, const bool *choice)
{
    return choice && choice[row_leader(p, 1)];
}

int64_t rows_shared(const Rows *r, const bool *choice)
{
    int64_t most = 0;
    for (int i = 0; i < r->n; i++) {
        if (!in_choice(&r->part[i], choice))
            continue;
        int64_t b = r->part[i].bytes * pieces_at_once(&r->part[i]);
        most = b > most ? b : most;
    }
    return most;
}

void rows_put(const Rows *r, const bool *choice)
{
    Emit *e = r->e;
    bool first = true;
    for (int i = 0; i < r->n; i++) {
        const RowPart *p = &r->part[i];
        long long warps = pieces_at_once(p);
        if (!in_choice(p, choice))
            continue;
        if (!first)
            emit_text(e, "        sync_threads(0, %d);\n", p->threads);
        first = false;
        if (p->spread == SPREAD_HEADS)
            emit_text(e, "        for (int h = warp(); warp() < %lld && h < %lld; "
                         "h += %lld)\n"
                         "            %s_part%d(call, shared + warp() * %lld, row, "
                         "h);\n",
                      warps, (long long)p->n, warps, e->name, p->number,
                      (long long)p->bytes);
        else if (p->spread == SPREAD_ELEMENTS)
            emit_text(e, "        %s_part%d(call, shared, row, 0, thread(), "
                         "%d);\n",
                      e->name, p->number, p->threads);
        else
            emit_text(e, "        %s_part%d(call, shared, row, 0);\n", e->name,
                      p->number);
    }
}

void rows_launch(const Rows *r, const char *suffix, int64_t from, Sym rows)
{
    if (from <= (rows == SYM_R ? r->e->outputs : r->e->tokens))
        put_kernel(r->e, suffix, from, r->part, r->n, rows);
}
