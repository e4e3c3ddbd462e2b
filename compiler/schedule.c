#include "compiler/schedule.h"

#include <string.h>

#include "compiler/kernel_cut.h"

typedef struct {
    PassContext *c;
    Plan *p;
    Names *weights; /* by device: tensor -> index + 1, as stamp */
    Names states;   /* likewise */
    Names kernels;  /* text without its name, likewise */
    int cap_weights, cap_states, cap_buffers, cap_kernels;
    const Graph *g; /* the entry in hand */
    bool staged;    /* it has stages */
    KernelCutter *cutter;
    int *buffer; /* node -> buffer, -1 none yet */
    PlanProgram *prog;
    int cap_steps, cap_taps;
} Sched;

static const char *keep(Sched *s, const char *text)
{
    return arena_strndup(s->p->arena, text, strlen(text));
}

/* Room for one more in an arena array of the plan. */
static void *room(Sched *s, void *at, int n, int *cap, size_t size)
{
    if (n < *cap)
        return at;
    *cap = *cap ? 2 * *cap : 16;
    void *more = arena_alloc(s->p->arena, size * (size_t)*cap);
    if (n)
        memcpy(more, at, size * (size_t)n);
    return more;
}

/* ---- weights, states, buffers ---- */

typedef struct {
    const char *part;
    WeightClass cls;
} ClassRow;

/* Which row of `sextet plan` a tensor counts to, by its name. */
static const ClassRow class_rows[] = {
    {"token_embd", WEIGHT_embedding}, {"embed_tokens", WEIGHT_embedding},
    {"norm", WEIGHT_norms},           {"_shexp", WEIGHT_shared},
    {"_exps", WEIGHT_experts},        {"ffn_gate_inp", WEIGHT_router},
    {"ssm_", WEIGHT_deltanet},        {"attn_gate", WEIGHT_deltanet},
    {"attn_", WEIGHT_attention},      {"ffn_", WEIGHT_dense},
    {"output.weight", WEIGHT_head},   {"shared_head", WEIGHT_head},
};

static WeightClass class_of(const char *tensor)
{
    for (size_t i = 0; i < sizeof class_rows / sizeof *class_rows; i++)
        if (strstr(tensor, class_rows[i].part))
            return class_rows[i].cls;
    return WEIGHT_other;
}

/* "blk.3." of "blk.3.ssm_out.weight"; NULL without such a part. */
static const char *layer_of(Sched *s, const char *tensor, const char *part)
{
    const char *at = strstr(tensor, part);
    return at ? arena_strndup(s->c->arena, tensor, (size_t)(at - tensor) + 1)
              : NULL;
}

/* attn_qkv and attn_gate stand in both kinds of layer; a layer that has other
 * DeltaNet tensors is one. */
static void mark_deltanet(Sched *s)
{
    Plan *p = s->p;
    Names layers = {.a = s->c->arena};
    for (int i = 0; i < p->n_weights; i++) {
        const char *layer = layer_of(s, p->weight[i].tensor, ".ssm_");
        if (layer)
            names_entry(&layers, layer)->stamp = 1;
    }
    for (int i = 0; i < p->n_weights; i++) {
        PlanWeight *w = &p->weight[i];
        const char *layer = w->cls == WEIGHT_attention
                                ? layer_of(s, w->tensor, ".attn_")
                                : NULL;
        if (layer && names_entry(&layers, layer)->stamp)
            w->cls = WEIGHT_deltanet;
    }
}

/* A packed tensor and the same one as it is in the file are two weights. */
static const char *weight_key(Sched *s, const Node *n)
{
    if (!n->type.packing)
        return n->text;
    Buf b = {0};
    buf_printf(&b, "%s/%s", n->text, packing_name[n->type.packing]);
    const char *key = arena_strndup(s->c->arena, b.data, b.n);
    buf_free(&b);
    return key;
}

static Err *add_weight(Sched *s, const Node *n, int device, int *out)
{
    Plan *p = s->p;
    NameEntry *e = names_entry(&s->weights[device], weight_key(s, n));
    *out = e->stamp - 1;
    if (e->stamp)
        return NULL;
    PlanWeight w = {.tensor = keep(s, n->text), .type = n->type.dtype,
                    .packing = n->type.packing, .rank = n->type.rank,
                    .ne = {1, 1, 1, 1},
                    .cls = class_of(n->text), .device = device};
    if (n->type.dtype == TYPE_ANY)
        return err_new(ERR_INPUT, "weight %s has no type yet", n->text);
    for (int i = 0; i < w.rank; i++)
        w.ne[i] = n->type.dim[i].k;
    w.bytes = block_bytes(w.type, type_elements(&n->type).k);
    if (w.bytes < 0 || w.ne[0] % block_info[w.type].elems)
        return err_new(ERR_INPUT, "weight %s has rows of no whole blocks",
                       n->text);
    p->weight = room(s, p->weight, p->n_weights, &s->cap_weights, sizeof w);
    *out = p->n_weights;
    p->weight[p->n_weights++] = w;
    e->stamp = p->n_weights;
    return NULL;
}

