#include "unicode.h"

#include <stdbool.h>
#include <string.h>
#include <utf8proc.h>

/* U+0300 is the first code point that NFC may change, move or compose. */
enum { FIRST_UNSTABLE_LEAD = 0xCC };

static bool is_tail(unsigned char c) { return (c & 0xC0) == 0x80; }

/* Length a lead byte promises (0: not a lead) and the range that its second
 * byte must lie in, which excludes overlong forms and surrogates. */
static int lead_info(unsigned char c, unsigned char *lo, unsigned char *hi)
{
    *lo = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    *hi = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (c < 0xC2 || c > 0xF4)
        return 0;
    return c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

int unicode_step(const char *s, size_t n, uint32_t *cp)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned char lo, hi;
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    int len = lead_info(p[0], &lo, &hi);
    if (len == 0)
        return -1;
    uint32_t c = p[0] & (0xFFu >> (len + 1));
    for (int i = 1; i < len; i++) {
        if ((size_t)i == n)
            return 0;
        if (i == 1 ? p[i] < lo || p[i] > hi : !is_tail(p[i]))
            return -i;
        c = c << 6 | (p[i] & 0x3Fu);
    }
    *cp = c;
    return len;
}

int unicode_put(uint32_t cp, char out[UNICODE_MAX_BYTES])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    int len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (int i = len - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3F));
    out[0] = (char)((0xF00 >> len & 0xFF) | (int)cp);
    return len;
}

size_t unicode_valid(const char *s, size_t n)
{
    size_t i = 0;
    uint32_t cp;
    while (i < n) {
        int len = unicode_step(s + i, n - i, &cp);
        if (len <= 0)
            return i;
        i += (size_t)len;
    }
    return n;
}

void unicode_repair(const char *s, size_t n, Buf *out)
{
    while (n) {
        size_t good = unicode_valid(s, n);
        buf_add(out, s, good);
        s += good;
        n -= good;
        if (!n)
            return;
        uint32_t cp;
        int len = unicode_step(s, n, &cp);
        size_t bad = len == 0 ? n : (size_t)-len;
        buf_puts(out, "\xEF\xBF\xBD");
        s += bad;
        n -= bad;
    }
}

int unicode_is_plain(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] >= FIRST_UNSTABLE_LEAD)
            return 0;
    return 1;
}

/* ---- normalisation of one stretch, as code points */

static int combining_class(int32_t cp)
{
    return (int)utf8proc_get_property(cp)->combining_class;
}

/* Stable counting sort by combining class.  utf8proc's own reordering swaps
 * neighbours: quadratic in the length of a run of marks. */
static void sort_marks(int32_t *cp, size_t n, int32_t *copy)
{
    size_t at[257] = {0};
    for (size_t i = 0; i < n; i++)
        at[combining_class(cp[i]) + 1]++;
    for (int c = 1; c < 257; c++)
        at[c] += at[c - 1];
    for (size_t i = 0; i < n; i++)
        copy[at[combining_class(cp[i])]++] = cp[i];
    memcpy(cp, copy, n * sizeof *cp);
}

static void order_marks(int32_t *cp, size_t n, int32_t *copy)
{
    for (size_t i = 0; i < n;) {
        int before = combining_class(cp[i]);
        bool sorted = true;
        size_t end = i + 1;
        for (; before && end < n; end++) {
            int c = combining_class(cp[end]);
            if (c == 0)
                break;
            sorted = sorted && before <= c;
            before = c;
        }
        if (!sorted)
            sort_marks(cp + i, end - i, copy);
        i = end;
    }
}

/* Canonical decomposition of well-formed text.  The worst case is U+0390, two
 * bytes that become three code points: room for 2n + 8 is enough. */
static Err *decompose(const char *s, size_t n, int32_t *cp, size_t room,
                      size_t *count)
{
    size_t k = 0;
    for (size_t i = 0; i < n;) {
        uint32_t c = 0;
        int ignored = 0;
        i += (size_t)unicode_step(s + i, n - i, &c);
        utf8proc_ssize_t got = utf8proc_decompose_char(
            (int32_t)c, cp + k, (utf8proc_ssize_t)(room - k),
            UTF8PROC_DECOMPOSE, &ignored);
        if (got < 0 || (size_t)got > room - k)
            return err_new(ERR_LIMIT, "cannot normalise U+%04X: %s",
                           (unsigned)c, utf8proc_errmsg(got));
        k += (size_t)got;
    }
    *count = k;
    return NULL;
}

static Err *nfc_stretch(const char *s, size_t n, int32_t *work, size_t room,
                        Buf *out)
{
    size_t k = 0;
    TRY(decompose(s, n, work, room, &k));
    order_marks(work, k, work + room);
    utf8proc_ssize_t m = utf8proc_normalize_utf32(
        work, (utf8proc_ssize_t)k, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    if (m < 0)
        return err_new(ERR_LIMIT, "cannot normalise the text: %s",
                       utf8proc_errmsg(m));
    for (utf8proc_ssize_t i = 0; i < m; i++) {
        char bytes[UNICODE_MAX_BYTES];
        buf_add(out, bytes, (size_t)unicode_put((uint32_t)work[i], bytes));
    }
    return NULL;
}

static bool is_stable(unsigned char c) { return c < FIRST_UNSTABLE_LEAD; }

/* The next stretch that needs work, [*from, *to).  A character below U+0300
 * never joins the one before it, so a stretch ends before such a character;
 * it begins with the one that its first mark may join. */
static void next_stretch(const char *s, size_t n, size_t *from, size_t *to)
{
    size_t begin = *to, i = begin;
    while (i < n && is_stable((unsigned char)s[i]))
        i++;
    size_t end = i;
    while (end < n && (!is_stable((unsigned char)s[end]) ||
                       is_tail((unsigned char)s[end])))
        end++;
    *to = end;
    *from = i;
    if (i == n || i == begin)
        return;
    do
        i--;
    while (i > begin && is_tail((unsigned char)s[i]));
    *from = i;
}

Err *unicode_nfc(const char *s, size_t n, Buf *out)
{
    Err *e = NULL;
    int32_t *work = NULL;
    size_t room = 0;
    for (size_t done = 0; done < n;) {
        size_t from = 0, to = done;
        next_stretch(s, n, &from, &to);
        buf_add(out, s + done, from - done);
        if (!work || 2 * (to - from) + 8 > room) {
            room = 2 * (to - from) + 1024;
            free(work);
            work = malloc(2 * room * sizeof *work);
            if (!work)
                DO(err_new(ERR_LIMIT, "no memory to normalise %zu bytes", n));
        }
        DO(nfc_stretch(s + from, to - from, work, room, out));
        done = to;
    }
out:
    free(work);
    return e;
}
