/* test_heap_extent.c - heaps that grow, shrink and are rebuilt
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

static struct heap *const heap = (struct heap *)arena;

/* A heap with zeros behind it. */
static void make(size_t size, tn_fit fit)
{
    memset(arena, 0, sizeof(arena));
    cr_assert(eq(int, heap_init(heap, size, ARENA_RESERVED, fit), TN_OK));
}

TestSuite(heap_extent, .timeout = 60);

Test(heap_extent, sizes_are_exact)
{
    make(1000, TN_FIT_BEST);
    cr_expect(eq(sz, heap_size(heap), 1000));
    cr_expect(eq(int, heap_grow(heap, 1500), TN_OK));
    cr_expect(eq(sz, heap_size(heap), 1500));
    cr_expect(arena_sound());
    cr_expect(eq(int, heap_grow(heap, 1500), TN_ESIZE));
    cr_expect(eq(int, heap_grow(heap, 1499), TN_ESIZE));
    cr_expect(eq(int, heap_grow(heap, HEAP_MAX_SIZE + 1), TN_ESIZE));
    cr_expect(eq(sz, heap_size(heap), 1500));
}

Test(heap_extent, growing_merges_with_what_is_free_at_the_end)
{
    for (int fit = TN_FIT_BEST; fit <= TN_FIT_SEQ; fit++)
        for (int waits = 0; waits < 2; waits++) {
            size_t size = fit == TN_FIT_BEST ? 40000 : 4000;
            size_t all;
            void *p;

            make(size, (tn_fit)fit);
            all = heap_free_bytes(heap);
            p = heap_alloc(heap, waits ? heap_largest(heap) : 100, BLOCK_RAW);
            if (waits) { /* the last block is in a quick list */
                heap_realloc(heap, p, heap_largest(heap) - 500);
                heap_free(heap, heap_alloc(heap, 100, BLOCK_RAW));
            }
            cr_assert(eq(int, heap_grow(heap, size + 8000), TN_OK));
            cr_assert(arena_sound());
            heap_free(heap, p);
            cr_expect(eq(sz, heap_free_bytes(heap), all + 8000));
            cr_expect(eq(sz, heap_largest(heap), all + 8000 - 8));
        }
}

Test(heap_extent, growing_by_less_than_a_block_loses_nothing)
{
    for (size_t step = 1; step < 70; step++) {
        size_t size = 1003, free_bytes;
        void *last;

        make(size, step % 2 ? TN_FIT_BEST : TN_FIT_SEQ);
        last = heap_alloc(heap, heap_largest(heap), BLOCK_RAW);
        memset(last, 0x11, heap_usable_size(heap, last));
        for (int i = 0; i < 20; i++) {
            size += step;
            cr_assert(eq(int, heap_grow(heap, size), TN_OK));
            cr_assert(eq(sz, heap_size(heap), size));
            cr_assert(arena_sound());
        }
        free_bytes = size / 16 * 16 - 1008 / 16 * 16 + 16;
        cr_assert(le(sz, heap_free_bytes(heap), free_bytes));
        cr_assert(ge(sz, heap_free_bytes(heap) + HEAP_MIN_BLOCK, free_bytes));
        if (heap_free_bytes(heap) != 0)
            cr_assert(eq(sz, heap_largest(heap) + 8, heap_free_bytes(heap)));
    }
}

Test(heap_extent, a_small_heap_gets_tables_when_it_is_large_enough)
{
    void *p[20];

    make(2000, TN_FIT_BEST);
    for (int i = 0; i < 20; i++)
        p[i] = heap_alloc(heap, (size_t)i, BLOCK_RAW);
    for (int i = 0; i < 20; i += 2)
        heap_free(heap, p[i]);
    cr_expect(zero(u64, heap->tables));
    cr_expect(eq(int, heap_grow(heap, HEAP_TABLED - 1), TN_OK));
    cr_expect(zero(u64, heap->tables));
    cr_expect(eq(int, heap_grow(heap, HEAP_TABLED), TN_OK));
    cr_expect(ne(u64, heap->tables, 0));
    cr_expect(arena_sound());
    for (int i = 1; i < 20; i += 2)
        cr_expect(eq(int, heap_free(heap, p[i]), TN_OK));
    cr_expect(heap_all_free(heap), "the tables are not in use by anybody");

    make(20000, TN_FIT_SEQ);
    cr_expect(zero(u64, heap->tables), "never for a list");
}

