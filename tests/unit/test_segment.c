/* test_segment.c - segments of every kind against a model, made and attached
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/model.h"
#include "lib/tmpdir.h"
#include "segment/segment.h"
#include "tenon/store.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 256 * 1024, LARGEST = 4000, STEPS = 250 };

static _Alignas(4096) char buffer[SIZE];

TestSuite(segment, .timeout = 60);

/* --- Against the model ---------------------------------------------------- */

struct setting {
    tn_index index;
    tn_fit fit;
    enum segment_memory memory;
    uint64_t seed;
};

ParameterizedTestParameters(segment, agrees_with_the_model)
{
    static struct setting settings[60];
    size_t n = 0;

    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_NULL; kind++)
        for (int fit = TN_FIT_BEST; fit <= TN_FIT_SEQ; fit++)
            for (int memory = SEGMENT_BUFFER; memory <= SEGMENT_STORE; memory++)
                for (uint64_t seed = 1; seed <= 2; seed++, n++)
                    settings[n] = (struct setting){(tn_index)kind, (tn_fit)fit,
                                                   (enum segment_memory)memory,
                                                   seed + 10 * n};
    return cr_make_param_array(struct setting, settings, n);
}

static tn_segment *make(const struct setting *s, tn_store **store)
{
    tn_options options = {.index = s->index,
                          .fit = s->fit,
                          .size = SIZE / 16,
                          .max_size = SIZE,
                          .grow_step = 1};
    tn_segment *seg = NULL;

    *store = NULL;
    if (s->memory == SEGMENT_BUFFER)
        tn_segment_create(&seg, buffer, SIZE / 4, &options);
    else if (s->memory == SEGMENT_HEAP)
        tn_segment_create_heap(&seg, SIZE / 16, &options);
    else if (tn_store_open(store, "store", TN_SHARED | TN_CREATE, &options) ==
             TN_OK)
        seg = tn_store_segment(*store);
    return seg;
}

ParameterizedTest(struct setting *s, segment, agrees_with_the_model,
                  .timeout = 60)
{
    tn_store *store;
    tn_segment *seg;
    struct model m;

    tmpdir_enter();
    seg = make(s, &store);
    cr_assert(ne(ptr, seg, NULL));
    model_init(&m, seg, s->seed, LARGEST);
    for (int step = 0; step < STEPS; step++) {
        if (s->memory == SEGMENT_HEAP && step % 50 == 49)
            cr_assert(eq(int, tn_segment_grow(seg, 10007), TN_OK));
        cr_assert(model_step(&m) && model_holds(&m),
                  "index %d, fit %d, memory %d, seed %lu, step %d", s->index,
                  s->fit, s->memory, (unsigned long)s->seed, step);
    }
    cr_assert(model_clear(&m) && model_holds(&m));
    cr_expect(tn_all_free(seg));
    if (store != NULL)
        cr_expect(eq(int, tn_store_close(store), TN_OK));
    else
        cr_expect(eq(int, tn_segment_detach(seg), TN_OK));
    tmpdir_leave();
}

/* --- Making --------------------------------------------------------------- */

Test(segment, is_made_in_any_size_that_is_enough)
{
    size_t least = tn_segment_min_size(NULL);
    tn_segment *seg = NULL;

    for (size_t size = 0; size < least; size += 8)
        cr_assert(
            eq(int, tn_segment_create(&seg, buffer, size, NULL), TN_ESIZE));
    cr_assert(eq(ptr, seg, NULL));
    for (size_t size = least; size < least + 20000; size += 61) {
        cr_assert(eq(int, tn_segment_create(&seg, buffer, size, NULL), TN_OK));
        cr_assert(eq(sz, tn_segment_size(seg), size));
        cr_assert(eq(ptr, tn_segment_base(seg), buffer));
        cr_assert(model_sound(seg) && tn_all_free(seg));
        cr_assert(eq(int, tn_segment_detach(seg), TN_OK));
    }
}

Test(segment, is_not_made_of_nonsense)
{
    tn_options index = {.index = (tn_index)6}, fit = {.fit = (tn_fit)2};
    tn_segment *seg = NULL;

    cr_expect(eq(int, tn_segment_create(NULL, buffer, SIZE, NULL), TN_EINVAL));
    cr_expect(eq(int, tn_segment_create(&seg, NULL, SIZE, NULL), TN_EINVAL));
    cr_expect(
        eq(int, tn_segment_create(&seg, buffer + 8, 4096, NULL), TN_EINVAL));
    cr_expect(
        eq(int, tn_segment_create(&seg, buffer, SIZE, &index), TN_EINVAL));
    cr_expect(eq(int, tn_segment_create(&seg, buffer, SIZE, &fit), TN_EINVAL));
    cr_expect(eq(int, tn_segment_create_heap(NULL, SIZE, NULL), TN_EINVAL));
    cr_expect(eq(int, tn_segment_create_heap(&seg, 100, NULL), TN_ESIZE));
    cr_expect(eq(ptr, seg, NULL));
    cr_expect(eq(int, tn_segment_detach(NULL), TN_OK));
}

Test(segment, of_the_heap_has_a_size_of_its_own)
{
    tn_options options = {.size = 200000};
    tn_segment *seg;

    cr_assert(eq(int, tn_segment_create_heap(&seg, 0, NULL), TN_OK));
    cr_expect(eq(sz, tn_segment_size(seg), 1 << 20));
    tn_segment_detach(seg);
    cr_assert(eq(int, tn_segment_create_heap(&seg, 0, &options), TN_OK));
    cr_expect(eq(sz, tn_segment_size(seg), 200000));
    tn_segment_detach(seg);
}

/* --- Attaching ------------------------------------------------------------ */

