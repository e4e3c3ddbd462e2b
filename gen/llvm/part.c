#include "gen/llvm/part.h"

/* ---- which products belong together ---- */

static Part *part_of(Parts *ps, Ref at)
{
    for (int i = 0; i < ps->n; i++)
        if (ps->part[i].n && ps->part[i].member[at])
            return &ps->part[i];
    return NULL;
}

static void merge(Part *to, Part *from, uint32_t n_nodes)
{
    for (int i = 0; i < from->n; i++)
        to->product[to->n++] = from->product[i];
    for (Ref n = 0; n < n_nodes; n++)
        to->member[n] = to->member[n] || from->member[n];
    from->n = 0;
}

/* Node n joins the parts that it reads. */
static void connect(Parts *ps, Ref n)
{
    const Graph *g = ps->e->g;
    Part *home = NULL;
    for (int k = 0; k < g->node[n].n_args; k++) {
        Part *p = part_of(ps, g->node[n].arg[k]);
        if (p && home && p != home)
            merge(home, p, g->n_nodes);
        else if (p)
            home = p;
    }
    if (home)
        home->member[n] = true;
}

static void add_product(Parts *ps, Ref n)
{
    const Graph *g = ps->e->g;
    if (ps->n == PART_MAX) {
        emit_fail(ps->e, err_new(ERR_LIMIT, "@%s: more than %d products",
                                 g->name, PART_MAX));
        return;
    }
    Part *p = &ps->part[ps->n++];
    p->member = ARENA_ARRAY(ps->e->ir->arena, bool, g->n_nodes + 1);
    p->member[n] = true;
    p->product[p->n++] = n;
    p->columns = type_last(&g->node[n].type);
}

static void find_parts(Parts *ps, OpKind kind)
{
    const Graph *g = ps->e->g;
    int kept = 0;
    for (Ref n = g->n_params; n < g->n_nodes; n++) {
        if (op_info(g->node[n].op)->kind == kind)
            add_product(ps, n);
        else
            connect(ps, n);
    }
    for (int i = 0; i < ps->n; i++)
        if (ps->part[i].n)
            ps->part[kept++] = ps->part[i];
    ps->n = kept;
}

/* ---- the left side ---- */

Dim part_rows(const Type *t)
{
    Dim d = dim_const(1);
    for (int i = 0; i + 1 < t->rank; i++) {
        d.k *= t->dim[i].k;
        d.sym = t->dim[i].sym != SYM_ONE ? t->dim[i].sym : d.sym;
    }
    return d;
}

/* x as rows at one stride, `lead` of them a token. */
static void set_left(Emit *e, Product *p, Ref x)
{
    bool *none = ARENA_ARRAY(e->ir->arena, bool, e->g->n_nodes + 1);
    Rows r = rows_new(e, none, 0, 0);
    Value v = rows_value(&r, x);
    const Type *t = &e->g->node[x].type;
    int64_t lead = part_rows(t).k, stride;
    bool rows = layout_rows(&v.lay, lead, type_last(t), &stride);
    if (lead == 1)
        stride = v.row_stride;
    if (!rows || v.row_stride != lead * stride)
        emit_fail(e, err_new(ERR_LIMIT, "@%s: rows of %s are no rows",
                             e->g->name, e->g->node[x].name));
    p->x = l_elem(e->ir, v.base, v.type, l_int(e->ir, v.offset));
    p->row_bytes = block_bytes(v.type, stride);
}

static Product left_side(Parts *ps)
{
    const Type *types[PART_MAX];
    int n = 0;
    Emit *e = ps->e;
    const Node *first = &e->g->node[ps->part[0].product[0]];
    const Type *x = &e->g->node[first->arg[0]].type;
    for (int i = 0; i < ps->n; i++)
        for (int k = 0; k < ps->part[i].n; k++) {
            Ref w = e->g->node[ps->part[i].product[k]].arg[1];
            types[n++] = &e->g->node[w].type;
        }
    Product p = product_new(e, x->dtype, type_last(x), types, n);
    set_left(e, &p, first->arg[0]);
    return p;
}

Parts *parts_new(Emit *e, OpKind kind)
{
    Parts *ps = ARENA_NEW(e->ir->arena, Parts);
    int most = 1;
    ps->e = e;
    find_parts(ps, kind);
    ps->left = left_side(ps);
    for (int i = 0; i < ps->n; i++) {
        Part *p = &ps->part[i];
        most = p->n > most ? p->n : most;
        p->rows = rows_new(e, p->member, p->columns, PRODUCT_COLS);
        p->rows.lead = part_rows(&e->g->node[p->product[0]].type).k;
    }
    ps->out = emit_scratch(e, (int64_t)most * PRODUCT_BYTES);
    return ps;
}

/* ---- tiles ---- */

int64_t part_tiles(const Part *p)
{
    return (p->columns + PRODUCT_COLS - 1) / PRODUCT_COLS;
}

static void epilogue(Parts *ps, Part *p)
{
    Ir *ir = ps->e->ir;
    Loop i = l_for(ir, "epilogue", l_int(ir, 0), ps->left.count, 1);
    p->rows.row = product_row(&ps->left, i.i);
    for (int k = 0; k < p->n; k++) {
        LLVMValueRef at = l_at(ir, ps->out, (int64_t)k * PRODUCT_BYTES);
        rows_given(&p->rows, p->product[k],
                   l_index(ir, at, i.i, PRODUCT_COLS * 4));
    }
    rows_run(&p->rows);
    l_end(ir, &i);
}

void part_tile(Parts *ps, Part *p, LLVMValueRef tile, LLVMValueRef expert)
{
    Ir *ir = ps->e->ir;
    LLVMValueRef cols = l_int(ir, PRODUCT_COLS), row;
    row = p->rows.first = l_muli(ir, tile, PRODUCT_COLS);
    if (p->columns % PRODUCT_COLS) {
        cols = l_sub(ir, l_int(ir, p->columns), p->rows.first);
        cols = l_min(ir, cols, l_int(ir, PRODUCT_COLS));
        p->rows.len = cols;
    }
    if (expert)
        row = l_add(ir, row, l_muli(ir, expert, p->columns));
    for (int k = 0; k < p->n; k++) {
        Ref w = ps->e->g->node[p->product[k]].arg[1];
        const Type *t = &ps->e->g->node[w].type;
        LLVMValueRef at = l_index(ir, ps->e->arg[w], row,
                                  block_bytes(t->dtype, ps->left.k));
        product_tile(&ps->left, at, t, cols,
                     l_at(ir, ps->out, (int64_t)k * PRODUCT_BYTES));
    }
    epilogue(ps, p);
}
