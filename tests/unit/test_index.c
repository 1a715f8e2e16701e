/* test_index.c - every kind of index against a sorted array of names
 *
 * The model keeps the names in an array, in order, with the records that bear
 * them.  After every step the checkers of index, types and heap must find
 * nothing; what find, seek and next answer is what the array answers.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/digest.h"
#include "lib/world.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 1600, STEPS = 9000 };

struct entry {
    char *bytes;
    size_t length;
    uint64_t record;
};

/* One run of the model; all but the world is the model. */
struct run {
    struct world w;
    struct entry entries[NAMES];
    size_t count;
    uint64_t random;
};

/* What one run is made with. */
struct setting {
    tn_index index;
    tn_kind kind;
    uint64_t seed;
};

static int compare(const struct entry *e, const char *name, size_t length)
{
    size_t n = e->length < length ? e->length : length;
    int order = memcmp(e->bytes, name, n);

    return order != 0 ? order : (e->length > length) - (e->length < length);
}

/* Where the first name is that is not less, and whether it is the name. */
static size_t model_at(const struct run *r, const char *name, size_t length,
                       bool *there)
{
    size_t i = 0;

    while (i < r->count && compare(&r->entries[i], name, length) < 0)
        i++;
    *there = i < r->count && compare(&r->entries[i], name, length) == 0;
    return i;
}

static void model_add(struct run *r, size_t at, const char *name, size_t length,
                      uint64_t record)
{
    memmove(&r->entries[at + 1], &r->entries[at],
            (r->count - at) * sizeof(struct entry));
    r->entries[at] = (struct entry){malloc(length), length, record};
    memcpy(r->entries[at].bytes, name, length);
    r->count++;
}

static void model_remove(struct run *r, size_t at)
{
    free(r->entries[at].bytes);
    r->count--;
    memmove(&r->entries[at], &r->entries[at + 1],
            (r->count - at) * sizeof(struct entry));
}

/* --- Steps --------------------------------------------------------------- */

static void step_add(struct run *r)
{
    char name[TN_NAME_MAX + 1];
    size_t length =
        world_random_name(&r->random, r->w.kind == TN_KIND_UNIQUE, name);
    struct index_place place;
    uint64_t record = 0;
    bool there;
    size_t at = model_at(r, name, length, &there);

    if (there) {
        cr_assert(eq(u64, index_find(r->w.h, &r->w.ix, name, length),
                     r->entries[at].record));
        cr_assert(eq(int,
                     index_find_place(r->w.h, &r->w.ix, name, length, &place),
                     TN_OK));
        cr_assert(eq(u64, place.record, r->entries[at].record));
        return;
    }
    cr_assert(eq(u64, index_find(r->w.h, &r->w.ix, name, length), 0));
    if (r->count == NAMES)
        return;
    cr_assert(eq(int, world_add(&r->w, name, length, &record), TN_OK));
    model_add(r, at, name, length, record);
}

static void step_remove(struct run *r)
{
    size_t at;

    if (r->count == 0)
        return;
    at = world_random(&r->random, r->count);
    cr_assert(eq(int, world_remove(&r->w, r->entries[at].record), TN_OK));
    model_remove(r, at);
}

static void step_find(struct run *r)
{
    const struct entry *e;

    if (r->count == 0)
        return;
    e = &r->entries[world_random(&r->random, r->count)];
    cr_assert(
        eq(u64, index_find(r->w.h, &r->w.ix, e->bytes, e->length), e->record));
}

/* Look for a place and go on from there for most steps. */
static void walk(struct run *r, const char *name, size_t length, bool after,
                 size_t most)
{
    struct index_cursor cursor;
    uint64_t record = 1;
    bool there;
    size_t at = model_at(r, name, length, &there);

    at += there && after;
    cr_assert(
        eq(int,
           index_seek(r->w.h, &r->w.ix, &cursor, name, length, after, &record),
           TN_OK));
    while (most-- > 0) {
        cr_assert(eq(u64, record, at < r->count ? r->entries[at].record : 0));
        if (record == 0)
            break;
        record = index_next(r->w.h, &r->w.ix, &cursor);
        at++;
    }
    index_cursor_fini(&cursor);
}