static _Alignas(4096) char copy[SIZE + 64];

/* Objects are found in a copy at another address, at every moment; what is done
 * there does not reach the original. */
Test(segment, is_duplicated_by_copying_its_bytes)
{
    struct model m, duplicate;
    tn_segment *seg;

    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE, NULL), TN_OK));
    model_init(&m, seg, 3, LARGEST);
    for (int i = 0; i < 120; i++) {
        cr_assert(model_step(&m));
        memcpy(copy + 16, buffer, SIZE);
        duplicate = m;
        cr_assert(
            eq(int, tn_segment_attach(&duplicate.seg, copy + 16, SIZE), TN_OK));
        cr_assert(model_holds(&duplicate), "step %d", i);
        cr_assert(model_clear(&duplicate) && tn_all_free(duplicate.seg));
        cr_assert(model_holds(&m));
        tn_segment_detach(duplicate.seg);
    }
    tn_segment_detach(seg);
}

Test(segment, is_attached_as_often_as_one_likes)
{
    tn_segment *seg, *other;
    void *p;

    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE / 2, NULL), TN_OK));
    tn_construct(seg, "a", TN_BYTES, 1, NULL, NULL);
    cr_assert(eq(int, tn_segment_attach(&other, buffer, SIZE), TN_OK));
    cr_expect(eq(sz, tn_segment_size(other), SIZE / 2));
    cr_expect(eq(int, tn_find(other, "a", TN_BYTES, &p, NULL), TN_OK));
    cr_expect(eq(u64, tn_handle_of(other, p), tn_handle_of(seg, p)));
    tn_segment_detach(other);
    tn_segment_detach(seg);
    cr_assert(eq(int, tn_segment_attach(&seg, buffer, SIZE / 2), TN_OK));
    cr_expect(eq(int, tn_destroy(seg, "a", TN_BYTES), TN_OK));
    tn_segment_detach(seg);
}

static void expect_refusal(tn_status expected)
{
    tn_segment *seg = NULL;

    cr_expect(eq(int, tn_segment_attach(&seg, buffer, SIZE), expected));
    cr_expect(eq(ptr, seg, NULL));
}

Test(segment, is_not_attached_where_there_is_none)
{
    struct segment *base = (struct segment *)buffer, sound;
    tn_segment *seg;

    expect_refusal(TN_ENOTSTORE);
    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE, NULL), TN_OK));
    tn_segment_detach(seg);
    seg = NULL;
    sound = *base;
    cr_expect(eq(int, tn_segment_attach(&seg, buffer, SIZE - 1), TN_ESIZE));
    cr_expect(eq(int, tn_segment_attach(&seg, buffer, 100), TN_ESIZE));
    cr_expect(eq(int, tn_segment_attach(&seg, buffer + 8, 100), TN_EINVAL));
    cr_expect(eq(int, tn_segment_attach(&seg, NULL, SIZE), TN_EINVAL));
    cr_expect(eq(int, tn_segment_attach(NULL, buffer, SIZE), TN_EINVAL));
    base->version = 2;
    expect_refusal(TN_EVERSION);
    *base = sound;
    base->unique.kind = TN_INDEX_HASH;
    expect_refusal(TN_ECORRUPT);
    base->named.kind = base->unique.kind = 77;
    expect_refusal(TN_ECORRUPT);
    *base = sound;
    base->heap.reserved -= 16; /* blocks would lie over the header */
    base->heap.first -= 16;
    expect_refusal(TN_ECORRUPT);
}

/* --- Places --------------------------------------------------------------- */

Test(segment, tells_places_inside_from_others)
{
    tn_segment *seg;

    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE / 2, NULL), TN_OK));
    cr_expect(eq(u64, tn_handle_of(seg, buffer + 100), 100));
    cr_expect(eq(ptr, tn_at(seg, 100), buffer + 100));
    cr_expect(zero(u64, tn_handle_of(seg, NULL)));
    cr_expect(zero(u64, tn_handle_of(seg, buffer)));
    cr_expect(zero(u64, tn_handle_of(seg, buffer + SIZE / 2)));
    cr_expect(zero(u64, tn_handle_of(seg, &seg)));
    cr_expect(eq(ptr, tn_at(seg, 0), NULL));
    cr_expect(eq(ptr, tn_at(seg, SIZE / 2), NULL));
    cr_expect(eq(ptr, tn_at(seg, UINT64_MAX), NULL));
    tn_segment_detach(seg);
}

/* --- Past faults ---------------------------------------------------------- */

ParameterizedTestParameters(segment, keeps_two_families_of_names)
{
    static tn_index kinds[] = {TN_INDEX_ISET, TN_INDEX_FLAT_MAP, TN_INDEX_MAP,
                               TN_INDEX_HASH};

    return cr_make_param_array(tn_index, kinds, 4);
}

/* Two programs that name their objects a/... and b/..., by turns.  A half of a
 * split node that had already found out that its own names have more in common
 * passed that on to a new root above both. */
ParameterizedTest(tn_index *kind, segment, keeps_two_families_of_names,
                  .timeout = 60)
{
    tn_options options = {.index = *kind};
    tn_segment *seg;
    char name[32];

    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE, &options), TN_OK));
    for (int i = 0; i < 1500; i++) {
        snprintf(name, sizeof(name), "%c/file%06d", 'a' + i % 2, i / 2);
        cr_assert(
            eq(int, tn_construct(seg, name, TN_BYTES, 8, NULL, NULL), TN_OK));
        if (i % 50 == 0)
            cr_assert(eq(int, tn_segment_check(seg, NULL, NULL), TN_OK));
    }
    tn_segment_detach(seg);
}
