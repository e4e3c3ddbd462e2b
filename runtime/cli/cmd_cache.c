/* cmd_cache.c - `sextet cache`: what compiled kernels take; away with them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/cli/options.h"
#include "runtime/cli/print.h"
#include "runtime/module_cache.h"

static void print_stats(const CacheStats *s, bool json)
{
    char bytes[PRINT_BYTES_MAX], limit[PRINT_BYTES_MAX];
    if (!json) {
        printf("%s: %" PRId64 " entries, %s of at most %s\n", s->dir,
               s->entries, print_bytes(s->bytes, bytes),
               print_bytes(s->limit, limit));
        return;
    }
    fputs("{\"folder\": ", stdout);
    print_json_string(stdout, s->dir, strlen(s->dir));
    printf(", \"entries\": %" PRId64 ", \"bytes\": %" PRId64
           ", \"limit\": %" PRId64 "}\n",
           s->entries, s->bytes, s->limit);
}

Err *cmd_cache(const Options *o)
{
    ModuleCache *c = cache_open(o->cache_dir, o->cache_size);
    if (o->clear)
        cache_clear(c);
    CacheStats s = cache_stats(c);
    Err *e = s.dir ? NULL
                   : err_new(ERR_IO, "there is no folder for compiled kernels "
                                     "(--cache-dir)");
    if (!e)
        print_stats(&s, o->json);
    cache_close(c);
    return e;
}
