/* model_info.h - what a model file says about itself: plain data.
 *
 * The runtime's GGUF reader fills it, the compiler reads it; neither needs the
 * other.  All memory belongs to whoever made it and outlives the compile. */
#ifndef BASE_MODEL_INFO_H
#define BASE_MODEL_INFO_H

#include <stddef.h>
#include <stdint.h>

#include "base/blocks.h"

typedef enum { META_INT, META_FLOAT, META_BOOL, META_STRING } MetaKind;

/* One metadata value; a scalar is an array of one with is_array false. */
typedef struct {
    const char *key;
    MetaKind kind;
    int is_array;
    int64_t n;
    const int64_t *ints;        /* META_INT, META_BOOL (0/1); u64 above 2^63-1
                                   is refused by the reader */
    const double *floats;       /* META_FLOAT */
    const char *const *strings; /* META_STRING, NUL-terminated UTF-8 */
    const uint32_t *lengths;    /* META_STRING: byte lengths */
} MetaValue;

enum { TENSOR_MAX_RANK = 4 };

/* ne[0] is the contiguous axis, as GGUF counts.  Unused ne are 1. */
typedef struct {
    const char *name;
    BlockType type;
    int rank;
    int64_t ne[TENSOR_MAX_RANK];
    int64_t bytes;
    int shard;      /* which file of a split model */
    int64_t offset; /* of the first byte in that file */
} TensorInfo;

typedef struct {
    const char *path; /* for messages */
    int64_t n_meta, n_tensors;
    const MetaValue *meta;
    const TensorInfo *tensors;
    const void *index; /* private hash tables of the reader */
} ModelInfo;

/* NULL if absent.  Constant time on average. */
const MetaValue *model_meta(const ModelInfo *m, const char *key);
const TensorInfo *model_tensor(const ModelInfo *m, const char *name);
/* Builds the hash tables (arena memory); *dup receives the first key or tensor
 * name that stands twice, NULL if none. */
struct Arena;
void model_index(struct Arena *a, ModelInfo *m, const char **dup);

#endif