static void step_walk(struct run *r)
{
    char name[TN_NAME_MAX + 1];
    size_t length = world_random_name(&r->random, false, name);
    bool after = world_random(&r->random, 2);

    if (r->count > 0 && world_random(&r->random, 2)) {
        const struct entry *e = &r->entries[world_random(&r->random, r->count)];

        memcpy(name, e->bytes, e->length);
        length = e->length;
    }
    walk(r, name, length, after, 5);
}

static void check(struct run *r)
{
    cr_assert(eq(sz, world_check(&r->w), 0));
    cr_assert(eq(u64, r->w.ix.count, r->count));
}

static void step(struct run *r, bool growing)
{
    uint64_t dice = world_random(&r->random, 20);

    if (dice < (growing ? 12 : 4))
        step_add(r);
    else if (dice < 16)
        step_remove(r);
    else if (dice < 17)
        step_find(r);
    else if (dice < 19)
        step_walk(r);
    else if (world_random(&r->random, 20) == 0)
        index_shrink(r->w.h, &r->w.ix);
}

static void remove_all(struct run *r)
{
    while (r->count > 0) {
        step_remove(r);
        if (r->count % 16 == 0)
            check(r);
    }
    index_shrink(r->w.h, &r->w.ix);
    check(r);
    cr_expect(eq(sz, world_blocks(&r->w, BLOCK_INDEX), 0));
    cr_expect(eq(sz, world_blocks(&r->w, BLOCK_TYPE), 0));
    cr_expect(eq(sz, heap_free_bytes(r->w.h), r->w.free_bytes));
}

ParameterizedTestParameters(index, agrees_with_the_model)
{
    static struct setting settings[] = {
        {TN_INDEX_ISET, TN_KIND_NAMED, 1},
        {TN_INDEX_ISET, TN_KIND_UNIQUE, 2},
        {TN_INDEX_FLAT_MAP, TN_KIND_NAMED, 3},
        {TN_INDEX_FLAT_MAP, TN_KIND_NAMED, 4},
        {TN_INDEX_FLAT_MAP, TN_KIND_UNIQUE, 5},
        {TN_INDEX_MAP, TN_KIND_NAMED, 6},
        {TN_INDEX_MAP, TN_KIND_NAMED, 7},
        {TN_INDEX_MAP, TN_KIND_UNIQUE, 8},
        {TN_INDEX_HASH, TN_KIND_NAMED, 9},
        {TN_INDEX_HASH, TN_KIND_NAMED, 10},
        {TN_INDEX_HASH, TN_KIND_UNIQUE, 11},
    };

    return cr_make_param_array(struct setting, settings,
                               sizeof(settings) / sizeof(settings[0]));
}

ParameterizedTest(struct setting *setting, index, agrees_with_the_model,
                  .timeout = 60)
{
    struct run *r = calloc(1, sizeof(*r));

    cr_log_info("index %d, seed %lu", setting->index, setting->seed);
    r->random = setting->seed * 0x9e3779b97f4a7c15;
    world_init(&r->w, 16 << 20, setting->index, setting->kind);
    for (int i = 0; i < STEPS; i++) {
        step(r, i % 4500 < 3300);
        if (r->count < 200 || i % 8 == 0)
            check(r);
    }
    walk(r, "", 0, false, NAMES + 1);
    remove_all(r);
    world_fini(&r->w);
    free(r);
}

/* --- One claim at a time ------------------------------------------------- */

static const tn_index with_names[] = {TN_INDEX_ISET, TN_INDEX_FLAT_MAP,
                                      TN_INDEX_MAP, TN_INDEX_HASH};
enum { KINDS = sizeof(with_names) / sizeof(with_names[0]) };

