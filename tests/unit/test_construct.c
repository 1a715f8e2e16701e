/* test_construct.c - objects are there whole, or there is no trace of them
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/model.h"
#include "segment/segment.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 64 * 1024 };

static _Alignas(4096) char buffer[SIZE];
static tn_segment *seg;

static void make_with(tn_index index)
{
    tn_options options = {.index = index};

    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE, &options), TN_OK));
}

static void make(void)
{
    make_with(TN_INDEX_DEFAULT);
}

/* Everything is sound, and as much is free as there was. */
static void expect_free(size_t bytes)
{
    cr_assert(model_sound(seg));
    cr_assert(eq(int, tn_shrink_indexes(seg), TN_OK));
    cr_assert(eq(sz, tn_free_bytes(seg), bytes));
    cr_assert(zero(u64, seg->base->building + seg->base->building_alone));
}

TestSuite(construct, .init = make, .timeout = 20);

/* --- What init gets and what becomes of it -------------------------------- */

/* Elements are numbered; init fails at one of them, and fini notes which are
 * undone. */
struct plan {
    size_t fails_at;
    size_t begun;
};

static size_t undone[16], undone_count;

static tn_status init(tn_segment *s, void *element, size_t index, void *arg)
{
    struct plan *plan = arg;

    if (s != seg || *(uint64_t *)element != 0)
        return TN_ECORRUPT;
    plan->begun++;
    *(uint64_t *)element = index + 1;
    return index == plan->fails_at ? TN_ECANCELED : TN_OK;
}

static void fini(tn_segment *s, void *element)
{
    if (s == seg && undone_count < 16)
        undone[undone_count++] = *(uint64_t *)element - 1;
}

static const tn_type numbered = {
    .name = "numbered", .size = 8, .align = 8, .init = init, .fini = fini};

static const char *const sorts[] = {"name", TN_UNIQUE, TN_ANONYMOUS};

Test(construct, leaves_no_trace_when_any_element_fails)
{
    size_t bytes = tn_free_bytes(seg);

    for (size_t sort = 0; sort < 3; sort++) {
        const char *name = sort == 1 ? TN_UNIQUE : sorts[sort];

        for (size_t at = 0; at < 10; at++) {
            struct plan plan = {.fails_at = at};
            void *out = buffer;

            undone_count = 0;
            cr_assert(eq(int,
                         tn_construct(seg, name, &numbered, 10, &plan, &out),
                         TN_ECANCELED));
            cr_assert(eq(ptr, out, buffer), "out was written");
            cr_assert(eq(sz, plan.begun, at + 1));
            cr_assert(eq(sz, undone_count, at), "those before, no other");
            for (size_t i = 0; i < at; i++)
                cr_assert(eq(sz, undone[i], at - 1 - i), "last first");
            expect_free(bytes);
        }
    }
}

Test(construct, undoes_nothing_that_succeeds)
{
    struct plan plan = {.fails_at = SIZE_MAX};
    uint64_t *p;

    cr_assert(eq(int, tn_construct(seg, "a", &numbered, 10, &plan, (void **)&p),
                 TN_OK));
    cr_expect(zero(sz, undone_count));
    for (size_t i = 0; i < 10; i++)
        cr_expect(eq(u64, p[i], i + 1));
}

static tn_status fail(tn_segment *s, void *elements, size_t count, void *arg)
{
    (void)s;
    memset(elements, 0xee, count * 8);
    *(size_t *)arg = count;
    return TN_EPERM;
}

Test(construct, gives_back_what_could_not_be_filled)
{
    size_t bytes = tn_free_bytes(seg), count = 0;

    cr_expect(eq(int,
                 tn_construct_with(seg, "a", &numbered, 7, fail, &count, NULL),
                 TN_EPERM));
    cr_expect(eq(sz, count, 7));
    cr_expect(zero(sz, undone_count), "nothing was made");
    expect_free(bytes);
}

Test(construct, copies_a_value_into_every_element)
{
    int value = 42, *p;

    cr_assert(eq(int,
                 tn_construct(seg, "a", TN_TYPE(int), 3, &value, (void **)&p),
                 TN_OK));
    cr_expect(p[0] == 42 && p[1] == 42 && p[2] == 42);
}

