/* test_types.c - descriptors are made once, counted, and gone with the last
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/world.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

static struct world w;

static void make(void)
{
    world_init(&w, 1 << 20, TN_INDEX_MAP, TN_KIND_UNIQUE);
}

static void unmake(void)
{
    world_fini(&w);
}

TestSuite(types, .init = make, .fini = unmake, .timeout = 20);

static tn_status ref(const char *name, size_t size, size_t align, uint64_t *out)
{
    tn_type type = {.name = name, .size = size, .align = align};

    return type_ref(w.h, &w.types, &type, out);
}

static size_t findings(void)
{
    struct report report = {0};

    type_check(w.h, w.ix.kind, w.types, &report);
    return report.findings;
}

Test(types, are_kept_once)
{
    uint64_t a = 0, b = 0;

    cr_expect(eq(int, ref("long", 8, 8, &a), TN_OK));
    cr_expect(eq(int, ref("long", 8, 8, &b), TN_OK));
    cr_expect(eq(u64, a, b));
    cr_expect(eq(sz, type_count(w.h, w.types), 1));
}

Test(types, of_one_name_have_one_shape)
{
    uint64_t a = 0, b = 77;

    cr_expect(eq(int, ref("long", 8, 8, &a), TN_OK));
    cr_expect(eq(int, ref("long", 4, 8, &b), TN_ETYPE));
    cr_expect(eq(int, ref("long", 8, 4, &b), TN_ETYPE));
    cr_expect(eq(u64, b, 77));
}

Test(types, that_make_no_sense_are_refused)
{
    char name[300];
    uint64_t off = 77;

    memset(name, 't', sizeof(name));
    name[256] = '\0';
    cr_expect(eq(int, ref(NULL, 8, 8, &off), TN_EINVAL));
    cr_expect(eq(int, ref("", 8, 8, &off), TN_EINVAL));
    cr_expect(eq(int, ref(name, 8, 8, &off), TN_EINVAL));
    cr_expect(eq(int, ref("t", 0, 8, &off), TN_EINVAL));
    cr_expect(eq(int, ref("t", (size_t)UINT32_MAX + 1, 8, &off), TN_EINVAL));
    cr_expect(eq(int, ref("t", 8, 0, &off), TN_EINVAL));
    cr_expect(eq(int, ref("t", 8, 24, &off), TN_EINVAL));
    cr_expect(eq(int, ref("t", 8, 4 << 20, &off), TN_EINVAL));
    cr_expect(eq(u64, off, 77));
    name[255] = '\0';
    cr_expect(eq(int, ref(name, UINT32_MAX, 2 << 20, &off), TN_OK));
}

Test(types, leave_no_memory_behind)
{
    uint64_t offs[64];
    char name[20];

    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "type%d", i * 37 % 64);
        cr_assert(eq(int, ref(name, 8, 8, &offs[i]), TN_OK));
        cr_assert(eq(int, ref(name, 8, 8, &offs[i]), TN_OK));
    }
    cr_expect(eq(sz, type_count(w.h, w.types), 64));
    for (int i = 0; i < 128; i++)
        type_unref(w.h, &w.types, offs[i % 64]);
    cr_expect(eq(sz, heap_free_bytes(w.h), w.free_bytes));
    cr_expect(eq(u64, w.types, 0));
    type_unref(w.h, &w.types, offs[0]); /* no harm */
    cr_expect(eq(sz, heap_free_bytes(w.h), w.free_bytes));
}

Test(types, say_no_memory_and_change_nothing)
{
    uint64_t off = 77;
    size_t before;

    while (heap_alloc(w.h, 8, BLOCK_RAW) != NULL)
        continue;
    before = heap_free_bytes(w.h);
    cr_expect(eq(int, ref("long", 8, 8, &off), TN_ENOMEM));
    cr_expect(eq(u64, off, 77));
    cr_expect(eq(u64, w.types, 0));
    cr_expect(eq(sz, heap_free_bytes(w.h), before));
}

/* Make n unique objects of types numbered from first on; return the last
 * record. */
static uint64_t objects_from(int first, int n)
{
    uint64_t record = 0;
    char name[20];
    tn_status why;

    for (int i = first; i < first + n; i++) {
        size_t length = (size_t)snprintf(name, sizeof(name), "type%d", i);

        record = world_object(&w, name, length, 8, &why);
        cr_assert(ne(u64, record, 0));
    }
    return record;
}

static uint64_t objects(int n)
{
    return objects_from(0, n);
}

Test(types, match_by_name_and_shape)
{
    uint64_t record = objects(1);
    tn_type type = {.name = "type0", .size = 1, .align = 8};

    cr_expect(type_matches(w.h, record, NULL));
    cr_expect(type_matches(w.h, record, &type));
    type.size = 2;
    cr_expect(not(type_matches(w.h, record, &type)));
    type.size = 1;
    type.name = "type";
    cr_expect(not(type_matches(w.h, record, &type)));
    type.name = "type01";
    cr_expect(not(type_matches(w.h, record, &type)));
}

static struct type_descriptor *type_of(uint64_t record)
{
    return heap_at(w.h, heap_off(w.h, record_type(w.h, record)));
}

Test(types, are_rebuilt_from_the_blocks)
{
    uint64_t unused = 0, record = objects(30);
    struct type_descriptor *t = type_of(record);

    cr_assert(eq(int, ref("unused", 8, 8, &unused), TN_OK));
    ((struct type_descriptor *)heap_at(w.h, unused))->node.left = 1234567;
    t->objects = 1000;
    w.types = 4711;
    type_rebuild(w.h, w.ix.kind, &w.types);
    cr_expect(eq(sz, type_count(w.h, w.types), 30));
    cr_expect(eq(u64, t->objects, 1));
    cr_expect(eq(sz, findings(), 0));
    cr_expect(eq(sz, world_blocks(&w, BLOCK_TYPE), 30));
}

/* Links and counts can be seen to be wrong; of size and name only that nothing
 * follows them astray is asked. */
Test(types, that_are_damaged_are_found_and_do_no_harm)
{
    static char copy[1 << 20];
    uint64_t records[40], random = 1, off = 0, root;

    for (int i = 0; i < 40; i++)
        records[i] = objects_from(i, 1);
    memcpy(copy, w.h, sizeof(copy));
    root = w.types;
    for (int i = 0; i < 4000; i++) {
        struct type_descriptor *t = type_of(records[world_random(&random, 40)]);
        size_t at = world_random(&random, sizeof(*t) + 6);

        ((unsigned char *)t)[at] ^=
            (unsigned char)(1 + world_random(&random, 255));
        if (at < offsetof(struct type_descriptor, size))
            cr_expect(ge(sz, findings(), 1), "step %d", i);
        (void)type_count(w.h, w.types);
        (void)record_verify(w.h, w.ix.kind, records[i % 40]);
        (void)ref("type17", 3, 8, &off);
        memcpy(w.h, copy, 32 << 10); /* where all of it lies */
        w.types = root;
        cr_assert(eq(sz, findings(), 0), "step %d", i);
    }
}
