/* criterion.h - just enough of Criterion's names for ThreadSanitizer runs.
 *
 * The library itself does not start under ThreadSanitizer, so test_tsan.sh
 * compiles the same test files against this header: each Test registers itself
 * and main runs them in turn; the first failed check ends the run. */
#ifndef TSAN_CRITERION_H
#define TSAN_CRITERION_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct TsanTest TsanTest;
struct TsanTest {
    const char *name;
    void (*run)(void);
    TsanTest *next;
};
static TsanTest *tsan_tests;

#define Test(suite, name_, ...)                                                \
    static void suite##_##name_(void);                                         \
    static TsanTest suite##_##name_##_test = {#suite "/" #name_,               \
                                              suite##_##name_, NULL};          \
    __attribute__((constructor)) static void suite##_##name_##_add(void)       \
    {                                                                          \
        suite##_##name_##_test.next = tsan_tests;                              \
        tsan_tests = &suite##_##name_##_test;                                  \
    }                                                                          \
    static void suite##_##name_(void)

#define cr_assert(ok, ...)                                                     \
    do {                                                                       \
        if (!(ok)) {                                                           \
            fprintf(stderr, "%s:%d: " #ok "\n", __FILE__, __LINE__);           \
            exit(1);                                                           \
        }                                                                      \
    } while (0)
#define cr_expect cr_assert
#define cr_assert_not(a, ...) cr_assert(!(a))
#define cr_assert_eq(a, b, ...) cr_assert((a) == (b))
#define cr_expect_eq cr_assert_eq
#define cr_assert_neq(a, b, ...) cr_assert((a) != (b))
#define cr_expect_neq cr_assert_neq
#define cr_expect_geq(a, b, ...) cr_assert((a) >= (b))
#define cr_expect_leq(a, b, ...) cr_assert((a) <= (b))
#define cr_expect_lt(a, b, ...) cr_assert((a) < (b))
#define cr_expect_str_eq(a, b, ...) cr_assert(strcmp((a), (b)) == 0)
#define cr_assert_str_eq cr_expect_str_eq

int main(void)
{
    for (TsanTest *t = tsan_tests; t; t = t->next) {
        fprintf(stderr, "%s\n", t->name);
        t->run();
    }
    return 0;
}

#endif
