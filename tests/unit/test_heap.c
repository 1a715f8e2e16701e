/* test_heap.c - the heap against a model too simple to be wrong
 *
 * The model is an array of the pieces we hold, each filled with its own mark.
 * After every step the heap's checker must find nothing, and when we give a
 * piece back every byte of it must still bear our mark.
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

enum { PIECES = 64, LARGE = ARENA_SIZE, RESERVED = ARENA_RESERVED };

struct piece {
    unsigned char *p;
    size_t n;
    enum block_state state;
};

static struct heap *const heap = (struct heap *)arena;

static void make_large(void)
{
    arena_make(LARGE, TN_FIT_BEST);
}

static void mark(struct piece *piece, unsigned char byte)
{
    memset(piece->p, byte, piece->n);
}

static void expect_mark(const struct piece *piece, unsigned char byte)
{
    for (size_t i = 0; i < piece->n; i++)
        cr_assert(eq(u8, piece->p[i], byte), "byte %zu was overwritten", i);
}

static void take(struct piece *piece, size_t n, size_t alignment, int i)
{
    enum block_state state = (enum block_state)(BLOCK_RAW + i % 5);
    size_t offset = alignment > 16 ? (size_t)(i % 3) * 16 : 0;

    piece->p = alignment <= 1
                   ? heap_alloc(heap, n, state)
                   : heap_alloc_aligned(heap, n, alignment, offset, state);
    if (piece->p == NULL)
        return;
    piece->n = heap_usable_size(heap, piece->p);
    piece->state = state;
    cr_assert(ge(sz, piece->n, n));
    cr_assert(heap_owns(heap, piece->p));
    cr_assert(eq(int, heap_state(heap, piece->p), state));
    cr_assert(zero(u64, ((uintptr_t)piece->p + offset) % alignment));
    mark(piece, (unsigned char)i);
}

static void give_back(struct piece *piece, int i)
{
    expect_mark(piece, (unsigned char)i);
    cr_assert(eq(int, heap_free(heap, piece->p), TN_OK));
    cr_assert(not(heap_owns(heap, piece->p)));
    piece->p = NULL;
}

TestSuite(heap, .timeout = 60);

/* --- Against the model ---------------------------------------------------- */

struct setting {
    uint64_t seed;
    size_t size;
    tn_fit fit;
    unsigned most; /* log2 of the largest request */
};

ParameterizedTestParameters(heap, agrees_with_the_model)
{
    static struct setting settings[] = {
        {1, LARGE, TN_FIT_BEST, 11}, {2, LARGE, TN_FIT_BEST, 15},
        {3, 65536, TN_FIT_BEST, 11}, {4, 20000, TN_FIT_BEST, 8},
        {5, 8000, TN_FIT_BEST, 8},   {6, 1000, TN_FIT_BEST, 6},
        {7, 8000, TN_FIT_SEQ, 8},    {8, LARGE, TN_FIT_SEQ, 13},
    };

    return cr_make_param_array(struct setting, settings,
                               sizeof(settings) / sizeof(settings[0]));
}

/* What is used and what is free must add up to all there is. */
static void expect_figures(const struct piece *held)
{
    size_t used = 0;

    for (int i = 0; i < PIECES; i++)
        if (held[i].p != NULL)
            used += held[i].n + HEAP_OVERHEAD;
    cr_assert(eq(sz, heap_free_bytes(heap) + used + heap->fixed,
                 heap->end - heap->first));
    cr_assert(eq(int, heap_all_free(heap), used == 0));
}

/* A walk meets the pieces, by address, each with its state. */
static void expect_walk(const struct piece *held)
{
    uint64_t off = 0;
    enum block_state state;
    size_t usable, met = 0, holding = 0;
    void *p;

    for (int i = 0; i < PIECES; i++)
        holding += held[i].p != NULL;
    while ((off = heap_next_block(heap, off, &p, &state, &usable)) != 0) {
        if (state == BLOCK_FREE || state == BLOCK_QUICK || state == BLOCK_FIXED)
            continue;
        for (int i = 0; i < PIECES; i++)
            met +=
                held[i].p == p && held[i].state == state && held[i].n == usable;
    }
    cr_assert(eq(sz, met, holding));
}

