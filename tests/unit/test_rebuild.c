/* test_rebuild.c - everything that can be derived is derived anew
 *
 * What a killed process leaves is tested at every store in test_locking.c; here
 * everything but the chain of blocks and the records is destroyed on purpose.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/model.h"
#include "segment/segment.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = 128 * 1024 };

static _Alignas(4096) char buffer[SIZE];
static tn_segment *seg;

static void make_with(tn_index index, tn_fit fit)
{
    tn_options options = {.index = index, .fit = fit};

    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE, &options), TN_OK));
}

/* Nothing that is a cache is what it was. */
static void forget(struct segment *base)
{
    tn_index kind = (tn_index)base->named.kind;

    base->heap.sequence |= 1;
    base->types_sequence |= 1;
    base->names_sequence |= 1;
    base->heap.fixed = base->heap.waiting = 12345;
    base->heap.tree = 0x1230;
    base->heap.list = 0;
    base->types = 0xdead0;
    memset(&base->named, 0xdd, sizeof(base->named));
    memset(&base->unique, 0xdd, sizeof(base->unique));
    base->named.kind = base->unique.kind = (uint32_t)kind;
}

static struct criterion_test_params kinds(void)
{
    static int numbers[10];

    for (int i = 0; i < 10; i++)
        numbers[i] = i;
    return cr_make_param_array(int, numbers, 10);
}

TestSuite(rebuild, .timeout = 20);

ParameterizedTestParameters(rebuild, makes_all_anew)
{
    return kinds();
}

ParameterizedTest(int *number, rebuild, makes_all_anew, .timeout = 20)
{
    struct model m;

    make_with((tn_index)(TN_INDEX_ISET + *number / 2),
              *number % 2 ? TN_FIT_SEQ : TN_FIT_BEST);
    model_init(&m, seg, (uint64_t)*number, 600);
    for (int i = 0; i < 200; i++) {
        cr_assert(model_step(&m));
        if (i % 8 != 0)
            continue;
        forget(seg->base);
        cr_assert(eq(int, segment_rebuild(seg), TN_OK));
        cr_assert(model_holds(&m), "number %d, step %d", *number, i);
    }
    cr_assert(model_clear(&m));
    cr_expect(tn_all_free(seg));
}

/* A copy that was made while somebody was in the middle of a change. */
Test(rebuild, attaches_a_copy_of_what_is_torn)
{
    static _Alignas(64) char copy[SIZE + 16];
    struct model m;

    make_with(TN_INDEX_HASH, TN_FIT_BEST);
    model_init(&m, seg, 7, 600);
    for (int i = 0; i < 100; i++)
        cr_assert(model_step(&m));
    forget(seg->base);
    memcpy(copy + 16, buffer, SIZE);
    cr_assert(eq(int, tn_segment_attach(&m.seg, copy + 16, SIZE), TN_OK));
    cr_expect(model_holds(&m));
    cr_expect(model_clear(&m) && tn_all_free(m.seg));
}

static tn_segment *copied;
static _Alignas(4096) char copy[SIZE];

static tn_status copy_all(tn_segment *s, void *element, size_t index, void *arg)
{
    (void)element;
    (void)arg;
    if (index == 1)
        memcpy(copy, tn_segment_base(s), tn_segment_size(s));
    return TN_OK;
}

static const tn_type copying = {
    .name = "copying", .size = 8, .align = 8, .init = copy_all};

/* The copy has everything but what was just being made. */
static void expect_copy(const char *name)
{
    memset(copy, 0, SIZE);
    cr_assert(eq(int, tn_construct(seg, name, &copying, 3, NULL, NULL), TN_OK));
    cr_assert(eq(int, tn_segment_attach(&copied, copy, SIZE), TN_OK));
    cr_assert(model_sound(copied));
    cr_assert(eq(int, tn_find(copied, "before", TN_BYTES, NULL, NULL), TN_OK));
    cr_assert(eq(int, tn_destroy(copied, "before", TN_BYTES), TN_OK));
    cr_assert(eq(int, tn_shrink_indexes(copied), TN_OK));
    cr_assert(tn_all_free(copied));
    tn_segment_detach(copied);
}

Test(rebuild, takes_back_what_a_copy_caught_half_made)
{
    make_with(TN_INDEX_MAP, TN_FIT_BEST);
    tn_construct(seg, "before", TN_BYTES, 10, NULL, NULL);
    expect_copy("name");
    tn_destroy(seg, "name", NULL);
    expect_copy(TN_UNIQUE);
    tn_destroy(seg, TN_UNIQUE, &copying);
    expect_copy(TN_ANONYMOUS);
}

Test(rebuild, refuses_a_chain_that_is_broken)
{
    uint64_t *header;

    make_with(TN_INDEX_MAP, TN_FIT_BEST);
    header = (uint64_t *)tn_alloc(seg, 100) - 1;
    forget(seg->base);
    *header ^= 16;
    cr_expect(eq(int, segment_rebuild(seg), TN_ECORRUPT));
    cr_expect(segment_is_torn(seg->base), "whoever comes next sees it too");
    *header ^= 16;
    cr_expect(eq(int, segment_rebuild(seg), TN_OK));
    cr_expect(model_sound(seg));
}

Test(rebuild, refuses_a_damaged_object_rather_than_forget_it)
{
    static const char zeros[100];
    uint64_t *record;

    make_with(TN_INDEX_MAP, TN_FIT_BEST);
    tn_construct(seg, "a", TN_BYTES, 100, NULL, (void **)&record);
    forget(seg->base);
    record[-1] ^= 1;
    cr_expect(eq(int, segment_rebuild(seg), TN_ECORRUPT));
    cr_expect(segment_is_torn(seg->base));
    cr_expect(zero(int, memcmp(record, zeros, 100)),
              "its bytes are still there");
}

/* An index that is made anew from names in another order may need more memory
 * than before, which a full segment does not have. */
ParameterizedTestParameters(rebuild, has_room_in_a_full_segment)
{
    return kinds();
}

ParameterizedTest(int *number, rebuild, has_room_in_a_full_segment,
                  .timeout = 20)
{
    tn_index kind = (tn_index)(TN_INDEX_ISET + *number / 2);
    char name[32];
    int made = 0;

    if (kind == TN_INDEX_NULL)
        return;
    make_with(kind, TN_FIT_BEST);
    for (;; made++) {
        int n = *number % 2 ? made : made * 7919 % 100003;

        snprintf(name, sizeof(name), "name %06d", n);
        if (tn_construct(seg, name, TN_BYTES, 1, NULL, NULL) != TN_OK)
            break;
    }
    while (tn_alloc(seg, 1) != NULL)
        ;
    cr_assert(model_sound(seg));
    forget(seg->base);
    cr_assert(eq(int, segment_rebuild(seg), TN_OK), "index %d, %d names", kind,
              made);
    cr_expect(model_sound(seg));
    cr_expect(eq(sz, tn_named_count(seg), (size_t)made));
}
