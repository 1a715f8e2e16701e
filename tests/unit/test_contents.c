/* test_contents.c - what is in a segment, whatever its layout
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenon.h"

#define OK(call) cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())

TestSuite(contents, .timeout = 30);

enum { OBJECTS = 50 };

static const tn_type item = {.name = "item", .size = 16, .align = 8};
static const tn_type other = {.name = "other", .size = 16, .align = 8};

static tn_segment *make(tn_index index, size_t size)
{
    tn_options options = {.index = index};
    tn_segment *seg;

    OK(tn_segment_create_heap(&seg, size, &options));
    return seg;
}

static void add(tn_segment *seg, const char *name, const tn_type *type,
                uint64_t value)
{
    uint64_t words[2] = {value, ~value};

    OK(tn_construct_from(seg, name, type, 1, words, sizeof(words), NULL));
}

/* The same objects in an order that step decides; it is no divisor of
 * OBJECTS. */
static tn_segment *filled(tn_index index, size_t size, int step)
{
    tn_segment *seg = make(index, size);
    char name[16];

    OK(tn_construct(seg, "passing", &item, 1, NULL, NULL));
    for (int i = 0; i < OBJECTS; i++) {
        int n = i * step % OBJECTS;

        snprintf(name, sizeof(name), "n%d", n);
        add(seg, name, n % 2 ? &item : &other, (uint64_t)n);
        add(seg, TN_ANONYMOUS, &item, (uint64_t)n % 10);
        cr_assert(ne(ptr, tn_alloc(seg, (size_t)step), NULL));
    }
    add(seg, TN_UNIQUE, &other, 7);
    OK(tn_destroy(seg, "passing", NULL));
    return seg;
}

static bool count(void *arg, const tn_difference *difference)
{
    cr_assert(difference->before != NULL || difference->after != NULL);
    ++*(int *)arg;
    return false;
}

static int differences(const tn_segment *a, const tn_segment *b)
{
    unsigned char left[16], right[16];
    int n = 0;

    OK(tn_contents_compare(a, b, count, &n));
    OK(tn_contents_digest(a, left));
    OK(tn_contents_digest(b, right));
    cr_expect(eq(int, memcmp(left, right, 16) == 0, n == 0));
    return n;
}

Test(contents, are_the_same_whatever_the_layout)
{
    tn_segment *a = filled(TN_INDEX_MAP, 64 * 1024, 1);

    for (int index = TN_INDEX_ISET; index <= TN_INDEX_HASH; index++) {
        tn_segment *b = filled(index, 100000, 7);

        cr_expect(eq(int, differences(a, b), 0), "index %d", index);
        OK(tn_segment_detach(b));
    }
    OK(tn_segment_detach(a));
}

/* Each change is seen, and is one difference or as many as are told. */
Test(contents, differ_by_each_thing_that_does)
{
    tn_segment *a = filled(TN_INDEX_MAP, 64 * 1024, 1), *b;
    void *found;

    b = filled(TN_INDEX_HASH, 64 * 1024, 3);
    OK(tn_find(b, "n20", NULL, &found, NULL));
    ((char *)found)[15] ^= 1;
    cr_expect(eq(int, differences(a, b), 1), "a bit");
    ((char *)found)[15] ^= 1;
    OK(tn_destroy(b, "n49", NULL));
    cr_expect(eq(int, differences(a, b), 1), "one less");
    cr_expect(eq(int, differences(b, a), 1), "one more");
    add(b, "n49x", &item, 49);
    cr_expect(eq(int, differences(a, b), 2), "another name");
    OK(tn_destroy(b, "n49x", NULL));
    add(b, "n49", &other, 49);
    cr_expect(eq(int, differences(a, b), 1), "another type");
    OK(tn_destroy(b, "n49", NULL));
    add(b, "n49", &item, 49);
    cr_expect(eq(int, differences(a, b), 0), "as it was");
    add(b, TN_ANONYMOUS, &item, 3);
    cr_expect(eq(int, differences(a, b), 1), "once more without a name");
    add(a, TN_ANONYMOUS, &item, 4);
    cr_expect(eq(int, differences(a, b), 2), "others without a name");
    OK(tn_destroy(a, TN_UNIQUE, &other));
    cr_expect(eq(int, differences(a, b), 3), "the unique one");
    OK(tn_segment_detach(a));
    OK(tn_segment_detach(b));
}

static bool stop(void *arg, const tn_difference *difference)
{
    (void)difference;
    return ++*(int *)arg == 2;
}

Test(contents, are_compared_until_told_to_stop)
{
    tn_segment *a = filled(TN_INDEX_MAP, 64 * 1024, 1);
    tn_segment *b = make(TN_INDEX_MAP, 64 * 1024);
    int n = 0;

    cr_expect(eq(int, tn_contents_compare(a, b, stop, &n), TN_ECANCELED));
    cr_expect(eq(int, n, 2));
    cr_expect(eq(int, tn_contents_compare(a, b, NULL, NULL), TN_EINVAL));
    n = 0;
    OK(tn_contents_compare(a, b, count, &n));
    cr_expect(eq(int, n, 2 * OBJECTS + 1));
    OK(tn_segment_detach(a));
    OK(tn_segment_detach(b));
}

Test(contents, of_nothing_are_those_of_nothing)
{
    tn_segment *a = make(TN_INDEX_NULL, 4096), *b = make(TN_INDEX_MAP, 90000);

    cr_expect(eq(int, differences(a, b), 0));
    OK(tn_segment_detach(a));
    OK(tn_segment_detach(b));
}
