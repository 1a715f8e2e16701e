/* test_resize.c - blocks made larger and smaller, against an oracle
 *
 * The oracle looks at the blocks around the one to be resized, tries every
 * distance one by one, and says which way must be taken and what it gives.
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
static unsigned char copy[ARENA_SIZE];

static void make_large(void)
{
    arena_make(ARENA_SIZE, TN_FIT_BEST);
}

TestSuite(resize, .init = make_large, .timeout = 60);

static size_t usable(const void *p)
{
    return heap_usable_size(heap, p);
}

/* Three blocks in a row; those beside the middle one can be freed. */
struct row {
    unsigned char *before, *p, *behind;
};

static struct row make_row(size_t before, size_t n, size_t behind)
{
    struct row row = {heap_alloc(heap, before, BLOCK_RAW),
                      heap_alloc(heap, n, BLOCK_RAW),
                      heap_alloc(heap, behind, BLOCK_RAW)};

    heap_alloc(heap, 24, BLOCK_RAW);
    memset(row.p, 0x5a, usable(row.p));
    return row;
}

static void fill_the_rest(void)
{
    while (heap_largest(heap) != 0)
        heap_alloc(heap, heap_largest(heap), BLOCK_RAW);
}

static bool all_are(const unsigned char *p, size_t n, unsigned char byte)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != byte)
            return false;
    return true;
}

/* --- What makes no sense -------------------------------------------------- */

Test(resize, refuses_what_makes_no_sense_and_changes_nothing)
{
    void *p = heap_alloc(heap, 100, BLOCK_RAW), *inside = (char *)p + 16;
    void *none = NULL;
    static const struct {
        unsigned command;
        size_t limit, preferred;
        int block; /* 0: p, 1: none, 2: inside p */
        size_t element;
    } bad[] = {
        {0, 1, 1, 0, 1},
        {TN_ZERO, 1, 1, 0, 1},
        {64, 1, 1, 0, 1},
        {TN_NEW | 128, 1, 1, 0, 1},
        {TN_SHRINK | TN_EXPAND_FWD, 10, 10, 0, 1},
        {TN_SHRINK | TN_EXPAND_BWD, 10, 10, 0, 1},
        {TN_TRY_SHRINK | TN_EXPAND_FWD, 10, 10, 0, 1},
        {TN_SHRINK | TN_NEW, 10, 10, 0, 1},
        {TN_SHRINK, 10, 11, 0, 1},
        {TN_TRY_SHRINK, 10, 11, 0, 1},
        {TN_EXPAND_FWD, 201, 200, 0, 1},
        {TN_EXPAND_BWD, 201, 200, 0, 1},
        {TN_NEW, 201, 200, 0, 1},
        {TN_EXPAND_FWD, 100, 200, 1, 1},
        {TN_EXPAND_BWD, 100, 200, 1, 1},
        {TN_SHRINK, 20, 10, 1, 1},
        {TN_EXPAND_FWD, 100, 200, 2, 1},
        {TN_NEW, 1, 1, 0, 0},
    };

    memset(p, 0, 100);
    memcpy(copy, arena, sizeof(copy));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        void *reuse = bad[i].block == 0 ? p : bad[i].block == 1 ? none : inside;
        void *before = reuse;
        size_t preferred = bad[i].preferred;

        cr_expect(zero(ptr, heap_resize(heap, bad[i].command, bad[i].limit,
                                        &preferred, &reuse, bad[i].element)),
                  "case %zu", i);
        cr_expect(eq(sz, preferred, bad[i].preferred), "case %zu", i);
        cr_expect(eq(ptr, reuse, before), "case %zu", i);
    }
    cr_expect(zero(int, memcmp(copy, arena, sizeof(copy))));
}

