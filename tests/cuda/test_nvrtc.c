/* test_nvrtc.c - NVIDIA's compiler takes the units of models, with no include
 * path: of the demo model in several types, of a file with the shape of a large
 * model.  A model's units take most of a minute, so each stands for one
 * architecture and one type of keys and values.  Skipped where there is no NVRTC. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/pipeline.h"
#include "gen/cuda/cuda.h"
#include "runtime/gguf.h"
#include "runtime/nvrtc.h"

enum { MOST = 4000, TWO = 2 };

/* Sources that were compiled already, and the queue of a code's units. */
typedef struct {
    const Nvrtc *nvrtc;
    int arch;
    uint64_t done[MOST];
    int n_done;
    const CudaCode *code;
    int next; /* unit */
    Buf failures;
    pthread_mutex_t lock;
} Compile;

static void ok(Err *e) { cr_assert_null(e, "%s", e ? err_text(e) : ""); }

static uint64_t hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    while (*text)
        h = (h ^ (unsigned char)*text++) * 0x100000001b3u;
    return h;
}

/* True once for a text. */
static bool is_new(Compile *c, const char *text)
{
    uint64_t h = hash(text);
    for (int i = 0; i < c->n_done; i++)
        if (c->done[i] == h)
            return false;
    cr_assert(c->n_done < MOST);
    c->done[c->n_done++] = h;
    return true;
}

/* The next unit that is new, -1: none is left. */
static int take(Compile *c)
{
    int unit = -1;
    pthread_mutex_lock(&c->lock);
    while (unit < 0 && c->next < c->code->n_units) {
        unit = c->next++;
        if (!is_new(c, c->code->unit[unit].source))
            unit = -1;
    }
    pthread_mutex_unlock(&c->lock);
    return unit;
}

static void *compile_some(void *ctx)
{
    Compile *c = ctx;
    for (int unit; (unit = take(c)) >= 0;) {
        Buf out = {0};
        NvrtcTarget t = nvrtc_target(c->nvrtc, c->arch);
        Err *e = nvrtc_compile(c->nvrtc, c->code, unit, &t, &out);
        pthread_mutex_lock(&c->lock);
        if (e)
            buf_printf(&c->failures, "%s: %s\n%s", t.name, err_text(e),
                       c->code->unit[unit].source);
        pthread_mutex_unlock(&c->lock);
        err_free(e);
        buf_free(&out);
    }
    return NULL;
}

static void compile_plan(Compile *c, const Plan *p)
{
    pthread_t other[TWO];
    CudaCode *code;
    ok(cuda_code(p, &code));
    c->code = code;
    c->next = 0;
    for (int i = 0; i < TWO; i++)
        cr_assert(!pthread_create(&other[i], NULL, compile_some, c));
    for (int i = 0; i < TWO; i++)
        pthread_join(other[i], NULL);
    cr_expect(!c->failures.n, "%s", c->failures.data);
    buf_clear(&c->failures);
    cuda_code_free(code);
}

/* False: there is no NVRTC. */
static bool compile_begin(Compile *c, int arch)
{
    *c = (Compile){.arch = arch};
    pthread_mutex_init(&c->lock, NULL);
    Err *e = nvrtc_open(0, &c->nvrtc);
    err_free(e);
    return !e;
}

/* ---- models ---- */

static void compile_file(Compile *c, const char *path, BlockType kv)
{
    Arena *a = arena_new();
    Gguf *file;
    Plan *plan;
    ok(gguf_open(path, &file));
    CompileRequest r = {.model = gguf_info(file),
                        .machine = machine_uniform(a, "cuda", 1, 0),
                        .settings = {.key_type = kv, .value_type = kv,
                                     .activations = BT_f32,
                                     .fuse = FUSE_BLOCK, .context = 4096,
                                     .batch = 512, .outputs = 8}};
    ok(compile_model(&r, &plan));
    compile_plan(c, plan);
    plan_free(plan);
    gguf_close(file);
    arena_free(a);
}

/* name: of the demo model's file. */
static void compile_demo(const char *name, int arch, BlockType kv)
{
    static Compile c;
    char path[512];
    snprintf(path, sizeof path, SHARED_DIR "/data/demo/demo-%s.gguf", name);
    if (access(path, R_OK) || !compile_begin(&c, arch))
        cr_skip("no NVRTC, or no demo model");
    compile_file(&c, path, kv);
}

Test(nvrtc, q4_k) { compile_demo("q4_k", 86, BT_q4_0); }
Test(nvrtc, mix_iq) { compile_demo("mix-iq", 89, BT_bf16); }
Test(nvrtc, ud_tq1) { compile_demo("ud-tq1", 80, BT_f16); }

/* Full size, but a sparse file. */
Test(nvrtc, large_model)
{
    static Compile c;
    const char *path = BUILD_DIR "/large.gguf";
    if (access(SHARED_DIR "/tools/synth_gguf.py", R_OK) ||
        !compile_begin(&c, 90))
        cr_skip("no NVRTC, or no tool");
    if (system("python3 " SHARED_DIR "/tools/synth_gguf.py --shape 397b --mix "
               "ud-tq1 --sparse -o " BUILD_DIR "/large.gguf >/dev/null 2>&1"))
        cr_skip("the tool wants numpy");
    compile_file(&c, path, BT_q8_0);
    unlink(path);
}
