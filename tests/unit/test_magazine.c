/* test_magazine.c - magazines against a model too simple to be wrong
 *
 * The model is an array of the pieces we hold, each filled with its own mark.
 * Two magazines take what we free and give it out again.  After every step the
 * lists are what their counts say, and the heap's checker finds nothing; and
 * when the magazines are emptied the heap is as if there had been none.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "heap/block.h"
#include "heap/heap.h"
#include "lib/arena.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <string.h>

enum { PIECES = 400, MAGAZINES = 2, STEPS = 20000 };

static struct magazine magazines[MAGAZINES];
static struct piece {
    unsigned char *p;
    size_t n;
} held[PIECES];

static struct heap *h;

static void make(size_t size)
{
    arena_make(size, TN_FIT_BEST);
    h = arena_heap();
    for (int i = 0; i < MAGAZINES; i++)
        magazine_reset(&magazines[i]);
    heap_hold(h, true);
}

static void make_all(void)
{
    make(ARENA_SIZE);
}

/* M1 to M4. */
static bool magazine_sound(const struct magazine *m)
{
    uint64_t waiting = 0;

    if (m->reserve != 0) {
        uint64_t word = word_load(h, m->reserve);

        waiting = word_size(word);
        if (!block_is(h, m->reserve, waiting, BLOCK_QUICK))
            return false;
    }
    for (uint64_t bin = 0; bin < HEAP_QUICKS; bin++) {
        uint64_t list = m->lists[bin];

        while (list != 0) {
            uint64_t count = list >> QUICK_COUNT_SHIFT, off = list & QUICK_OFF;

            if (!block_is(h, off, bin_size(bin), BLOCK_QUICK))
                return false;
            list = links_at(h, off)->next;
            if (list >> QUICK_COUNT_SHIFT != count - 1)
                return false;
            waiting += bin_size(bin);
        }
    }
    return waiting == m->waiting && m->sequence % 2 == 0;
}

static bool all_sound(void)
{
    for (int i = 0; i < MAGAZINES; i++)
        if (!magazine_sound(&magazines[i]))
            return false;
    return arena_sound() && !heap_is_broken(h);
}

static uint64_t waiting(void)
{
    return magazines[0].waiting + magazines[1].waiting;
}

static void take(struct piece *piece, struct magazine *m, size_t n, int mark)
{
    void *p = magazine_pop(h, m, n);

    if (p == NULL) {
        magazine_fill(h, m, n);
        p = magazine_pop(h, m, n);
    }
    if (p == NULL)
        return;
    cr_assert(heap_owns(h, p));
    cr_assert(eq(int, heap_state(h, p), BLOCK_RAW));
    piece->p = p;
    piece->n = heap_usable_size(h, p);
    cr_assert(ge(sz, piece->n, n));
    memset(p, mark, piece->n);
}

static void give_back(struct piece *piece, struct magazine *m, int mark)
{
    for (size_t i = 0; i < piece->n; i++)
        cr_assert(eq(int, piece->p[i], mark), "byte %zu was overwritten", i);
    if (!magazine_push(h, m, piece->p)) {
        magazine_make_room(h, m, piece->n + HEAP_OVERHEAD);
        cr_assert(magazine_push(h, m, piece->p));
    }
    cr_assert(not(heap_owns(h, piece->p)));
    piece->p = NULL;
}

/* As if there had been no magazines. */
static void empty_all(void)
{
    uint64_t used = heap_used_bytes(h) - waiting();

    for (int i = 0; i < MAGAZINES; i++)
        magazine_empty(h, &magazines[i]);
    heap_hold(h, false);
    cr_assert(arena_sound());
    cr_assert(zero(u64, waiting()));
    cr_assert(eq(u64, heap_used_bytes(h), used));
    heap_hold(h, true);
}

TestSuite(magazine, .init = make_all, .timeout = 60);

