/* load.h - from the command line and a model file to a session that computes.
 *
 * One call opens the file, reads its vocabulary, compiles (or reads --plan),
 * makes machine code, allocates and loads; it says what each part took. */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include "runtime/cli/options.h"
#include "runtime/cuda_kernels.h"
#include "runtime/exec.h"
#include "runtime/session.h"
#include "runtime/tokenizer.h"

/* Wall seconds; zero for what was not done.  Of kernels that compile while
 * weights are loaded, what was waited for. */
typedef struct {
    double header, tokenizer, plan, kernels, weights, total;
} LoadTimes;

/* What the command needs, besides what the options say. */
typedef struct {
    bool tokenizer;  /* text in or out */
    int64_t context; /* tokens, unless --context says; 0: the usual default */
    int64_t outputs; /* rows of logits in one step */
    bool taps;       /* the text's probes */
} LoadWish;

typedef struct {
    Arena *arena;
    Gguf *file;
    Tokenizer *tokenizer; /* NULL if not wished for */
    Plan *plan;           /* NULL with --devices=interp */
    Pool *pool;
    ModuleCache *cache; /* until kernels are made */
    KernelSet *kernels; /* NULL unless the plan is for host devices */
    CudaCode *code;     /* NULL unless it is for cards */
    CudaKernels *cuda;
    Executor *executor; /* the session's */
    Session *session;
    LoadTimes times;
} Loaded;

/* On an error nothing is left open; *out is for load_close in any case. */
Err *load_open(const Options *o, const char *path, const LoadWish *w,
               Loaded *out) MUST_USE;
void load_close(Loaded *l);

/* Only the file and its tokenizer; load_model does the rest.  load_open is
 * both: for commands that read their text in between. */
Err *load_file(const Options *o, const char *path, bool tokenizer,
               Loaded *out) MUST_USE;
Err *load_model(const Options *o, const LoadWish *w, Loaded *l) MUST_USE;

/* The largest resident set so far, bytes. */
int64_t load_peak_memory(void);

#endif
