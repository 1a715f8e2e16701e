/* test_digest.c - checksums are what other programs compute as XXH3-64
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <string.h>

#include "base/digest.h"

TestSuite(digest, .timeout = 10);

/* As XXH3_64bits() of the shared library answers. */
Test(digest, is_xxh3)
{
    char long_one[300];

    cr_expect(eq(u64, digest64("", 0), 0x2d06800538d394c2));
    cr_expect(eq(u64, digest64("tenon", 5), 0x2ded3ab03abfecc0));
    memset(long_one, 'x', sizeof(long_one));
    cr_expect(eq(u64, digest64(long_one, 300), 0xa5d1b4607dc83554));
}

Test(digest, sees_every_bit)
{
    unsigned char bytes[256];
    uint64_t whole;

    memset(bytes, 'x', sizeof(bytes));
    whole = digest64(bytes, sizeof(bytes));
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        bytes[bit / 8] ^= 1 << bit % 8;
        cr_expect(ne(u64, digest64(bytes, sizeof(bytes)), whole), "%zu", bit);
        bytes[bit / 8] ^= 1 << bit % 8;
    }
    cr_expect(eq(u64, digest64(bytes, sizeof(bytes)), whole));
}

Test(digest, looks_at_the_bytes_and_not_at_their_place)
{
    char bytes[64] = {0};

    strcpy(bytes + 3, "user/00000001");
    cr_expect(eq(u64, digest64(bytes + 3, 13), digest64("user/00000001", 13)));
}

/* As XXH3_128bits() of the shared library answers. */
Test(digest, of_128_bits_is_xxh3)
{
    char long_one[300];
    struct digest128 digest = digest128("", 0);

    cr_expect(eq(u64, digest.low, 0x6001c324468d497f));
    cr_expect(eq(u64, digest.high, 0x99aa06d3014798d8));
    digest = digest128("tenon", 5);
    cr_expect(eq(u64, digest.low, 0x8baeca8257c6445d));
    cr_expect(eq(u64, digest.high, 0x9886abf3370a7703));
    memset(long_one, 'x', sizeof(long_one));
    digest = digest128(long_one, 300);
    cr_expect(eq(u64, digest.low, 0xa5d1b4607dc83554));
    cr_expect(eq(u64, digest.high, 0x125237ea2ad7bc7a));
}

Test(digest, does_not_depend_on_the_pieces_that_bytes_come_in)
{
    static char bytes[10000];
    struct digest_stream *stream = digest_stream_open();
    struct digest128 whole;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * i >> 3);
    whole = digest128(bytes, sizeof(bytes));
    for (size_t piece = 1; piece <= sizeof(bytes); piece = piece * 3 + 1) {
        digest_stream_reset(stream);
        for (size_t at = 0; at < sizeof(bytes); at += piece)
            digest_stream_add(stream, bytes + at,
                              at + piece < sizeof(bytes) ? piece
                                                         : sizeof(bytes) - at);
        cr_expect(digest_equal(digest_stream_value(stream), whole), "%zu",
                  piece);
    }
    digest_stream_close(stream);
    digest_stream_close(NULL);
}
