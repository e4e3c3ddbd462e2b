/* print.h - small pieces of output that several commands share. */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <stdint.h>
#include <stdio.h>

/* "13.6 MiB"; returns out. */
enum { PRINT_BYTES_MAX = 32 };
const char *print_bytes(int64_t n, char out[PRINT_BYTES_MAX]);

/* n bytes of UTF-8, at most `max` of them and then "..."; control characters
 * (which could drive a terminal) and quotes become escapes. */
void print_escaped(FILE *f, const char *s, size_t n, size_t max);

/* A JSON string, quotes included; s is valid UTF-8. */
void print_json_string(FILE *f, const char *s, size_t n);
/* A JSON number that reads back exactly; null if v is not finite. */
void print_json_number(FILE *f, double v);

#endif
