/* main.c - graphfuzz: cases at random or from files.
 *
 *     graphfuzz [--count=N] [--seed=S] [--batch=N] [--no-jit] [--out=DIR] [--all]
 *     graphfuzz [--no-jit] FILE...        a case each, as a failure prints it
 *     graphfuzz --show=SEED               the text of a case
 *
 * Cases run in a child process, many to a module of kernels, so that a crash is
 * a finding like any other.  What fails is run alone, shrunk, printed, and
 * written to DIR.  --all goes on after a failure and shrinks nothing. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "runtime/provider.h"
#include "tests/graphfuzz/graphfuzz.h"

/* The leak checker misjudges where the thread variables of LLVM lie, and then
 * reads there. */
__attribute__((visibility("default"))) const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
    return "use_tls=0:print_suppressions=0";
}

/* LLVM asks for memory all the time: let that cost less. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "malloc_context_size=1:quarantine_size_mb=4:exitcode=99";
}

/* By batch: a module of kernels is for one processor. */
static const char *const cpus[] = {"native", "x86-64-v2", "x86-64-v3/16",
                                   "native"};
enum { N_CPUS = sizeof cpus / sizeof *cpus };

typedef struct {
    int64_t count, batch;
    uint64_t seed, show;
    bool jit, is_show, all;
    const char *out;
    char dir[64]; /* for weight files; removed in the end */
} Args;

/* What a child leaves behind, even when it dies. */
typedef struct {
    int64_t done; /* cases */
    FuzzReport report;
    int64_t failures, failed; /* index of the first, -1 unknown */
    char error[1200];
} Shared;

static Shared *shared_new(void)
{
    Shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED)
        abort();
    s->failed = -1;
    return s;
}

static Err *fuzz_open(const Args *a, Fuzz *f)
{
    *f = (Fuzz){.dir = a->dir};
    TRY(pool_new(2, &f->pool));
    return a->jit ? provider_open(BUILD_DIR "/sextet-llvm.so", &f->provider)
                  : NULL;
}

/* ---- in a child ---- */

typedef int ChildFn(void *ctx);

