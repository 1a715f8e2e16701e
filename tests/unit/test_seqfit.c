/* test_seqfit.c - first fit, by address
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "heap/block.h"
#include "heap/heap.h"
#include "lib/arena.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct heap *const heap = (struct heap *)arena;

/* Holes of 208, 112 and 304 bytes, in this order, and the rest in use. */
static unsigned char *hole[3];

static void make_holes(tn_fit fit)
{
    size_t sizes[] = {200, 104, 296};

    arena_make(8000, fit);
    for (int i = 0; i < 3; i++) {
        hole[i] = heap_alloc(heap, sizes[i], BLOCK_RAW);
        heap_alloc(heap, 24, BLOCK_RAW);
    }
    heap_alloc(heap, heap_largest(heap), BLOCK_RAW);
    heap_free(heap, hole[1]);
    heap_free(heap, hole[0]);
    heap_free(heap, hole[2]);
    cr_assert(arena_sound());
}

TestSuite(seqfit, .timeout = 30);

Test(seqfit, takes_the_first_that_is_large_enough)
{
    make_holes(TN_FIT_SEQ);
    cr_expect(eq(ptr, heap_alloc(heap, 100, BLOCK_RAW), hole[0]));
    cr_expect(eq(ptr, heap_alloc(heap, 100, BLOCK_RAW), hole[1]));
    cr_expect(eq(ptr, heap_alloc(heap, 80, BLOCK_RAW), hole[0] + 112));
    cr_expect(eq(ptr, heap_alloc(heap, 290, BLOCK_RAW), hole[2]));
    cr_expect(arena_sound());
}

Test(seqfit, of_a_small_best_fit_heap_takes_the_smallest)
{
    make_holes(TN_FIT_BEST);
    cr_expect(eq(ptr, heap_alloc(heap, 90, BLOCK_RAW), hole[1]));
    cr_expect(eq(ptr, heap_alloc(heap, 90, BLOCK_RAW), hole[0]));
    cr_expect(eq(ptr, heap_alloc(heap, 210, BLOCK_RAW), hole[2]));
    cr_expect(arena_sound());
}

Test(seqfit, keeps_the_list_in_order_of_address)
{
    unsigned char *p[60];

    arena_make(20000, TN_FIT_SEQ);
    for (int i = 0; i < 60; i++)
        p[i] = heap_alloc(heap, 100, BLOCK_RAW);
    for (int i = 0; i < 60; i += 2) { /* back and forth */
        int k = i * 7 % 60;

        cr_assert(eq(int, heap_free(heap, p[k]), TN_OK));
        cr_assert(arena_sound());
    }
    for (int i = 1; i < 60; i += 2) { /* each joins two free ones */
        cr_assert(eq(int, heap_free(heap, p[i]), TN_OK));
        cr_assert(arena_sound());
    }
    cr_expect(heap_all_free(heap));
    cr_expect(eq(sz, heap_largest(heap) + 8, heap_free_bytes(heap)));
}

#ifndef TN_DEEP_CHECK /* which stops at the first damage */
/* A list that leads astray is noticed before it is followed. */
Test(seqfit, heals_a_list_that_was_overwritten)
{
    for (int i = 0; i < 3; i++)
        for (int word = 0; word < 2; word++) {
            make_holes(TN_FIT_SEQ);
            ((uint64_t *)hole[i])[word] = UINT64_C(0x4141414141414140);
            cr_expect(not(arena_check(heap, false)));
            cr_expect(not(zero(ptr, heap_alloc(heap, 290, BLOCK_RAW))));
            cr_expect(arena_sound(), "hole %d, word %d", i, word);
        }
}
#endif