/* Two entries may use one state, as the same thing and on one device. */
static Err *check_same_state(const PlanState *a, const PlanState *b)
{
    if (a->device != b->device)
        return err_new(ERR_INPUT, "state %s is used on two devices", a->name);
    if (a->kind != b->kind || a->type != b->type || a->elems != b->elems)
        return err_new(ERR_INPUT, "state %s is used with two shapes", a->name);
    return NULL;
}

static Err *add_state(Sched *s, const Node *n, int device, int *out)
{
    Plan *p = s->p;
    bool rows = n->type.rank && n->type.dim[0].sym == SYM_C;
    PlanState t = {.name = n->text,
                   .kind = rows ? STATE_PER_TOKEN : STATE_FIXED,
                   .type = n->type.dtype, .elems = type_elements(&n->type).k,
                   .device = device};
    NameEntry *e = names_entry(&s->states, n->text);
    *out = e->stamp - 1;
    if (e->stamp)
        return check_same_state(&p->state[*out], &t);
    if (__builtin_mul_overflow(block_bytes(t.type, t.elems),
                               rows ? p->context : 1, &t.bytes))
        return err_new(ERR_LIMIT, "state %s is too large", n->text);
    t.name = keep(s, n->text);
    p->state = room(s, p->state, p->n_states, &s->cap_states, sizeof t);
    *out = p->n_states;
    p->state[p->n_states++] = t;
    e->stamp = p->n_states;
    return NULL;
}

/* -1 bytes: too many to count. */
static int64_t buffer_bytes(const Plan *p, const Type *t)
{
    int64_t largest[SYM_COUNT] = {1, p->batch, p->outputs, 0}, n;
    Dim e = type_elements(t);
    return __builtin_mul_overflow(e.k, largest[e.sym], &n)
               ? -1
               : block_bytes(t->dtype, n);
}

static Err *add_buffer(Sched *s, Ref r, int *out)
{
    Plan *p = s->p;
    const Node *n = &s->g->node[r];
    *out = s->buffer[r];
    if (*out >= 0)
        return NULL;
    char name[200];
    snprintf(name, sizeof name, "%.60s.%.120s", s->g->name, n->name);
    PlanBuffer b = {.name = keep(s, name), .type = n->type.dtype,
                    .rank = n->type.rank,
                    .slots = s->staged && n->op == OP_send ? PLAN_SLOTS : 1,
                    .device = n->device < 0 ? 0 : n->device,
                    .bytes = buffer_bytes(p, &n->type)};
    if (b.bytes < 0)
        return err_new(ERR_LIMIT, "%s is too large: %s for %lld tokens", name,
                       type_text(s->g->arena, &n->type), (long long)p->batch);
    if (b.rank == 0)
        return err_new(ERR_INPUT, "%s is a single number: nothing to store",
                       name);
    for (int i = 0; i < b.rank; i++)
        b.dim[i] = n->type.dim[i];
    p->buffer = room(s, p->buffer, p->n_buffers, &s->cap_buffers, sizeof b);
    p->buffer[p->n_buffers] = b;
    *out = s->buffer[r] = p->n_buffers++;
    return NULL;
}

static Err *make_arg(Sched *s, Ref r, int device, PlanArg *out)
{
    const Node *n = &s->g->node[r];
    if (n->op == OP_weight) {
        out->kind = ARG_WEIGHT;
        return add_weight(s, n, device, &out->index);
    }
    if (n->op == OP_state) {
        out->kind = ARG_STATE;
        return add_state(s, n, device, &out->index);
    }
    out->kind = ARG_BUFFER;
    return add_buffer(s, r, &out->index);
}

/* ---- kernels ---- */

static int add_kernel(Sched *s, Arena *scratch, const Graph *fn)
{
    Plan *p = s->p;
    const char *body = strchr(graph_text(scratch, fn), '(');
    char name[16];
    NameEntry *e = names_entry(&s->kernels, body);
    if (e->stamp)
        return e->stamp - 1;
    snprintf(name, sizeof name, "k%d", p->n_kernels);
    Buf b = {0};
    buf_printf(&b, "func @%s%s", name, body);
    p->kernel = room(s, p->kernel, p->n_kernels, &s->cap_kernels,
                     sizeof *p->kernel);
    PlanKernel k = {keep(s, name), keep(s, b.data)};
    p->kernel[p->n_kernels] = k;
    buf_free(&b);
    e->name = strchr(k.text, '('); /* body goes, this stays */
    e->stamp = p->n_kernels + 1;
    return p->n_kernels++;
}

/* ---- steps ---- */

