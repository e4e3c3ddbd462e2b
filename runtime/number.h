/* number.h - numbers from text and back, the same in every locale. */
#ifndef RUNTIME_NUMBER_H
#define RUNTIME_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits after an optional '-'; false if it does not fit. */
bool number_int(const char *s, size_t n, int64_t *out);
/* A decimal float; overflow gives an infinity as Python's float() does. */
bool number_float(const char *s, size_t n, double *out);

enum { NUMBER_FLOAT_BYTES = 32 };
/* The shortest text that reads back equal, as Python's repr writes it:
 * "1.0", "1e-07", "1e+16", "inf", "nan".  Returns its length. */
size_t number_repr(double f, char out[NUMBER_FLOAT_BYTES]);

#endif
