#include "gen/cuda/emit.h"

#include <stdarg.h>
#include <string.h>

#include "base/embedded.h"
#include "gen/cuda/emit_pack.h"
#include "gen/cuda/emit_sample.h"

void emit_fail(Emit *e, Err *err)
{
    if (e->err)
        err_free(err);
    else
        e->err = err;
}

/* ---- text */

void emit_include(Emit *e, const char *file)
{
    const char *line = emit_format(e, "#include \"%s\"\n", file);
    if (!e->head.data || !strstr(e->head.data, line))
        buf_puts(&e->head, line);
}

static char *format(Arena *a, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    char *s = arena_alloc(a, (size_t)n + 1);
    vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    return s;
}

void emit_text(Emit *e, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    buf_puts(e->text, format(e->arena, fmt, args));
    va_end(args);
}

const char *emit_format(Emit *e, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *s = format(e->arena, fmt, args);
    va_end(args);
    return s;
}

static void add_launch(Emit *e, CudaLaunch l)
{
    CudaKernel *k = e->kernel;
    if (k->n_launches == e->cap_launches) {
        int cap = e->cap_launches * 2 + 4;
        CudaLaunch *grown = ARENA_ARRAY(e->arena, CudaLaunch, cap);
        if (k->n_launches)
            memcpy(grown, k->launch, sizeof l * (size_t)k->n_launches);
        k->launch = grown;
        e->cap_launches = cap;
    }
    k->launch[k->n_launches++] = l;
}

/* ---- units */

int emit_unit(CudaCode *c, CudaSource s)
{
    int n = c->n_units;
    if ((n & (n - 1)) == 0) { /* full: room doubles */
        CudaSource *grown =
            ARENA_ARRAY(c->arena, CudaSource, n ? 2 * n : 1);
        if (n)
            memcpy(grown, c->unit, sizeof s * (size_t)n);
        c->unit = grown;
    }
    c->unit[c->n_units++] = s;
    return n;
}

/* What every unit of the kernel begins with, and these launches. */
static const char *unit_text(Emit *e, const Buf *launches)
{
    const Buf *part[] = {&e->head, &e->body, launches};
    Buf all = {0};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        if (part[i]->n)
            buf_add(&all, part[i]->data, part[i]->n);
    const char *text = arena_strndup(e->arena, all.data, all.n);
    buf_free(&all);
    return text;
}

/* The launch that stood alone is whole. */
static void end_alone(Emit *e)
{
    if (e->text != &e->alone)
        return;
    CudaLaunch *l = e->kernel->launch;
    const char *symbol = l[e->kernel->n_launches - 1].symbol;
    int unit = emit_unit(
        e->code, (CudaSource){symbol, unit_text(e, &e->alone), true});
    for (int i = 0; i < e->kernel->n_launches; i++)
        if (l[i].symbol == symbol)
            l[i].unit = unit;
    buf_clear(&e->alone);
}

static void begin_kernel(Emit *e, const char *suffix, int threads, int blocks,
                         CudaLaunch l)
{
    l.symbol = emit_format(e, "%s%s", e->name, suffix);
    l.threads = threads;
    l.unit = e->unit;
    add_launch(e, l);
    emit_text(e, "\nKERNEL(%s, %d, %d, %d)\n", l.symbol, e->n_args, threads,
              blocks);
}

void emit_kernel(Emit *e, const char *suffix, int threads, int blocks,
                 CudaLaunch l)
{
    end_alone(e);
    e->text = &e->launches;
    begin_kernel(e, suffix, threads, blocks, l);
}

void emit_kernel_alone(Emit *e, const char *suffix, int threads, int blocks,
                       CudaLaunch l)
{
    end_alone(e);
    e->text = &e->alone;
    begin_kernel(e, suffix, threads, blocks, l);
}

void emit_launch_again(Emit *e, CudaLaunch l)
{
    const CudaLaunch *last = &e->kernel->launch[e->kernel->n_launches - 1];
    l.symbol = last->symbol;
    l.threads = last->threads;
    l.unit = last->unit;
    add_launch(e, l);
}

const char *emit_scratch(Emit *e, int64_t bytes_each, Sym by)
{
    enum { ALIGN = 256 };
    CudaExtent *s = &e->kernel->scratch;
    int64_t each = (bytes_each + ALIGN - 1) / ALIGN * ALIGN;
    if (s->k && s->sym != by)
        emit_fail(e, err_new(ERR_DEVICE, "%s: scratch by two symbols",
                             e->name));
    const char *at = emit_format(e, "(call.scratch + (i64)%s * %lld)",
                                 emit_count(by), (long long)s->k);
    *s = (CudaExtent){s->k + each, by, 1};
    return at;
}

