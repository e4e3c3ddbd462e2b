/* build_id.h - which build of this module is running: part of the key under
 * which compiled kernels are cached, so that a changed emitter never meets code
 * of its predecessor. */
#ifndef GEN_LLVM_BUILD_ID_H
#define GEN_LLVM_BUILD_ID_H

#include <stddef.h>

/* The linker's build ID as hexadecimal digits; "" if there is none. */
void build_id(char *out, size_t size);

#endif