Test(heap_extent, shrinking_leaves_a_full_heap)
{
    size_t sizes[] = {1500, 10000, 70000};

    for (int i = 0; i < 3; i++)
        for (int fit = TN_FIT_BEST; fit <= TN_FIT_SEQ; fit++) {
            size_t size;
            unsigned char *p, *waits;

            make(sizes[i], (tn_fit)fit);
            p = heap_alloc(heap, 100, BLOCK_RAW);
            waits = heap_alloc(heap, 100, BLOCK_RAW);
            memset(p, 0x22, 100);
            heap_free(heap, waits);
            size = heap_shrink(heap);
            cr_expect(eq(sz, size, heap_size(heap)));
            cr_expect(eq(sz, size, (size_t)(p - arena) + 112));
            cr_expect(zero(sz, heap_free_bytes(heap)));
            cr_expect(zero(ptr, heap_alloc(heap, 0, BLOCK_RAW)));
            cr_expect(arena_sound());
            cr_expect(eq(sz, heap_shrink(heap), size), "there is no more");
            cr_expect(eq(sz, heap_usable_size(heap, p), 104));

            memset(arena + size, 0, sizes[i] - size);
            cr_expect(eq(int, heap_grow(heap, sizes[i]), TN_OK));
            cr_expect(arena_sound());
            cr_expect(eq(ptr, heap_alloc(heap, 100, BLOCK_RAW), waits));
        }
}

Test(heap_extent, an_empty_heap_shrinks_to_nothing_and_grows_again)
{
    size_t size;

    make(5000, TN_FIT_BEST);
    size = heap_shrink(heap);
    cr_expect(lt(sz, size, heap_min_size(ARENA_RESERVED)));
    cr_expect(arena_sound());
    cr_expect(heap_all_free(heap));
    cr_expect(eq(int, heap_rebuild(heap), TN_OK));
    cr_expect(eq(sz, heap_size(heap), size));
    cr_expect(eq(int, heap_grow(heap, 30000), TN_OK));
    cr_expect(arena_sound());
    cr_expect(ne(u64, heap->tables, 0));
    cr_expect(not(zero(ptr, heap_alloc(heap, heap_largest(heap), BLOCK_RAW))));
}

/* --- A series ------------------------------------------------------------- */

struct setting {
    uint64_t seed;
    size_t size;
    tn_fit fit;
};

ParameterizedTestParameters(heap_extent, survives_a_series_of_sizes)
{
    static struct setting settings[] = {{1, 500, TN_FIT_BEST},
                                        {2, 500, TN_FIT_SEQ},
                                        {3, 15000, TN_FIT_BEST},
                                        {4, 100000, TN_FIT_BEST}};

    return cr_make_param_array(struct setting, settings, 4);
}

static bool all_are(const unsigned char *p, size_t n, unsigned char byte)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != byte)
            return false;
    return true;
}

