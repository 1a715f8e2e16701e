/* test_bulk.c - many blocks in one call
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "heap/block.h"
#include "heap/heap.h"
#include "lib/arena.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <string.h>

enum { MOST = 2000 };

static struct heap *const heap = (struct heap *)arena;
static unsigned char *taken[MOST];

static void make_large(void)
{
    arena_make(ARENA_SIZE, TN_FIT_BEST);
}

TestSuite(bulk, .init = make_large, .timeout = 60);

/* Take the chain apart, and fill each piece with its number. */
static size_t unchain(tn_chain *chain)
{
    size_t n = 0;

    for (unsigned char *p = chain->first; p != NULL; n++) {
        unsigned char *next = *(unsigned char **)p;

        cr_assert(lt(sz, n, MOST));
        cr_assert(heap_owns(heap, p));
        cr_assert(eq(int, heap_state(heap, p), BLOCK_RAW));
        memset(p, (int)(n & 0xff), heap_usable_size(heap, p));
        taken[n] = p;
        p = next;
    }
    cr_assert(eq(sz, n, chain->count));
    cr_assert(n == 0 || taken[n - 1] == chain->last);
    *chain = (tn_chain)TN_CHAIN_INIT;
    return n;
}

static void give_back(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t usable = heap_usable_size(heap, taken[i]);

        for (size_t k = 0; k < usable; k++)
            cr_assert(eq(u8, taken[i][k], i & 0xff), "they overlap");
        cr_assert(eq(int, heap_free(heap, taken[i]), TN_OK));
        cr_assert(arena_sound());
    }
    cr_assert(heap_all_free(heap));
}

Test(bulk, equal_blocks_lie_side_by_side)
{
    size_t sizes[] = {0, 1, 24, 25, 100, 500};

    for (int i = 0; i < 6; i++) {
        tn_chain chain = TN_CHAIN_INIT;
        size_t before = heap_free_bytes(heap);

        cr_assert(
            eq(int, heap_alloc_many(heap, sizes[i], 1000, &chain), TN_OK));
        cr_assert(arena_sound());
        cr_expect(eq(sz, before - heap_free_bytes(heap),
                     1000 * block_size_for(sizes[i])),
                  "not a byte more than one by one");
        cr_assert(eq(sz, unchain(&chain), 1000));
        for (int k = 1; k < 1000; k++)
            cr_assert(
                eq(ptr, taken[k], taken[k - 1] + block_size_for(sizes[i])));
        give_back(1000);
        cr_expect(eq(sz, heap_free_bytes(heap), before));
    }
}

Test(bulk, blocks_of_their_own_sizes_hold_what_was_asked)
{
    tn_chain chain = TN_CHAIN_INIT;
    size_t sizes[300];

    for (size_t i = 0; i < 300; i++)
        sizes[i] = i * 3; /* the first is empty */
    cr_assert(
        eq(int, heap_alloc_many_sizes(heap, sizes, 300, 4, &chain), TN_OK));
    cr_assert(arena_sound());
    cr_assert(eq(sz, unchain(&chain), 300));
    for (size_t i = 0; i < 300; i++)
        cr_assert(ge(sz, heap_usable_size(heap, taken[i]), sizes[i] * 4));
    give_back(300);
}

Test(bulk, appends_to_what_the_chain_has)
{
    tn_chain chain = TN_CHAIN_INIT;
    size_t sizes[3] = {10, 20, 30};

    cr_assert(eq(int, heap_alloc_many(heap, 100, 0, &chain), TN_OK));
    cr_assert(eq(sz, chain.count, 0));
    cr_assert(eq(int, heap_alloc_many(heap, 100, 1, &chain), TN_OK));
    cr_assert(eq(int, heap_alloc_many(heap, 100, 5, &chain), TN_OK));
    cr_assert(eq(int, heap_alloc_many_sizes(heap, sizes, 3, 1, &chain), TN_OK));
    cr_assert(eq(sz, unchain(&chain), 9));
    give_back(9);
}

