/* gguf.h - model files: one GGUF file, or all the files of a split model.
 *
 * gguf_open reads and checks the whole header; everything in it counts as
 * hostile.  What it accepts has: unique names of printable UTF-8; tensors of
 * known types whose bytes lie aligned inside their file without overlap; sizes
 * that fit int64_t.  Weights are read with pread, never mapped, so that a file
 * cut short under us is an error and not a signal.
 *
 * Limits (ERR_LIMIT): headers of all files together 256 MiB, 65,536 metadata
 * entries, 1,048,576 tensors, 512 files, strings of 64 MiB.  The metadata in
 * memory takes at most 64 MiB plus four bytes for each header byte.
 *
 * A Gguf owns its files and all memory of its ModelInfo.  After opening it
 * never changes; any number of threads may read. */
#ifndef RUNTIME_GGUF_H
#define RUNTIME_GGUF_H

#include "base/err.h"
#include "base/model_info.h"

typedef struct Gguf Gguf;

/* Any file of a split model will do; the others must lie beside it. */
Err *gguf_open(const char *path, Gguf **out) MUST_USE;
void gguf_close(Gguf *g); /* NULL is fine */

const ModelInfo *gguf_info(const Gguf *g);

/* The files of a split model in order; TensorInfo.shard counts them. */
int gguf_n_files(const Gguf *g);
const char *gguf_file_path(const Gguf *g, int file);
int64_t gguf_file_bytes(const Gguf *g, int file);

/* Bytes [offset, offset + n) of the tensor, all or an error. */
Err *gguf_read(const Gguf *g, const TensorInfo *t, int64_t offset, int64_t n,
               void *dst) MUST_USE;

/* Values [first, first + n) as float32; both are multiples of the tensor's
 * block length.  A bounded buffer, whatever n. */
Err *gguf_read_f32(const Gguf *g, const TensorInfo *t, int64_t first, int64_t n,
                   float *dst) MUST_USE;

/* An error if a file was written to since it was opened (its size or time
 * changed): call it after the last read. */
Err *gguf_unchanged(const Gguf *g) MUST_USE;

#endif
