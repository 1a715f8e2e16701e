/* test_iterate.c - walks meet what is there once and in order, whatever happens
 * meanwhile
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/model.h"
#include "segment/segment.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = 256 * 1024 };

static _Alignas(4096) char buffer[SIZE];
static tn_segment *seg;

static void make(tn_index index)
{
    tn_options options = {.index = index};

    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE, &options), TN_OK));
}

static void construct(const char *name)
{
    cr_assert(eq(int, tn_construct(seg, name, TN_BYTES, 1, NULL, NULL), TN_OK));
}

/* All names met in a walk, with a comma behind each. */
static const char *walk(tn_kind kind, const char *prefix)
{
    static char met[512];
    tn_object object;
    tn_iter *iter;

    met[0] = 0;
    cr_assert(eq(int, tn_iter_open(seg, kind, prefix, &iter), TN_OK));
    while (tn_iter_next(iter, &object)) {
        strcat(met, object.name);
        strcat(met, ",");
    }
    cr_assert(not(tn_iter_next(iter, &object)), "the end stays the end");
    tn_iter_close(iter);
    return met;
}

TestSuite(iterate, .timeout = 20);

Test(iterate, meets_names_in_the_order_of_their_bytes)
{
    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_HASH; kind++) {
        make((tn_index)kind);
        construct("b");
        construct("\xff");
        construct("a");
        construct("ab");
        construct("B");
        construct("aaaaaaaaaaaaaaab");
        construct("aaaaaaaaaaaaaaaa");
        tn_construct(seg, TN_UNIQUE, TN_TYPE(long), 1, NULL, NULL);
        tn_construct(seg, TN_UNIQUE, TN_TYPE(int), 1, NULL, NULL);
        tn_construct(seg, NULL, TN_TYPE(int), 1, NULL, NULL);
        cr_expect(eq(str, (char *)walk(TN_KIND_NAMED, NULL),
                     "B,a,aaaaaaaaaaaaaaaa,aaaaaaaaaaaaaaab,ab,b,\xff,"));
        cr_expect(eq(str, (char *)walk(TN_KIND_UNIQUE, NULL), "int,long,"));
    }
}

Test(iterate, meets_only_names_that_begin_so)
{
    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_HASH; kind++) {
        make((tn_index)kind);
        construct("user");
        construct("user/");
        construct("user/1");
        construct("user/2");
        construct("user0");
        construct("usel");
        cr_expect(eq(str, (char *)walk(TN_KIND_NAMED, "user/"),
                     "user/,user/1,user/2,"));
        cr_expect(eq(str, (char *)walk(TN_KIND_NAMED, ""),
                     "usel,user,user/,user/1,user/2,user0,"));
        cr_expect(eq(str, (char *)walk(TN_KIND_NAMED, "user/2"), "user/2,"));
        cr_expect(eq(str, (char *)walk(TN_KIND_NAMED, "user/3"), ""));
        cr_expect(eq(str, (char *)walk(TN_KIND_NAMED, "a"), ""));
        cr_expect(eq(str, (char *)walk(TN_KIND_NAMED, "z"), ""));
        cr_expect(eq(str, (char *)walk(TN_KIND_UNIQUE, "u"), ""));
    }
}

Test(iterate, meets_nothing_where_nothing_is)
{
    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_NULL; kind++) {
        make((tn_index)kind);
        for (int sort = TN_KIND_NAMED; sort <= TN_KIND_ANONYMOUS; sort++)
            cr_expect(eq(str, (char *)walk((tn_kind)sort, NULL), ""));
    }
}

Test(iterate, goes_on_from_a_name_that_is_destroyed)
{
    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_HASH; kind++) {
        tn_object object;
        tn_iter *iter;
        int met = 0;
        char name[16];

        make((tn_index)kind);
        for (int i = 0; i < 500; i++) {
            snprintf(name, sizeof(name), "%03d", i);
            construct(name);
        }
        cr_assert(
            eq(int, tn_iter_open(seg, TN_KIND_NAMED, NULL, &iter), TN_OK));
        while (tn_iter_next(iter, &object)) {
            snprintf(name, sizeof(name), "%03d", met++);
            cr_assert(eq(str, (char *)object.name, name));
            cr_assert(
                eq(int, tn_destroy_ptr(seg, object.address, NULL), TN_OK));
        }
        tn_iter_close(iter);
        cr_expect(eq(int, met, 500));
        cr_expect(zero(sz, tn_named_count(seg)));
        cr_expect(model_sound(seg));
    }
}

