/* test_figures.c - what is counted is what is there
 *
 * The model in test_segment.c compares figures at every step; here are the
 * exact numbers.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/model.h"
#include "segment/segment.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = 128 * 1024 };

static _Alignas(4096) char buffer[SIZE];
static tn_segment *seg;

static void make_with(tn_index index)
{
    tn_options options = {.index = index};

    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE, &options), TN_OK));
}

static void make(void)
{
    make_with(TN_INDEX_MAP);
}

static tn_stats stats(void)
{
    tn_stats now = {0};

    cr_assert(eq(int, tn_segment_stats(seg, &now), TN_OK));
    cr_assert(eq(sz, now.free_bytes, tn_free_bytes(seg)));
    cr_assert(
        eq(sz, now.used_bytes + now.free_bytes + now.overhead_bytes, now.size));
    return now;
}

TestSuite(figures, .init = make, .timeout = 20);

Test(figures, are_those_of_an_empty_segment)
{
    tn_stats now = stats();

    cr_expect(eq(sz, now.size, SIZE));
    cr_expect(zero(sz, now.used_bytes));
    cr_expect(zero(sz, now.named + now.unique + now.anonymous + now.raw));
    cr_expect(zero(sz, now.types + now.index_bytes));
    cr_expect(lt(sz, now.overhead_bytes, 2200));
    cr_expect(now.index == TN_INDEX_MAP && now.fit == TN_FIT_BEST);
    cr_expect(tn_all_free(seg));
    cr_expect(zero(sz, tn_named_count(seg) + tn_unique_count(seg)));
}

Test(figures, count_what_is_made)
{
    tn_stats now;

    tn_construct(seg, "a", TN_TYPE(int), 1, NULL, NULL);
    tn_construct(seg, "b", TN_TYPE(int), 1, NULL, NULL);
    tn_construct(seg, TN_UNIQUE, TN_TYPE(long), 1, NULL, NULL);
    for (int i = 0; i < 3; i++)
        tn_construct(seg, NULL, TN_TYPE(int), 1, NULL, NULL);
    for (int i = 0; i < 4; i++)
        tn_alloc(seg, 10);
    now = stats();
    cr_expect(eq(sz, now.named, 2));
    cr_expect(eq(sz, now.unique, 1));
    cr_expect(eq(sz, now.anonymous, 3));
    cr_expect(eq(sz, now.raw, 4));
    cr_expect(eq(sz, now.types, 2));
    cr_expect(gt(sz, now.index_bytes, 0));
    cr_expect(not(tn_all_free(seg)));
}

Test(figures, tell_the_largest_that_can_be_had)
{
    void *p[40];

    for (int round = 0; round < 40; round++) {
        size_t largest = stats().largest_free;
        void *all = tn_alloc(seg, largest);

        cr_assert(ne(ptr, all, NULL));
        tn_free(seg, all);
        cr_assert(eq(ptr, tn_alloc(seg, largest + 16), NULL));
        p[round] = tn_alloc(seg, (size_t)(round * 97) % 3000);
        cr_assert(ne(ptr, p[round], NULL));
        if (round % 3 == 2)
            tn_free(seg, p[round - 1]);
    }
}

/* Make or unmake that many names. */
static void names(int count, bool there)
{
    char name[32];

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "a name %d", i);
        cr_assert(eq(int,
                     there ? tn_construct(seg, name, TN_BYTES, 1, NULL, NULL)
                           : tn_destroy(seg, name, NULL),
                     TN_OK));
    }
}

Test(figures, are_as_before_when_all_is_gone)
{
    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_HASH; kind++) {
        size_t before;

        make_with((tn_index)kind);
        before = tn_free_bytes(seg);
        names(500, true);
        cr_assert(eq(sz, tn_named_count(seg), 500));
        names(500, false);
        cr_assert(eq(int, tn_shrink_indexes(seg), TN_OK));
        cr_expect(eq(sz, tn_free_bytes(seg), before), "index %d", kind);
        cr_expect(tn_all_free(seg));
        cr_expect(model_sound(seg));
    }
}

Test(figures, may_be_reserved_and_given_back)
{
    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_NULL; kind++) {
        size_t before;

        make_with((tn_index)kind);
        before = tn_free_bytes(seg);
        cr_assert(eq(int, tn_reserve_named(seg, 300), TN_OK));
        cr_assert(eq(int, tn_reserve_unique(seg, 30), TN_OK));
        cr_assert(model_sound(seg));
        if (kind != TN_INDEX_NULL) {
            names(100, true);
            names(100, false);
        }
        cr_assert(eq(int, tn_shrink_indexes(seg), TN_OK));
        cr_expect(eq(sz, tn_free_bytes(seg), before), "index %d", kind);
        cr_expect(model_sound(seg));
    }
}

Test(figures, are_unchanged_by_reserving_too_much)
{
    static const size_t counts[] = {SIZE_MAX, SIZE_MAX / 64, SIZE_MAX / 8,
                                    (size_t)1 << 40};

    make_with(TN_INDEX_HASH);
    names(20, true);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        size_t before = tn_free_bytes(seg);

        cr_expect(eq(int, tn_reserve_named(seg, counts[i]), TN_ENOMEM));
        cr_expect(eq(sz, tn_free_bytes(seg), before));
        cr_expect(model_sound(seg));
    }
    names(20, false);
}