ParameterizedTest(struct setting *s, heap, agrees_with_the_model)
{
    struct piece held[PIECES] = {0};
    uint64_t random = s->seed;
    size_t all;

    arena_make(s->size, s->fit);
    all = heap_free_bytes(heap);
    for (int step = 0; step < 6000; step++) {
        int i = (int)arena_random(&random, PIECES);

        if (step % 500 == 499)
            cr_assert(eq(int, heap_rebuild(heap), TN_OK));
        else if (step % 300 == 299)
            heap_flush(heap);
        else if (step % 700 == 699)
            heap_zero_free(heap);
        else if (held[i].p != NULL)
            give_back(&held[i], i);
        else
            take(&held[i], arena_random_size(&random, s->most),
                 step % 4 ? 1 : (size_t)1 << arena_random(&random, 10), i);
        cr_assert(arena_sound(), "seed %" PRIu64 ", step %d", s->seed, step);
        expect_figures(held);
        if (step % 50 == 0)
            expect_walk(held);
    }
    for (int i = 0; i < PIECES; i++)
        if (held[i].p != NULL)
            give_back(&held[i], i);
    cr_assert(heap_all_free(heap));
    cr_assert(eq(sz, heap_free_bytes(heap), all));
    cr_assert(eq(sz, heap_largest(heap) + HEAP_OVERHEAD, all),
              "all is one block again");
}

/* --- Sizes ---------------------------------------------------------------- */

Test(heap, needs_the_least_size_and_no_more)
{
    size_t least = heap_min_size(RESERVED);
    void *p;

    cr_expect(
        eq(int, heap_init(heap, least - 1, RESERVED, TN_FIT_BEST), TN_ESIZE));
    cr_expect(eq(int, heap_init(heap, HEAP_MAX_SIZE + 1, RESERVED, TN_FIT_BEST),
                 TN_ESIZE));
    arena_make(least, TN_FIT_BEST);
    p = heap_alloc(heap, 0, BLOCK_RAW);
    cr_assert(not(zero(ptr, p)));
    cr_expect(zero(sz, heap_free_bytes(heap)));
    cr_expect(zero(ptr, heap_alloc(heap, 0, BLOCK_RAW)));
    cr_expect(arena_sound());
}

Test(heap, works_at_every_size_of_a_small_segment)
{
    for (size_t size = heap_min_size(RESERVED); size < 1100; size++) {
        arena_make(size, size % 2 ? TN_FIT_BEST : TN_FIT_SEQ);
        cr_assert(eq(sz, heap_size(heap), size));
        cr_assert(
            not(zero(ptr, heap_alloc(heap, heap_largest(heap), BLOCK_RAW))));
        cr_assert(zero(sz, heap_free_bytes(heap)));
        cr_assert(arena_sound());
    }
}

Test(heap, refuses_what_no_heap_holds, .init = make_large)
{
    size_t sizes[] = {LARGE,         HEAP_MAX_SIZE, HEAP_MAX_SIZE + 1,
                      SIZE_MAX - 23, SIZE_MAX - 8,  SIZE_MAX};

    for (int i = 0; i < 6; i++) {
        cr_expect(zero(ptr, heap_alloc(heap, sizes[i], BLOCK_RAW)));
        cr_expect(
            zero(ptr, heap_alloc_aligned(heap, sizes[i], 4096, 0, BLOCK_RAW)));
    }
    cr_expect(
        zero(ptr, heap_alloc_aligned(heap, 8, (size_t)1 << 63, 0, BLOCK_RAW)));
    cr_expect(zero(ptr, heap_alloc_aligned(heap, 8, 48, 0, BLOCK_RAW)));
    cr_expect(zero(ptr, heap_alloc_aligned(heap, 8, 0, 0, BLOCK_RAW)));
    cr_expect(arena_sound());
    cr_expect(heap_all_free(heap));
}