Test(resize, refuses_sizes_that_overflow)
{
    void *p = heap_alloc(heap, 100, BLOCK_RAW);
    unsigned commands[] = {TN_NEW, TN_EXPAND_FWD, TN_EXPAND_BWD,
                           TN_NEW | TN_EXPAND_FWD | TN_EXPAND_BWD};

    for (int i = 0; i < 4; i++) {
        size_t preferred = SIZE_MAX;
        void *reuse = p;

        cr_expect(zero(ptr, heap_resize(heap, commands[i], SIZE_MAX / 16 + 2,
                                        &preferred, &reuse, 16)));
        cr_expect(lt(sz, preferred, ARENA_SIZE / 16));
        cr_expect(eq(ptr, reuse, p));
        cr_expect(arena_sound());
    }
}

/* --- Each rule by itself -------------------------------------------------- */

Test(resize, forward_keeps_the_place_and_the_contents)
{
    struct row row = make_row(1000, 100, 1000);
    void *reuse = row.p;
    size_t preferred = 300, old = usable(row.p);

    heap_free(heap, row.behind);
    cr_expect(eq(
        ptr,
        heap_resize(heap, TN_EXPAND_FWD | TN_ZERO, 300, &preferred, &reuse, 1),
        row.p));
    cr_expect(eq(sz, preferred, usable(row.p)));
    cr_expect(ge(sz, preferred, 300));
    cr_expect(le(sz, preferred, 316));
    cr_expect(eq(ptr, reuse, row.p));
    cr_expect(all_are(row.p, old, 0x5a));
    cr_expect(all_are(row.p + old, preferred - old, 0));
    cr_expect(arena_sound());
}

Test(resize, forward_takes_less_than_preferred_down_to_the_limit)
{
    struct row row = make_row(1000, 104, 1000);
    size_t room = 104 + 8 + usable(row.behind), preferred = 5000;
    void *reuse = row.p;

    heap_free(heap, row.behind);
    cr_expect(zero(ptr, heap_resize(heap, TN_EXPAND_FWD, room + 1, &preferred,
                                    &reuse, 1)));
    cr_expect(eq(sz, preferred, room), "this limit might succeed");
    cr_expect(eq(sz, usable(row.p), 104), "nothing was changed");
    preferred = 5000;
    cr_expect(eq(ptr,
                 heap_resize(heap, TN_EXPAND_FWD, room, &preferred, &reuse, 1),
                 row.p));
    cr_expect(eq(sz, preferred, room));
    cr_expect(arena_sound());
}

Test(resize, backward_moves_the_start_by_whole_elements)
{
    size_t elements[] = {1, 2, 3, 8, 12, 16, 24, 40, 48, 56, 100};

    for (int i = 0; i < 11; i++) {
        struct row row = make_row(6000, 1000, 24);
        void *reuse = row.p;
        size_t element = elements[i], preferred = 3000 / element;
        unsigned char *p;

        heap_free(heap, row.before);
        p = heap_resize(heap, TN_EXPAND_BWD, preferred, &preferred, &reuse,
                        element);
        cr_assert(not(zero(ptr, p)));
        cr_expect(lt(ptr, p, row.p));
        cr_expect(zero(sz, (size_t)(row.p - p) % element));
        cr_expect(ge(sz, usable(p), 3000 / element * element));
        cr_expect(eq(sz, preferred, usable(p) / element));
        cr_expect(all_are(row.p, 1000, 0x5a), "the contents are not moved");
        cr_expect(not(heap_owns(heap, row.p)), "the old place is none");
        cr_expect(arena_sound());
        cr_expect(eq(int, heap_free(heap, p), TN_OK));
    }
}

Test(resize, backward_alone_does_not_move_the_end)
{
    struct row row = make_row(1000, 104, 5000);
    void *reuse = row.p;
    size_t preferred = 3000;
    unsigned char *p;

    heap_free(heap, row.before);
    heap_free(heap, row.behind);
    p = heap_resize(heap, TN_EXPAND_BWD, 900, &preferred, &reuse, 1);
    cr_assert(not(zero(ptr, p)));
    cr_expect(eq(ptr, p + usable(p), row.p + 104));
    cr_expect(eq(ptr, p, row.before), "all that was free before it");
    cr_expect(arena_sound());
}

