/* test_image_index.c - the index frame that stands behind a group of chunks
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdlib.h>
#include <string.h>

#include "image/index.h"

TestSuite(image_index, .timeout = 20);

enum { ENTRIES = 7 };

static size_t make(struct index_frame *index)
{
    struct image_tail tail = {.previous = 10, .last = 1, .offset = 5000};

    cr_assert(eq(int, index_open(index, ENTRIES), TN_OK));
    index_begin(index, 3, 3 + ENTRIES);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        struct image_entry entry = {.number = 3 + i, .low = i * i};

        index_add(index, &entry);
    }
    return index_seal(index, &tail);
}

Test(image_index, says_what_was_put_into_it)
{
    struct index_frame index;
    struct image_index head;
    size_t size = make(&index);
    const struct image_tail *tail;

    cr_expect(eq(sz, size, index_frame_bytes(ENTRIES)));
    cr_assert(index_is_sound(index.bytes, size, &head));
    cr_expect(eq(u64, head.first, 3));
    cr_expect(eq(u64, head.end, 3 + ENTRIES));
    cr_expect(eq(u64, head.count, ENTRIES));
    for (uint64_t i = 0; i < ENTRIES; i++)
        cr_expect(eq(u64, index_entries(&index)[i].low, i * i));
    tail = index_tail_of(index.bytes, ENTRIES);
    cr_expect(eq(u64, tail->previous, 10));
    cr_expect(eq(u64, tail->offset, 5000));
    index_begin(&index, 0, 1);
    cr_expect(eq(u64, index.count, 0));
    index_close(&index);
}

/* The copy is as long as it says, so that a step beyond shows. */
Test(image_index, is_sound_only_as_it_was_made)
{
    struct index_frame index;
    struct image_index head;
    size_t size = make(&index);

    for (size_t n = 0; n < size; n++) {
        char *cut = malloc(n + 1);

        memcpy(cut, index.bytes, n);
        cr_assert(not(index_is_sound(cut, n, &head)), "%zu", n);
        free(cut);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {
        index.bytes[bit / 8] = (char)(index.bytes[bit / 8] ^ 1 << bit % 8);
        cr_assert(not(index_is_sound(index.bytes, size, &head)), "%zu", bit);
        index.bytes[bit / 8] = (char)(index.bytes[bit / 8] ^ 1 << bit % 8);
    }
    cr_expect(index_is_sound(index.bytes, size, &head));
    index_close(&index);
}