static PlanStep *add_step(Sched *s, PlanStep step)
{
    s->prog->step = room(s, s->prog->step, s->prog->n_steps, &s->cap_steps,
                         sizeof step);
    s->prog->step[s->prog->n_steps] = step;
    return &s->prog->step[s->prog->n_steps++];
}

static void add_tap(Sched *s, const Node *n, int buffer)
{
    PlanProgram *p = s->prog;
    char name[160];
    snprintf(name, sizeof name, "%.120s[%lld]", n->text,
             (long long)n->attr[ATTR_index].i);
    p->tap = room(s, p->tap, p->n_taps, &s->cap_taps, sizeof *p->tap);
    p->tap[p->n_taps++] = (PlanPort){keep(s, name), buffer};
}

/* "l3.gate, l3.act" */
static const char *note_of(Sched *s, const KernelCut *cut)
{
    Buf b = {0};
    for (int i = cut->n_params; i < cut->n_args; i++)
        buf_printf(&b, "%s%s", i > cut->n_params ? ", " : "",
                   s->g->node[cut->args[i]].name);
    const char *note = keep(s, b.data ? b.data : "");
    buf_free(&b);
    return note;
}

static Err *launch_args(Sched *s, const KernelCut *cut, PlanStep *step)
{
    step->n_args = cut->n_args;
    step->arg = ARENA_ARRAY(s->p->arena, PlanArg, cut->n_args);
    for (int i = 0; i < cut->n_args; i++) {
        const Node *n = &s->g->node[cut->args[i]];
        TRY(make_arg(s, cut->args[i], step->device, &step->arg[i]));
        if (i >= cut->n_params && n->op == OP_tap)
            add_tap(s, n, step->arg[i].index);
    }
    return NULL;
}

static Err *add_launch(Sched *s, int group, int device)
{
    Arena *scratch = arena_new();
    KernelCut cut;
    PlanStep step = {.kind = STEP_LAUNCH, .device = device < 0 ? 0 : device};
    Err *e = kernel_cut(scratch, s->cutter, group, "k", &cut);
    if (!e) {
        step.kernel = add_kernel(s, scratch, cut.fn);
        step.note = note_of(s, &cut);
        e = launch_args(s, &cut, &step);
    }
    if (!e)
        add_step(s, step);
    arena_free(scratch);
    return e;
}

static Err *add_copy(Sched *s, Ref r)
{
    const Node *n = &s->g->node[r];
    PlanStep step = {.kind = STEP_COPY, .device = n->device, .n_args = 2,
                     .note = keep(s, n->name)};
    step.arg = ARENA_ARRAY(s->p->arena, PlanArg, 2);
    TRY(make_arg(s, n->arg[0], n->device, &step.arg[0]));
    TRY(make_arg(s, r, n->device, &step.arg[1]));
    add_step(s, step);
    return NULL;
}

/* The device whose work a step is: a copy's is where it comes from. */
static int works_on(const Graph *g, const Node *n)
{
    return n->op == OP_send ? g->node[n->arg[0]].device : n->device;
}

/* The steps of one device in graph order; -1: of all. */
static Err *add_steps(Sched *s, int device)
{
    const Graph *g = s->g;
    int last = -1;
    for (Ref i = g->n_params; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        bool here = device < 0 || works_on(g, n) == device;
        if (n->op == OP_send && here)
            TRY(add_copy(s, i));
        if (n->kernel >= 0 && n->kernel != last && here)
            TRY(add_launch(s, n->kernel, n->device));
        last = n->kernel >= 0 ? n->kernel : last;
    }
    return NULL;
}

/* ---- stages ---- */

static bool has_steps(const Graph *g, int device)
{
    for (Ref i = g->n_params; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        if ((n->op == OP_send || n->kernel >= 0) && works_on(g, n) == device)
            return true;
    }
    return false;
}

/* The devices with steps, in order; values only travel up, so that is an order
 * in which they may work.  Returns how many. */
static int find_stages(const Sched *s, int *device)
{
    int n = 0;
    for (int d = 0; d < s->p->n_devices; d++)
        if (has_steps(s->g, d))
            device[n++] = d;
    return n;
}

/* Results, probes among them, must stay until they are read, which only the
 * last device has time for. */
static bool results_stand_on(const Graph *g, int device)
{
    for (int i = 0; i < g->n_results; i++) {
        const Node *n = &g->node[g->result[i].ref];
        if (n->device != device || n->op == OP_send)
            return false;
    }
    for (Ref i = 0; i < g->n_nodes; i++)
        if (g->node[i].op == OP_tap && g->node[i].device != device)
            return false;
    return true;
}