Test(construct, clears_what_gets_no_value)
{
    char *p = tn_alloc(seg, 300);

    memset(p, 0xff, 300);
    tn_free(seg, p);
    cr_assert(eq(int, tn_construct(seg, "a", TN_BYTES, 250, NULL, (void **)&p),
                 TN_OK));
    for (int i = 0; i < 250; i++)
        cr_assert(zero(chr, p[i]));
}

Test(construct, copies_from_an_array_by_stride)
{
    struct {
        int wanted, other;
    } source[] = {{1, 9}, {2, 9}, {3, 9}};
    int *p;

    cr_assert(eq(int,
                 tn_construct_from(seg, "a", TN_TYPE(int), 3, &source[0].wanted,
                                   sizeof(source[0]), (void **)&p),
                 TN_OK));
    cr_expect(p[0] == 1 && p[1] == 2 && p[2] == 3);
    cr_expect(eq(int,
                 tn_construct_from(seg, "b", TN_TYPE(int), 3, NULL, 4, NULL),
                 TN_EINVAL));
}

/* --- Limits --------------------------------------------------------------- */

Test(construct, makes_objects_of_no_elements)
{
    size_t count = 9;
    void *p, *q;

    cr_assert(eq(int, tn_construct(seg, "a", &numbered, 0, NULL, &p), TN_OK));
    cr_assert(eq(int, tn_find(seg, "a", &numbered, &q, &count), TN_OK));
    cr_expect(eq(ptr, p, q));
    cr_expect(zero(sz, count));
    cr_expect(model_sound(seg));
    cr_expect(eq(int, tn_destroy_ptr(seg, p, &numbered), TN_OK));
    cr_expect(zero(sz, undone_count));
}

static void expect_name(const char *name, size_t length, tn_status expected)
{
    void *p, *q;
    size_t n;

    cr_assert(eq(int, (int)strlen(name), (int)length));
    cr_assert(
        eq(int, tn_construct(seg, name, TN_BYTES, 1, NULL, &p), expected));
    if (expected != TN_OK)
        return;
    cr_assert(eq(int, tn_find(seg, name, TN_BYTES, &q, &n), TN_OK));
    cr_assert(eq(ptr, p, q));
    cr_assert(eq(str, (char *)tn_name_of(seg, p), (char *)name));
    cr_assert(model_sound(seg));
}

Test(construct, takes_names_of_1_to_4096_bytes)
{
    char name[TN_NAME_MAX + 2];

    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_HASH; kind++) {
        make_with((tn_index)kind);
        memset(name, 'n', sizeof(name));
        name[TN_NAME_MAX + 1] = 0;
        expect_name(name, TN_NAME_MAX + 1, TN_EINVAL);
        cr_expect(eq(int, tn_find(seg, name, NULL, NULL, NULL), TN_EINVAL));
        cr_expect(eq(int, tn_destroy(seg, name, NULL), TN_EINVAL));
        name[TN_NAME_MAX] = 0;
        expect_name(name, TN_NAME_MAX, TN_OK);
        name[TN_NAME_MAX - 1] = 0;
        expect_name(name, TN_NAME_MAX - 1, TN_OK);
        expect_name("", 0, TN_EINVAL);
        expect_name("x", 1, TN_OK);
        expect_name("\xff\x80", 2, TN_OK);
    }
}

Test(construct, aligns_as_the_type_says)
{
    for (size_t align = 1; align <= 4096; align *= 2) {
        char type_name[32];
        tn_type type = {.name = type_name, .size = 1, .align = align};

        snprintf(type_name, sizeof(type_name), "aligned to %zu", align);
        for (size_t sort = 0; sort < 3; sort++) {
            const char *name = sort == 1 ? TN_UNIQUE : sorts[sort];
            void *p;

            cr_assert(
                eq(int, tn_construct(seg, name, &type, 3, NULL, &p), TN_OK));
            cr_assert(zero(u64, (uintptr_t)p % align));
            cr_assert(model_sound(seg));
            cr_assert(eq(int, tn_destroy_ptr(seg, p, &type), TN_OK));
        }
    }
    expect_free(tn_free_bytes(seg));
}

