/* The summary of a file: as text and as JSON. */
#include <inttypes.h>
#include <string.h>

#include "runtime/cli/inspect.h"
#include "runtime/cli/print.h"
#include "runtime/cli/value_stats.h"

enum { SHOWN_ELEMENTS = 6, SHOWN_BYTES = 60 };

static const char *kind_name(MetaKind k)
{
    switch (k) {
    case META_INT:
        return "int";
    case META_FLOAT:
        return "float";
    case META_BOOL:
        return "bool";
    case META_STRING:
        return "string";
    }
    return "";
}

/* Totals may pass 2^63 - 1 in a sparse file: they stop there. */
static void add_up(int64_t *sum, int64_t v)
{
    if (__builtin_add_overflow(*sum, v, sum))
        *sum = INT64_MAX;
}

InspectSum inspect_sum(const ModelInfo *m, InspectSum *sum)
{
    InspectSum all = {0};
    memset(sum, 0, sizeof *sum * BT_COUNT);
    for (int64_t i = 0; i < m->n_tensors; i++) {
        const TensorInfo *t = &m->tensors[i];
        InspectSum *both[2] = {&all, &sum[t->type]};
        for (int k = 0; k < 2; k++) {
            both[k]->tensors++;
            add_up(&both[k]->values, value_stats_count(t));
            add_up(&both[k]->bytes, t->bytes);
        }
    }
    return all;
}

double inspect_bits(const InspectSum *s)
{
    return s->values ? 8.0 * (double)s->bytes / (double)s->values : 0;
}

/* ---- text */

static void print_element(const MetaValue *v, int64_t i)
{
    switch (v->kind) {
    case META_INT:
        printf("%" PRId64, v->ints[i]);
        break;
    case META_FLOAT:
        printf("%.7g", v->floats[i]);
        break;
    case META_BOOL:
        fputs(v->ints[i] ? "true" : "false", stdout);
        break;
    case META_STRING:
        putchar('"');
        print_escaped(stdout, v->strings[i], v->lengths[i], SHOWN_BYTES);
        putchar('"');
        break;
    }
}

static void print_meta(const MetaValue *v)
{
    char type[40];
    if (v->is_array)
        snprintf(type, sizeof type, "%s[%" PRId64 "]", kind_name(v->kind),
                 v->n);
    else
        snprintf(type, sizeof type, "%s", kind_name(v->kind));
    printf("  %-44s %-14s ", v->key, type);
    for (int64_t i = 0; i < v->n && i < SHOWN_ELEMENTS; i++) {
        fputs(i ? ", " : "", stdout);
        print_element(v, i);
    }
    puts(v->n > SHOWN_ELEMENTS ? ", ..." : "");
}

static void print_tensor(const TensorInfo *t)
{
    char shape[96], bytes[PRINT_BYTES_MAX];
    int n = 0;
    for (int k = 0; k < t->rank; k++)
        n += snprintf(shape + n, sizeof shape - (size_t)n, "%s%" PRId64,
                      k ? ", " : "", t->ne[k]);
    printf("  %-40s %-8s [%s]%*s %10s\n", t->name, block_info[t->type].name,
           shape, n < 20 ? 20 - n : 0, "", print_bytes(t->bytes, bytes));
}

static void print_types(const InspectSum *sum, const InspectSum *all)
{
    char bytes[PRINT_BYTES_MAX];
    puts("\ntypes       tensors           values       bytes   share   bits");
    for (int t = 0; t < BT_COUNT; t++)
        if (sum[t].tensors)
            printf("  %-8s %8" PRId64 " %16" PRId64 "  %10s  %5.1f%% %6.2f\n",
                   block_info[t].name, sum[t].tensors, sum[t].values,
                   print_bytes(sum[t].bytes, bytes),
                   100.0 * (double)sum[t].bytes / (double)all->bytes,
                   inspect_bits(&sum[t]));
}

static void print_files(const Gguf *g)
{
    char bytes[PRINT_BYTES_MAX];
    for (int i = 0; i < gguf_n_files(g); i++)
        printf("%s: %s\n", gguf_file_path(g, i),
               print_bytes(gguf_file_bytes(g, i), bytes));
}

