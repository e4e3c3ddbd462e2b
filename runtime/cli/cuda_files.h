/* cuda_files.h - CUDA source as files: to look at, and to edit without building
 * the program again. */
#ifndef CLI_CUDA_FILES_H
#define CLI_CUDA_FILES_H

#include "runtime/cuda_code.h"

/* Headers of c that are in the folder replace those built in (--kernel-dir).
 * An error if none is there. */
Err *cuda_files_replace(CudaCode *c, const char *dir) MUST_USE;

/* Writes every unit as NAME.cu, whose first line is the command that compiles
 * it, and the headers beside it.  target: "sm_90a". */
Err *cuda_files_dump(const CudaCode *c, const char *target,
                     const char *dir) MUST_USE;

#endif