Test(resize, both_together_reach_what_neither_does)
{
    struct row row = make_row(1000, 104, 1000);
    void *reuse = row.p;
    size_t preferred = 2000;
    unsigned char *p;

    fill_the_rest();
    heap_free(heap, row.before);
    heap_free(heap, row.behind);
    p = heap_resize(heap, TN_EXPAND_FWD | TN_EXPAND_BWD | TN_NEW | TN_ZERO,
                    2000, &preferred, &reuse, 1);
    cr_assert(not(zero(ptr, p)));
    cr_expect(ge(sz, preferred, 2000));
    cr_expect(eq(ptr, reuse, row.p), "not a new block");
    cr_expect(all_are(row.p, 104, 0x5a));
    cr_expect(all_are(p, (size_t)(row.p - p), 0));
    cr_expect(all_are(row.p + 104, (size_t)(p + preferred - row.p) - 104, 0));
    cr_expect(arena_sound());
}

Test(resize, new_blocks_leave_the_old_one_and_say_so)
{
    struct row row = make_row(1000, 100, 1000);
    void *reuse = row.p;
    size_t preferred = 5000;
    unsigned char *p = heap_resize(heap, TN_EXPAND_FWD | TN_NEW | TN_ZERO, 5000,
                                   &preferred, &reuse, 1);

    cr_assert(not(zero(ptr, p)));
    cr_expect(zero(ptr, reuse));
    cr_expect(heap_owns(heap, row.p));
    cr_expect(all_are(row.p, 100, 0x5a));
    cr_expect(all_are(p, preferred, 0));
    cr_expect(eq(int, heap_state(heap, p), BLOCK_RAW));

    preferred = 10 * ARENA_SIZE;
    p = heap_resize(heap, TN_NEW, 100, &preferred, NULL, 1);
    cr_assert(not(zero(ptr, p)));
    cr_expect(eq(sz, preferred, usable(p)), "the largest there was");
    cr_expect(lt(sz, heap_largest(heap), preferred));
    cr_expect(arena_sound());
}

Test(resize, preferred_anywhere_comes_before_the_limit_in_place)
{
    struct row row = make_row(1000, 100, 1000);
    void *reuse = row.p;
    size_t preferred = 3000;

    heap_free(heap, row.behind);
    cr_expect(not(zero(ptr, heap_resize(heap, TN_EXPAND_FWD | TN_NEW, 500,
                                        &preferred, &reuse, 1))));
    cr_expect(zero(ptr, reuse), "forward gives 1100, a new one 3000");
    cr_expect(ge(sz, preferred, 3000));
    cr_expect(eq(sz, usable(row.p), 104));
}

Test(resize, shrinking_gives_the_tail_back)
{
    struct row row = make_row(1000, 1000, 1000);
    void *reuse = row.p;
    size_t preferred = 100, before = heap_free_bytes(heap);

    cr_expect(eq(ptr, heap_resize(heap, TN_SHRINK, 200, &preferred, &reuse, 1),
                 row.p));
    cr_expect(ge(sz, preferred, 100));
    cr_expect(le(sz, preferred, 200));
    cr_expect(eq(sz, heap_free_bytes(heap), before + 1000 - preferred));
    cr_expect(all_are(row.p, 100, 0x5a));
    cr_expect(arena_sound());
}

Test(resize, shrinking_succeeds_only_between_preferred_and_limit)
{
    struct row row = make_row(1000, 104, 1000);
    void *reuse = row.p;
    size_t preferred = 10;

    /* The least block has room for 24 bytes. */
    cr_expect(
        zero(ptr, heap_resize(heap, TN_SHRINK, 20, &preferred, &reuse, 1)));
    cr_expect(eq(sz, preferred, 24), "this limit would do");
    cr_expect(eq(sz, usable(row.p), 104), "nothing was changed");
    preferred = 10;
    cr_expect(not(
        zero(ptr, heap_resize(heap, TN_SHRINK, 24, &preferred, &reuse, 1))));
    cr_expect(eq(sz, usable(row.p), 24));
    preferred = 30;
    cr_expect(
        zero(ptr, heap_resize(heap, TN_SHRINK, 40, &preferred, &reuse, 1)),
        "it is smaller than preferred already");
    cr_expect(eq(sz, preferred, 24));
    cr_expect(arena_sound());
}

