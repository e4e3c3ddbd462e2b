#include "runtime/unicode.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

/* ---- UTF-8 */

static void assert_repair(const char *in, size_t n, const char *want)
{
    Buf b = {0};
    buf_puts(&b, "");
    unicode_repair(in, n, &b);
    cr_assert_str_eq(b.data, want, "'%s'", b.data);
    buf_free(&b);
}

#define FFFD "\xEF\xBF\xBD"
#define REPAIR(in, want) assert_repair(in, sizeof(in) - 1, want)

/* What CPython 3.11 gives for bytes.decode("utf-8", "replace"). */
Test(unicode, repair_replaces_as_python_does)
{
    REPAIR("plain", "plain");
    REPAIR("a\xFFz", "a" FFFD "z");
    REPAIR("\xC0\xAF", FFFD FFFD);
    REPAIR("\xE0\x80\xAF", FFFD FFFD FFFD);
    REPAIR("\xED\xA0\x80", FFFD FFFD FFFD);
    REPAIR("\xF4\x90\x80\x80", FFFD FFFD FFFD FFFD);
    REPAIR("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
           "A",
           FFFD FFFD FFFD FFFD "A");
    REPAIR("x\xF0\x9F\x98", "x" FFFD);
    REPAIR("\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80");
    REPAIR("\x80\x80", FFFD FFFD);
}

Test(unicode, every_code_point_there_and_back)
{
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        char s[UNICODE_MAX_BYTES];
        uint32_t back = 0;
        int n = unicode_put(cp, s), got;
        got = unicode_step(s, (size_t)n, &back);
        if (cp >= 0xD800 && cp < 0xE000) {
            cr_assert(got < 0, "surrogate %X", cp);
            continue;
        }
        cr_assert(got == n && back == cp, "%X", cp);
        for (int k = 1; k < n; k++)
            cr_assert_eq(unicode_step(s, (size_t)k, &back), 0, "%X", cp);
    }
}

Test(unicode, valid_gives_the_offset)
{
    cr_assert_eq(unicode_valid("abc", 3), 3);
    cr_assert_eq(unicode_valid("ab\xFF", 3), 2);
    cr_assert_eq(unicode_valid("a\xC3", 2), 1);
    cr_assert_eq(unicode_valid("\xC3\xA9\xA9", 3), 2);
    cr_assert_eq(unicode_valid("", 0), 0);
    cr_assert_eq(unicode_valid("a\0b", 3), 3);
}

/* ---- NFC */

static void assert_nfc(const char *in, const char *want)
{
    Buf b = {0};
    buf_puts(&b, "");
    Err *e = unicode_nfc(in, strlen(in), &b);
    cr_assert_null(e);
    cr_assert_str_eq(b.data, want, "'%s' gave '%s'", in, b.data);
    buf_free(&b);
}

Test(unicode, nfc_composes_and_orders)
{
    assert_nfc("", "");
    assert_nfc("plain ascii", "plain ascii");
    assert_nfc("caf\xC3\xA9", "caf\xC3\xA9");
    assert_nfc("cafe\xCC\x81!", "caf\xC3\xA9!");
    assert_nfc("e\xCC\x81 e\xCC\x81", "\xC3\xA9 \xC3\xA9");
    /* U+00FC takes the mark before it: a two-byte character begins a stretch */
    assert_nfc("\xC3\xBC\xCC\x84", "\xC7\x96");
    /* dot below (220) goes before dot above (230): a, U+0307, U+0323 */
    assert_nfc("q\xCC\x87\xCC\xA3", "q\xCC\xA3\xCC\x87");
    /* Hangul L V T, and LV T */
    assert_nfc("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", "\xED\x95\x9C");
    assert_nfc("\xED\x95\x98\xE1\x86\xAB", "\xED\x95\x9C");
    /* singletons: Angstrom sign, CJK compatibility ideograph */
    assert_nfc("\xE2\x84\xAB", "\xC3\x85");
    assert_nfc("\xEF\xA4\x80", "\xE8\xB1\x88");
    /* composition exclusion: Devanagari qa stays apart */
    assert_nfc("\xE0\xA5\x98", "\xE0\xA4\x95\xE0\xA4\xBC");
    assert_nfc("\xCC\x81x", "\xCC\x81x");
}

/* A run of marks in alternating order is quadratic for whoever swaps
 * neighbours; 2 MB would take minutes. */
Test(unicode, nfc_of_marks_only_is_linear)
{
    enum { PAIRS = 500000 };
    Buf in = {0}, out = {0};
    buf_puts(&in, "e");
    for (int i = 0; i < PAIRS; i++)
        buf_puts(&in, "\xCC\x88\xCC\xA3");
    clock_t t0 = clock();
    Err *e = unicode_nfc(in.data, in.n, &out);
    cr_assert_null(e);
    cr_assert((double)(clock() - t0) / CLOCKS_PER_SEC < 10);
    /* e + dot below composes; then the other dots below, then diaereses */
    cr_assert_eq(out.n, in.n - 3 + 3);
    cr_assert_arr_eq(out.data, "\xE1\xBA\xB9\xCC\xA3", 5);
    cr_assert_arr_eq(out.data + out.n - 2, "\xCC\x88", 2);
    buf_free(&in);
    buf_free(&out);
}

Test(unicode, plain_text_is_recognised)
{
    cr_assert(unicode_is_plain("abc\xC3\xA9\xCB\xBF", 7));
    cr_assert(!unicode_is_plain("e\xCC\x81", 3));
    cr_assert(!unicode_is_plain("\xE4\xB8\xAD", 3));
}
