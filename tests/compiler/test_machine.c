/* test_machine.c - machine descriptions: the good ones and the bad ones. */
#include <criterion/criterion.h>
#include <string.h>

#include "compiler/machine.h"

Test(machine, reads_groups_of_devices)
{
    Arena *a = arena_new();
    Machine *m;
    Err *e = machine_parse(a, "m",
                           "# two kinds\ndevice cuda * 2\n  memory 24 GiB\n"
                           "  reserve 512 MiB\n  bandwidth 936 GB/s\n"
                           "  compute 71 TFLOP/s\n"
                           "device host\n memory 1 GiB\nlink 12.5 GB/s 10 us\n",
                           &m);
    cr_assert_null(e, "%s", e ? err_text(e) : "");
    cr_assert_eq(m->n_devices, 3);
    cr_assert_str_eq(m->device[1].name, "cuda:1");
    cr_assert_eq(m->device[1].capacity, (int64_t)24 << 30);
    cr_assert_eq(m->device[0].reserve, (int64_t)512 << 20);
    cr_assert_float_eq(m->device[1].bandwidth, 936e9, 1);
    cr_assert_float_eq(m->device[1].compute, 71e12, 1);
    cr_assert_str_eq(m->device[2].kind, "host");
    cr_assert_float_eq(m->device[2].compute, 0, 0);
    cr_assert_eq(m->device[2].capacity, (int64_t)1 << 30);
    cr_assert_float_eq(m->link_bandwidth, 12.5e9, 1);
    arena_free(a);
}

Test(machine, says_which_line_is_wrong)
{
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"", "m describes no device"},
        {"memory 1 GiB\n", "m:1: memory stands before any device"},
        {"device cuda * 0\n", "m:1: between 1 and 64 devices"},
        {"device cuda * 99\n", "m:1: between 1 and 64 devices"},
        {"device cuda * 9223372036854775807\n",
         "m:1: between 1 and 64 devices"},
        {"device cuda\nmemory 24 GB\n",
         "m:2: expected a number and its unit (GiB, MiB, KiB or B)"},
        {"device cuda\nmemory 10 us\n", "m:2: expected a number and its unit"},
        {"device cuda\nbandwidth 10 GiB\n",
         "m:2: expected a number and its unit (GB/s)"},
        {"device cuda\ncompute 71 GB/s\n",
         "m:2: expected a number and its unit (TFLOP/s)"},
        {"device cuda\nmemory nan GiB\n", "m:2: nan GiB is out of range"},
        {"device cuda\nmemory inf B\n", "m:2: inf B is out of range"},
        {"device cuda\nmemory 1e12 GiB\n", "m:2: 1e+12 GiB is out of range"},
        {"device cuda\nmemory 24 GiB each\n",
         "m:2: 'each' stands behind the end of the line"},
        {"device cuda * 2x\n", "m:1: 'x' stands behind the end of the line"},
        {"device cuda 2\n", "m:1: '2' stands behind the end of the line"},
        {"device cuda\nlink 1 GB/s 1 us both ways\n",
         "m:2: 'both ways' stands behind"},
        {"device cuda\nmemory lots\n", "m:2: expected a number and its unit"},
        {"device cuda\nmemory -1 GiB\n", "m:2: -1 GiB is out of range"},
        {"device cuda\nspeed 1 GiB\n", "m:2: unknown word 'speed'"},
        {"device cuda\n\nmemory 1 GiB\nreserve 1 GiB\n",
         "m: cuda:0 has no memory beyond its reserve"},
        {"device cuda\nlink 1 GB/s\n", "m:2: expected a number and its unit"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Arena *a = arena_new();
        Machine *m;
        Err *e = machine_parse(a, "m", bad[i].text, &m);
        cr_assert_not_null(e, "%s", bad[i].text);
        cr_assert_eq(strncmp(err_text(e), bad[i].error, strlen(bad[i].error)),
                     0, "'%s', not '%s'", err_text(e), bad[i].error);
        err_free(e);
        arena_free(a);
    }
}