ParameterizedTestParameters(magazine, agrees_with_the_model)
{
    static uint64_t seeds[] = {1, 2, 3, 4, 5, 6};

    return cr_make_param_array(uint64_t, seeds, 6);
}

ParameterizedTest(uint64_t *seed, magazine, agrees_with_the_model,
                  .timeout = 60)
{
    uint64_t random = *seed;

    if (*seed % 2 == 0)
        make(100 * 1024); /* becomes full */
    for (int step = 0; step < STEPS; step++) {
        size_t slot = arena_random(&random, PIECES);
        struct magazine *m = &magazines[arena_random(&random, MAGAZINES)];
        int mark = 1 + (int)slot % 250;

        if (held[slot].p != NULL)
            give_back(&held[slot], m, mark);
        else
            take(&held[slot], m, arena_random(&random, MAGAZINE_MOST + 1),
                 mark);
        if (arena_random(&random, 500) == 0)
            empty_all();
        if (step % 16 == 0)
            cr_assert(all_sound(), "seed %lu, step %d", *seed, step);
    }
    for (size_t slot = 0; slot < PIECES; slot++)
        if (held[slot].p != NULL)
            give_back(&held[slot], &magazines[slot % MAGAZINES],
                      1 + (int)slot % 250);
    empty_all();
    cr_expect(heap_all_free(h));
}

Test(magazine, gives_back_the_newest)
{
    struct magazine *m = &magazines[0];
    void *one = heap_alloc(h, 100, BLOCK_RAW);
    void *two = heap_alloc(h, 100, BLOCK_RAW);

    m->room = 1 << 20;
    cr_assert(eq(ptr, magazine_pop(h, m, 100), NULL));
    cr_assert(magazine_push(h, m, one));
    cr_assert(magazine_push(h, m, two));
    cr_expect(eq(ptr, magazine_pop(h, m, 100), two));
    cr_expect(eq(ptr, magazine_pop(h, m, 90), one), "the same block size");
    cr_expect(eq(ptr, magazine_pop(h, m, 100), NULL));
}

Test(magazine, refuses_what_is_no_allocation)
{
    struct magazine *m = &magazines[0];
    char *p = heap_alloc(h, 100, BLOCK_RAW);
    char *object = heap_alloc(h, 100, BLOCK_OBJECT);
    char *large = heap_alloc(h, 5000, BLOCK_RAW);
    char elsewhere[64];

    m->room = 1 << 20;
    cr_expect(not(magazine_push(h, m, p + 16)));
    cr_expect(not(magazine_push(h, m, p + 1)));
    cr_expect(not(magazine_push(h, m, elsewhere)));
    cr_expect(not(magazine_push(h, m, h)));
    cr_expect(not(magazine_push(h, m, object)));
    cr_expect(not(magazine_push(h, m, large)));
    cr_expect(magazine_push(h, m, p));
    cr_expect(not(magazine_push(h, m, p)), "twice");
    cr_expect(not(magazine_push(h, &magazines[1], p)), "and elsewhere");
    cr_expect(eq(int, heap_free_raw(h, p), TN_EINVAL));
    cr_expect(all_sound());
}

/* A stray store into a block that waits is met before it does harm, and the
 * heap asks to be rebuilt rather than doing it under the magazines' users. */
Test(magazine, asks_for_a_rebuild_when_a_link_is_broken)
{
    struct magazine *m = &magazines[0];
    char *one = heap_alloc(h, 100, BLOCK_RAW);
    char *two = heap_alloc(h, 100, BLOCK_RAW);

    m->room = 1 << 20;
    cr_assert(magazine_push(h, m, one));
    cr_assert(magazine_push(h, m, two));
    memset(two, 0x55, 8);
    cr_expect(eq(ptr, magazine_pop(h, m, 100), two));
    cr_expect(eq(ptr, magazine_pop(h, m, 100), NULL));
    cr_expect(heap_is_broken(h));
    cr_expect(eq(int, chain_rebuild(h), TN_ECORRUPT), "not while it is held");
    cr_assert(eq(int, heap_free_raw(h, two), TN_OK));
    magazine_reset(m);
    cr_assert(eq(int, heap_rebuild(h), TN_OK));
    cr_expect(not(heap_is_broken(h)));
    cr_expect(arena_sound());
    cr_expect(heap_all_free(h));
}

