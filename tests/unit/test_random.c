/* test_random.c - numbers that nobody else has
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <string.h>

#include "os/random.h"

TestSuite(random, .timeout = 10);

/* Whatever was in the buffer, each byte takes on new values: after 64 fills,
 * one that never changed is not being written to. */
Test(random, fills_every_byte_and_no_more)
{
    unsigned char bytes[1000 + 2], first[1000], changed[1000] = {0};

    memset(bytes, 0x77, sizeof(bytes));
    cr_assert(eq(int, random_bytes(bytes + 1, 1000), TN_OK));
    memcpy(first, bytes + 1, 1000);
    for (int round = 0; round < 64; round++) {
        cr_assert(eq(int, random_bytes(bytes + 1, 1000), TN_OK));
        for (int i = 0; i < 1000; i++)
            changed[i] |= bytes[i + 1] ^ first[i];
    }
    for (int i = 0; i < 1000; i++)
        cr_expect(ne(u8, changed[i], 0), "byte %d", i);
    cr_expect(eq(u8, bytes[0], 0x77));
    cr_expect(eq(u8, bytes[1001], 0x77));
}

Test(random, nothing_is_easily_had)
{
    char byte = 5;

    cr_expect(eq(int, random_bytes(&byte, 0), TN_OK));
    cr_expect(eq(int, byte, 5));
}

/* The kernel hands out at most 32 MiB at a time. */
Test(random, more_than_one_call_gives)
{
    static unsigned char bytes[(33 << 20) + 64];
    unsigned char last = 0;

    cr_assert(eq(int, random_bytes(bytes, sizeof(bytes)), TN_OK));
    for (size_t i = sizeof(bytes) - 64; i < sizeof(bytes); i++)
        last |= bytes[i];
    cr_expect(ne(u8, last, 0));
}
