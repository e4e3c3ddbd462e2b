/* place.c - by layer: which device computes what, and what travels.
 *
 * Layers stay whole and in order, so at most one vector a token crosses each
 * border.  While a long prompt is read all devices work at once, so the cut
 * makes the device that needs longest for its layers as quick as it can be,
 * among the cuts that leave memory for scratch; of equal ones it takes that
 * with the emptiest fullest device.  --place=a,b,.. forces layer counts.
 * An embedding table lies where it is first used; what follows the layers, and
 * every other entry, stands on the last device. */
#include <stdlib.h>
#include <string.h>

#include "compiler/clone.h"
#include "compiler/pass.h"

typedef struct {
    PassContext *c;
    const Module *m;
    int n_devices;
    int n_layers;    /* calls of the main entry */
    double *bytes;   /* by layer: weights and states */
    double *work;    /* by layer: products a token */
    double before, after; /* bytes besides the layers */
    double all;           /* bytes of everything */
    int *device_of;  /* by layer; last: what follows them */
} Place;

/* ---- what lies where costs ---- */

static double row_bytes(const Type *t)
{
    return (double)block_info[t->dtype].bytes / block_info[t->dtype].elems *
           (double)type_elements(t).k;
}

static double node_bytes(const Place *p, const Node *n, int64_t index)
{
    if (n->op == OP_weight && p->c->model) {
        const TensorInfo *t =
            model_tensor(p->c->model, clone_name(p->c->arena, n->text, index));
        return t ? (double)t->bytes : 0;
    }
    if (n->op != OP_state)
        return 0;
    bool rows = n->type.rank && n->type.dim[0].sym == SYM_C;
    return row_bytes(&n->type) *
           (rows ? (double)p->c->settings->context : 1);
}

static double graph_bytes(const Place *p, const Graph *g, int64_t index)
{
    double sum = 0;
    for (Ref i = g->n_params; i < g->n_nodes; i++)
        sum += node_bytes(p, &g->node[i], index);
    return sum;
}

/* Products that a token asks of a layer's weights: all of a matrix, of experts
 * those chosen.  What states ask for grows with the sequence: left out. */
static double graph_work(Arena *a, const Graph *g)
{
    double *part = ARENA_ARRAY(a, double, g->n_nodes + 1), sum = 0;
    for (Ref i = g->n_nodes; i-- > 0;) {
        const Node *n = &g->node[i];
        if (n->op == OP_matmul_experts)
            part[n->arg[1]] = (double)type_last(&g->node[n->arg[2]].type) /
                              (double)g->node[n->arg[1]].type.dim[2].k;
        if (n->op == OP_weight)
            sum += (part[i] > 0 ? part[i] : 1) *
                   (double)type_elements(&n->type).k;
    }
    return sum;
}

/* For each node whether an `op` reads it. */
static bool *read_by(Arena *a, const Graph *g, Op op)
{
    bool *read = ARENA_ARRAY(a, bool, g->n_nodes + 1);
    for (Ref i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_args; k++)
            if (g->node[i].op == op)
                read[g->node[i].arg[k]] = true;
    return read;
}

/* A table that is also the head lies on both ends. */
static void count_bytes(Place *p, const Graph *g, bool is_main)
{
    const bool *is_table = read_by(p->c->arena, g, OP_embed);
    const bool *is_matrix = read_by(p->c->arena, g, OP_matmul);
    for (Ref i = g->n_params; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        double bytes = node_bytes(p, n, 0);
        if (n->op == OP_call) {
            const Graph *layer = module_find(p->m, n->text);
            bytes = graph_bytes(p, layer, n->attr[ATTR_index].i);
            p->after += is_main ? 0 : bytes;
            if (is_main) {
                p->work[p->n_layers] = graph_work(p->c->arena, layer);
                p->bytes[p->n_layers++] = bytes;
            }
        } else if (is_table[i]) {
            p->before += is_main ? bytes : 0;
            p->after += is_main && is_matrix[i] ? bytes : 0;
        } else {
            p->after += bytes;
        }
    }
}

