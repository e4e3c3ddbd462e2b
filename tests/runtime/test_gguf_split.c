/* Split models: found from any of their files, refused when the files do not
 * belong together. */
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/gguf.h"
#include "tests/runtime/gguf_make.h"

static char dir[64];

static void setup(void)
{
    strcpy(dir, "/tmp/test_gguf_split_XXXXXX");
    cr_assert(mkdtemp(dir));
}

static void file_name(char *buf, size_t n, int no, int count)
{
    snprintf(buf, n, "%s/m-%05d-of-%05d.gguf", dir, no + 1, count);
}

static void teardown(void)
{
    char name[128];
    for (int i = 0; i < 4; i++) {
        file_name(name, sizeof name, i, 3);
        remove(name);
    }
    snprintf(name, sizeof name, "%s/other.gguf", dir);
    remove(name);
    rmdir(dir);
}

TestSuite(split, .init = setup, .fini = teardown);

/* What one file says; the defaults make a sound model of three. */
typedef struct {
    int no, count, total; /* -1: the key is missing */
    const char *arch;     /* NULL: missing */
    const char *tensor;   /* NULL: none */
    size_t cut;           /* bytes to leave away at the end */
} Part;

static const Part sound[3] = {{0, 3, 2, "test", NULL, 0},
                              {1, 3, 2, NULL, "b.weight", 0},
                              {2, 3, 2, "test", "c.weight", 0}};

static void write_part(const Part *p, int no)
{
    Make m = {0};
    char name[128];
    int n_meta = (p->no >= 0) + (p->count >= 0) + (p->total >= 0) + !!p->arch;
    make_head(&m, 3, p->tensor != NULL, (uint64_t)n_meta);
    if (p->no >= 0)
        make_scalar(&m, "split.no", 2, 2, (unsigned)p->no);
    if (p->count >= 0)
        make_scalar(&m, "split.count", 2, 2, (unsigned)p->count);
    if (p->total >= 0)
        make_scalar(&m, "split.tensors.count", 5, 4, (unsigned)p->total);
    if (p->arch)
        make_text(&m, "general.architecture", p->arch);
    if (p->tensor) {
        make_tensor(&m, p->tensor, 0, 1, (uint64_t[]){4}, 0);
        make_data(&m, 32, 0);
        for (int i = 0; i < 16; i++)
            make_raw(&m, 1, (unsigned)no);
    }
    file_name(name, sizeof name, no, 3);
    make_write(name, m.b.data, m.b.n - p->cut);
    make_free(&m);
}

static Err *open_file(int no, Gguf **g)
{
    char name[128];
    file_name(name, sizeof name, no, 3);
    return gguf_open(name, g);
}

static void check_model(Gguf *g)
{
    const ModelInfo *m = gguf_info(g);
    const TensorInfo *c = model_tensor(m, "c.weight");
    char bytes[16], name[128];
    cr_assert_eq(gguf_n_files(g), 3);
    cr_assert_eq(m->n_tensors, 2);
    cr_assert_eq(m->n_meta, 4, "the metadata of the first file");
    cr_assert_eq(model_tensor(m, "b.weight")->shard, 1);
    cr_assert_eq(c->shard, 2);
    cr_assert_null(gguf_read(g, c, 0, 16, bytes));
    cr_expect_eq(bytes[15], 2);
    file_name(name, sizeof name, 0, 3);
    cr_expect_str_eq(m->path, name);
    cr_expect_str_eq(gguf_file_path(g, 0), name);
    cr_expect_null(gguf_unchanged(g));
}

Test(split, opens_from_any_file_with_an_empty_first)
{
    for (int i = 0; i < 3; i++)
        write_part(&sound[i], i);
    for (int i = 0; i < 3; i++) {
        Gguf *g;
        Err *e = open_file(i, &g);
        cr_assert(!e, "%s", err_text(e));
        check_model(g);
        gguf_close(g);
    }
}

/* One file differs; opening the model from `from` must be refused in these
 * words. */
