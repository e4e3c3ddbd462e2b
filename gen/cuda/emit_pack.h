/* emit_pack.h - the kernels that move a file's rows into tiles, and the tables
 * of lookup types as a header. */
#ifndef GEN_CUDA_EMIT_PACK_H
#define GEN_CUDA_EMIT_PACK_H

#include "gen/cuda/cuda.h"

/* The .cuh file that holds Block_TYPE and file_value_TYPE (block_files.def);
 * NULL: no kernel reads the type. */
const char *emit_pack_file(BlockType t);
/* Adds a unit and a CudaPacker for each type of the plan's weights in tiles. */
void emit_packers(const Plan *p, CudaCode *c);
/* Adds a unit (emit.c); its number. */
int emit_unit(CudaCode *c, CudaSource s);
/* Bytes of shared memory for the lookup table of a type, TABLE_BYTES of
 * Block_TYPE, 16-byte aligned; 0 if it has none. */
int64_t emit_table_bytes(BlockType t);
/* Adds the generated header codebooks.cuh; c->header has room for one more. */
void emit_tables(CudaCode *c);

#endif
