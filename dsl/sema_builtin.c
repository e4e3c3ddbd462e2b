/* sema_builtin.c - calls of builtins: slots and shapes by builtins.def. */
#include <assert.h>
#include <string.h>

#include "dsl/sema.h"

static const Sort *fail(void) { return sort_plain(SORT_ERROR); }

typedef struct {
    const char *slots, *result, *shape;
    BuiltinRule *rule;
} Row;

static const Row rows[] = {
#define BUILTIN(id, name, rule, slots, result, shape, formula)                 \
    {slots, result, shape, sema_##rule},
#include "dsl/builtins.def"
#undef BUILTIN
};

enum { MAX_SLOTS = 8 };

/* "eps:n=?" -> a Slot.  Returns what is behind it. */
static const char *read_slot(Sema *s, const char *text, Slot *out)
{
    const char *colon = strchr(text, ':');
    size_t n = strcspn(colon, " ");
    *out = (Slot){.name = arena_strndup(s->a, text, (size_t)(colon - text)),
                  .kind = colon + 1};
    for (; strchr("=?+", colon[n - 1]); n--) {
        out->by_name |= colon[n - 1] == '=';
        out->optional |= colon[n - 1] == '?';
        out->many |= colon[n - 1] == '+';
    }
    out->kind_n = (int)n - 1;
    text = colon + strcspn(colon, " ");
    return text + (*text == ' ');
}

static int read_slots(Sema *s, const char *text, Slot *out)
{
    int n = 0;
    while (*text)
        text = read_slot(s, text, &out[n++]);
    return n;
}

/* ---- patterns --------------------------------------------------------- */

enum { MAX_AXES = 4 };

/* "T,H,d", "*,n": where the star is, and the axes beside it. */
typedef struct {
    int n; /* axes without the star */
    struct {
        const char *name;
        int n;
    } axes[MAX_AXES];
    int star; /* how many axes stand before it; -1: none */
} Pattern;

static Pattern read_pattern(const char *text, int length)
{
    Pattern p = {.star = -1};
    const char *end = text + length;
    while (text < end) {
        int n = 0;
        while (text + n < end && text[n] != ',')
            n++;
        if (*text == '*') {
            p.star = p.n;
        } else {
            p.axes[p.n].name = text;
            p.axes[p.n++].n = n;
        }
        text += n + 1;
    }
    return p;
}

static int find_var(const Match *m, const char *name, int n)
{
    for (int i = 0; i < m->n_vars; i++)
        if (m->vars[i].n == n && strncmp(m->vars[i].name, name, (size_t)n) == 0)
            return i;
    return -1;
}

/* What the axis must be; NULL if nothing says so yet. */
static const Poly *axis_value(const Match *m, const char *name, int n)
{
    static const char symbols[] = "TRC";
    const char *symbol = n == 1 ? strchr(symbols, *name) : NULL;
    if (symbol)
        return poly_name(m->s->a,
                         (const char *[]){"T", "R", "C"}[symbol - symbols],
                         (uint32_t)(symbol - symbols));
    if (*name >= '0' && *name <= '9')
        return poly_const(m->s->a, *name - '0');
    int i = find_var(m, name, n);
    return i < 0 ? NULL : m->vars[i].value;
}

static void put_axis(const Match *m, const char *name, int n, Buf *out)
{
    const Poly *known = axis_value(m, name, n);
    buf_puts(out, out->n > 1 ? ", " : "");
    if (known)
        poly_print(known, out);
    else
        buf_add(out, name, (size_t)n);
}

static void put_star(const Match *m, Buf *out)
{
    if (!m->star_from) {
        buf_puts(out, out->n > 1 ? ", ..." : "...");
        return;
    }
    for (int i = 0; i < m->n_star; i++) {
        buf_puts(out, out->n > 1 ? ", " : "");
        poly_print(m->star[i], out);
    }
}

/* The pattern as far as it is known: [T, Hk, dk]. */
static const char *expected_shape(const Match *m, const Pattern *p)
{
    Buf b = {0};
    buf_puts(&b, "[");
    for (int i = 0; i <= p->n; i++) {
        if (p->star == i)
            put_star(m, &b);
        if (i < p->n)
            put_axis(m, p->axes[i].name, p->axes[i].n, &b);
    }
    buf_puts(&b, "]");
    const char *text = arena_strndup(m->s->a, b.data, b.n);
    buf_free(&b);
    return text;
}

static bool match_star(Match *m, const Poly *const *dims, int n,
                       const Expr *from, const Expr **settled)
{
    if (!m->star_from) {
        m->star_from = from;
        m->star = dims;
        m->n_star = n;
        return true;
    }
    *settled = m->star_from;
    bool same = m->n_star == n;
    for (int i = 0; same && i < n; i++)
        same = poly_equal(m->star[i], dims[i]);
    return same;
}

static bool match_axis(Match *m, const char *name, int n, const Poly *dim,
                       const Expr *from, const Expr **settled)
{
    if (*name == '_')
        return true;
    const Poly *known = axis_value(m, name, n);
    int i = find_var(m, name, n);
    if (i >= 0)
        *settled = m->vars[i].from;
    if (known)
        return poly_equal(known, dim);
    m->vars[m->n_vars].name = name;
    m->vars[m->n_vars].n = n;
    m->vars[m->n_vars].value = dim;
    m->vars[m->n_vars++].from = from;
    return true;
}

/* *settled: the argument that a failing axis was compared with. */
static bool match_axes(Match *m, const Pattern *p, const Sort *t,
                       const Expr *from, const Expr **settled)
{
    int extra = t->rank - p->n;
    if (p->star < 0 ? extra != 0 : extra < 0)
        return false;
    if (p->star >= 0 && !match_star(m, t->dims + p->star, extra, from, settled))
        return false;
    for (int i = 0; i < p->n; i++) {
        int at = p->star >= 0 && i >= p->star ? i + extra : i;
        *settled = NULL;
        if (!match_axis(m, p->axes[i].name, p->axes[i].n, t->dims[at], from,
                        settled))
            return false;
    }
    return true;
}

static bool match_shape(Match *m, const Slot *slot, const Expr *arg,
                        const Sort *t)
{
    const char *open = memchr(slot->kind, '[', (size_t)slot->kind_n);
    if (!open)
        return true;
    int n = (int)(slot->kind + slot->kind_n - 1 - (open + 1));
    Pattern p = read_pattern(open + 1, n);
    Match before = *m;
    const Expr *settled = NULL;
    if (match_axes(m, &p, t, arg, &settled))
        return true;
    *m = before;
    Sema *s = m->s;
    Diag *d = diag_error(s->d, arg->span, "expected %s as '%s' of %s, found %s",
                         expected_shape(m, &p), slot->name,
                         m->call->u.call.name.text, sort_text(s->a, t));
    if (settled)
        diag_note(s->d, d, settled->span, "this is %s",
                  sort_text(s->a, settled->sort));
    return false;
}

Expr *match_arg(const Match *m, const char *slot)
{
    return (Expr *)(uintptr_t)ast_arg(m->call, slot);
}

const Poly *match_value(const Match *m, const char *var)
{
    return m->vars[find_var(m, var, (int)strlen(var))].value;
}

const Sort *match_tensor(Sema *s, ElemKind elem, int rank,
                         const Poly *const *dims)
{
    return sort_shaped(s->a, SORT_TENSOR, elem, rank, dims);
}

static const Sort *result_sort(const Match *m, const char *text)
{
    Pattern p = read_pattern(text, (int)strlen(text));
    int rank = p.n + (p.star >= 0 ? m->n_star : 0), k = 0;
    const Poly **dims = ARENA_ARRAY(m->s->a, const Poly *, rank + 1);
    for (int i = 0; i <= p.n; i++) {
        for (int j = 0; p.star == i && j < m->n_star; j++)
            dims[k++] = m->star[j];
        if (i < p.n)
            dims[k++] = axis_value(m, p.axes[i].name, p.axes[i].n);
    }
    return match_tensor(m->s, ELEM_F32, rank, dims);
}

/* ---- arguments -------------------------------------------------------- */

static bool is_word_of(const Slot *slot, const char *word)
{
    size_t n = strlen(word);
    const char *p = slot->kind, *end = slot->kind + slot->kind_n;
    while (p < end) {
        size_t m = strcspn(p, "|=? ");
        if (m == n && strncmp(p, word, n) == 0)
            return true;
        p += m + 1;
    }
    return false;
}

static const char *guess_word(Sema *s, const Slot *slot, const char *word)
{
    Guess g = diag_guess(word);
    const char *p = slot->kind, *end = slot->kind + slot->kind_n;
    while (p < end) {
        size_t m = strcspn(p, "|=? ");
        diag_guess_add(&g, arena_strndup(s->a, p, m));
        p += m + 1;
    }
    return diag_guess_text(s->d, &g);
}

static bool check_word(Match *m, const Slot *slot, Expr *e)
{
    Sema *s = m->s;
    e->sort = sort_plain(SORT_WORD);
    if (e->kind == EXPR_NAME && is_word_of(slot, e->u.name.text)) {
        e->u.name.ref = REF_WORD;
        return true;
    }
    const char *guess =
        e->kind == EXPR_NAME ? guess_word(s, slot, e->u.name.text) : "";
    const char *bar = strchr(slot->kind, '|');
    diag_error(s->d, e->span, "'%s' of %s is %.*s or %.*s%s", slot->name,
               m->call->u.call.name.text, (int)(bar - slot->kind), slot->kind,
               (int)(slot->kind + slot->kind_n - bar - 1), bar + 1, guess);
    return false;
}

static bool check_tensor(Match *m, const Slot *slot, Expr *e, ElemKind elem)
{
    sema_expr(m->s, e, SORT_FLOAT);
    const Sort *t = sema_as_tensor(m->s, e, elem);
    return t && match_shape(m, slot, e, t);
}

/* has and extent take any weight; others need its shape. */
static bool check_weight(Match *m, const Slot *slot, Expr *e)
{
    sema_expr(m->s, e, SORT_ERROR);
    if (e->sort->kind != SORT_WEIGHT) {
        sema_expected(m->s, e, "a weight, as in w.attn_q : [D, N]");
        return false;
    }
    Builtin b = m->call->u.call.builtin;
    if (b == BUILTIN_HAS || b == BUILTIN_EXTENT)
        return true;
    return sema_has_shape(m->s, e) && match_shape(m, slot, e, e->sort);
}

static const char *guess_state(const Sema *s, const char *name)
{
    Guess g = diag_guess(name);
    for (int i = 0; i < s->n_list; i++)
        if (s->list[i]->decl->kind == DECL_STATE)
            diag_guess_add(&g, s->list[i]->decl->name.text);
    return diag_guess_text(s->d, &g);
}

static Decl *find_state(Sema *s, Expr *e)
{
    const char *name =
        e->kind == EXPR_STATE ? e->u.state.name.text : e->u.name.text;
    Global *g = sema_global(s, name);
    if (!g || g->decl->kind != DECL_STATE) {
        diag_error(s->d, e->span, "no state is called '%s'%s", name,
                   guess_state(s, name));
        return NULL;
    }
    g->used = true;
    if (e->kind == EXPR_STATE)
        return g->decl;
    diag_error(s->d, e->span, "which slot of %s? One of them is %s[i]", name,
               name);
    return NULL;
}

static void check_index(Sema *s, const Expr *e, const Decl *state)
{
    const Poly *i = e->u.state.index->poly;
    const Poly *left = poly_sub(s->a, state->u.state.count->poly, i);
    int64_t k, rest;
    bool below = poly_is_const(i, &k) && k < 0;
    bool above = left && poly_is_const(left, &rest) && rest < 1;
    if (!below && !above)
        return;
    Buf b = {0};
    poly_print(state->u.state.count->poly, &b);
    Diag *m =
        diag_error(s->d, e->u.state.index->span, "%s has the slots 0 to %s - 1",
                   state->name.text, b.data);
    diag_note(s->d, m, state->name.span, "declared here");
    buf_free(&b);
}

static bool check_state(Match *m, const Slot *slot, Expr *e)
{
    Sema *s = m->s;
    e->sort = fail();
    if (e->kind != EXPR_STATE && e->kind != EXPR_NAME) {
        diag_error(s->d, e->span, "expected a state, as in keys[i]");
        return false;
    }
    const Decl *d = find_state(s, e);
    if (e->kind == EXPR_STATE && !sema_scalar(s, e->u.state.index, SORT_INT))
        return false;
    if (!d || d->u.state.sort->kind == SORT_ERROR)
        return false;
    e->u.state.decl = d;
    e->sort = d->u.state.sort;
    check_index(s, e, d);
    if (s->env)
        env_write(s, d, e->u.state.index->poly, e->span);
    return match_shape(m, slot, e, e->sort);
}

static bool check_list(Sema *s, Expr *e)
{
    e->sort = fail();
    if (e->kind != EXPR_LIST) {
        diag_error(s->d, e->span, "expected a list of dims, as in [T, H, d]");
        return false;
    }
    int n = e->u.list.n_items;
    const Poly **dims = ARENA_ARRAY(s->a, const Poly *, n + 1);
    bool sound = true;
    for (int i = 0; i < n; i++)
        sound &= (dims[i] = sema_dim(s, e->u.list.items[i], true)) != NULL;
    if (!sound)
        return false;
    Sort *list = ARENA_NEW(s->a, Sort);
    *list = (Sort){.kind = SORT_LIST, .rank = n, .dims = dims};
    e->sort = list;
    return true;
}

static bool check_slot(Match *m, const Slot *slot, Expr *e)
{
    assert(slot->kind);
    if (memchr(slot->kind, '|', (size_t)slot->kind_n))
        return check_word(m, slot, e);
    switch (slot->kind[0]) {
    case 't':
        return check_tensor(m, slot, e, ELEM_F32);
    case 'i':
        return check_tensor(m, slot, e, ELEM_I32);
    case 'w':
        return check_weight(m, slot, e);
    case 'S':
        return check_state(m, slot, e);
    case 'n':
        return sema_scalar(m->s, e, SORT_FLOAT);
    case 'd':
        return sema_scalar(m->s, e, SORT_INT);
    case 's':
        return sema_scalar(m->s, e, SORT_STRING);
    case 'l':
        return check_list(m->s, e);
    default: /* v, z: the rule looks at it */
        return true;
    }
}

const Sort *sema_builtin(Sema *s, Expr *call, Builtin b, SortKind want)
{
    const Row *row = &rows[b];
    Slot slots[MAX_SLOTS] = {0};
    int n = read_slots(s, row->slots, slots);
    Match m = {.s = s, .call = call};
    call->u.call.callee = CALLEE_BUILTIN;
    call->u.call.builtin = b;
    if (!sema_slots(s, call, slots, n, row->shape)) {
        sema_args(s, call);
        return fail();
    }
    bool sound = true;
    for (int i = 0; i < call->u.call.n_slots; i++) {
        Expr *e = call->u.call.slots[i];
        if (e)
            sound &= check_slot(&m, &slots[i < n ? i : n - 1], e);
    }
    if (!sound)
        return fail();
    const Sort *result = *row->result ? result_sort(&m, row->result) : NULL;
    return row->rule(&m, result, want);
}