static size_t numbered(char *name, int i)
{
    return (size_t)sprintf(name, "user/%08x", (unsigned)i * 2654435761u);
}

/* Add count names by their numbers. */
static void add_numbered(struct world *w, int count, uint64_t *records)
{
    char name[20];

    for (int i = 0; i < count; i++) {
        size_t length = numbered(name, i);

        cr_assert(eq(int, world_add(w, name, length, &records[i]), TN_OK));
    }
}

static void expect_numbered(struct world *w, int count, const uint64_t *records)
{
    char name[20];

    for (int i = 0; i < count; i++) {
        size_t length = numbered(name, i);

        cr_assert(eq(u64, index_find(w->h, &w->ix, name, length), records[i]));
    }
}

Test(index, keeps_one_record_a_name, .timeout = 20)
{
    struct world w;
    tn_status why;

    for (int k = 0; k < KINDS; k++) {
        uint64_t first = 0, second;

        world_init(&w, 1 << 20, with_names[k], TN_KIND_NAMED);
        cr_assert(eq(int, world_add(&w, "alice", 5, &first), TN_OK));
        second = world_object(&w, "alice", 5, 8, &why);
        cr_expect(eq(int, index_insert(w.h, &w.ix, second), TN_EEXIST));
        cr_expect(eq(int, index_remove(w.h, &w.ix, second), TN_ECORRUPT));
        cr_expect(eq(u64, index_find(w.h, &w.ix, "alice", 5), first));
        cr_expect(eq(sz, world_check(&w), 0));
        world_fini(&w);
    }
}

Test(index, of_kind_null_keeps_no_names, .timeout = 20)
{
    struct index_cursor cursor;
    struct world w;
    uint64_t record = 77;

    world_init(&w, 1 << 20, TN_INDEX_NULL, TN_KIND_NAMED);
    cr_expect(eq(int, world_add(&w, "alice", 5, &record), TN_ENOTSUP));
    cr_expect(eq(u64, index_find(w.h, &w.ix, "alice", 5), 0));
    cr_expect(
        eq(int, index_seek(w.h, &w.ix, &cursor, "", 0, false, &record), TN_OK));
    cr_expect(eq(u64, record, 0));
    cr_expect(eq(u64, index_next(w.h, &w.ix, &cursor), 0));
    index_cursor_fini(&cursor);
    index_shrink(w.h, &w.ix);
    cr_expect(eq(int, index_reserve(w.h, &w.ix, 100), TN_OK));
    cr_expect(eq(sz, heap_free_bytes(w.h), w.free_bytes));
    world_fini(&w);
}

Test(index, of_a_kind_that_is_none_is_corrupt, .timeout = 20)
{
    struct report report = {0};
    struct index_cursor cursor;
    struct world w;
    uint64_t record = 77;

    for (uint32_t kind = 0; kind < 300; kind += 6) {
        world_init(&w, 1 << 20, (tn_index)kind, TN_KIND_NAMED);
        cr_expect(eq(int, world_add(&w, "alice", 5, &record), TN_ECORRUPT));
        cr_expect(eq(u64, index_find(w.h, &w.ix, "alice", 5), 0));
        cr_expect(eq(int,
                     index_seek(w.h, &w.ix, &cursor, "", 0, false, &record),
                     TN_ECORRUPT));
        cr_expect(eq(u64, record, 77));
        index_shrink(w.h, &w.ix);
        index_clear(w.h, &w.ix);
        (void)index_check(w.h, &w.ix, TN_KIND_NAMED, &report);
        cr_expect(eq(sz, report.findings, kind / 6 + 1));
        world_fini(&w);
    }
}

