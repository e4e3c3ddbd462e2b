/* cuda_sample.c - the tables of a sampler on a card, made on the host. */
#include "runtime/cuda_sample.h"

#include <math.h>
#include <string.h>

enum { ALIGN = 64 };

static int64_t take(int64_t *end, int64_t bytes)
{
    int64_t at = *end;
    *end += (bytes + ALIGN - 1) / ALIGN * ALIGN;
    return at;
}

/* A window that any history fits needs no ring. */
CudaSampleRoom cuda_sample_room(const Choosing *c, int64_t most)
{
    CudaSampleRoom r = {0};
    const SamplerParams *p = c->params;
    int64_t table = c->vocab * (int64_t)sizeof(uint32_t);
    take(&r.bytes, sizeof(CudaSample));
    if (sampler_has_penalties(p) && p->window) {
        r.count = take(&r.bytes, table);
        if (p->window > 0 && p->window < most) {
            r.window = p->window;
            r.ring = take(&r.bytes, r.window * (int64_t)sizeof(int32_t));
        }
    }
    if (p->n_bias) {
        r.first = take(&r.bytes, table);
        r.bias = take(&r.bytes, p->n_bias * (int64_t)sizeof(SamplerBias));
    }
    return r;
}

static int64_t bytes_in_all(const Choosing *c, int64_t most)
{
    return (int64_t)sizeof(CudaSample) + cuda_sample_room(c, most).bytes;
}

int64_t cuda_sample_most(int64_t vocab, int64_t most)
{
    SamplerParams p = sampler_defaults();
    p.presence_penalty = 1;
    p.window = most - 1;
    p.n_bias = vocab;
    return bytes_in_all(&(Choosing){.params = &p, .vocab = (int32_t)vocab},
                        most);
}

bool cuda_sample_fits(const Choosing *c, int64_t vocab, int64_t most)
{
    return bytes_in_all(c, most) <= cuda_sample_most(vocab, most);
}

static void fill_history(const Choosing *c, const CudaSampleRoom *r, char *to)
{
    uint32_t *count = (uint32_t *)(void *)(to + r->count);
    int32_t *ring = (int32_t *)(void *)(to + r->ring);
    int64_t n = c->n_history;
    int64_t from = r->window && r->window < n ? n - r->window : 0;
    for (int64_t i = from; i < n; i++) {
        int32_t id = c->history[i];
        if (id >= 0 && id < c->vocab)
            count[id]++;
        if (r->window)
            ring[i % r->window] = id;
    }
}

/* By id; those of one id in their order: each is rounded. */
static void fill_bias(const Choosing *c, const CudaSampleRoom *r, char *to)
{
    const SamplerParams *p = c->params;
    uint32_t *first = (uint32_t *)(void *)(to + r->first);
    SamplerBias *bias = (SamplerBias *)(void *)(to + r->bias);
    uint32_t n = 0;
    for (int64_t i = 0; i < p->n_bias; i++)
        first[p->bias[i].id]++;
    for (int32_t id = 0; id < c->vocab; id++) {
        uint32_t here = first[id];
        first[id] = here ? n : 0;
        n += here;
    }
    for (int64_t i = 0; i < p->n_bias; i++)
        bias[first[p->bias[i].id]++] = p->bias[i];
    /* each stands behind its last one now: back to the first, plus one */
    for (uint32_t i = n; i-- > 0;)
        first[bias[i].id] = i + 1;
}

void cuda_sample_fill(const Choosing *c, const CudaSampleRoom *r,
                      CudaAddress at, char *to)
{
    const SamplerParams *p = c->params;
    CudaSample s = {.temperature = p->temperature,
                    .top_p = p->top_p,
                    .min_p = p->min_p,
                    .repeat = p->repeat_penalty,
                    .frequency = p->frequency_penalty,
                    .presence = p->presence_penalty,
                    .top_k = p->top_k,
                    .window = r->window,
                    .history = c->n_history,
                    .seed = p->seed,
                    .position = c->position,
                    .vocab = c->vocab,
                    .n_bias = (int32_t)p->n_bias};
    memset(to, 0, (size_t)r->bytes);
    if (r->count)
        fill_history(c, r, to);
    if (r->first)
        fill_bias(c, r, to);
    s.count = r->count ? at + (CudaAddress)r->count : 0;
    s.ring = r->ring ? at + (CudaAddress)r->ring : 0;
    s.first = r->first ? at + (CudaAddress)r->first : 0;
    s.bias = r->bias ? at + (CudaAddress)r->bias : 0;
    memcpy(to, &s, sizeof s);
}

Err *cuda_sample_read(uint64_t word, int32_t vocab, int32_t *id)
{
    enum { IS_NAN = 1, MASKED, BANNED, IS_INF };
    *id = (int32_t)(uint32_t)word;
    switch (word >> 32) {
    case IS_NAN:
        return sampler_bad_logit(*id, NAN);
    case MASKED:
        return sampler_all_masked(vocab);
    case BANNED:
        return sampler_all_banned();
    case IS_INF:
        return sampler_bad_logit(*id, INFINITY);
    default:
        return NULL;
    }
}