Test(construct, refuses_types_that_make_no_sense)
{
    static const tn_type wrong[] = {
        {.name = NULL, .size = 1, .align = 1},
        {.name = "", .size = 1, .align = 1},
        {.name = "no size", .size = 0, .align = 1},
        {.name = "large", .size = (size_t)UINT32_MAX + 1, .align = 1},
        {.name = "no alignment", .size = 1, .align = 0},
        {.name = "odd alignment", .size = 1, .align = 3},
        {.name = "wide alignment", .size = 1, .align = 4 << 20},
    };
    size_t bytes = tn_free_bytes(seg);

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_expect(eq(int, tn_construct(seg, "a", &wrong[i], 1, NULL, NULL),
                     TN_EINVAL),
                  "%zu", i);
    cr_expect(eq(int, tn_construct(seg, "a", NULL, 1, NULL, NULL), TN_EINVAL));
    expect_free(bytes);
}

Test(construct, refuses_counts_that_overflow)
{
    static const size_t counts[] = {SIZE_MAX,          SIZE_MAX / 8,
                                    SIZE_MAX / 8 - 64, (size_t)1 << 60,
                                    (size_t)1 << 48,   ((size_t)1 << 45) - 1};
    size_t bytes = tn_free_bytes(seg);

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        tn_status status =
            tn_construct(seg, "a", TN_TYPE(long), counts[i], NULL, NULL);

        cr_expect(status == TN_EINVAL || status == TN_ENOMEM, "%zu: %d",
                  counts[i], status);
        expect_free(bytes);
    }
}

Test(construct, leaves_no_trace_when_there_is_no_room)
{
    char name[32];
    int made = 0;

    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_HASH; kind++) {
        size_t bytes;
        tn_status status;

        make_with((tn_index)kind);
        bytes = tn_free_bytes(seg);
        for (made = 0;; made++) {
            snprintf(name, sizeof(name), "%d", made);
            status = tn_construct(seg, name, TN_BYTES, 100, NULL, NULL);
            if (status != TN_OK)
                break;
        }
        cr_assert(eq(int, status, TN_ENOMEM));
        cr_assert(eq(sz, tn_named_count(seg), (size_t)made));
        cr_assert(model_sound(seg));
        while (made-- > 0) {
            snprintf(name, sizeof(name), "%d", made);
            cr_assert(eq(int, tn_destroy(seg, name, TN_BYTES), TN_OK));
        }
        expect_free(bytes);
    }
}

/* --- Names and types that are taken --------------------------------------- */

Test(construct, refuses_a_name_that_is_taken)
{
    void *p;

    cr_assert(eq(int, tn_construct(seg, "a", TN_BYTES, 1, NULL, &p), TN_OK));
    cr_expect(
        eq(int, tn_construct(seg, "a", TN_BYTES, 1, NULL, NULL), TN_EEXIST));
    cr_expect(eq(int, tn_construct(seg, "a", TN_TYPE(int), 1, NULL, NULL),
                 TN_EEXIST));
    cr_expect(
        eq(int, tn_construct(seg, TN_UNIQUE, TN_BYTES, 1, NULL, NULL), TN_OK));
    cr_expect(eq(int, tn_construct(seg, TN_UNIQUE, TN_BYTES, 1, NULL, NULL),
                 TN_EEXIST));
    cr_expect(
        eq(int, tn_construct(seg, "bytes", TN_BYTES, 1, NULL, NULL), TN_OK),
        "a name is not a type");
    cr_expect(model_sound(seg));
}

Test(construct, refuses_a_type_of_the_same_name_and_another_shape)
{
    tn_type narrow = {.name = "t", .size = 4, .align = 4};
    tn_type wide = {.name = "t", .size = 8, .align = 4};
    tn_type aligned = {.name = "t", .size = 4, .align = 16};
    size_t bytes = tn_free_bytes(seg);

    cr_assert(eq(int, tn_construct(seg, "a", &narrow, 1, NULL, NULL), TN_OK));
    cr_expect(eq(int, tn_construct(seg, "b", &wide, 1, NULL, NULL), TN_ETYPE));
    cr_expect(
        eq(int, tn_construct(seg, "b", &aligned, 1, NULL, NULL), TN_ETYPE));
    cr_expect(eq(int, tn_find(seg, "a", &wide, NULL, NULL), TN_ETYPE));
    cr_assert(eq(int, tn_destroy(seg, "a", &narrow), TN_OK));
    cr_expect(eq(int, tn_construct(seg, "b", &wide, 1, NULL, NULL), TN_OK),
              "the type went with its last object");
    cr_assert(eq(int, tn_destroy(seg, "b", &wide), TN_OK));
    expect_free(bytes);
}