Test(index, cleared_gives_all_memory_back, .timeout = 20)
{
    static uint64_t records[2000];
    struct world w;

    for (int k = 0; k < KINDS; k++) {
        world_init(&w, 4 << 20, with_names[k], TN_KIND_NAMED);
        add_numbered(&w, 2000, records);
        index_clear(w.h, &w.ix);
        cr_expect(eq(sz, world_blocks(&w, BLOCK_INDEX), 0));
        cr_expect(eq(u64, w.ix.count, 0));
        for (int i = 0; i < 2000; i++) /* as one does after a crash */
            cr_assert(eq(int, index_insert(w.h, &w.ix, records[i]), TN_OK));
        cr_expect(eq(sz, world_check(&w), 0));
        expect_numbered(&w, 2000, records);
        world_fini(&w);
    }
}

Test(index, shrunk_keeps_all_names_in_less_memory, .timeout = 20)
{
    static uint64_t records[6000];
    struct world w;
    size_t before;

    for (int k = 1; k < KINDS; k++) {
        world_init(&w, 4 << 20, with_names[k], TN_KIND_NAMED);
        add_numbered(&w, 6000, records);
        for (int i = 900; i < 6000; i++)
            cr_assert(eq(int, world_remove(&w, records[i]), TN_OK));
        before = heap_free_bytes(w.h);
        index_shrink(w.h, &w.ix);
        cr_expect(gt(sz, heap_free_bytes(w.h), before), "kind %d", k);
        cr_expect(eq(sz, world_check(&w), 0));
        expect_numbered(&w, 900, records);
        world_fini(&w);
    }
}

Test(index, of_kind_hash_takes_no_more_memory_once_reserved, .timeout = 20)
{
    static uint64_t records[5000];
    const int counts[] = {5, 300, 5000};
    struct world w;
    size_t blocks;

    for (int i = 0; i < 3; i++) {
        world_init(&w, 4 << 20, TN_INDEX_HASH, TN_KIND_NAMED);
        cr_expect(eq(int, index_reserve(w.h, &w.ix, (size_t)counts[i]), TN_OK));
        cr_expect(eq(sz, world_check(&w), 0));
        blocks = world_blocks(&w, BLOCK_INDEX);
        cr_expect(gt(sz, blocks, 0));
        add_numbered(&w, counts[i], records);
        cr_expect(eq(sz, world_blocks(&w, BLOCK_INDEX), blocks));
        cr_expect(eq(sz, world_check(&w), 0));
        expect_numbered(&w, counts[i], records);
        world_fini(&w);
    }
}

Test(index, reserves_all_or_nothing, .timeout = 20)
{
    struct world w;

    world_init(&w, 1 << 20, TN_INDEX_HASH, TN_KIND_NAMED);
    cr_expect(eq(int, index_reserve(w.h, &w.ix, 1000000), TN_ENOMEM));
    cr_expect(eq(sz, heap_free_bytes(w.h), w.free_bytes));
    cr_expect(eq(int, index_reserve(w.h, &w.ix, SIZE_MAX), TN_ENOMEM));
    cr_expect(eq(sz, heap_free_bytes(w.h), w.free_bytes));
    cr_expect(eq(sz, world_check(&w), 0));
    world_fini(&w);
}

/* Names whose hashes agree in the bits that a directory would use. */
Test(index, of_kind_hash_stays_in_proportion_when_hashes_agree, .timeout = 20)
{
    static uint64_t records[1200];
    char name[20];
    struct world w;
    int count = 0;

    world_init(&w, 4 << 20, TN_INDEX_HASH, TN_KIND_NAMED);
    for (int i = 0; count < 1200; i++) {
        size_t length = numbered(name, i);

        if ((digest64(name, length) & 0x3ff) != 0x155)
            continue;
        cr_assert(
            eq(int, world_add(&w, name, length, &records[count++]), TN_OK));
        cr_assert(
            eq(u64, index_find(w.h, &w.ix, name, length), records[count - 1]));
    }
    cr_expect(eq(sz, world_check(&w), 0));
    cr_expect(lt(sz, world_blocks(&w, BLOCK_INDEX), 30));
    for (int i = 0; i < 1200; i += 2)
        cr_assert(eq(int, world_remove(&w, records[i]), TN_OK));
    index_shrink(w.h, &w.ix);
    cr_expect(eq(sz, world_check(&w), 0));
    for (int i = 1; i < 1200; i += 2)
        cr_assert(eq(int, world_remove(&w, records[i]), TN_OK));
    cr_expect(eq(sz, heap_free_bytes(w.h), w.free_bytes));
    world_fini(&w);
}