Test(heap, costs_eight_bytes_an_allocation, .init = make_large)
{
    for (size_t n = 0; n < 3000; n++) {
        void *p = heap_alloc(heap, n, BLOCK_RAW);
        size_t block = (n + 8 + 15) / 16 * 16;

        cr_assert(
            eq(sz, heap_usable_size(heap, p), (block < 32 ? 32 : block) - 8));
        heap_free(heap, p);
    }
}

Test(heap, largest_is_what_one_allocation_gets, .init = make_large)
{
    void *p = heap_alloc(heap, 5000, BLOCK_RAW);
    size_t largest = heap_largest(heap);

    cr_expect(zero(ptr, heap_alloc(heap, largest + 1, BLOCK_RAW)));
    cr_expect(not(zero(ptr, heap_alloc(heap, largest, BLOCK_RAW))));
    cr_expect(zero(sz, heap_largest(heap)));
    heap_free(heap, p);
    cr_expect(eq(sz, heap_largest(heap), 5000));
}

Test(heap, fills_to_the_same_count_each_time)
{
    static void *p[LARGE / 32];
    size_t sizes[] = {1, 24, 25, 100, 1000, 1016, 1017, 5000};

    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
        for (int fit = TN_FIT_BEST; fit <= TN_FIT_SEQ; fit++) {
            size_t first = 0, all;

            arena_make(65536, (tn_fit)fit);
            all = heap_free_bytes(heap);
            for (int round = 0; round < 4; round++) {
                size_t n = 0;

                while ((p[n] = heap_alloc(heap, sizes[k], BLOCK_RAW)) != NULL)
                    n++;
                first = round == 0 ? n : first;
                cr_assert(eq(sz, n, first));
                for (size_t i = 0; i < n; i++) /* a different order each */
                    heap_free(heap, p[round % 2 ? i * 7919 % n : n - 1 - i]);
                for (size_t i = 0; i < n; i++)
                    if (heap_owns(heap, p[i]))
                        heap_free(heap, p[i]);
                cr_assert(eq(sz, heap_free_bytes(heap), all));
                cr_assert(arena_sound());
            }
        }
}

/* --- Wrong pointers ------------------------------------------------------- */

Test(heap, merges_what_waits_before_it_cuts_the_end, .init = make_large)
{
    void *held[36], *behind, *p;

    for (int i = 0; i < 36; i++)
        held[i] = heap_alloc(heap, 100, BLOCK_RAW);
    behind = heap_alloc(heap, 100, BLOCK_RAW);
    for (int i = 0; i < 36; i++)
        heap_free(heap, held[i]);
    cr_assert(eq(u64, heap->waiting, 36 * 112), "all of them wait");
    p = heap_alloc(heap, 3900, BLOCK_RAW);
    cr_expect(p == held[0] && (char *)p < (char *)behind);
    cr_expect(arena_sound());
}

/* Let blocks of these sizes wait, with blocks in use between them. */
static void let_wait(const size_t *sizes, int count)
{
    void *held[200];

    for (int i = 0; i < count; i++) {
        held[i] = heap_alloc(heap, sizes[i] - HEAP_OVERHEAD, BLOCK_RAW);
        heap_alloc(heap, 0, BLOCK_RAW);
    }
    for (int i = 0; i < count; i++)
        heap_free(heap, held[i]);
}

Test(heap, merges_no_more_than_a_request_needs, .init = make_large)
{
    size_t sizes[] = {64, 64, 64, 128, 128, 1024, 1536};
    size_t small = 3 * 64 + 2 * 128;

    let_wait(sizes, 7);
    cr_assert(eq(u64, heap->waiting, small + 1024 + 1536));
    heap_alloc(heap, 800, BLOCK_RAW);
    cr_expect(eq(u64, heap->waiting, small + 1536));
    heap_alloc(heap, 1300, BLOCK_RAW);
    cr_expect(eq(u64, heap->waiting, small));
    heap_alloc(heap, 1000, BLOCK_RAW); /* nobody has that many */
    cr_expect(zero(u64, heap->waiting));
    cr_expect(arena_sound());
}