void emit_keep(Emit *e, Ref r)
{
    const Type *t = &emit_node(e, r)->type;
    if (!e->kept)
        e->kept = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes);
    if (!e->kept[r])
        e->kept[r] = emit_scratch(e, emit_row_size(t) * 4, emit_lead(t));
}

int64_t emit_counters(Emit *e, int64_t n)
{
    int64_t first = e->kernel->counters;
    e->kernel->counters += n;
    return first;
}

/* ---- the graph */

Ref emit_root(const Emit *e, Ref r)
{
    while (op_info(e->g->node[r].op)->kind == KIND_VIEW)
        r = e->g->node[r].arg[0];
    return r;
}

Ref emit_find(const Emit *e, OpKind kind)
{
    for (Ref i = 0; i < e->g->n_nodes; i++)
        if (op_info(e->g->node[i].op)->kind == kind)
            return i;
    return NO_REF;
}

Sym emit_lead(const Type *t) { return t->rank ? t->dim[0].sym : SYM_ONE; }

int64_t emit_row_size(const Type *t)
{
    return type_elements(t).k;
}

const char *emit_count(Sym s)
{
    switch (s) {
    case SYM_T:
        return "call.tokens";
    case SYM_R:
        return "call.outputs";
    case SYM_ONE:
    case SYM_C:
    case SYM_COUNT:
        break;
    }
    return "1";
}

int emit_arg(const Emit *e, Ref r)
{
    if (r < e->g->n_params)
        return (int)r;
    for (int i = 0; i < e->g->n_results; i++)
        if (e->g->result[i].ref == r)
            return (int)e->g->n_params + i;
    return -1;
}

/* ---- a plan */

static ClassFn *const class_emitter[KERNEL_CLASS_COUNT] = {
    [KERNEL_ROW] = emit_row_class,
    [KERNEL_MATMUL] = emit_matmul_class,
    [KERNEL_EXPERTS] = emit_experts_class,
    [KERNEL_ATTENTION] = emit_attention_class,
    [KERNEL_CONV] = emit_conv_class,
    [KERNEL_DELTA] = emit_delta_class,
};

static Err *parse(Arena *a, const PlanKernel *k, const Graph **out)
{
    Buf text = {0};
    Module *m;
    buf_printf(&text, "module kernels\n%s\n", k->text);
    Err *e = module_parse(a, text.data, &m);
    buf_free(&text);
    if (!e)
        e = module_verify(m);
    if (e)
        return err_note(e, "kernel %.40s", k->name);
    *out = m->graph[0];
    return kernel_verify(*out);
}

static Err *emit_one(const Plan *p, CudaCode *c, int i)
{
    Emit e = {.arena = c->arena,
              .code = c,
              .name = emit_format(&(Emit){.arena = c->arena}, "k%d", i),
              .tokens = p->batch,
              .outputs = p->outputs,
              .kernel = &c->kernel[i],
              .text = &e.body};
    TRY(parse(c->arena, &p->kernel[i], &e.g));
    e.n_args = (int)e.g->n_params + e.g->n_results;
    e.unit = emit_unit(c, (CudaSource){.name = e.name});
    c->kernel[i].n_args = e.n_args;
    c->kernel[i].n_results = e.g->n_results;
    c->kernel[i].scratch = (CudaExtent){0, SYM_ONE, 1};
    emit_include(&e, "common.cuh");
    class_emitter[kernel_class(e.g)](&e);
    end_alone(&e);
    c->unit[e.unit].source = unit_text(&e, &e.launches);
    buf_free(&e.head);
    buf_free(&e.body);
    buf_free(&e.launches);
    buf_free(&e.alone);
    return e.err ? err_note(e.err, "CUDA code of kernel %.40s",
                            p->kernel[i].name)
                 : NULL;
}

static void add_headers(CudaCode *c)
{
    while (embedded_kernels[c->n_headers].name)
        c->n_headers++;
    c->header = ARENA_ARRAY(c->arena, CudaSource, c->n_headers + 1);
    for (int i = 0; i < c->n_headers; i++)
        c->header[i] = (CudaSource){.name = embedded_kernels[i].name,
                                    .source = embedded_kernels[i].text};
    emit_tables(c);
}

Err *cuda_code(const Plan *p, CudaCode **out)
{
    Err *e = NULL;
    Arena *a = arena_new();
    CudaCode *c = ARENA_NEW(a, CudaCode);
    c->arena = a;
    c->n_kernels = p->n_kernels;
    c->kernel = ARENA_ARRAY(a, CudaKernel, p->n_kernels + 1);
    *out = NULL;
    add_headers(c);
    for (int i = 0; i < p->n_kernels; i++)
        DO(emit_one(p, c, i));
    emit_sample(p, c);
    emit_packers(p, c);
    *out = c;
    return NULL;
out:
    arena_free(a);
    return e;
}

void cuda_code_free(CudaCode *c)
{
    if (c)
        arena_free(c->arena);
}
