/* test_search.c - what searches compare at once, against loops over one by one
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "index/hash.h"
#include "index/node.h"
#include "lib/world.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

/* --- Keys of a node (node.h) ---------------------------------------------- */

enum { MOST_LOG2 = 9 };

/* count keys in order, some of them alike, then those that are none. */
static void fill_keys(uint64_t *keys, unsigned capacity_log2, uint32_t count,
                      uint64_t *random)
{
    uint64_t key = world_random(random, 3);

    for (uint32_t i = 0; i >> capacity_log2 == 0; i++) {
        keys[i] = i < count ? key : NODE_NO_KEY;
        key += world_random(random, 3);
    }
}

static uint32_t count_less(const uint64_t *keys, unsigned capacity_log2,
                           uint64_t key)
{
    uint32_t less = 0;

    while (less >> capacity_log2 == 0 && keys[less] < key)
        less++;
    return less;
}

Test(search, ranks_a_key_as_counting_does, .timeout = 20)
{
    uint64_t keys[1 << MOST_LOG2], random = 1;

    for (unsigned log2 = NODE_MIN_CAPACITY_LOG2; log2 <= MOST_LOG2; log2++) {
        for (uint32_t count = 0; count <= UINT32_C(1) << log2; count++) {
            fill_keys(keys, log2, count, &random);
            for (int i = 0; i < 50; i++) {
                uint64_t key = world_random(&random, 2 * count + 3);

                cr_assert(eq(u32, node_rank_of(keys, log2, key),
                             count_less(keys, log2, key)));
            }
            cr_assert(eq(u32, node_rank_of(keys, log2, NODE_NO_KEY), count));
        }
    }
}

/* --- Bytes of names (kind.h) ---------------------------------------------- */

Test(search, finds_the_one_byte_in_which_names_differ)
{
    char a[64], b[64];

    memset(a, 'a', sizeof(a));
    memset(b, 'a', sizeof(b));
    for (size_t n = 1; n < sizeof(a); n++) {
        for (size_t i = 0; i < sizeof(a); i++) {
            b[i] ^= 1 << i % 8;
            cr_assert(eq(int, bytes_alike(a, b, n), i >= n));
            b[i] = a[i];
        }
        cr_assert(bytes_alike(a, b, n));
    }
}

/* --- Slots of a line (hash.h) --------------------------------------------- */

Test(search, finds_the_first_slot_that_is_empty)
{
    static const uint64_t in_use[] = {16, SLOT_OFF, UINT64_C(1) << 32,
                                      SLOT_TAG | UINT64_C(1) << 31};
    uint64_t line[LINE_SLOTS];

    for (unsigned used = 0; used >> LINE_SLOTS == 0; used++) {
        unsigned first = 0;

        for (unsigned i = 0; i < LINE_SLOTS; i++)
            line[i] = used >> i & 1 ? in_use[(used + i) % 4] : 0;
        while (first < LINE_SLOTS && line[first] != 0)
            first++;
        cr_assert(eq(u32, first_empty(line), first));
    }
}

Test(search, finds_every_slot_of_a_tag)
{
    uint64_t line[LINE_SLOTS], tag = tag_of(UINT64_C(0x0123456789abcdef));

    for (unsigned hits = 0; hits >> LINE_SLOTS == 0; hits++) {
        for (unsigned i = 0; i < LINE_SLOTS; i++)
            line[i] = (hits >> i & 1 ? tag : ~tag & SLOT_TAG) | 16 * i;
        cr_assert(eq(u32, tag_matches(line, tag), hits));
    }
}