/* The largest block that may be asked for has a list even if nothing smaller
 * can be left over. */
Test(magazine, has_a_list_for_every_size)
{
    for (size_t n = 0; n <= MAGAZINE_MOST; n++) {
        struct magazine *m = &magazines[0];
        char *p, *end;

        make(ARENA_SIZE);
        /* A hole that is a granule too large for the request. */
        p = heap_alloc(h, block_size_for(n) + HEAP_GRANULE - HEAP_OVERHEAD,
                       BLOCK_RAW);
        end = heap_alloc(h, 3000, BLOCK_RAW);
        cr_assert(eq(int, heap_free(h, p), TN_OK));
        heap_hold(h, false);
        heap_flush(h);
        heap_hold(h, true);
        magazine_fill(h, m, n);
        cr_assert(magazine_sound(m), "%zu bytes", n);
        p = magazine_pop(h, m, n);
        cr_assert(ne(ptr, p, NULL), "%zu bytes", n);
        m->room = ARENA_SIZE;
        cr_assert(magazine_push(h, m, p));
        cr_assert(all_sound(), "%zu bytes", n);
        cr_assert(heap_owns(h, end));
    }
}

/* Where nobody was yet, blocks of all sizes come one behind the other, and none
 * but the first needs the heap. */
Test(magazine, cuts_a_reserve_without_the_heap)
{
    struct magazine *m = &magazines[0];
    size_t sizes[] = {100, 24, 700, 1, 24}, used = heap_used_bytes(h);
    uint64_t sequence;
    char *p, *next;

    magazine_fill(h, m, 100);
    sequence = heap_sequence(h);
    cr_assert(all_sound());
    p = magazine_pop(h, m, 100); /* what was asked for */
    next = heap_at(h, m->reserve);
    for (int i = 0; i < 5; i++) {
        p = magazine_pop(h, m, sizes[i]);
        cr_assert(eq(ptr, p, next));
        cr_assert(heap_owns(h, p) && heap_usable_size(h, p) >= sizes[i]);
        next = p + heap_usable_size(h, p) + HEAP_OVERHEAD;
        cr_assert(all_sound());
    }
    while ((p = magazine_pop(h, m, 1000)) != NULL)
        cr_assert(all_sound());
    while ((p = magazine_pop(h, m, 1)) != NULL)
        cr_assert(all_sound());
    cr_expect(zero(u64, m->waiting), "all of it is used");
    cr_expect(eq(u64, heap_sequence(h), sequence));
    cr_expect(gt(u64, heap_used_bytes(h), used + 4000));
}

Test(magazine, gives_back_its_reserve)
{
    struct magazine *m = &magazines[0];
    void *p;

    magazine_fill(h, m, 100);
    p = magazine_pop(h, m, 100);
    cr_assert(not(zero(u64, m->reserve)));
    empty_all();
    cr_expect(eq(int, heap_free_raw(h, p), TN_OK));
    cr_expect(heap_all_free(h));
}

Test(magazine, asks_for_a_rebuild_when_its_reserve_is_broken)
{
    struct magazine *m = &magazines[0];
    void *p;

    magazine_fill(h, m, 100);
    p = magazine_pop(h, m, 100);
    memset(word_at(h, m->reserve), 0x55, 8);
    cr_expect(eq(ptr, magazine_pop(h, m, 100), NULL));
    cr_expect(heap_is_broken(h));
    cr_expect(zero(u64, m->reserve));
    cr_expect(heap_owns(h, p));

    m->reserve = (uint64_t)1 << 40;
    cr_expect(eq(ptr, magazine_pop(h, m, 100), NULL), "out of the heap");
    cr_expect(zero(u64, m->reserve));
}