Test(construct, finds_or_constructs)
{
    int one = 1, two = 2, *p, *q;
    bool created;

    cr_assert(eq(int,
                 tn_find_or_construct(seg, "a", TN_TYPE(int), 1, &one,
                                      (void **)&p, &created),
                 TN_OK));
    cr_expect(created);
    cr_assert(eq(int,
                 tn_find_or_construct(seg, "a", TN_TYPE(int), 1, &two,
                                      (void **)&q, &created),
                 TN_OK));
    cr_expect(not(created));
    cr_expect(p == q && *q == 1);
    cr_expect(eq(
        int,
        tn_find_or_construct(seg, "a", TN_TYPE(long), 1, NULL, NULL, &created),
        TN_ETYPE));
    cr_expect(eq(int,
                 tn_find_or_construct(seg, TN_ANONYMOUS, TN_TYPE(int), 1, &two,
                                      (void **)&q, &created),
                 TN_OK));
    cr_expect(created && p != q);
}

Test(construct, keeps_no_names_without_an_index)
{
    make_with(TN_INDEX_NULL);
    cr_expect(
        eq(int, tn_construct(seg, "a", TN_BYTES, 1, NULL, NULL), TN_ENOTSUP));
    cr_expect(eq(int, tn_construct(seg, TN_UNIQUE, TN_BYTES, 1, NULL, NULL),
                 TN_ENOTSUP));
    cr_expect(eq(int, tn_find(seg, "a", NULL, NULL, NULL), TN_ENOTSUP));
    cr_expect(eq(int, tn_destroy(seg, "a", NULL), TN_ENOTSUP));
    cr_expect(eq(int, tn_construct(seg, TN_ANONYMOUS, TN_BYTES, 1, NULL, NULL),
                 TN_OK));
    cr_expect(model_sound(seg));
}

/* --- Constructors that use the segment ------------------------------------ */

/* arg is what the constructor does. */
typedef tn_status deed(tn_segment *s);
static const tn_type plain = {.name = "plain", .size = 8, .align = 8};

static tn_status init_doing(tn_segment *s, void *element, size_t index,
                            void *arg)
{
    deed *const *deeds = arg;

    (void)element;
    return deeds[index] != NULL ? deeds[index](s) : TN_OK;
}

static const tn_type doing = {
    .name = "doing", .size = 8, .align = 8, .init = init_doing};

static tn_status take_own_name(tn_segment *s)
{
    return tn_construct(s, "outer", &plain, 1, NULL, NULL);
}

static tn_status build_part(tn_segment *s)
{
    return tn_construct(s, "part", &plain, 100, NULL, NULL);
}

static tn_status drop_part(tn_segment *s)
{
    return tn_destroy(s, "part", &plain);
}

static tn_status look_for_itself(tn_segment *s)
{
    return tn_find(s, "outer", NULL, NULL, NULL) == TN_ENOENT ? TN_OK
                                                              : TN_ECORRUPT;
}

static tn_status fail_now(tn_segment *s)
{
    (void)s;
    return TN_ECANCELED;
}

static tn_status do_all(deed *first, deed *second, deed *third)
{
    deed *deeds[] = {first, second, third};

    return tn_construct(seg, "outer", &doing, 3, deeds, NULL);
}

Test(construct, lets_a_constructor_construct_and_destroy)
{
    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_HASH; kind++) {
        size_t bytes;

        make_with((tn_index)kind);
        bytes = tn_free_bytes(seg);
        cr_assert(
            eq(int, do_all(build_part, look_for_itself, drop_part), TN_OK));
        cr_assert(eq(int, tn_find(seg, "part", NULL, NULL, NULL), TN_ENOENT));
        cr_assert(eq(int, tn_destroy(seg, "outer", &doing), TN_OK));
        expect_free(bytes);
    }
}

Test(construct, keeps_what_a_failed_constructor_had_completed)
{
    cr_assert(eq(int, do_all(build_part, fail_now, NULL), TN_ECANCELED));
    cr_expect(eq(int, tn_find(seg, "part", &plain, NULL, NULL), TN_OK));
    cr_expect(eq(int, tn_find(seg, "outer", NULL, NULL, NULL), TN_ENOENT));
    cr_expect(model_sound(seg));
}

