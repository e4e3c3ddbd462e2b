/* test_weights.c - tensors from the file into a device's memory, as they are
 * and packed: rows longer than what is read at once, several pieces, experts. */
#include <criterion/criterion.h>

#include "base/packing.h"
#include "runtime/weights.h"
#include "toy.h"

static const char plan_text[] =
    "sextet-plan 1\n"
    "model \"toy\"\n"
    "context 8\n"
    "batch 4\n"
    "outputs 1\n"
    "d0 \"host:0\" \"host\" capacity 0 reserve 0 bandwidth 0 "
    "weights 27796224 states 64 scratch 64\n"
    /* eight rows are more than a piece */
    "w0 \"long\" q4_0/x8 [2097152, 16] other d0 at 0 bytes 18874368\n"
    /* a piece and some groups of rows */
    "w1 \"high\" q8_0/x8 [4096, 2048] other d0 at 18874368 bytes 8912896\n"
    "w2 \"experts\" q4_k/x8 [256, 8, 3] other d0 at 27787264 bytes 3456\n"
    "w3 \"plain\" q4_k [256, 38] other d0 at 27790720 bytes 5472\n";

static void put_tensor(Buf *b, const PlanWeight *w, uint64_t *at)
{
    toy_string(b, w->tensor);
    toy_u32(b, (uint32_t)w->rank);
    for (int i = 0; i < w->rank; i++)
        toy_u64(b, (uint64_t)w->ne[i]);
    toy_u32(b, (uint32_t)block_info[w->type].gguf_id);
    toy_u64(b, *at);
    *at += (uint64_t)(w->bytes + 31) / 32 * 32;
}

static uint8_t byte_at(int64_t i) { return (uint8_t)(i * 2654435761 >> 13); }

/* The plan's tensors one after the other; byte i of the data is byte_at(i). */
static void write_file(const Plan *p, const char *path)
{
    Buf b = {0};
    uint64_t n = 0;
    buf_puts(&b, "GGUF");
    toy_u32(&b, 3);
    toy_u64(&b, (uint64_t)p->n_weights);
    toy_u64(&b, 1);
    toy_string(&b, "general.architecture");
    toy_u32(&b, 8);
    toy_string(&b, "toy");
    for (int i = 0; i < p->n_weights; i++)
        put_tensor(&b, &p->weight[i], &n);
    while (b.n % 32)
        buf_add(&b, "", 1);
    for (uint64_t i = 0; i < n; i++) {
        uint8_t v = byte_at((int64_t)i);
        buf_add(&b, &v, 1);
    }
    toy_ok(file_write(path, b.data, b.n));
    buf_free(&b);
}

/* Bytes from p on are the weight's, whose first is byte `from` of the data. */
static void check_bytes(const PlanWeight *w, const uint8_t *p, int64_t from)
{
    int64_t each = w->bytes, row = block_bytes(w->type, w->ne[0]);
    if (w->packing)
        each = PACK_LANES * row;
    uint8_t *plain = malloc((size_t)each);
    for (int64_t i = 0; i < w->bytes; i += each) {
        int64_t wrong = 0;
        if (w->packing)
            packing_unpack8(w->type, w->ne[0] / block_info[w->type].elems,
                            p + i, plain);
        else
            memcpy(plain, p + i, (size_t)each);
        for (int64_t k = 0; k < each; k++)
            wrong += plain[k] != byte_at(from + i + k);
        cr_expect_eq(wrong, 0, "%s: %lld bytes from %lld on", w->tensor,
                     (long long)wrong, (long long)i);
    }
    free(plain);
}

static void check_all(const Plan *p, const uint8_t *memory)
{
    int64_t from = 0;
    for (int i = 0; i < p->n_weights; i++) {
        const PlanWeight *w = &p->weight[i];
        check_bytes(w, memory + w->offset, from);
        from += (w->bytes + 31) / 32 * 32;
    }
}

/* ---- a device whose memory the host does not see ---- */

static uint8_t *far_memory;

static void *far_address(Device *d, Place at)
{
    (void)d;
    (void)at;
    return NULL;
}

enum { THREADS = 3 };
static void *far_room[THREADS];

static Err *far_staging(Device *d, int thread, int64_t n, void **out)
{
    (void)d;
    *out = far_room[thread] = realloc(far_room[thread], (size_t)n);
    return NULL;
}

static Err *far_loaded(Device *d)
{
    (void)d;
    for (int i = 0; i < THREADS; i++) {
        free(far_room[i]);
        far_room[i] = NULL;
    }
    return NULL;
}

static Err *far_rows(Device *d, int thread, const PlanWeight *w, int64_t first,
                     int64_t n, const void *src)
{
    int64_t row = block_bytes(w->type, w->ne[0]);
    (void)d;
    (void)thread;
    memcpy(far_memory + w->offset + first * row, src, (size_t)(n * row));
    return NULL;
}

static const DeviceKind far_kind = {.kind = "far",
                                    .host_address = far_address,
                                    .staging = far_staging,
                                    .write_rows = far_rows,
                                    .loaded = far_loaded};

/* ---- */

static void load(const Plan *p, bool far)
{
    char path[] = "/tmp/sextet-weights-XXXXXX";
    int fd = mkstemp(path);
    Pool *pool;
    Gguf *file;
    Device *near = NULL, far_device = {&far_kind, &p->device[0]};
    cr_assert(fd >= 0);
    write_file(p, path);
    toy_ok(pool_new(THREADS, &pool));
    toy_ok(gguf_open(path, &file));
    toy_ok(device_open(&(DeviceSpec){.plan = &p->device[0], .pool = pool}, &near));
    far_memory = calloc(1, (size_t)p->device[0].weights);
    ExecSpec spec = {.plan = p, .file = file, .pool = pool};
    toy_ok(weights_load(&spec, far ? &(Device *){&far_device} : &near));
    Place start = {REGION_WEIGHTS, 0};
    check_all(p, far ? far_memory : near->kind->host_address(near, start));
    device_close(near);
    gguf_close(file);
    pool_free(pool);
    free(far_memory);
    close(fd);
    unlink(path);
}

Test(weights, packed_in_place)
{
    Plan *p = toy_parse(plan_text);
    load(p, false);
    plan_free(p);
}

Test(weights, packed_on_the_way)
{
    Plan *p = toy_parse(plan_text);
    load(p, true);
    plan_free(p);
}
