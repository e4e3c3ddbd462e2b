/* peer_logits MODEL.gguf TOKENS.txt OUT.f32 [GREEDY] - logits of llama.cpp.
 *
 * Reads ids, computes them as one batch, then goes on for GREEDY tokens with
 * the likeliest one.  OUT is raw float32, [ids + GREEDY, vocabulary]; all ids
 * go to standard output.  Keys and values in float32, no flash attention, two
 * threads.  Made by hand for the scripts beside it, never by the build:
 *
 *   cc -O2 -I$LLAMA/include -I$LLAMA/ggml/include peer_logits.c \
 *      -L$LIB -lllama -lggml -lggml-base -Wl,-rpath,$LIB -o peer_logits */
#include <llama.h>

#include <stdio.h>
#include <stdlib.h>

enum { MAX_IDS = 4096 };

static void need(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "peer_logits: %s\n", what);
    exit(1);
}

static int read_ids(const char *path, llama_token *id)
{
    int n = 0;
    FILE *f = fopen(path, "r");
    need(f != NULL, "no file of tokens");
    while (n < MAX_IDS && fscanf(f, "%d", &id[n]) == 1)
        n++;
    fclose(f);
    need(n > 0 && n < MAX_IDS, "number of tokens");
    return n;
}

/* Positions [from, from + n); their logits go to `out`, the likeliest token
 * behind the last of them is returned. */
static llama_token step(struct llama_context *c, const llama_token *id,
                        int from, int n, int width, FILE *out)
{
    struct llama_batch b = llama_batch_init(n, 0, 1);
    llama_token best = 0;
    b.n_tokens = n;
    for (int i = 0; i < n; i++) {
        b.token[i] = id[from + i];
        b.pos[i] = from + i;
        b.n_seq_id[i] = 1;
        b.seq_id[i][0] = 0;
        b.logits[i] = 1;
    }
    need(llama_decode(c, b) == 0, "decode failed");
    for (int i = 0; i < n; i++) {
        const float *row = llama_get_logits_ith(c, i);
        best = 0;
        for (int k = 1; k < width; k++)
            best = row[k] > row[best] ? k : best;
        need(fwrite(row, 4, (size_t)width, out) == (size_t)width,
             "cannot write");
    }
    llama_batch_free(b);
    return best;
}

static struct llama_context *open_context(struct llama_model *m)
{
    struct llama_context_params p = llama_context_default_params();
    p.n_ctx = p.n_batch = p.n_ubatch = MAX_IDS;
    p.n_seq_max = 1;
    p.n_threads = p.n_threads_batch = 2;
    p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    p.type_k = p.type_v = GGML_TYPE_F32;
    return llama_init_from_model(m, p);
}

static void quiet(enum ggml_log_level level, const char *text, void *ctx)
{
    (void)ctx;
    if (level == GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

int main(int argc, char **argv)
{
    static llama_token id[2 * MAX_IDS];
    need(argc == 4 || argc == 5,
         "usage: MODEL.gguf TOKENS.txt OUT.f32 [GREEDY]");
    int n = read_ids(argv[2], id), more = argc == 5 ? atoi(argv[4]) : 0;
    need(more >= 0 && n + more <= MAX_IDS, "too many tokens");
    llama_log_set(quiet, NULL);
    llama_backend_init();
    struct llama_model *m =
        llama_model_load_from_file(argv[1], llama_model_default_params());
    need(m != NULL, "the model does not load");
    struct llama_context *c = open_context(m);
    FILE *out = fopen(argv[3], "wb");
    need(c && out, "no context or no output");
    int width = llama_vocab_n_tokens(llama_model_get_vocab(m));
    id[n] = step(c, id, 0, n, width, out);
    for (int i = n; i < n + more; i++)
        id[i + 1] = step(c, id, i, 1, width, out);
    need(fclose(out) == 0, "cannot write");
    for (int i = 0; i < n + more; i++)
        printf("%d%c", id[i], i + 1 < n + more ? ' ' : '\n');
    llama_free(c);
    llama_model_free(m);
    llama_backend_free();
}