Test(construct, gives_way_to_its_own_constructor)
{
    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_HASH; kind++) {
        size_t bytes;

        make_with((tn_index)kind);
        bytes = tn_free_bytes(seg);
        cr_assert(eq(int, do_all(take_own_name, NULL, NULL), TN_EEXIST));
        cr_assert(eq(int, tn_find(seg, "outer", &plain, NULL, NULL), TN_OK));
        cr_assert(model_sound(seg));
        cr_assert(eq(int, tn_destroy(seg, "outer", NULL), TN_OK));
        expect_free(bytes);
    }
}

/* So many that nodes and pages split, and then less. */
static tn_status build_many_parts(tn_segment *s)
{
    char name[16];
    tn_status status = TN_OK;

    for (int i = 0; status == TN_OK && i < 400; i++) {
        snprintf(name, sizeof(name), "out%03d", i);
        status = tn_construct(s, name, TN_BYTES, 1, NULL, NULL);
    }
    for (int i = 0; status == TN_OK && i < 400; i += 3) {
        snprintf(name, sizeof(name), "out%03d", i);
        status = tn_destroy(s, name, NULL);
    }
    return status;
}

Test(construct, takes_its_name_where_it_belongs_by_then)
{
    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_HASH; kind++) {
        make_with((tn_index)kind);
        cr_assert(eq(int, do_all(build_many_parts, look_for_itself, build_part),
                     TN_OK));
        cr_assert(eq(int, tn_find(seg, "outer", &doing, NULL, NULL), TN_OK));
        cr_assert(eq(int, tn_find(seg, "out399", NULL, NULL, NULL), TN_ENOENT));
        cr_assert(eq(int, tn_find(seg, "out398", NULL, NULL, NULL), TN_OK));
        cr_assert(model_sound(seg));
    }
}

/* --- When the heap is not to be had any more ------------------------------ */

static tn_status lose_reach(tn_segment *s, void *element, size_t index,
                            void *arg)
{
    (void)element;
    (void)index;
    (void)arg;
    s->reach = 4096;
    return TN_OK;
}

static void lose_reach_again(tn_segment *s, void *element)
{
    (void)element;
    s->reach = 4096;
}

static const tn_type losing = {.name = "losing",
                               .size = 8,
                               .align = 8,
                               .init = lose_reach,
                               .fini = lose_reach_again};

/* Another process made the segment larger meanwhile than this one can see. What
 * it can neither complete nor give back, the last one to close takes back. */
Test(construct, leaves_to_a_rebuild_what_cannot_be_given_back)
{
    for (size_t sort = 0; sort < 3; sort++) {
        const char *name = sort == 1 ? TN_UNIQUE : sorts[sort];
        void *p;

        make();
        cr_assert(eq(int, segment_reset_locks(seg->base), TN_OK));
        seg->locking = true;
        cr_assert(eq(int, tn_construct(seg, name, &losing, 1, NULL, NULL),
                     TN_ENOMEM));
        seg->reach = SIZE;
        cr_assert(segment_is_torn(seg->base));
        cr_assert(eq(int, tn_construct(seg, name, &plain, 1, NULL, &p), TN_OK));
        cr_assert(eq(int, tn_destroy_ptr(seg, p, NULL), TN_OK));
        cr_assert(model_sound(seg));

        seg->locking = false;
        cr_assert(eq(int, segment_rebuild(seg), TN_OK));
        cr_assert(tn_all_free(seg) && model_sound(seg));
    }
}

/* --- Only for reading ----------------------------------------------------- */

Test(construct, changes_nothing_that_is_only_for_reading)
{
    static char before[SIZE];

    seg->read_only = true;
    memcpy(before, buffer, SIZE);
    cr_expect(eq(int, tn_construct(seg, "a", &plain, 1, NULL, NULL), TN_EROFS));
    cr_expect(
        eq(int, tn_construct(seg, NULL, &plain, 1, NULL, NULL), TN_EROFS));
    cr_expect(eq(int, tn_construct_from(seg, "a", &plain, 1, before, 8, NULL),
                 TN_EROFS));
    cr_expect(eq(int, tn_construct_with(seg, "a", &plain, 1, fail, NULL, NULL),
                 TN_EROFS));
    cr_expect(eq(int,
                 tn_find_or_construct(seg, "a", &plain, 1, NULL, NULL, NULL),
                 TN_EROFS));
    cr_expect(zero(int, memcmp(before, buffer, SIZE)));
}
