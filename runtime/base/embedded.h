/* embedded.h - text files built into the binary (gen/embed.cmake). */
#ifndef BASE_EMBEDDED_H
#define BASE_EMBEDDED_H

#include <stddef.h>

typedef struct {
    const char *name; /* file name without folder; NULL ends a table */
    const char *text; /* NUL-terminated */
    size_t n;         /* bytes without the NUL */
} EmbeddedFile;

/* models/<name>.mdl and models/machines/<name>.mach */
extern const EmbeddedFile embedded_files[];
/* gen/cuda/<name>.cuh */
extern const EmbeddedFile embedded_kernels[];

#endif