Test(resize, trying_to_shrink_always_succeeds)
{
    struct row row = make_row(1000, 104, 1000);
    void *reuse = row.p;
    size_t preferred = 200;

    cr_expect(eq(ptr,
                 heap_resize(heap, TN_TRY_SHRINK, 300, &preferred, &reuse, 1),
                 row.p));
    cr_expect(eq(sz, preferred, 104));
    preferred = 10;
    cr_expect(eq(ptr,
                 heap_resize(heap, TN_TRY_SHRINK, 12, &preferred, &reuse, 1),
                 row.p));
    cr_expect(eq(sz, preferred, 24), "as far as it goes");
    cr_expect(arena_sound());
}

Test(resize, a_waiting_neighbour_counts_as_free)
{
    struct row row = make_row(200, 104, 200);
    void *reuse = row.p;
    size_t preferred = 300;

    heap_free(heap, row.behind); /* into a quick list */
    cr_expect(eq(ptr,
                 heap_resize(heap, TN_EXPAND_FWD, 300, &preferred, &reuse, 1),
                 row.p));
    row = make_row(200, 104, 200);
    heap_free(heap, row.behind);
    cr_expect(eq(ptr, heap_realloc(heap, row.p, 300), row.p));
    cr_expect(arena_sound());
}

Test(resize, the_example_of_the_seeds_holds)
{
    size_t got = 1000, expanded, shrunk, after_new, after_expansion;
    size_t *p = heap_resize(heap, TN_NEW, 100, &got, NULL, sizeof(size_t));
    void *reuse = p;

    cr_assert(ge(sz, got, 100));
    after_new = heap_free_bytes(heap);
    expanded = got * 3;
    cr_expect(eq(ptr,
                 heap_resize(heap, TN_EXPAND_FWD, got * 2, &expanded, &reuse,
                             sizeof(size_t)),
                 p));
    cr_expect(ge(sz, expanded, got * 2));
    after_expansion = heap_free_bytes(heap);
    cr_expect(lt(sz, after_expansion, after_new));
    shrunk = 100;
    cr_expect(eq(
        ptr, heap_resize(heap, TN_SHRINK, 200, &shrunk, &reuse, sizeof(size_t)),
        p));
    cr_expect(le(sz, shrunk, 200));
    cr_expect(ge(sz, shrunk, 100));
    cr_expect(gt(sz, heap_free_bytes(heap), after_expansion));
}

/* --- Against the oracle --------------------------------------------------- */

/* What each way could give, in elements; SIZE_MAX: not allowed. */
struct prospect {
    size_t forward, backward, anew;
};

static size_t in_block(uint64_t block, size_t element)
{
    return block < 8 ? 0 : (block - 8) / element;
}

/* The free bytes right before and behind p, and the largest free block. */
static void look_around(const void *p, uint64_t *before, uint64_t *behind,
                        uint64_t *largest)
{
    uint64_t off = 0;
    enum block_state state;
    size_t n;
    void *at;

    *before = *behind = *largest = 0;
    while ((off = heap_next_block(heap, off, &at, &state, &n)) != 0) {
        if (state != BLOCK_FREE)
            continue;
        if (p != NULL && (char *)at + n + 8 == p)
            *before = n + 8;
        if (p != NULL && (char *)p + usable(p) + 8 == at)
            *behind = n + 8;
        if (n + 8 > *largest)
            *largest = n + 8;
    }
}

static struct prospect foresee(unsigned command, const void *p, size_t element)
{
    struct prospect see = {0, 0, 0};
    uint64_t before, behind, largest, room, best = 0;