/* A heap that is full but for the names, and what gives way in it. */
struct ballast {
    void *blocks[16384];
    size_t count, next;
};

static void load(struct world *w, struct ballast *b)
{
    void *p;

    while ((p = heap_alloc(w->h, 100, BLOCK_RAW)) != NULL)
        b->blocks[b->count++] = p;
    while ((p = heap_alloc(w->h, 8, BLOCK_RAW)) != NULL)
        b->blocks[b->count++] = p;
}

Test(index, changes_nothing_when_there_is_no_memory, .timeout = 60)
{
    static struct ballast b;
    static uint64_t records[1500];
    char name[20];
    struct world w;
    tn_status why;

    for (int k = 1; k < KINDS; k++) {
        size_t refused = 0;

        memset(&b, 0, sizeof(b));
        world_init(&w, 1 << 20, with_names[k], TN_KIND_NAMED);
        for (int i = 0; i < 1500; i++)
            records[i] = world_object(&w, name, numbered(name, i), 8, &why);
        load(&w, &b);
        for (int i = 0; i < 1500; i++) {
            while ((why = index_insert(w.h, &w.ix, records[i])) == TN_ENOMEM) {
                refused++;
                cr_assert(eq(u64, w.ix.count, (uint64_t)i));
                cr_assert(eq(sz, world_check(&w), 0));
                cr_assert(lt(sz, b.next, b.count));
                heap_free(w.h, b.blocks[b.next++]);
            }
            cr_assert(eq(int, why, TN_OK));
        }
        cr_expect(gt(sz, refused, 100), "kind %d", k);
        cr_expect(eq(sz, world_check(&w), 0));
        expect_numbered(&w, 1500, records);
        world_fini(&w);
    }
}

Test(index, removes_without_memory, .timeout = 60)
{
    static struct ballast b;
    static uint64_t records[1500];
    struct world w;

    for (int k = 0; k < KINDS; k++) {
        memset(&b, 0, sizeof(b));
        world_init(&w, 1 << 20, with_names[k], TN_KIND_NAMED);
        add_numbered(&w, 1500, records);
        load(&w, &b);
        for (int i = 0; i < 1500; i++) {
            cr_assert(eq(int, index_remove(w.h, &w.ix, records[i]), TN_OK));
            if (i % 50 == 0)
                cr_assert(eq(sz, world_check(&w), 0));
        }
        index_shrink(w.h, &w.ix);
        cr_expect(eq(sz, world_blocks(&w, BLOCK_INDEX), 0));
        world_fini(&w);
    }
}

/* Every name begins with all those before it. */
Test(index, orders_names_that_begin_each_other, .timeout = 60)
{
    static uint64_t records[600];
    char name[TN_NAME_MAX + 1];
    struct index_cursor cursor;
    struct world w;
    uint64_t record;

    memset(name, 'x', sizeof(name));
    for (int k = 0; k < KINDS; k++) {
        world_init(&w, 8 << 20, with_names[k], TN_KIND_NAMED);
        for (size_t i = 0; i < 600; i++) {
            size_t n = i * 377 % 600;

            cr_assert(
                eq(int, world_add(&w, name, n * 6 + 1, &records[n]), TN_OK));
        }
        cr_expect(eq(sz, world_check(&w), 0));
        cr_assert(eq(int,
                     index_seek(w.h, &w.ix, &cursor, "x", 1, true, &record),
                     TN_OK));
        for (int i = 1; i < 600; i++) {
            cr_assert(eq(u64, record, records[i]));
            record = index_next(w.h, &w.ix, &cursor);
        }
        cr_expect(eq(u64, record, 0));
        index_cursor_fini(&cursor);
        world_fini(&w);
    }
}