ParameterizedTest(struct setting *s, heap_extent, survives_a_series_of_sizes)
{
    unsigned char *p[32] = {0};
    size_t n[32], size = s->size;
    uint64_t random = s->seed;

    make(s->size, s->fit);
    for (int step = 0; step < 4000; step++) {
        unsigned char i = (unsigned char)arena_random(&random, 32);
        size_t more = arena_random_size(&random, 12);

        switch (arena_random(&random, 12)) {
        case 0:
            if (size + more > sizeof(arena) || more == 0)
                break;
            memset(arena + size, 0, more);
            size += more;
            cr_assert(eq(int, heap_grow(heap, size), TN_OK));
            break;
        case 1:
            size = heap_shrink(heap);
            memset(arena + size, 0xee, sizeof(arena) - size);
            break;
        case 2:
            cr_assert(eq(int, heap_rebuild(heap), TN_OK));
            break;
        default:
            if (p[i] != NULL) {
                cr_assert(all_are(p[i], n[i], i));
                cr_assert(eq(int, heap_free(heap, p[i]), TN_OK));
                p[i] = NULL;
            } else {
                p[i] =
                    heap_alloc(heap, arena_random_size(&random, 9), BLOCK_RAW);
                if (p[i] == NULL)
                    break;
                n[i] = heap_usable_size(heap, p[i]);
                memset(p[i], i, n[i]);
            }
        }
        cr_assert(eq(sz, heap_size(heap), size));
        cr_assert(arena_sound(), "seed %" PRIu64 ", step %d", s->seed, step);
    }
    for (unsigned char i = 0; i < 32; i++)
        if (p[i] != NULL) {
            cr_assert(all_are(p[i], n[i], i));
            cr_assert(eq(int, heap_free(heap, p[i]), TN_OK));
        }
    cr_assert(heap_all_free(heap));
}

/* --- Rebuilding ----------------------------------------------------------- */

/* The caches say nothing that the chain does not: with all of them overwritten,
 * nothing is lost. */
Test(heap_extent, rebuilds_everything_from_the_chain)
{
    size_t sizes[] = {3000, 30000, 900000};
    uint64_t random = 3;

    for (int i = 0; i < 3; i++) {
        void *p[100] = {0};
        size_t free_bytes;

        make(sizes[i], i == 0 ? TN_FIT_SEQ : TN_FIT_BEST);
        for (int k = 0; k < 100; k++)
            p[k] = heap_alloc(heap, arena_random_size(&random, 11), BLOCK_RAW);
        for (int k = 0; k < 100; k += 2)
            if (p[k] != NULL)
                heap_free(heap, p[k]);
        free_bytes = heap_free_bytes(heap);
        if (heap->tables != 0)
            memset(tables_of(heap), 0xff, sizeof(struct heap_tables));
        heap->tables = heap->tree = heap->list = UINT64_MAX;
        heap->end = heap->taken = heap->waiting = heap->fixed = 77;
        cr_assert(eq(int, heap_rebuild(heap), TN_OK));
        cr_assert(arena_sound());
        cr_assert(eq(sz, heap_free_bytes(heap), free_bytes));
        for (int k = 1; k < 100; k += 2)
            if (p[k] != NULL)
                cr_assert(eq(int, heap_free(heap, p[k]), TN_OK));
        cr_assert(heap_all_free(heap));
    }
}

/* What nobody needs can be overwritten, and the heap goes on as if nothing had
 * happened; all bytes of a free or waiting block are such, but for what the
 * heap has there. */
static size_t overwrite_idle(void)
{
    uint64_t off = 0, start, size;
    size_t sum = 0;

    do {
        off = heap_next_idle(heap, off, &start, &size);
        cr_assert(ne(u64, off, HEAP_BROKEN));
        cr_assert(le(u64, start + size, heap->size));
        memset(heap_at(heap, start), 0, size);
        sum += size;
    } while (off != 0);
    return sum;
}

