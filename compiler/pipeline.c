#include "compiler/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "compiler/dot.h"
#include "compiler/lower.h"
#include "compiler/pass.h"
#include "compiler/schedule.h"
#include "dsl/dsl.h"
#include "gen/cuda/cuda.h"
#include "runtime/cuda_kernels.h"

const char *const stage_name[STAGE_COUNT] = {
#define X(name, what) #name,
    STAGES(X)
#undef X
};

Stage stage_from_name(const char *name)
{
    Stage s = 0;
    while (s < STAGE_COUNT && strcmp(stage_name[s], name) != 0)
        s++;
    return s;
}

/* ---- showing ---- */

/* Text of a stage goes where it is wanted: DIR/NN-name.txt, or r->show. */
typedef struct {
    const CompileRequest *r;
    int number; /* of the next dump file */
} Show;

static bool is_wanted(const Show *s, Stage stage, bool last)
{
    return s->r->dump || (s->r->show && last && s->r->show_stage == stage);
}

static Err *show_text(Show *s, Stage stage, const char *name, bool last,
                      const char *text, size_t n)
{
    if (s->r->show && last && s->r->show_stage == stage)
        fwrite(text, 1, n, s->r->show);
    if (!s->r->dump)
        return NULL;
    Buf path = {0};
    TRY(file_mkdirs(s->r->dump));
    buf_printf(&path, "%s/%02d-%s.txt", s->r->dump, ++s->number, name);
    Err *e = file_write(path.data, text, n);
    buf_free(&path);
    return e;
}

/* A stage may have several steps (passes); the last one is what --stage= shows. */
static Err *show_module(Show *s, Stage stage, const char *name, bool last,
                        const Module *m)
{
    char *buf = NULL;
    size_t n = 0;
    if (!is_wanted(s, stage, last))
        return NULL;
    FILE *f = memory_text(&buf, &n);
    if (s->r->dot && s->r->show)
        dot_print(m, f);
    else
        module_print(m, f);
    fclose(f);
    Err *e = show_text(s, stage, name, last, buf, n);
    free(buf);
    return e;
}

static Err *show_ast(Show *s, const Ast *ast)
{
    Buf b = {0};
    if (!is_wanted(s, STAGE_ast, true))
        return NULL;
    dsl_print(ast, 1, &b);
    Err *e = show_text(s, STAGE_ast, "ast", true, b.data, b.n);
    buf_free(&b);
    return e;
}

static Err *show_plan(Show *s, const Plan *p)
{
    char *buf = NULL;
    size_t n = 0;
    if (!is_wanted(s, STAGE_plan, true))
        return NULL;
    FILE *f = memory_text(&buf, &n);
    plan_print(p, f);
    fclose(f);
    Err *e = show_text(s, STAGE_plan, "plan", true, buf, n);
    free(buf);
    return e;
}

/* ---- model text ---- */

static const char *architecture(const ModelInfo *m)
{
    const MetaValue *v = model_meta(m, "general.architecture");
    return v && v->kind == META_STRING && v->n == 1 ? v->strings[0] : NULL;
}

/* Whether a text declares that architecture; NULL: any at all. */
static bool serves(Arena *a, const EmbeddedFile *f, const char *arch)
{
    Source *s = source_new(a, embedded_files);
    Ast *ast = NULL;
    int file;
    Err *e = source_add_embedded(s, f->name, &file);
    if (!e)
        e = dsl_parse_file(a, s, file, diag_new(s), &ast);
    err_free(e);
    for (int k = 0; ast && k < ast->n_decls; k++) {
        const Decl *d = ast->decls[k];
        for (int i = 0; d->kind == DECL_MODEL && i < d->u.model.n_names; i++)
            if (!arch || strcmp(d->u.model.names[i].text, arch) == 0)
                return true;
    }
    return false;
}

/* The built-in text that declares `arch`. */
static Err *add_builtin(Arena *a, Source *s, const CompileRequest *r)
{
    const char *arch = architecture(r->model);
    Buf known = {0};
    int file;
    if (!arch)
        return err_new(ERR_INPUT, "%s: no metadata general.architecture",
                       r->model->path);
    for (const EmbeddedFile *f = embedded_files; f->name; f++) {
        const char *dot = strrchr(f->name, '.');
        if (!dot || strcmp(dot, ".mdl") != 0)
            continue;
        if (serves(a, f, arch)) {
            buf_free(&known);
            return source_add_embedded(s, f->name, &file);
        }
        if (serves(a, f, NULL))
            buf_printf(&known, "%s%.*s", known.n ? ", " : "",
                       (int)(dot - f->name), f->name);
    }
    Err *e = err_new(ERR_INPUT,
                     "%s: no model description for architecture '%s' (there "
                     "are: %s); write one and pass it with --mdl=FILE",
                     r->model->path, arch, known.data ? known.data : "none");
    buf_free(&known);
    return e;
}

static void print_diags(const CompileRequest *r, const Diags *d)
{
    Buf b = {0};
    if (r->messages && (d->n_errors || d->n_warnings)) {
        diag_print(d, &b);
        fwrite(b.data, 1, b.n, r->messages);
    }
    buf_free(&b);
}

static Err *front_end(Arena *a, const CompileRequest *r, Show *s, Diags *d,
                      Source *source, Module **m)
{
    Ast *ast = NULL;
    int file;
    LowerOptions o = {r->model, r->settings.key_type, r->settings.value_type};
    if (r->mdl)
        TRY(source_add_path(source, r->mdl, &file));
    else
        TRY(add_builtin(a, source, r));
    /* model text -> checked tree: names, shapes and sorts are known */
    TRY(dsl_load(a, source, d, &ast));
    TRY(show_ast(s, ast));
    /* tree + file header -> graph: one node an operation, no machine yet */
    return lower_ast(a, ast, &o, d, m);
}

