/* test_names.c - what a name stands for, and what is known of an object
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/model.h"
#include "segment/segment.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

enum { SIZE = 64 * 1024 };

static _Alignas(4096) char buffer[SIZE];
static tn_segment *seg;

static void make(void)
{
    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE, NULL), TN_OK));
}

TestSuite(names, .init = make, .timeout = 20);

static void expect_known(const char *name, const char *known_as, tn_kind kind)
{
    tn_object object = {.name = "nothing yet"};
    void *p;

    cr_assert(
        eq(int, tn_construct(seg, name, TN_TYPE(double), 5, NULL, &p), TN_OK));
    cr_assert(eq(int, tn_describe(seg, p, &object), TN_OK));
    if (known_as == NULL) {
        cr_expect(eq(ptr, (char *)object.name, NULL));
        cr_expect(zero(sz, object.name_length));
    } else {
        cr_expect(eq(str, (char *)object.name, (char *)known_as));
        cr_expect(eq(sz, object.name_length, strlen(known_as)));
        cr_expect(eq(str, (char *)tn_name_of(seg, p), (char *)known_as));
    }
    cr_expect(eq(ptr, object.address, p));
    cr_expect(eq(u64, object.handle, tn_handle_of(seg, p)));
    cr_expect(eq(ptr, tn_at(seg, object.handle), p));
    cr_expect(eq(sz, object.count, 5));
    cr_expect(eq(sz, object.size, sizeof(double)));
    cr_expect(eq(sz, object.align, _Alignof(double)));
    cr_expect(eq(str, (char *)object.type, "double"));
    cr_expect(object.kind == kind && tn_kind_of(seg, p) == kind);
    cr_expect(eq(sz, tn_count_of(seg, p), 5));
    cr_expect(eq(str, (char *)tn_type_of(seg, p), "double"));
}

Test(names, tell_all_that_is_known_of_an_object)
{
    expect_known("name", "name", TN_KIND_NAMED);
    expect_known(TN_UNIQUE, "double", TN_KIND_UNIQUE);
    expect_known(TN_ANONYMOUS, NULL, TN_KIND_ANONYMOUS);
}

Test(names, tell_nothing_where_there_is_no_object)
{
    tn_object object = {.name = "untouched"};
    char *p, *raw = tn_alloc(seg, 100);

    tn_construct(seg, "a", TN_BYTES, 100, NULL, (void **)&p);
    cr_expect(eq(int, tn_describe(seg, p + 16, &object), TN_EINVAL));
    cr_expect(eq(int, tn_describe(seg, raw, &object), TN_EINVAL));
    cr_expect(eq(int, tn_describe(seg, NULL, &object), TN_EINVAL));
    cr_expect(eq(int, tn_describe(seg, &p, &object), TN_EINVAL));
    cr_expect(eq(str, (char *)object.name, "untouched"));
    cr_expect(eq(ptr, (char *)tn_name_of(seg, raw), NULL));
    cr_expect(eq(ptr, (char *)tn_type_of(seg, raw), NULL));
    cr_expect(zero(sz, tn_count_of(seg, raw)));
    cr_expect(tn_kind_of(seg, raw) == TN_KIND_ANONYMOUS);
}

Test(names, may_hold_any_byte_but_nul)
{
    char name[2] = "";
    void *p;

    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_HASH; kind++) {
        tn_options options = {.index = (tn_index)kind};

        cr_assert(
            eq(int, tn_segment_create(&seg, buffer, SIZE, &options), TN_OK));
        for (int c = 255; c > 0; c--) {
            name[0] = (char)c;
            cr_assert(
                eq(int, tn_construct(seg, name, TN_BYTES, 1, NULL, &p), TN_OK));
            *(char *)p = (char)c;
        }
        for (int c = 1; c < 256; c++) {
            name[0] = (char)c;
            cr_assert(eq(int, tn_find(seg, name, TN_BYTES, &p, NULL), TN_OK));
            cr_assert(eq(chr, *(char *)p, (char)c));
        }
        cr_assert(model_sound(seg));
    }
}

Test(names, are_copied_from_the_caller)
{
    char name[] = "mine";
    void *p;

    cr_assert(eq(int, tn_construct(seg, name, TN_BYTES, 1, NULL, &p), TN_OK));
    name[0] = 'f';
    cr_expect(eq(str, (char *)tn_name_of(seg, p), "mine"));
    cr_expect(eq(int, tn_find(seg, name, NULL, NULL, NULL), TN_ENOENT));
}