Test(heap, lets_half_of_a_list_wait_that_is_full, .init = make_large)
{
    size_t sizes[200];

    for (int i = 0; i < 200; i++)
        sizes[i] = 32;
    let_wait(sizes, 200);
    cr_expect(ge(u64, heap->waiting, 40 * 32));
    cr_expect(le(u64, heap->waiting, 100 * 32));
    cr_expect(arena_sound());
}

Test(heap, refuses_to_free_twice, .init = make_large)
{
    size_t sizes[] = {0, 100, 1000, 1100, 50000};

    for (int i = 0; i < 5; i++) {
        void *before = heap_alloc(heap, 100, BLOCK_RAW);
        void *p = heap_alloc(heap, sizes[i], BLOCK_RAW);

        cr_expect(eq(int, heap_free(heap, p), TN_OK));
        cr_expect(eq(int, heap_free(heap, p), TN_EINVAL));
        heap_flush(heap);
        cr_expect(eq(int, heap_free(heap, p), TN_EINVAL));
        heap_free(heap, before); /* p's header is now inside a free block */
        heap_flush(heap);
        cr_expect(eq(int, heap_free(heap, p), TN_EINVAL));
        cr_expect(arena_sound());
    }
    cr_expect(heap_all_free(heap));
}

Test(heap, refuses_pointers_that_it_never_gave, .init = make_large)
{
    unsigned char *p = heap_alloc(heap, 1000, BLOCK_RAW);
    static unsigned char copy[LARGE];
    int on_stack;

    memset(p, 0, 1000);
    heap_alloc(heap, 1000, BLOCK_RAW);
    memcpy(copy, arena, sizeof(copy));
    cr_expect(eq(int, heap_free(heap, NULL), TN_EINVAL));
    cr_expect(eq(int, heap_free(heap, &on_stack), TN_EINVAL));
    cr_expect(eq(int, heap_free(heap, (void *)UINTPTR_MAX), TN_EINVAL));
    for (size_t i = 1; i < 1000; i++)
        cr_assert(eq(int, heap_free(heap, p + i), TN_EINVAL), "at %zu", i);
    for (size_t i = 0; i < heap->first; i++)
        cr_assert(eq(int, heap_free(heap, arena + i), TN_EINVAL));
    for (uintptr_t at = (uintptr_t)arena + LARGE - 100, i = 0; i < 200; i++)
        cr_assert(eq(int, heap_free(heap, (void *)(at + i)), TN_EINVAL));
    cr_expect(eq(int, heap_free(heap, tables_of(heap)), TN_EINVAL));
    cr_expect(not(heap_owns(heap, tables_of(heap))));
    cr_expect(zero(int, memcmp(copy, arena, sizeof(copy))),
              "nothing was changed");
}

#ifndef TN_DEEP_CHECK /* which stops at the first damage */
Test(heap, notices_an_overrun_header, .init = make_large)
{
    unsigned char *p = heap_alloc(heap, 4000, BLOCK_RAW);
    unsigned char *q = heap_alloc(heap, 4000, BLOCK_RAW);
    unsigned char *r = heap_alloc(heap, 4000, BLOCK_RAW);
    uint64_t *header = (uint64_t *)(q - 8), saved = *header;

    heap_alloc(heap, 16, BLOCK_RAW);
    memset(q - 8, 'x', 8);
    cr_expect(eq(int, heap_free(heap, q), TN_ECORRUPT));
    cr_expect(eq(int, heap_free(heap, p), TN_ECORRUPT),
              "and so the one before");
    cr_expect(not(heap_owns(heap, q)));
    cr_expect(not(arena_sound()));
    cr_expect(eq(int, heap_rebuild(heap), TN_ECORRUPT));

    *header = saved;
    heap_rebuild(heap); /* makes the sequence even */
    cr_expect(arena_sound());
    cr_expect(eq(int, heap_free(heap, q), TN_OK));
    memset(r - 16, 'y', 8); /* the footer of q, now free */
    cr_expect(eq(int, heap_free(heap, r), TN_ECORRUPT));
    cr_expect(heap_owns(heap, r));
}

