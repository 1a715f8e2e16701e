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
