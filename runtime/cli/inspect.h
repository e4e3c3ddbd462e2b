/* inspect.h - the three reports of `sextet inspect`, on standard output. */
#ifndef CLI_INSPECT_H
#define CLI_INSPECT_H

#include "runtime/cli/options.h"
#include "runtime/gguf.h"

void inspect_model(const Gguf *g);
/* Metadata arrays in full; shapes with the contiguous axis first. */
void inspect_model_json(const Gguf *g);
/* Statistics of the decoded values; --f32 writes them, --json. */
Err *inspect_tensor(const Gguf *g, const TensorInfo *t,
                    const Options *o) MUST_USE;

/* What the tensors of each type sum up to. */
typedef struct {
    int64_t tensors, values, bytes;
} InspectSum;
/* sum has BT_COUNT rows; the return value is the total. */
InspectSum inspect_sum(const ModelInfo *m, InspectSum *sum);
double inspect_bits(const InspectSum *s); /* per value */

#endif