/* Every copy goes from a stage to the next. */
static bool sends_are_hops(const Graph *g, const int *device, int n)
{
    for (Ref i = 0; i < g->n_nodes; i++) {
        if (g->node[i].op != OP_send)
            continue;
        int k = 0;
        while (k < n && device[k] != works_on(g, &g->node[i]))
            k++;
        if (k + 1 >= n || device[k + 1] != g->node[i].device)
            return false;
    }
    return true;
}

static Err *add_stages(Sched *s)
{
    PlanProgram *p = s->prog;
    int *device = ARENA_ARRAY(s->c->arena, int, s->p->n_devices + 1);
    int n = s->c->settings->pipeline ? find_stages(s, device) : 0;
    s->staged = n > 1 && results_stand_on(s->g, device[n - 1]) &&
                sends_are_hops(s->g, device, n);
    if (!s->staged)
        return add_steps(s, -1);
    p->stage = ARENA_ARRAY(s->p->arena, PlanStage, n);
    p->n_stages = n;
    for (int i = 0; i < n; i++) {
        int before = p->n_steps;
        TRY(add_steps(s, device[i]));
        p->stage[i] = (PlanStage){device[i], p->n_steps - before};
    }
    return NULL;
}

/* ---- programs ---- */

static Err *add_ports(Sched *s)
{
    const Graph *g = s->g;
    PlanProgram *p = s->prog;
    p->input = ARENA_ARRAY(s->p->arena, PlanPort, g->n_params + 1);
    p->output = ARENA_ARRAY(s->p->arena, PlanPort, g->n_results + 1);
    for (Ref i = 0; i < g->n_params; i++) {
        PlanPort *port = &p->input[p->n_inputs++];
        port->name = keep(s, g->node[i].name);
        TRY(add_buffer(s, i, &port->buffer));
    }
    for (int i = 0; i < g->n_results; i++) {
        Ref r = g->result[i].ref;
        OpKind k = op_info(g->node[r].op)->kind;
        if (k == KIND_VIEW || k == KIND_SRC)
            return err_new(ERR_INPUT, "@%s: result %s is not computed", g->name,
                           g->result[i].name);
        PlanPort *port = &p->output[p->n_outputs++];
        port->name = keep(s, g->result[i].name);
        TRY(add_buffer(s, r, &port->buffer));
    }
    return NULL;
}

static Err *add_program(Sched *s, const Graph *g)
{
    s->g = g;
    s->cutter = kernel_cutter(s->c->arena, g);
    s->prog = &s->p->program[s->p->n_programs++];
    s->prog->name = keep(s, g->name);
    s->cap_steps = s->cap_taps = 0;
    s->buffer = ARENA_ARRAY(s->c->arena, int, g->n_nodes + 1);
    for (Ref i = 0; i < g->n_nodes; i++)
        s->buffer[i] = -1;
    s->staged = false;
    TRY(add_ports(s));
    return add_stages(s);
}

static void copy_devices(Sched *s)
{
    static const PlanDevice one = {.name = "host:0", .kind = "host"};
    const Machine *m = s->c->machine;
    Plan *p = s->p;
    p->n_devices = m ? m->n_devices : 1;
    p->device = ARENA_ARRAY(p->arena, PlanDevice, p->n_devices);
    for (int i = 0; i < p->n_devices; i++) {
        p->device[i] = m ? m->device[i] : one;
        p->device[i].name = keep(s, p->device[i].name);
        p->device[i].kind = keep(s, p->device[i].kind);
    }
}

static Err *parse_kernels(Sched *s, Module **out)
{
    Buf b = {0};
    buf_printf(&b, "module kernels\n");
    for (int i = 0; i < s->p->n_kernels; i++)
        buf_printf(&b, "\n%s", s->p->kernel[i].text);
    Err *e = module_parse(s->c->arena, b.data, out);
    buf_free(&b);
    return e;
}

Err *schedule_build(PassContext *c, const Module *m, Module **kernels,
                    Plan **out)
{
    Err *e = NULL;
    Arena *a = arena_new();
    Sched s = {.c = c, .p = ARENA_NEW(a, Plan)};
    *out = NULL;
    s.p->arena = a;
    s.p->model = keep(&s, m->name);
    s.p->context = c->settings->context;
    s.p->batch = c->settings->batch;
    s.p->outputs = c->settings->outputs;
    s.p->program = ARENA_ARRAY(a, PlanProgram, m->n_graphs);
    copy_devices(&s);
    s.states.a = s.kernels.a = c->arena;
    s.weights = ARENA_ARRAY(c->arena, Names, s.p->n_devices);
    for (int i = 0; i < s.p->n_devices; i++)
        s.weights[i].a = c->arena;
    for (int i = 0; i < m->n_graphs; i++)
        DO(add_program(&s, m->graph[i]));
    mark_deltanet(&s);
    DO(memplan_assign(s.p));
    DO(parse_kernels(&s, kernels));
    *out = s.p;
out:
    if (e)
        arena_free(a);
    return e;
}