/* ---- the cut ---- */

/* Bytes; a device without a limit could hold everything, one without room next
 * to nothing. */
static double usable(const Place *p, int d)
{
    const PlanDevice *dev = &p->c->machine->device[d];
    int64_t room = dev->capacity - dev->reserve - p->c->settings->scratch;
    if (dev->capacity == 0)
        return p->all + 1;
    return room > 0 ? (double)room : 1;
}

/* Products a second, in any unit: devices whose speed nobody knows are alike. */
static double speed(const Place *p, int d)
{
    const Machine *m = p->c->machine;
    bool compute = true, bandwidth = true;
    for (int i = 0; i < m->n_devices; i++) {
        compute = compute && m->device[i].compute > 0;
        bandwidth = bandwidth && m->device[i].bandwidth > 0;
    }
    return compute     ? m->device[d].compute
           : bandwidth ? m->device[d].bandwidth
                       : 1;
}

/* What no device may exceed: the part of its memory that is used, and the time
 * for its layers.  With `spread` every device gets a layer, if there are
 * enough. */
typedef struct {
    double share, time;
    bool spread;
} Limits;

/* Fills devices in order up to the limits; false if something is left over. */
static bool fill(const Place *p, Limits l, int *device_of)
{
    int d = 0, here = 0; /* layers on this device */
    double load = p->before, work = 0;
    for (int i = 0; i <= p->n_layers; i++, here++) {
        bool layer = i < p->n_layers;
        double bytes = layer ? p->bytes[i] : p->after;
        double more = layer ? p->work[i] : 0;
        bool next = l.spread && layer && here > 0 &&
                    p->n_layers - i < p->n_devices - d;
        while (next || load + bytes > l.share * usable(p, d) ||
               work + more > l.time * speed(p, d)) {
            if (++d == p->n_devices)
                return false;
            load = work = here = 0;
            next = false;
        }
        load += bytes;
        work += more;
        device_of[i] = d;
    }
    return true;
}

/* Lowers one limit, a field of *l, as far as the cut can follow. */
static void lower(const Place *p, Limits *l, double *field)
{
    double low = 0, high = *field;
    for (int i = 0; i < 50; i++) {
        *field = (low + high) / 2;
        if (fill(p, *l, p->device_of))
            high = *field;
        else
            low = *field;
    }
    *field = high;
}

/* How full a device may be for the sake of speed: halfway from what the
 * emptiest cut needs to all, and never so that scratch lacks room. */
static double share_for_speed(double least)
{
    static const double most = 0.9;
    double half = (1 + least) / 2;
    return least > most ? least : half < most ? half : most;
}

static double longest(const Place *p)
{
    double all = 0, slowest = speed(p, 0);
    for (int i = 0; i < p->n_layers; i++)
        all += p->work[i];
    for (int d = 1; d < p->n_devices; d++)
        slowest = speed(p, d) < slowest ? speed(p, d) : slowest;
    return all / slowest;
}

static bool has_limits(const Place *p)
{
    for (int d = 0; d < p->n_devices; d++)
        if (p->c->machine->device[d].capacity > 0)
            return true;
    return false;
}

/* The cut with the emptiest fullest device. */
static Limits emptiest(const Place *p, bool spread)
{
    Limits l = {1, longest(p) * 2, spread};
    while (!fill(p, l, p->device_of))
        l.share *= 2;
    lower(p, &l, &l.share);
    return l;
}

