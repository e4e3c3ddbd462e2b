/* Tensor infos: name, shape, type, offset; and where their bytes lie. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"
#include "runtime/gguf_int.h"

enum { MAX_NAME = 63 };

/* Ids that stand for something, but not in a file that we read. */
static const char *refused_type(uint32_t id)
{
    switch (id) {
    case 9:
    case 15:
        return "is for computing, not for files";
    case 4:
    case 5:
    case 31:
    case 32:
    case 33:
    case 36:
    case 37:
    case 38:
        return "was removed from the format";
    default:
        return "is unknown (from a newer or a changed format?)";
    }
}

static Err *read_type(Reader *r, TensorInfo *t)
{
    uint32_t id;
    TRY(reader_u32(r, &id));
    t->type = block_from_gguf(id);
    if (t->type == BT_COUNT)
        return reader_error(r, ERR_INPUT, "tensor type %" PRIu32 " %s", id,
                            refused_type(id));
    return NULL;
}

static Err *read_shape(Reader *r, TensorInfo *t)
{
    uint32_t rank;
    TRY(reader_u32(r, &rank));
    if (rank < 1 || rank > TENSOR_MAX_RANK)
        return reader_error(r, ERR_INPUT, "%" PRIu32 " dimensions, not 1 to %d",
                            rank, TENSOR_MAX_RANK);
    t->rank = (int)rank;
    for (int k = 0; k < TENSOR_MAX_RANK; k++) {
        uint64_t n = 1;
        if (k < t->rank)
            TRY(reader_uint(r, 8, &n));
        if (n < 1 || n > INT64_MAX)
            return reader_error(r, ERR_INPUT, "dimension %d is %" PRIu64, k, n);
        t->ne[k] = (int64_t)n;
    }
    return NULL;
}

/* Bytes from shape and type; every product is checked. */
static Err *measure(const Reader *r, TensorInfo *t)
{
    const BlockInfo *info = &block_info[t->type];
    int64_t n = 1;
    for (int k = 0; k < TENSOR_MAX_RANK; k++)
        if (__builtin_mul_overflow(n, t->ne[k], &n))
            return reader_error(r, ERR_INPUT, "more than 2^63 - 1 values");
    if (t->ne[0] % info->elems != 0)
        return reader_error(r, ERR_INPUT,
                            "rows of %" PRId64 " values, but type %s has "
                            "blocks of %d",
                            t->ne[0], info->name, info->elems);
    t->bytes = block_bytes(t->type, n);
    if (t->bytes < 0)
        return reader_error(r, ERR_INPUT, "more than 2^63 - 1 bytes");
    return NULL;
}

static Err *read_info(Reader *r, int64_t i, TensorInfo *t)
{
    uint32_t n;
    uint64_t offset;
    reader_subject(r, "tensor", i, NULL);
    TRY(reader_string(r, READ_NAME, MAX_NAME, &t->name, &n));
    reader_subject(r, "tensor", i, t->name);
    TRY(read_shape(r, t));
    TRY(read_type(r, t));
    TRY(measure(r, t));
    TRY(reader_uint(r, 8, &offset));
    if (offset > INT64_MAX)
        return reader_error(r, ERR_INPUT, "offset %" PRIu64, offset);
    t->offset = (int64_t)offset;
    return NULL;
}

Err *gguf_tensors_parse(Reader *r, int64_t n, ModelInfo *info,
                        int64_t **record_at)
{
    TensorInfo *tensors = ARENA_ARRAY(r->arena, TensorInfo, n);
    *record_at = ARENA_ARRAY(r->arena, int64_t, n);
    info->tensors = tensors;
    info->n_tensors = n;
    for (int64_t i = 0; i < n; i++) {
        (*record_at)[i] = r->pos;
        TRY(read_info(r, i, &tensors[i]));
    }
    return NULL;
}

/* One tensor's bytes in the file: aligned, no overflow. */
static Err *place(const Reader *r, int64_t alignment, int64_t data,
                  TensorInfo *t, int64_t *end)
{
    if (t->offset % alignment != 0)
        return reader_error(r, ERR_INPUT,
                            "offset %" PRId64 " is not a multiple of the "
                            "alignment %" PRId64,
                            t->offset, alignment);
    if (__builtin_add_overflow(t->offset, data, &t->offset) ||
        __builtin_add_overflow(t->offset, t->bytes, end))
        return reader_error(r, ERR_INPUT, "ends past byte 2^63 - 1");
    return NULL;
}

static int by_offset(const void *a, const void *b)
{
    const TensorInfo *const *x = a, *const *y = b;
    return ((*x)->offset > (*y)->offset) - ((*x)->offset < (*y)->offset);
}

/* The first tensor, in order of offset, that begins before its predecessor
 * ends; NULL if none does. */
static const TensorInfo *find_overlap(const TensorInfo *const *t, int64_t n,
                                      const TensorInfo **other)
{
    for (int64_t i = 1; i < n; i++) {
        *other = t[i - 1];
        if (t[i]->offset < (*other)->offset + (*other)->bytes)
            return t[i];
    }
    return NULL;
}

static Err *check_overlap(Reader *r, const ModelInfo *info,
                          const int64_t *record_at)
{
    int64_t n = info->n_tensors;
    const TensorInfo **order = malloc(sizeof *order * (size_t)(n + 1));
    const TensorInfo *other = NULL;
    if (!order)
        memory_out(sizeof *order * (size_t)(n + 1));
    for (int64_t i = 0; i < n; i++)
        order[i] = &info->tensors[i];
    qsort(order, (size_t)n, sizeof *order, by_offset);
    const TensorInfo *t = find_overlap(order, n, &other);
    free(order);
    if (!t)
        return NULL;
    r->field = record_at[t - info->tensors];
    reader_subject(r, "tensor", 0, t->name);
    return reader_error(r, ERR_INPUT, "its bytes overlap those of '%s'",
                        other->name);
}

Err *gguf_tensors_place(Reader *r, int64_t alignment, ModelInfo *info,
                        const int64_t *record_at)
{
    int64_t data = (r->pos + alignment - 1) / alignment * alignment;
    int64_t last = 0, cut = -1;
    TensorInfo *tensors = (TensorInfo *)info->tensors; /* ours, not const */
    for (int64_t i = 0; i < info->n_tensors; i++) {
        int64_t end = 0;
        r->field = record_at[i];
        reader_subject(r, "tensor", i, tensors[i].name);
        TRY(place(r, alignment, data, &tensors[i], &end));
        if (end > r->size && cut < 0)
            cut = i;
        last = end > last ? end : last;
    }
    if (cut >= 0) {
        r->field = record_at[cut];
        reader_subject(r, "tensor", cut, tensors[cut].name);
        return reader_error(r, ERR_INPUT,
                            "the data ends at byte %" PRId64
                            ", but the file has %" PRId64 " bytes: %" PRId64
                            " are missing, an incomplete download?",
                            last, r->size, last - r->size);
    }
    return check_overlap(r, info, record_at);
}