Test(bulk, all_or_none)
{
    tn_chain chain = TN_CHAIN_INIT, before;
    size_t sizes[4] = {100, 100, ARENA_SIZE, 100};
    size_t wrong[4] = {100, SIZE_MAX / 2, SIZE_MAX / 2, 100}, free_bytes;

    heap_alloc_many(heap, 100, 10, &chain);
    before = chain;
    free_bytes = heap_free_bytes(heap);
    cr_expect(eq(int, heap_alloc_many(heap, 1000, ARENA_SIZE / 1000, &chain),
                 TN_ENOMEM));
    cr_expect(
        eq(int, heap_alloc_many(heap, SIZE_MAX / 8, 16, &chain), TN_EINVAL));
    cr_expect(eq(int, heap_alloc_many(heap, SIZE_MAX, 1, &chain), TN_ENOMEM));
    cr_expect(eq(int, heap_alloc_many(heap, 0, SIZE_MAX, &chain), TN_ENOMEM));
    cr_expect(eq(int, heap_alloc_many(heap, 1, SIZE_MAX, &chain), TN_ENOMEM));
    cr_expect(
        eq(int, heap_alloc_many_sizes(heap, sizes, 4, 1, &chain), TN_ENOMEM));
    cr_expect(
        eq(int, heap_alloc_many_sizes(heap, wrong, 4, 1, &chain), TN_EINVAL));
    cr_expect(
        eq(int, heap_alloc_many_sizes(heap, wrong, 4, 4, &chain), TN_EINVAL));
    cr_expect(eq(sz, heap_free_bytes(heap), free_bytes));
    cr_expect(eq(sz, chain.count, before.count));
    cr_expect(eq(ptr, chain.last, before.last));
    cr_expect(arena_sound());
    heap_free_many(heap, &chain);
    cr_expect(heap_all_free(heap));
    cr_expect(eq(sz, chain.count, 0));
}

/* Half of the memory is free, in holes of two blocks each. */
Test(bulk, fills_holes_when_no_place_holds_all)
{
    tn_chain chain = TN_CHAIN_INIT;
    size_t n, count;

    heap_alloc_many(heap, 1016, 1000, &chain);
    n = unchain(&chain);
    while (heap_largest(heap) != 0)
        heap_alloc(heap, heap_largest(heap), BLOCK_RAW);
    for (size_t i = 0; i < n; i++)
        if (i % 4 < 2)
            heap_free(heap, taken[i]);
    count = n / 2;
    cr_expect(
        eq(int, heap_alloc_many(heap, 1016, count + 1, &chain), TN_ENOMEM));
    cr_expect(eq(sz, heap_free_bytes(heap), count * 1024));
    cr_expect(eq(int, heap_alloc_many(heap, 1016, count, &chain), TN_OK));
    cr_expect(zero(sz, heap_free_bytes(heap)));
    cr_expect(arena_sound());
    cr_expect(eq(sz, unchain(&chain), count));
}

Test(bulk, freeing_ends_where_the_chain_is_broken)
{
    tn_chain chain = TN_CHAIN_INIT;

    heap_alloc_many(heap, 100, 3, &chain);
    *(uintptr_t *)chain.first = 0x1234567;
    heap_free_many(heap, &chain);
    cr_expect(eq(sz, chain.count, 0));
    cr_expect(not(heap_all_free(heap)));
    cr_expect(arena_sound());
}

struct setting {
    uint64_t seed;
    size_t size;
    tn_fit fit;
};

ParameterizedTestParameters(bulk, is_all_or_none_whatever_is_free)
{
    static struct setting settings[] = {{1, ARENA_SIZE, TN_FIT_BEST},
                                        {2, 15000, TN_FIT_BEST},
                                        {3, 100000, TN_FIT_SEQ}};

    return cr_make_param_array(struct setting, settings, 3);
}

/* Whatever is free, in one hole or many, a bulk gets or leaves all of it. */
ParameterizedTest(struct setting *s, bulk, is_all_or_none_whatever_is_free)
{
    uint64_t random = s->seed;
    size_t held = 0;

    arena_make(s->size, s->fit);
    for (int step = 0; step < 3000; step++) {
        tn_chain chain = TN_CHAIN_INIT;
        size_t sizes[20], count = arena_random(&random, 20), sum = 0;
        size_t before = heap_free_bytes(heap);
        tn_status status;

        for (size_t i = 0; i < count; i++) {
            sizes[i] = arena_random_size(&random, 9);
            sum += block_size_for(sizes[i]);
        }
        status = step % 2
                     ? heap_alloc_many(heap, 100, count, &chain)
                     : heap_alloc_many_sizes(heap, sizes, count, 1, &chain);
        sum = step % 2 ? 112 * count : sum;
        if (status == TN_OK) {
            cr_assert(eq(sz, chain.count, count));
            cr_assert(ge(sz, before - heap_free_bytes(heap), sum));
            cr_assert(le(sz, before - heap_free_bytes(heap), sum + 16 * count));
        } else {
            cr_assert(eq(int, status, TN_ENOMEM));
            cr_assert(eq(sz, heap_free_bytes(heap), before));
        }
        for (void *p = chain.first, *next; p != NULL; p = next) {
            next = *(void **)p;
            if (held < MOST)
                taken[held++] = p;
            else
                heap_free(heap, p);
        }
        while (held > 0 &&
               arena_random(&random, 100) < (held > 300 ? 95 : 85)) {
            size_t i = arena_random(&random, held);

            cr_assert(eq(int, heap_free(heap, taken[i]), TN_OK));
            taken[i] = taken[--held];
        }
        cr_assert(arena_sound(), "seed %" PRIu64 ", step %d", s->seed, step);
    }
    while (held > 0)
        heap_free(heap, taken[--held]);
    cr_assert(heap_all_free(heap));
}