static void balance(Place *p)
{
    p->all = p->before + p->after;
    for (int i = 0; i < p->n_layers; i++)
        p->all += p->bytes[i];
    Limits l = emptiest(p, true);
    if (l.share > 1) /* rather an idle device than a full one */
        l = emptiest(p, false);
    l.share = has_limits(p) ? share_for_speed(l.share) : p->n_devices;
    lower(p, &l, &l.time);
    lower(p, &l, &l.share);
    fill(p, l, p->device_of);
    pass_explain(p->c, "place",
                 "%d layers over %d devices: the fullest holds %.1f %% of what "
                 "it can, the slowest does %.1f %% of the work",
                 p->n_layers, p->n_devices, 100 * l.share,
                 100 * l.time / longest(p));
}

/* "15,15,20,10" */
static Err *force(Place *p, const char *text)
{
    int layer = 0, d = 0;
    for (const char *s = text;; d++) {
        char *end;
        long n = strtol(s, &end, 10);
        if (end == s || n < 0 || d >= p->n_devices || n > p->n_layers - layer)
            break;
        while (n-- > 0)
            p->device_of[layer++] = d;
        if (*end == '\0' && layer == p->n_layers) {
            p->device_of[layer] = layer ? p->device_of[layer - 1] : 0;
            return NULL;
        }
        if (*end != ',')
            break;
        s = end + 1;
    }
    return err_new(ERR_INPUT,
                   "--place=%s: expected up to %d layer counts that add up to "
                   "%d",
                   text, p->n_devices, p->n_layers);
}

/* ---- devices onto nodes ---- */

static bool is_source(const Node *n)
{
    return op_info(n->op)->kind == KIND_SRC;
}

/* Where everything behind the layers stands. */
static int back(const Place *p) { return p->device_of[p->n_layers]; }

/* After its arguments; a table's reader where tables lie. */
static int device_of_node(const Graph *g, const Node *n, int start)
{
    int d = n->op == OP_embed ? 0 : start;
    for (int k = 0; k < n->n_args; k++) {
        const Node *x = &g->node[n->arg[k]];
        if (!is_source(x) && x->device > d)
            d = x->device;
    }
    return d;
}

static void assign_nodes(const Place *p, Graph *g, bool is_main)
{
    int layer = 0;
    for (Ref i = 0; i < g->n_nodes; i++) {
        Node *n = &g->node[i];
        if (is_source(n))
            continue;
        if (n->op == OP_call) {
            n->device = is_main ? p->device_of[layer++] : back(p);
            continue;
        }
        bool behind = !is_main || layer == p->n_layers;
        n->device = device_of_node(g, n, behind ? back(p) : 0);
    }
}

/* An input lies where it is first read. */
static void assign_inputs(Graph *g)
{
    for (Ref i = 0; i < g->n_params; i++)
        g->node[i].device = 0;
    for (Ref j = g->n_nodes; j-- > g->n_params;)
        for (int k = 0; k < g->node[j].n_args; k++)
            if (g->node[j].arg[k] < g->n_params && g->node[j].device >= 0)
                g->node[g->node[j].arg[k]].device = g->node[j].device;
}

static void assign(const Place *p, Graph *g, bool is_main)
{
    assign_nodes(p, g, is_main);
    assign_inputs(g);
}

/* ---- sends ---- */

typedef struct {
    const Graph *g;
    Graph *to;
    Ref *map;  /* node -> node in `to` */
    Ref *sent; /* node * n_devices + device -> copy there */
    int n_devices;
    int *before; /* device -> the last one below it that computes, or -1 */
} Sends;

/* Node r as the device `d` sees it.  What skips a device that computes goes
 * through it all the same: then every stage of the pipeline hears from the one
 * before it alone. */
static Err *local(Sends *s, Ref r, int d, Ref *out)
{
    const Node *n = &s->g->node[r];
    Ref *there = &s->sent[(size_t)r * (size_t)s->n_devices + (size_t)d];
    bool stays = n->device < 0 || n->device == d;
    if (stays || *there != NO_REF) {
        *out = stays ? s->map[r] : *there;
        return NULL;
    }
    if (op_info(n->op)->kind == KIND_VIEW) {
        Node copy = *n;
        TRY(local(s, n->arg[0], d, &copy.arg[0]));
        *there = graph_add(s->to, copy);
    } else {
        Attr device = {.i = d};
        Ref from = s->map[r];
        if (s->before[d] > n->device)
            TRY(local(s, r, s->before[d], &from));
        TRY(graph_emit(s->to, OP_send, n->name, 1, &from, &device, there));
    }
    s->to->node[*there].device = d;
    *out = *there;
    return NULL;
}