static const struct {
    int which;
    Part part;
    int from;
    const char *words;
} faults[] = {
    {1, {2, 3, 2, NULL, "b.weight", 0}, 0, "file 3 of 3, but its name"},
    {1, {1, 2, 2, NULL, "b.weight", 0}, 0, "file 2 of 2, but its name"},
    {1, {-1, 3, 2, NULL, "b.weight", 0}, 0, "split.no"},
    {1, {1, -1, 2, NULL, "b.weight", 0}, 0, "split.no"},
    {1, {-1, -1, -1, NULL, "b.weight", 0}, 0, "file 1 of 1, but its name"},
    {1, {1, 3, 7, NULL, "b.weight", 0}, 0, "split.tensors.count"},
    {1, {1, 3, 2, NULL, "c.weight", 0}, 0, "also stands in"},
    {1, {1, 3, 2, NULL, NULL, 0}, 0, "have 1 tensors"},
    {1, {1, 3, 2, "else", "b.weight", 0}, 0, "general.architecture"},
    {1, {1, 3, 2, NULL, "b.weight", 1}, 0, "1 are missing"},
    {1, {1, 3, 2, NULL, "b.weight", 40}, 0, "missing"},
    {1, {1, 3, 2, NULL, "b.weight", 40}, 1, "missing"},
    {1, {1, 3, 2, NULL, "b.weight", 140}, 2, "file 2 of 3"},
    {0, {0, 3, 3, "test", NULL, 0}, 0, "split.tensors.count"},
    {0, {0, 3, -1, "test", NULL, 0}, 0, "split.tensors.count"},
    {0, {0, 3, 2, "test", "b.weight", 0}, 0, "have 3 tensors"},
    {0, {1, 3, 2, "test", NULL, 0}, 0, "name must end in"},
    {0, {3, 3, 2, "test", NULL, 0}, 0, "split.no"},
    {0, {0, 4, 2, "test", NULL, 0}, 0, "name must end in"},
    {0, {0, 2, 2, "test", NULL, 0}, 2, "file 1 of 2, but its name"},
    {0, {0, 65535, 2, "test", NULL, 0}, 0, "at most 512"},
    {0, {5, 1, 2, "test", NULL, 0}, 0, "split.no"},
    {2, {2, 3, 2, "test", "b.weight", 0}, 2, "also stands in"},
};

Test(split, faults)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        Gguf *g = NULL;
        for (int k = 0; k < 3; k++)
            write_part(k == faults[i].which ? &faults[i].part : &sound[k], k);
        Err *e = open_file(faults[i].from, &g);
        cr_assert(e, "row %zu accepted: %s", i, faults[i].words);
        cr_assert_null(g);
        cr_expect(strstr(err_text(e), faults[i].words), "row %zu: %s", i,
                  err_text(e));
        err_free(e);
    }
}

Test(split, a_file_is_missing)
{
    char name[128];
    for (int missing = 0; missing < 3; missing++) {
        Gguf *g = NULL;
        for (int k = 0; k < 3; k++)
            write_part(&sound[k], k);
        file_name(name, sizeof name, missing, 3);
        remove(name);
        Err *e = open_file((missing + 1) % 3, &g);
        cr_assert(e);
        cr_expect(strstr(err_text(e), name), "%s", err_text(e));
        err_free(e);
    }
}

Test(split, a_file_is_a_fifo_or_a_folder)
{
    char name[128];
    for (int kind = 0; kind < 2; kind++) {
        Gguf *g = NULL;
        for (int k = 0; k < 3; k++)
            write_part(&sound[k], k);
        file_name(name, sizeof name, 1, 3);
        remove(name);
        cr_assert_eq(kind ? mkdir(name, 0700) : mkfifo(name, 0600), 0);
        Err *e = open_file(0, &g);
        cr_assert(e);
        cr_expect(strstr(err_text(e), "regular file"), "%s", err_text(e));
        err_free(e);
        remove(name);
    }
}

Test(split, renamed)
{
    char from[128], to[128];
    Gguf *g = NULL;
    for (int k = 0; k < 3; k++)
        write_part(&sound[k], k);
    file_name(from, sizeof from, 0, 3);
    snprintf(to, sizeof to, "%s/other.gguf", dir);
    cr_assert_eq(rename(from, to), 0);
    Err *e = gguf_open(to, &g);
    cr_assert(e);
    cr_expect(strstr(err_text(e), "-00001-of-00003.gguf"), "%s", err_text(e));
    err_free(e);
}

/* A file that says "the only one" needs no special name. */
Test(split, one_of_one)
{
    static const Part alone[2] = {{0, 1, 1, "test", "x", 0},
                                  {-1, 0, -1, "test", "x", 0}};
    for (int i = 0; i < 2; i++) {
        Gguf *g = NULL;
        write_part(&alone[i], 0);
        Err *e = open_file(0, &g);
        cr_assert(!e, "%s", err_text(e));
        cr_expect_eq(gguf_n_files(g), 1);
        gguf_close(g);
    }
}