static Err *read_text(Arena *a, const CompileRequest *r, Show *s, Module **m)
{
    Source *source = source_new(a, embedded_files);
    Diags *d = diag_new(source);
    Err *e = front_end(a, r, s, d, source, m);
    print_diags(r, d);
    Err *counted = diag_result(d);
    if (!counted)
        return e;
    err_free(e); /* its words stand among the messages */
    return counted;
}

/* ---- passes ---- */

typedef struct {
    const char *pass;
    Stage stage;
    bool last; /* what --stage= shows */
} StagePass;

/* Which stage each pass belongs to, in the order of passes.def. */
static const StagePass order[] = {
    {"canonicalise", STAGE_graph, true}, {"bind", STAGE_fused, false},
    {"round", STAGE_fused, false},       {"dense", STAGE_fused, false},
    {"place", STAGE_fused, false},       {"pack", STAGE_fused, false},
    {"recompute", STAGE_fused, false},   {"fuse", STAGE_fused, true},
    {"expand", STAGE_schedule, false},   {"fuse_across", STAGE_schedule, true},
};

static Err *run_passes(PassContext *c, Show *s, const char *until, Module **m)
{
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (strcmp(order[i].pass, until) == 0)
            return NULL;
        TRY(pass_run(order[i].pass, c, m));
        TRY(show_module(s, order[i].stage, order[i].pass, order[i].last, *m));
    }
    return NULL;
}

Err *compile_graph(const CompileRequest *r, Arena *a, Module **out)
{
    Show s = {r, 0};
    PassContext c = {a, r->model, r->machine, &r->settings};
    TRY(read_text(a, r, &s, out));
    return run_passes(&c, &s, "dense", out);
}

Err *compile_model(const CompileRequest *r, Plan **plan)
{
    Err *e = NULL;
    Arena *a = arena_new();
    Show s = {r, 0};
    Module *m = NULL, *kernels = NULL;
    PassContext c = {a, r->model, r->machine, &r->settings};
    *plan = NULL;

    DO(read_text(a, r, &s, &m));
    /* graph -> fused, placed graph: passes.def says what, in which order */
    DO(run_passes(&c, &s, "", &m));
    /* -> kernels cut out, steps in order, every byte in its place */
    DO(schedule_build(&c, m, &kernels, plan));
    DO(show_module(&s, STAGE_kernels, "kernels", true, kernels));
    DO(show_plan(&s, *plan));
out:
    if (e) {
        plan_free(*plan);
        *plan = NULL;
    }
    arena_free(a);
    return e;
}

/* ---- fitting ---- */

static bool is_for_cards(const Plan *p)
{
    return p->n_devices && strcmp(p->device[0].kind, "cuda") == 0;
}

/* A plan whose kernels have no code is refused when they are made. */
int64_t compile_room(const Plan *p)
{
    CudaCode *code;
    if (!is_for_cards(p))
        return 0;
    Err *e = cuda_code(p, &code);
    int64_t room = e ? 0 : cuda_code_room(code, p);
    if (!e)
        cuda_code_free(code);
    err_free(e);
    return room;
}

Err *compile_check(const Plan *p)
{
    return memplan_check(p, compile_room(p));
}

static bool fits(const Plan *p)
{
    Err *e = compile_check(p);
    err_free(e);
    return !e;
}

static int64_t most_scratch(const Plan *p)
{
    int64_t most = 0;
    for (int i = 0; i < p->n_devices; i++)
        if (p->device[i].scratch > most)
            most = p->device[i].scratch;
    return most + compile_room(p);
}

/* Once more with room for the scratch that was needed, if it did not fit; r has
 * then the settings of the better one. */
static Err *compile_twice(CompileRequest *r, Plan **out)
{
    CompileRequest again = *r;
    Plan *second;
    TRY(compile_model(r, out));
    if ((*out)->n_devices == 1 || r->settings.place || fits(*out))
        return NULL;
    again.settings.scratch = most_scratch(*out);
    again.messages = NULL; /* has been said */
    Err *e = compile_model(&again, &second);
    if (e) {
        plan_free(*out);
        *out = NULL;
        return e;
    }
    bool better = fits(second);
    plan_free(better ? *out : second);
    *out = better ? second : *out;
    if (better)
        *r = again;
    return NULL;
}

static int64_t at_most(int64_t n, int64_t most) { return n < most ? n : most; }

/* r has then the settings of *out. */
static Err *find_fit(CompileRequest *r, Plan **out)
{
    int64_t scratch = r->settings.scratch;
    Settings *s = &r->settings;
    Err *e = compile_twice(r, out);
    while (!e && s->least_batch && s->batch > s->least_batch && !fits(*out)) {
        r->messages = NULL; /* has been said */
        s->scratch = scratch;
        s->batch = s->batch / 2 > s->least_batch ? s->batch / 2 : s->least_batch;
        s->outputs = at_most(s->outputs, s->batch);
        plan_free(*out);
        *out = NULL;
        e = compile_twice(r, out);
    }
    return e;
}

Err *compile_to_fit(const CompileRequest *r, Plan **out)
{
    CompileRequest quiet = *r;
    FILE *explain = r->settings.explain;
    quiet.dump = NULL;
    quiet.show = NULL;
    quiet.settings.explain = NULL;
    Err *e = find_fit(&quiet, out);
    if (!r->dump && !r->show && !explain)
        return e;
    /* the same aloud; what stands before an error, too */
    err_free(e);
    plan_free(*out);
    quiet.dump = r->dump;
    quiet.show = r->show;
    quiet.settings.explain = explain;
    quiet.messages = NULL;
    return compile_model(&quiet, out);
}