/* What is there all the time is met once; what comes or goes, once at most. */
static void walk_among_changes(tn_index index, uint64_t seed)
{
    struct model m = {.random = seed};
    unsigned char met[200] = {0};
    tn_object object;
    tn_iter *iter;
    char name[16];
    int last = -1, i;

    make(index);
    for (i = 0; i < 200; i += 2) { /* even ones stay */
        snprintf(name, sizeof(name), "%03d", i);
        construct(name);
    }
    cr_assert(eq(int, tn_iter_open(seg, TN_KIND_NAMED, NULL, &iter), TN_OK));
    while (tn_iter_next(iter, &object)) {
        cr_assert(eq(int, sscanf(object.name, "%d", &i), 1));
        cr_assert(gt(int, i, last));
        met[last = i]++;
        for (size_t n = model_random(&m, 4); n > 0; n--) {
            snprintf(name, sizeof(name), "%03d",
                     (int)model_random(&m, 100) * 2 + 1);
            if (tn_destroy(seg, name, NULL) != TN_OK)
                construct(name);
        }
    }
    tn_iter_close(iter);
    for (i = 0; i < 200; i += 2)
        cr_assert(eq(int, met[i], 1), "seed %d: %d", (int)seed, i);
}

Test(iterate, meets_what_stays_once_while_others_come_and_go)
{
    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_HASH; kind++)
        for (uint64_t seed = 1; seed <= 5; seed++)
            walk_among_changes((tn_index)kind, seed);
}

/* --- Objects without a name ----------------------------------------------- */

Test(iterate, meets_nameless_objects_by_address)
{
    void *places[50];
    tn_object object;
    tn_iter *iter;
    int met = 0;
    void *last = NULL;

    make(TN_INDEX_NULL);
    for (int i = 0; i < 50; i++) {
        tn_construct(seg, NULL, TN_TYPE(int), (size_t)i, NULL, &places[i]);
        tn_alloc(seg, (size_t)i);
    }
    for (int i = 0; i < 50; i += 5)
        tn_destroy_ptr(seg, places[i], NULL);
    cr_assert(
        eq(int, tn_iter_open(seg, TN_KIND_ANONYMOUS, NULL, &iter), TN_OK));
    while (tn_iter_next(iter, &object)) {
        cr_assert(gt(ptr, object.address, last));
        cr_assert(eq(str, (char *)object.type, "int"));
        cr_assert(eq(ptr, (char *)object.name, NULL));
        last = object.address;
        met++;
    }
    tn_iter_close(iter);
    cr_expect(eq(int, met, 40));
}

Test(iterate, meets_nameless_objects_that_stay_once)
{
    struct model m = {.random = 5};
    void *places[60], *comes[20] = {NULL};
    unsigned char met[60] = {0};
    tn_object object;
    tn_iter *iter;

    make(TN_INDEX_MAP);
    for (int i = 0; i < 60; i++)
        tn_construct(seg, NULL, TN_TYPE(long), 1 + (size_t)i, NULL, &places[i]);
    cr_assert(
        eq(int, tn_iter_open(seg, TN_KIND_ANONYMOUS, NULL, &iter), TN_OK));
    while (tn_iter_next(iter, &object)) {
        void **comer = &comes[model_random(&m, 20)];

        for (int i = 0; i < 60; i++)
            met[i] += object.address == places[i];
        if (*comer != NULL && tn_destroy_ptr(seg, *comer, NULL) == TN_OK)
            *comer = NULL;
        else
            tn_construct(seg, NULL, TN_TYPE(int), model_random(&m, 200), NULL,
                         comer);
    }
    tn_iter_close(iter);
    for (int i = 0; i < 60; i++)
        cr_assert(eq(int, met[i], 1), "%d", i);
    cr_expect(model_sound(seg));
}
