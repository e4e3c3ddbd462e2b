/* test_provider.c - the provider itself: what it refuses, processors it can
 * make code for, several threads at once, damaged objects. */
#include <pthread.h>

#include "rig.h"

static const char good[] = "module t\nfunc @f(%x: f32[T,8], $w: q8_0[32,8], "
                           "%z: f32[T,32]) {\n"
                           "  %a = matmul %z, $w : f32[T,8]\n"
                           "  %b = add %a, %x : f32[T,8]\n  ret %b\n}\n";

static void refuse(const char *text, const char *cpu, const char *because)
{
    Buf object = {0};
    Err *e = rig_provider()->compile(text, cpu, &object, NULL);
    cr_assert(e, "accepted: %s", text);
    cr_expect(strstr(err_text(e), because), "%s: no '%s'", err_text(e),
              because);
    err_free(e);
    buf_free(&object);
}

Test(provider, refuses)
{
    refuse("", "native", "module");
    refuse(good, "pdp11", "pdp11");
    refuse("module t\nfunc @f(%x: f32[T,8]) {\n  %y = nop %x : f32[T,8]\n"
           "  ret %y\n}\n",
           "native", "nop");
    refuse("module t\nfunc @f(%x: f32[T,8], $w: any[8,4]) {\n"
           "  %y = matmul %x, $w : f32[T,4]\n  ret %y\n}\n",
           "native", "no type");
    refuse("module t\nfunc @f(%x: f32[T,8], $w: q8_0[8,4]) {\n"
           "  %y = matmul %x, $w : f32[T,4]\n  ret %y\n}\n",
           "native", "whole blocks");
    refuse("module t\nfunc @f(%x: f32[T,8], $w: f32[8,8], $v: f32[8,8]) {\n"
           "  %y = matmul %x, $w : f32[T,8]\n"
           "  %z = matmul %y, $v : f32[T,8]\n  ret %z\n}\n",
           "native", "input");
}

static void rename_func(char *text, int n)
{
    char *at = strstr(text, "@f(");
    at[1] = (char)('a' + n);
}

Test(provider, every_processor)
{
    static const char *const cpu[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4",
                                      "native"};
    for (int i = 0; i < 4; i++) {
        Buf object = {0}, ir = {0};
        rig_ok(rig_provider()->compile(good, cpu[i], &object, &ir));
        cr_expect(object.n > 500 && !memcmp(object.data, "\177ELF", 4));
        cr_expect(strstr(ir.data, "define void @f(ptr"));
        cr_expect(strstr(ir.data, "before optimisation") &&
                  strstr(ir.data, "after optimisation"));
        buf_free(&object);
        buf_free(&ir);
    }
    cr_expect(strlen(rig_provider()->native_cpu()) > 3);
    const char *build = strstr(rig_provider()->version, ", build ");
    cr_expect(build && strlen(build) == strlen(", build ") + 40, "%s",
              rig_provider()->version);
}

/* Both kinds of integer product with a processor that multiplies bytes. */
Test(provider, byte_dot_products)
{
    const char *text =
        "module t\nfunc @f(%x: q8a[T,256], $w: q4_k/x8[256,16], "
        "$v: q8_0[256,16]) {\n"
        "  %y = matmul %x, $w : f32[T,16]\n"
        "  %z = matmul %x, $v : f32[T,16]\n  ret %y, %z\n}\n";
    Buf object = {0}, ir = {0};
    rig_ok(rig_provider()->compile(text, "x86-64-v4/vnni", &object, &ir));
    cr_expect(strstr(ir.data, "vpdpbusd"));
    buf_free(&object);
    buf_free(&ir);
    rig_ok(rig_provider()->compile(text, "x86-64-v3", &object, &ir));
    cr_expect(!strstr(ir.data, "vpdpbusd"));
    buf_free(&object);
    buf_free(&ir);
}

static void *compile_many(void *arg)
{
    char text[sizeof good];
    Buf first = {0};
    memcpy(text, good, sizeof good);
    rename_func(text, *(int *)arg);
    for (int i = 0; i < 5; i++) {
        Buf object = {0};
        rig_ok(rig_provider()->compile(text, "native", &object, NULL));
        if (i)
            cr_assert(object.n == first.n &&
                      !memcmp(object.data, first.data, first.n));
        else
            buf_add(&first, object.data, object.n);
        buf_free(&object);
    }
    buf_free(&first);
    return NULL;
}

Test(provider, threads_and_same_bytes)
{
    pthread_t thread[4];
    int number[4] = {0, 1, 2, 3};
    for (int i = 0; i < 4; i++)
        cr_assert(!pthread_create(&thread[i], NULL, compile_many, &number[i]));
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
}

Test(provider, symbols)
{
    Buf object = {0};
    HostModule *m;
    const HostProvider *p = rig_provider();
    rig_ok(p->compile(good, "native", &object, NULL));
    rig_ok(p->load(object.data, object.n, &m));
    const KernelInfo *info = p->symbol(m, "f.info");
    cr_assert(info && p->symbol(m, "f") && !p->symbol(m, "g"));
    cr_expect(info->items_k == 1 && info->items_sym == SYM_ONE);
    cr_expect(info->scratch % 64 == 0);
    p->unload(m);
    buf_free(&object);
}

/* The cache verifies what it reads; the loader must still not crash on what is
 * no object at all. */
Test(provider, not_an_object)
{
    static const char junk[] = "\177ELF is how it starts, but nothing follows";
    HostModule *m = NULL;
    const HostProvider *p = rig_provider();
    Err *e = p->load(junk, sizeof junk, &m);
    if (!e) {
        cr_expect_null(p->symbol(m, "f"));
        p->unload(m);
    }
    err_free(e);
}