    look_around(p, &before, &behind, &largest);
    if (p != NULL && (command & TN_EXPAND_FWD) != 0)
        see.forward = in_block(usable(p) + 8 + behind, element);
    if (p != NULL && (command & TN_EXPAND_BWD) != 0) {
        room = usable(p) + 8 + ((command & TN_EXPAND_FWD) != 0 ? behind : 0);
        for (uint64_t d = 0; d <= before; d += 16)
            if (d % element == 0 && before - d != 16)
                best = d;
        see.backward = in_block(room + best, element);
    }
    if ((command & TN_NEW) != 0)
        see.anew = in_block(largest, element);
    return see;
}

struct holding {
    unsigned char *p;
    size_t n;
    unsigned char mark;
};

/* Expand or renew one holding and compare with what was foreseen. */
static void expand_one(struct holding *held, uint64_t *random)
{
    static const size_t elements[] = {1, 1, 4, 8, 12, 16, 24, 40, 48, 100};
    unsigned command = 1 + (unsigned)arena_random(random, 7);
    size_t element = elements[arena_random(random, 10)];
    size_t limit = arena_random_size(random, 13) / element;
    size_t preferred = limit + arena_random_size(random, 12) / element, got;
    size_t most, target;
    void *reuse = held->p;
    struct prospect see;
    unsigned char *p;

    if (reuse == NULL)
        command = TN_NEW;
    heap_flush(heap);
    see = foresee(command, reuse, element);
    most = see.forward > see.backward ? see.forward : see.backward;
    most = see.anew > most ? see.anew : most;
    target = most >= preferred ? preferred : limit;
    got = preferred;
    p = heap_resize(heap, command, limit, &got, &reuse, element);

    if (most < limit || (most == 0 && p == NULL)) {
        cr_assert(zero(ptr, p));
        cr_assert(eq(sz, got, most));
        return;
    }
    cr_assert(not(zero(ptr, p)));
    cr_assert(ge(sz, got, target));
    cr_assert(eq(sz, got, usable(p) / element));
    if (held->p != NULL && (command & TN_EXPAND_FWD) && see.forward >= target)
        cr_assert(eq(ptr, p, held->p));
    else if (held->p != NULL && (command & TN_EXPAND_BWD) &&
             see.backward >= target)
        cr_assert(le(ptr, p, held->p));
    else
        cr_assert(zero(ptr, reuse));

    if (held->p != NULL) {
        cr_assert(all_are(held->p, held->n, held->mark));
        if (reuse == NULL)
            cr_assert(eq(int, heap_free(heap, held->p), TN_OK));
        else
            cr_assert(zero(sz, (size_t)(held->p - p) % element));
    }
    held->p = p;
    held->n = usable(p);
    memset(p, held->mark, held->n);
}

static void shrink_one(struct holding *held, uint64_t *random)
{
    size_t preferred = arena_random(random, held->n + 1), got = preferred;
    size_t limit = preferred + arena_random(random, 60);
    void *reuse = held->p;

    if (heap_resize(heap, TN_SHRINK, limit, &got, &reuse, 1) != NULL) {
        cr_assert(ge(sz, got, preferred));
        cr_assert(le(sz, got, limit));
    } else {
        cr_assert(eq(sz, usable(held->p), held->n));
    }
    held->n = usable(held->p);
    cr_assert(all_are(held->p, held->n, held->mark));
}

static void realloc_one(struct holding *held, uint64_t *random)
{
    size_t n = arena_random_size(random, 12), kept;
    unsigned char *p = heap_realloc(heap, held->p, n);

    if (p == NULL) {
        cr_assert(lt(sz, heap_largest(heap), n));
        return;
    }
    kept = held->n < n ? held->n : n;
    if (held->p != NULL)
        cr_assert(all_are(p, kept, held->mark));
    cr_assert(ge(sz, usable(p), n));
    held->p = p;
    held->n = usable(p);
    memset(p, held->mark, held->n);
}

struct setting {
    uint64_t seed;
    size_t size;
    tn_fit fit;
};