static int *devices_before(Arena *a, const Graph *g, int n_devices)
{
    bool *computes = ARENA_ARRAY(a, bool, n_devices);
    int *before = ARENA_ARRAY(a, int, n_devices);
    for (Ref i = g->n_params; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        OpKind k = op_info(n->op)->kind;
        if (n->device >= 0 && k != KIND_SRC && k != KIND_VIEW)
            computes[n->device] = true;
    }
    for (int d = 0, last = -1; d < n_devices; d++) {
        before[d] = last;
        last = computes[d] ? d : last;
    }
    return before;
}

static Err *insert_sends(PassContext *c, const Graph *g, int n_devices,
                         Graph *to)
{
    Sends s = {g, to, ARENA_ARRAY(c->arena, Ref, g->n_nodes + 1), NULL,
               n_devices, devices_before(c->arena, g, n_devices)};
    size_t n = (size_t)g->n_nodes * (size_t)n_devices;
    s.sent = ARENA_ARRAY(c->arena, Ref, n + 1);
    for (size_t i = 0; i < n; i++)
        s.sent[i] = NO_REF;
    for (Ref i = 0; i < g->n_nodes; i++) {
        Node copy = g->node[i];
        for (int k = 0; k < copy.n_args; k++)
            TRY(local(&s, g->node[i].arg[k], copy.device, &copy.arg[k]));
        s.map[i] = graph_add(to, copy);
        to->node[s.map[i]].device = g->node[i].device;
    }
    to->n_params = g->n_params;
    for (int i = 0; i < g->n_results; i++)
        graph_add_result(to, g->result[i].name, s.map[g->result[i].ref]);
    return NULL;
}

/* ---- the pass ---- */

static const Graph *main_entry(const Module *m)
{
    const Graph *g = module_find(m, "main");
    for (int i = 0; !g && i < m->n_graphs; i++)
        if (m->graph[i]->kind == GRAPH_ENTRY)
            g = m->graph[i];
    return g;
}

static Err *cut_layers(Place *p, const Graph *main)
{
    p->bytes = ARENA_ARRAY(p->c->arena, double, main->n_nodes + 1);
    p->work = ARENA_ARRAY(p->c->arena, double, main->n_nodes + 1);
    p->device_of = ARENA_ARRAY(p->c->arena, int, main->n_nodes + 2);
    for (int i = 0; i < p->m->n_graphs; i++)
        if (p->m->graph[i]->kind == GRAPH_ENTRY)
            count_bytes(p, p->m->graph[i], p->m->graph[i] == main);
    if (p->c->settings->place)
        return force(p, p->c->settings->place);
    if (p->n_devices > 1)
        balance(p);
    return NULL;
}

PassFn pass_place;
Err *pass_place(PassContext *c, Module **m)
{
    Place p = {.c = c, .m = *m,
               .n_devices = c->machine ? c->machine->n_devices : 1};
    const Graph *main = main_entry(*m);
    if (!main)
        return err_new(ERR_INPUT, "the model text has no entry");
    TRY(cut_layers(&p, main));
    Module *out = module_new(c->arena, (*m)->name);
    for (int i = 0; i < (*m)->n_graphs; i++) {
        Graph *g = (*m)->graph[i];
        if (g->kind == GRAPH_ENTRY) {
            assign(&p, g, g == main);
            Graph *to = module_add(out, g->kind, g->name);
            TRY(insert_sends(c, g, p.n_devices, to));
        } else {
            module_append(out, g);
        }
    }
    *m = out;
    return NULL;
}