Test(heap_extent, idle_bytes_are_those_that_nobody_needs)
{
    for (int fit = TN_FIT_BEST; fit <= TN_FIT_SEQ; fit++)
        for (size_t size = 4000; size <= 64000; size *= 4) {
            void *held[64];
            uint64_t random = size;

            make(size, (tn_fit)fit);
            memset(held, 0, sizeof(held));
            for (int step = 0; step < 3000; step++) {
                void **p = &held[step * 7919 % 64];

                random = random * 6364136223846793005 + 1442695040888963407;
                if (*p != NULL)
                    cr_assert(eq(int, heap_free(heap, *p), TN_OK));
                *p = heap_alloc(heap, random >> 54, BLOCK_RAW);
                if (*p != NULL)
                    memset(*p, step, heap_usable_size(heap, *p));
                if (step % 97 == 0)
                    cr_assert(le(sz, overwrite_idle(), heap_free_bytes(heap)));
                cr_assert(arena_sound());
            }
            for (int i = 0; i < 64; i++)
                if (held[i] != NULL)
                    cr_assert(eq(int, heap_free(heap, held[i]), TN_OK));
            cr_expect(ge(sz, overwrite_idle() + 2048, heap_free_bytes(heap)),
                      "nearly all of it");
            cr_expect(heap_all_free(heap));
            cr_expect(arena_sound());
        }
}

/* What knows which memory is zero: a copy of it, from before the call. */
enum { PIECE = 4096, HELPED = 256 * 1024 };
static unsigned char copy[HELPED];
static size_t taken[HELPED / PIECE], taken_count;

static uint64_t next_in_copy(void *arg, uint64_t off)
{
    (void)arg;
    while (off < HELPED && copy[off] == 0)
        off++;
    return off < HELPED ? off / PIECE * PIECE : UINT64_MAX;
}

static uint64_t next_piece(void *arg, uint64_t off)
{
    uint64_t next = next_in_copy(arg, off / PIECE * PIECE);

    return next > off ? next : off;
}

static bool take_some(void *random, uint64_t off)
{
    if (arena_random(random, 2) == 0)
        return false;
    cr_assert(eq(u64, off % PIECE, 0));
    taken[taken_count++] = off;
    return true;
}

/* All of it, in steps, with the helper. */
static void zero_with_help(uint64_t *random)
{
    const struct heap_helper helper = {next_piece, take_some, random, NULL};
    uint64_t from = 0, off = 0, start, size;

    do {
        memcpy(copy, arena, HELPED);
        taken_count = 0;
        from = heap_zero_some(heap, from, PIECE + arena_random(random, HELPED),
                              &helper);
        for (size_t i = 0; i < taken_count; i++)
            memset(heap_at(heap, taken[i]), 0, PIECE);
    } while (from != 0);
    do {
        off = heap_next_idle(heap, off, &start, &size);
        for (uint64_t i = start; i < start + size; i++)
            cr_assert(eq(u8, arena[i], 0), "byte %zu", (size_t)i);
    } while (off != 0);
}

/* Most of what is given out is never stored to, so that the heap's own words
 * lie alone among zeros. */
Test(heap_extent, a_helper_need_not_know_what_the_heap_leaves_behind)
{
    uint64_t random = 9;
    void *held[200] = {0};

    make(HELPED, TN_FIT_BEST);
    for (int step = 0; step < 100000; step++) {
        void **p = &held[arena_random(&random, 200)];
        size_t most = arena_random(&random, 8) == 0 ? 9000 : 2100;

        if (*p != NULL)
            cr_assert(eq(int, heap_free(heap, *p), TN_OK));
        *p = heap_alloc(heap, arena_random(&random, most), BLOCK_RAW);
        if (*p != NULL && arena_random(&random, 4) == 0)
            memset(*p, 1, heap_usable_size(heap, *p));
        if (arena_random(&random, 100) == 0)
            zero_with_help(&random);
        cr_assert(arena_sound());
    }
}

Test(heap_extent, idle_bytes_end_at_a_broken_header)
{
    uint64_t start, size, off;
    char *p;

    make(4000, TN_FIT_BEST);
    p = heap_alloc(heap, 100, BLOCK_RAW);
    cr_assert(ne(ptr, p, NULL));
    ((uint64_t *)p)[-1] ^= 1 << 20;
    off = heap_next_idle(heap, 0, &start, &size);
    cr_expect(eq(u64, off, HEAP_BROKEN));
    cr_expect(eq(u64, size, 0));
}