ParameterizedTestParameters(resize, agrees_with_the_oracle)
{
    static struct setting settings[] = {{1, 60000, TN_FIT_BEST},
                                        {2, 60000, TN_FIT_SEQ},
                                        {3, 12000, TN_FIT_BEST},
                                        {4, 200000, TN_FIT_BEST}};

    return cr_make_param_array(struct setting, settings, 4);
}

ParameterizedTest(struct setting *s, resize, agrees_with_the_oracle)
{
    struct holding held[32] = {0};
    uint64_t random = s->seed;

    arena_make(s->size, s->fit);
    for (int step = 0; step < 20000; step++) {
        struct holding *one = &held[arena_random(&random, 32)];

        one->mark = (unsigned char)(one - held + 1);
        switch (arena_random(&random, 4)) {
        case 0:
            if (one->p != NULL)
                cr_assert(eq(int, heap_free(heap, one->p), TN_OK));
            one->p = NULL;
            break;
        case 1:
            if (one->p != NULL)
                shrink_one(one, &random);
            break;
        case 2:
            realloc_one(one, &random);
            break;
        default:
            expand_one(one, &random);
        }
        cr_assert(arena_sound(), "seed %" PRIu64 ", step %d", s->seed, step);
    }
    for (int i = 0; i < 32; i++)
        if (held[i].p != NULL) {
            cr_assert(all_are(held[i].p, held[i].n, held[i].mark));
            heap_free(heap, held[i].p);
        }
    cr_assert(heap_all_free(heap));
}

/* --- realloc -------------------------------------------------------------- */

Test(resize, realloc_keeps_contents_state_and_if_possible_the_place)
{
    unsigned char *p = heap_realloc(heap, NULL, 100), *q;

    cr_assert(not(zero(ptr, p)));
    memset(p, 0x33, usable(p));
    cr_expect(eq(ptr, heap_realloc(heap, p, 5000), p), "room behind it");
    heap_set_state(heap, p, BLOCK_INDEX);
    heap_alloc(heap, 24, BLOCK_RAW);
    q = heap_realloc(heap, p, 6000);
    cr_expect(ne(ptr, q, p));
    cr_expect(all_are(q, 100, 0x33));
    cr_expect(eq(int, heap_state(heap, q), BLOCK_INDEX));
    cr_expect(eq(ptr, heap_realloc(heap, q, 10), q), "shrinks in place");
    cr_expect(all_are(q, 10, 0x33));
    cr_expect(arena_sound());
}

Test(resize, realloc_that_fails_changes_nothing)
{
    struct row row = make_row(1000, 100, 1000);
    int foreign = 0;

    memcpy(copy, arena, sizeof(copy));
    cr_expect(zero(ptr, heap_realloc(heap, row.p, SIZE_MAX)));
    cr_expect(zero(ptr, heap_realloc(heap, &foreign, 10)));
    cr_expect(zero(ptr, heap_realloc(heap, row.p + 16, 10)));
    cr_expect(zero(int, memcmp(copy, arena, sizeof(copy))));
    cr_expect(zero(ptr, heap_realloc(heap, row.p, ARENA_SIZE)));
    cr_expect(eq(sz, usable(row.p), 104));
    cr_expect(arena_sound());
}

Test(resize, expands_over_several_blocks_that_wait)
{
    static char large[1 << 16] __attribute__((aligned(16)));
    struct heap *h = (struct heap *)large;
    void *first, *behind[8], *p, *result;
    size_t got = 2000;

    cr_assert(
        eq(int, heap_init(h, sizeof(large), sizeof(*h), TN_FIT_BEST), TN_OK));
    p = first = heap_alloc(h, 1000, BLOCK_RAW);
    for (int i = 0; i < 8; i++)
        behind[i] = heap_alloc(h, 200, BLOCK_RAW);
    cr_assert(heap_alloc(h, 10, BLOCK_RAW) != NULL);
    for (int i = 0; i < 8; i++)
        cr_assert(eq(int, heap_free(h, behind[i]), TN_OK));
    result = heap_resize(h, TN_EXPAND_FWD, 2000, &got, &p, 1);
    cr_assert(eq(ptr, result, first));
    cr_assert(got >= 2000);
}
