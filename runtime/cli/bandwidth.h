/* bandwidth.h - how fast the threads of a pool can read memory. */
#ifndef CLI_BANDWIDTH_H
#define CLI_BANDWIDTH_H

#include "runtime/pool.h"

/* Far more than any cache holds. */
enum { BANDWIDTH_MEMORY = 256 << 20 };

/* Bytes per second at which all threads together read a buffer of n bytes, the
 * best of several passes; less than a cache holds is read from the cache.  0 if
 * there is no room for the buffer. */
double bandwidth_read(Pool *p, int64_t n);

#endif
