/* SHA-256 against the examples of FIPS 180-4's test vectors. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"

static void expect(const void *bytes, size_t n, size_t piece, const char *want)
{
    Sha256 s;
    uint8_t sum[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    sha256_init(&s);
    for (size_t at = 0; at < n; at += piece)
        sha256_add(&s, (const char *)bytes + at,
                   n - at < piece ? n - at : piece);
    sha256_end(&s, sum);
    for (int i = 0; i < SHA256_BYTES; i++)
        sprintf(hex + 2 * i, "%02x", sum[i]);
    cr_expect_str_eq(hex, want, "in pieces of %zu", piece);
}

Test(sha256, published_examples)
{
    static const char two_blocks[] =
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    expect("", 0, 1,
           "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t piece = 1; piece < 130; piece += 9) {
        expect(
            "abc", 3, piece,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        expect(
            two_blocks, 56, piece,
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    }
    expect(million, 1000000, 997,
           "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}