#endif

Test(heap, every_flipped_bit_of_a_header_is_found, .init = make_large)
{
    void *p[4];

    for (int i = 0; i < 4; i++)
        p[i] = heap_alloc(heap, (size_t)(24 << 3 * i), BLOCK_RAW);
    heap_free(heap, p[2]);
    for (int i = 0; i < 4; i++)
        for (int bit = 0; bit < 64; bit++) {
            struct report report = {.layer = "heap"};
            uint64_t *word = word_at(heap, heap_off(heap, p[i]));

            /* Another kind of use is the layers' above to find. */
            if (bit < 3 && i != 2)
                continue;
            *word ^= UINT64_C(1) << bit;
            heap_check(heap, &report);
            cr_expect(not(zero(sz, report.findings)), "block %d, bit %d", i,
                      bit);
            if (bit > 3)
                cr_expect(not(heap_owns(heap, p[i])));
            *word ^= UINT64_C(1) << bit;
        }
    cr_expect(arena_sound());
}

#ifndef TN_DEEP_CHECK
/* A stray store into free memory may hit links: then the chain, which is whole,
 * says what is free, and the heap goes on. */
static void smash_links_and_go_on(uint64_t random, unsigned most, bool flush)
{
    struct piece held[PIECES] = {0};

    for (int i = 0; i < PIECES; i++)
        take(&held[i], 16 + arena_random_size(&random, most), 1, i);
    for (int i = 0; i < PIECES; i += 2) {
        uint64_t *p = (uint64_t *)held[i].p;

        if (p == NULL)
            continue;
        give_back(&held[i], i);
        if (flush)
            heap_flush(heap);
        p[0] = arena_bits(&random) << 4;
        p[1] = arena_bits(&random) << 4;
    }
    for (int step = 0; step < 200; step++) {
        int i = (int)arena_random(&random, PIECES);

        if (held[i].p != NULL)
            give_back(&held[i], i);
        else
            take(&held[i], 16 + arena_random_size(&random, most), 1, i);
    }
    heap_flush(heap);
    for (int i = 0; i < PIECES; i++)
        if (held[i].p != NULL)
            give_back(&held[i], i);
    cr_assert(eq(int, heap_rebuild(heap), TN_OK));
    cr_assert(heap_all_free(heap));
    cr_assert(arena_sound());
}

Test(heap, survives_stores_into_freed_memory)
{
    for (uint64_t round = 0; round < 60; round++) {
        arena_make(LARGE, TN_FIT_BEST);
        smash_links_and_go_on(round, 9, round % 2 == 1);
        arena_make(12000, TN_FIT_BEST);
        smash_links_and_go_on(round, 9, false);
        arena_make(LARGE, TN_FIT_SEQ);
        smash_links_and_go_on(round, 13, false);
    }
}
#endif

/* --- Alignment ------------------------------------------------------------ */

Test(heap, alignment_costs_no_more_than_the_alignment)
{
    for (size_t alignment = 32; alignment <= 65536; alignment *= 2)
        for (size_t n = 1; n < 5000; n = n * 3 + 1) {
            size_t before, cost;
            void *p;

            arena_make(LARGE / 2, TN_FIT_BEST);
            heap_alloc(heap, 8, BLOCK_RAW);
            before = heap_free_bytes(heap);
            p = heap_alloc_aligned(heap, n, alignment, 0, BLOCK_RAW);
            cr_assert(not(zero(ptr, p)));
            cost = before - heap_free_bytes(heap);
            cr_assert(eq(sz, cost, block_size_for(n)),
                      "what is cut off is free again");
            cr_assert(arena_sound());
            heap_free(heap, p);
            cr_assert(eq(sz, heap_free_bytes(heap), before));
        }
}