/* Its exit status, or minus the signal that ended it. */
static int in_child(ChildFn *fn, void *ctx, bool quiet)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0) {
        if (quiet && (!freopen("/dev/null", "w", stderr)))
            _exit(99);
        int rc = fn(ctx);
        fflush(NULL);
        if (quiet)
            _exit(rc);
        exit(rc); /* the leak checker runs */
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

typedef struct {
    const Args *args;
    Shared *shared;
    const FuzzCase *one; /* NULL: those of the command line */
} Job;

/* Says what case i does wrong; with --all that is all that happens. */
static void note_failure(const Job *j, int64_t i, const Err *e)
{
    Shared *s = j->shared;
    if (j->args->all) {
        printf("seed %" PRIu64 ": %s\n", j->args->seed + (uint64_t)i,
               err_text(e));
        fflush(stdout);
    } else if (s->failed < 0) {
        s->failed = i;
        snprintf(s->error, sizeof s->error, "%s", err_text(e));
    }
    s->failures++;
}

static void run_batch(const Job *j, const Fuzz *f, int64_t from, int n)
{
    const Args *a = j->args;
    Arena *arena = arena_new();
    FuzzCase **c = ARENA_ARRAY(arena, FuzzCase *, n);
    Err **error = ARENA_ARRAY(arena, Err *, n);
    const char *cpu = cpus[from / a->batch % N_CPUS];
    for (int i = 0; i < n; i++)
        c[i] = case_random(arena, a->seed + (uint64_t)(from + i), cpu);
    check_cases(f, c, n, &j->shared->report, error);
    for (int i = 0; i < n; i++) {
        if (error[i])
            note_failure(j, from + i, error[i]);
        err_free(error[i]);
    }
    arena_free(arena);
}

static int child_of_all(void *ctx)
{
    const Job *j = ctx;
    const Args *a = j->args;
    Fuzz f;
    Err *e = fuzz_open(a, &f);
    if (e)
        note_failure(j, 0, e);
    while (!e && j->shared->done < a->count &&
           (a->all || !j->shared->failures)) {
        int64_t from = j->shared->done, left = a->count - from;
        int n = (int)(left < a->batch ? left : a->batch);
        run_batch(j, &f, from, n);
        j->shared->done += n;
    }
    pool_free(f.pool);
    err_free(e);
    return j->shared->failures > 0;
}

static int child_of_one(void *ctx)
{
    const Job *j = ctx;
    Fuzz f;
    FuzzCase *c = (FuzzCase *)j->one;
    alarm(60);
    Err *e = fuzz_open(j->args, &f);
    if (!e)
        check_cases(&f, &c, 1, &j->shared->report, &e);
    if (e)
        snprintf(j->shared->error, sizeof j->shared->error, "%s", err_text(e));
    pool_free(f.pool);
    int rc = e != NULL;
    err_free(e);
    return rc;
}

/* ---- one case ---- */

/* How it fails: the signal, or the message without names and numbers. */
typedef struct {
    int status;
    char words[256];
} Failure;

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void keep_words(const char *text, char *to, size_t room)
{
    size_t n = 0;
    while (*text && n + 2 < room) {
        size_t len = strcspn(text, " ,:");
        bool word = len > 0;
        for (size_t i = 0; i < len; i++)
            word = word && is_letter(text[i]);
        for (size_t i = 0; word && i < len && n + 2 < room; i++)
            to[n++] = text[i];
        to[n++] = ' ';
        text += len + (text[len] != '\0');
    }
    to[n] = '\0';
}

static Failure run_one(const Args *a, const FuzzCase *c)
{
    Job j = {a, shared_new(), c};
    Failure f = {.status = in_child(child_of_one, &j, true)};
    if (f.status == 1)
        keep_words(j.shared->error, f.words, sizeof f.words);
    munmap(j.shared, sizeof *j.shared);
    return f;
}

typedef struct {
    const Args *args;
    const FuzzCase *c;
    uint64_t seed;
    Failure first;
    const Fuzz *fuzz; /* NULL: in a child each time */
} Same;

static bool is_same(const Failure *a, const Failure *b)
{
    return a->status == b->status && strcmp(a->words, b->words) == 0;
}

static bool fails_again(void *ctx, const FuzzCase *c)
{
    const Same *s = ctx;
    Failure f = {0};
    if (!s->fuzz) {
        f = run_one(s->args, c);
        return is_same(&f, &s->first);
    }
    FuzzReport report = {0};
    FuzzCase *one = (FuzzCase *)c;
    Err *e;
    check_cases(s->fuzz, &one, 1, &report, &e);
    if (e) {
        f.status = 1;
        keep_words(err_text(e), f.words, sizeof f.words);
    }
    err_free(e);
    return is_same(&f, &s->first);
}

static void print_failure(const Args *a, const FuzzCase *c, uint64_t seed)
{
    Buf path = {0};
    buf_printf(&path, "%s/graphfuzz-%" PRIu64 ".gr", a->out, seed);
    FILE *f = fopen(path.data, "w");
    if (f) {
        case_print(c, f);
        fclose(f);
    }
    printf("---- shrunk (%s) ----\n", path.data);
    case_print(c, stdout);
    printf("---- run it again ----\n%s/graphfuzz %s%s\n", BUILD_DIR,
           a->jit ? "" : "--no-jit ", path.data);
    buf_free(&path);
}

static void shrink_and_print(const Same *s)
{
    Arena *a = arena_new();
    print_failure(s->args, shrink_case(a, s->c, fails_again, (void *)s),
                  s->seed);
    arena_free(a);
}

/* What does not crash is tried in one process: LLVM takes long to start. */
static int child_that_shrinks(void *ctx)
{
    Same *s = ctx;
    Fuzz f;
    Err *e = fuzz_open(s->args, &f);
    s->fuzz = &f;
    if (!e)
        shrink_and_print(s);
    pool_free(f.pool);
    err_free(e);
    return 0;
}

/* Whether the case fails alone; if so it is shrunk and printed. */
static bool report_case(const Args *a, int64_t index)
{
    Arena *arena = arena_new();
    uint64_t seed = a->seed + (uint64_t)index;
    FuzzCase *c =
        case_random(arena, seed, cpus[index / a->batch % N_CPUS]);
    Same same = {a, c, seed, run_one(a, c), NULL};
    bool fails = same.first.status != 0;
    if (fails) {
        printf("seed %" PRIu64 " fails alone (status %d): shrinking\n", seed,
               same.first.status);
        fflush(stdout);
    }
    if (fails && (same.first.status != 1 ||
                  in_child(child_that_shrinks, &same, true) != 0))
        shrink_and_print(&same);
    arena_free(arena);
    return fails;
}

/* ---- commands ---- */

/* A batch that ended the child: which of its cases does that alone. */
static void list_crashes(const Args *a, int64_t from)
{
    for (int64_t i = from; i < from + a->batch && i < a->count; i++) {
        Arena *arena = arena_new();
        uint64_t seed = a->seed + (uint64_t)i;
        FuzzCase *c = case_random(arena, seed, cpus[i / a->batch % N_CPUS]);
        Failure f = run_one(a, c);
        if (f.status)
            printf("seed %" PRIu64 ": status %d %s\n", seed, f.status, f.words);
        fflush(stdout);
        arena_free(arena);
    }
}

static void shrink_first(const Args *a, const Shared *s)
{
    int64_t first = s->failed >= 0 ? s->failed : s->done;
    for (int64_t i = first; i < first + a->batch && i < a->count; i++)
        if (report_case(a, i))
            return;
    printf("no case of the batch fails alone: graphfuzz --seed=%" PRIu64
           " --count=%" PRId64 " --batch=%" PRId64 "\n",
           a->seed, s->done + a->batch, a->batch);
}

static void print_report(const Args *a, const Shared *s, double seconds)
{
    const FuzzReport *r = &s->report;
    printf("%" PRId64 " cases from seed %" PRIu64 ", %" PRId64
           " wrong: %d values compared, %d too ill-conditioned, worst error "
           "%.3g of its limit; %" PRId64 " kernels, %.1f s\n",
           s->done, a->seed, s->failures, r->n, r->ill, r->worst, r->kernels,
           seconds);
    if (s->error[0])
        printf("FAILED: %s\n", s->error);
    fflush(stdout);
}

static int fuzz(const Args *a)
{
    double start = clock_seconds();
    Job j = {a, shared_new(), NULL};
    Shared *s = j.shared;
    int status = in_child(child_of_all, &j, a->all);
    while (a->all && status && status != 1) {
        s->failures++;
        list_crashes(a, s->done);
        s->done += a->batch;
        status = in_child(child_of_all, &j, true);
    }
    print_report(a, s, clock_seconds() - start);
    if (status && !a->all)
        shrink_first(a, s);
    return status || s->failures;
}

static int replay(const Args *a, const char *path)
{
    Arena *arena = arena_new();
    char *text;
    size_t n;
    FuzzCase *c;
    Job j = {a, shared_new(), NULL};
    Err *e = file_read(arena, path, 1 << 24, &text, &n);
    if (!e)
        e = case_parse(arena, text, &c);
    int status = 1;
    if (!e) {
        j.one = c;
        status = in_child(child_of_one, &j, false);
    }
    if (status)
        printf("%s: FAILED (status %d): %s\n", path, status,
               e ? err_text(e) : j.shared->error);
    else
        printf("%s: right; worst error %.3g of its limit\n", path,
               j.shared->report.worst);
    err_free(e);
    arena_free(arena);
    return status != 0;
}

static int show(const Args *a)
{
    Arena *arena = arena_new();
    case_print(case_random(arena, a->show, "native"), stdout);
    arena_free(arena);
    return 0;
}

static bool has_value(const char *arg, const char *name, const char **value)
{
    size_t n = strlen(name);
    *value = arg + n;
    return strncmp(arg, name, n) == 0;
}

/* Returns how many arguments are options. */
static int read_args(Args *a, int argc, char **argv)
{
    int i = 1;
    const char *v;
    *a = (Args){.count = 100, .batch = 25, .jit = true, .out = "."};
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (has_value(argv[i], "--count=", &v))
            a->count = atoll(v);
        else if (has_value(argv[i], "--batch=", &v))
            a->batch = atoll(v) > 0 ? atoll(v) : 1;
        else if (has_value(argv[i], "--seed=", &v))
            a->seed = strtoull(v, NULL, 10);
        else if (has_value(argv[i], "--out=", &v))
            a->out = v;
        else if (strcmp(argv[i], "--no-jit") == 0)
            a->jit = false;
        else if (strcmp(argv[i], "--all") == 0)
            a->all = true;
        else if ((a->is_show = has_value(argv[i], "--show=", &v)))
            a->show = strtoull(v, NULL, 10);
        else
            return -1;
    }
    return i;
}

int main(int argc, char **argv)
{
    Args a;
    int at = read_args(&a, argc, argv), rc = 0;
    if (at < 0) {
        printf("graphfuzz: no such option: %s\n", argv[1]);
        return 2;
    }
    if (a.is_show)
        return show(&a);
    strcpy(a.dir, "/tmp/graphfuzz-XXXXXX");
    if (!mkdtemp(a.dir))
        return 2;
    if (at == argc)
        rc = fuzz(&a);
    for (int i = at; i < argc; i++)
        rc |= replay(&a, argv[i]);
    rmdir(a.dir);
    return rc;
}