void inspect_model(const Gguf *g)
{
    const ModelInfo *m = gguf_info(g);
    char bytes[PRINT_BYTES_MAX];
    InspectSum sum[BT_COUNT], all = inspect_sum(m, sum);
    print_files(g);
    printf("%" PRId64 " tensors, %" PRId64 " values, %s of weights, %.3f bits "
           "per weight\n",
           all.tensors, all.values, print_bytes(all.bytes, bytes),
           inspect_bits(&all));
    printf("\nmetadata (%" PRId64 ")\n", m->n_meta);
    for (int64_t i = 0; i < m->n_meta; i++)
        print_meta(&m->meta[i]);
    printf("\ntensors (%" PRId64 "), contiguous axis first\n", m->n_tensors);
    for (int64_t i = 0; i < m->n_tensors; i++)
        print_tensor(&m->tensors[i]);
    if (all.tensors)
        print_types(sum, &all);
}

/* ---- JSON */

static void json_element(const MetaValue *v, int64_t i)
{
    switch (v->kind) {
    case META_INT:
        printf("%" PRId64, v->ints[i]);
        break;
    case META_FLOAT:
        print_json_number(stdout, v->floats[i]);
        break;
    case META_BOOL:
        fputs(v->ints[i] ? "true" : "false", stdout);
        break;
    case META_STRING:
        print_json_string(stdout, v->strings[i], v->lengths[i]);
        break;
    }
}

static void json_meta(const ModelInfo *m)
{
    fputs("  \"metadata\": {", stdout);
    for (int64_t k = 0; k < m->n_meta; k++) {
        const MetaValue *v = &m->meta[k];
        fputs(k ? ",\n    " : "\n    ", stdout);
        print_json_string(stdout, v->key, strlen(v->key));
        fputs(v->is_array ? ": [" : ": ", stdout);
        for (int64_t i = 0; i < v->n; i++) {
            fputs(i ? ", " : "", stdout);
            json_element(v, i);
        }
        fputs(v->is_array ? "]" : "", stdout);
    }
    fputs("\n  },\n", stdout);
}

static void json_tensors(const ModelInfo *m)
{
    fputs("  \"tensors\": [", stdout);
    for (int64_t i = 0; i < m->n_tensors; i++) {
        const TensorInfo *t = &m->tensors[i];
        fputs(i ? ",\n    {\"name\": " : "\n    {\"name\": ", stdout);
        print_json_string(stdout, t->name, strlen(t->name));
        printf(", \"type\": \"%s\", \"shape\": [", block_info[t->type].name);
        for (int k = 0; k < t->rank; k++)
            printf("%s%" PRId64, k ? ", " : "", t->ne[k]);
        printf("], \"bytes\": %" PRId64 ", \"file\": %d, \"offset\": %" PRId64
               "}",
               t->bytes, t->shard, t->offset);
    }
    fputs("\n  ],\n", stdout);
}

static void json_types(const InspectSum *sum)
{
    const char *comma = "";
    fputs("  \"types\": [", stdout);
    for (int t = 0; t < BT_COUNT; t++) {
        if (!sum[t].tensors)
            continue;
        printf("%s\n    {\"type\": \"%s\", \"tensors\": %" PRId64
               ", \"values\": %" PRId64 ", \"bytes\": %" PRId64 "}",
               comma, block_info[t].name, sum[t].tensors, sum[t].values,
               sum[t].bytes);
        comma = ",";
    }
    fputs("\n  ],\n", stdout);
}

void inspect_model_json(const Gguf *g)
{
    const ModelInfo *m = gguf_info(g);
    InspectSum sum[BT_COUNT], all = inspect_sum(m, sum);
    fputs("{\n  \"files\": [", stdout);
    for (int i = 0; i < gguf_n_files(g); i++) {
        const char *path = gguf_file_path(g, i);
        fputs(i ? ",\n    {\"path\": " : "\n    {\"path\": ", stdout);
        print_json_string(stdout, path, strlen(path));
        printf(", \"bytes\": %" PRId64 "}", gguf_file_bytes(g, i));
    }
    fputs("\n  ],\n", stdout);
    json_meta(m);
    json_tensors(m);
    json_types(sum);
    printf("  \"values\": %" PRId64 ",\n  \"bytes\": %" PRId64
           ",\n  \"bits_per_weight\": ",
           all.values, all.bytes);
    print_json_number(stdout, inspect_bits(&all));
    fputs("\n}\n", stdout);
}