Test(heap, finds_the_aligned_place_if_there_is_just_one)
{
    static void *p[LARGE / 32];

    for (int fit = TN_FIT_BEST; fit <= TN_FIT_SEQ; fit++) {
        size_t n = 0;

        arena_make(fit == TN_FIT_BEST ? LARGE : 65536, (tn_fit)fit);
        while ((p[n] = heap_alloc(heap, 24, BLOCK_RAW)) != NULL)
            n++;
        for (size_t i = 0; i < n; i++) /* isolated holes of 32 bytes */
            if (i % 2 && (uintptr_t)p[i] % 4096 != 0)
                heap_free(heap, p[i]);
        cr_expect(zero(ptr, heap_alloc_aligned(heap, 24, 4096, 0, BLOCK_RAW)));
        for (size_t i = 0; i < n; i++)
            if ((uintptr_t)p[i] % 4096 == 0) {
                heap_free(heap, p[i]);
                cr_expect(eq(ptr, p[i],
                             heap_alloc_aligned(heap, 24, 4096, 0, BLOCK_RAW)));
                break;
            }
        cr_expect(arena_sound());
    }
}

/* --- States --------------------------------------------------------------- */

Test(heap, changes_the_state_and_nothing_else, .init = make_large)
{
    void *p = heap_alloc(heap, 100, BLOCK_BUILDING);
    uint64_t before = heap_sequence(heap);

    heap_set_state(heap, p, BLOCK_OBJECT);
    cr_expect(eq(int, heap_state(heap, p), BLOCK_OBJECT));
    cr_expect(ne(u64, heap_sequence(heap), before));
    cr_expect(eq(sz, heap_usable_size(heap, p), 104));
    cr_expect(arena_sound());
    cr_expect(eq(int, heap_free(heap, p), TN_OK));
}

Test(heap, frees_raw_blocks_alone_if_told_so, .init = make_large)
{
    size_t sizes[] = {100, 5000};

    for (int i = 0; i < 2; i++)
        for (int state = BLOCK_RAW; state <= BLOCK_TYPE; state++) {
            void *p = heap_alloc(heap, sizes[i], (enum block_state)state);

            cr_expect(eq(int, heap_free_raw(heap, p),
                         state == BLOCK_RAW ? TN_OK : TN_EINVAL));
            cr_expect(eq(int, heap_owns(heap, p), state != BLOCK_RAW));
            cr_expect(eq(int, heap_free_raw(heap, p), TN_EINVAL));
            cr_expect(eq(int, heap_free(heap, p),
                         state == BLOCK_RAW ? TN_EINVAL : TN_OK));
        }
    cr_expect(heap_all_free(heap));
    cr_expect(arena_sound());
}

Test(heap, zeroes_what_is_free_and_nothing_else, .init = make_large)
{
    unsigned char *p[100], *free_block;
    uint64_t off = 0;
    enum block_state state;
    size_t usable;

    for (int i = 0; i < 100; i++) {
        p[i] = heap_alloc(heap, (size_t)i * 30, BLOCK_RAW);
        memset(p[i], 0x77, heap_usable_size(heap, p[i]));
    }
    for (int i = 0; i < 100; i += 2)
        heap_free(heap, p[i]);
    heap_zero_free(heap);
    cr_expect(arena_sound());
    for (int i = 1; i < 100; i += 2)
        for (size_t k = 0; k < heap_usable_size(heap, p[i]); k++)
            cr_assert(eq(u8, p[i][k], 0x77));
    while ((off = heap_next_block(heap, off, (void **)&free_block, &state,
                                  &usable)) != 0)
        if (state == BLOCK_FREE)
            for (size_t k = 24; k + 8 < usable; k++)
                cr_assert(zero(u8, free_block[k]));
}
