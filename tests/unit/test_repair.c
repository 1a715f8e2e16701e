/* test_repair.c - whatever is done to a store, a sound one comes out or none
 *
 * What is saved of which damage is told in tests/crash/recipes.txt.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tenon.h>

#include "base/bytes.h"
#include "heap/block.h"
#include "index/kind.h"
#include "lib/arena.h"
#include "lib/faults.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"
#include "segment/segment.h"

#define OK(call)         cr_assert(eq(int, call, TN_OK), "%s", tn_errmsg())
#define IS(call, status) cr_assert(eq(int, call, status), "%s", tn_errmsg())

static tn_repaired result;

static void enter(void)
{
    tmpdir_enter();
    stores_make("s", TN_INDEX_MAP);
}

static void leave(void)
{
    faults_end();
    tmpdir_leave();
}

TestSuite(repair, .init = enter, .fini = leave, .timeout = 60);

static tn_status check(const char *path)
{
    return tn_check_file(path, &(tn_check_options){.depth = TN_CHECK_FULL},
                         NULL, NULL);
}

Test(repair, copies_a_sound_store_as_it_is)
{
    OK(tn_repair("s", "new", NULL, NULL, &result));
    cr_expect(eq(sz, result.damaged + result.lost, 0));
    cr_expect(ge(sz, result.whole, STORES_OBJECTS));
    OK(check("new"));
    cr_expect(stores_sound("new", 0));
    cr_expect(stores_sound("s", 0));
}

Test(repair, refuses_what_it_cannot_do)
{
    static const char zeros[STORES_SIZE];
    tn_store *store;

    IS(tn_repair(NULL, "new", NULL, NULL, NULL), TN_EINVAL);
    IS(tn_repair("s", "", NULL, NULL, NULL), TN_EINVAL);
    IS(tn_repair("nothing", "new", NULL, NULL, NULL), TN_ENOENT);
    IS(tn_repair("s", "s", NULL, NULL, NULL), TN_EEXIST);
    stores_put("zeros", zeros, sizeof(zeros));
    IS(tn_repair("zeros", "new", NULL, NULL, NULL), TN_ENOTSTORE);
    OK(tn_store_open(&store, "s", TN_DURABLE, NULL));
    IS(tn_repair("s", "new", NULL, NULL, NULL), TN_EBUSY);
    OK(tn_store_close(store));
    cr_expect(eq(int, access("new", F_OK), -1));
    cr_expect(stores_sound("s", 0));
}

Test(repair, of_another_version_is_refused)
{
    struct superblock sb;

    stores_superblock("s", &sb);
    sb.format = STORE_FORMAT + 1;
    stores_reseal("s", &sb);
    IS(tn_repair("s", "new", NULL, NULL, NULL), TN_EVERSION);
}

/* An operation fails: then there is no new store, and nothing stays open.  What
 * cannot be read of the old one is only damage. */
Test(repair, leaves_nothing_behind_when_it_fails)
{
    int descriptors = faults_descriptors(), n = 0;
    bool failed = true;

    for (; failed; n++) {
        tn_status status;

        faults_refuse(n, EIO);
        status = tn_repair("s", "new", NULL, NULL, &result);
        failed = faults_end();
        cr_assert(eq(int, faults_descriptors(), descriptors), "after %d", n);
        if (status == TN_OK)
            OK(check("new"));
        if (access("new", F_OK) == 0) /* named, and its directory not synced */
            cr_assert(eq(int, unlink("new"), 0));
    }
    cr_expect(gt(int, n, 10));
}

/* Any bytes at all. */
static void damage(char *bytes, size_t size, uint64_t *seed)
{
    for (size_t n = 1 + arena_random(seed, 6); n > 0; n--) {
        size_t at = arena_random(seed, size);
        size_t most = size - at < 5000 ? size - at : 5000;
        size_t count = 1 + arena_random(seed, most);

        switch (arena_random(seed, 4)) {
        case 0:
            bytes[at] ^= (char)(1 << arena_random(seed, 8));
            break;
        case 1:
            memset(bytes + at, 0, count);
            break;
        case 2:
            for (size_t i = 0; i < count; i++)
                bytes[at + i] = (char)arena_random(seed, 256);
            break;
        default:
            memmove(bytes + at, bytes + arena_random(seed, size - count),
                    count);
        }
    }
}

Test(repair, makes_a_sound_store_of_any_damage)
{
    size_t size = stores_length("s");
    char *whole = malloc(size), *bytes = malloc(size);
    uint64_t seed = 11;

    stores_read("s", whole, size, 0);
    for (int i = 0; i < 400; i++) {
        uint64_t before = seed;
        tn_status status;

        memcpy(bytes, whole, size);
        damage(bytes, size, &seed);
        stores_put("bad", bytes,
                   i % 5 == 0 ? size - arena_random(&seed, size) : size);
        status = tn_repair("bad", "new", NULL, NULL, &result);
        cr_assert(status == TN_OK || status == TN_ENOTSTORE ||
                      status == TN_EVERSION,
                  "%d, seed %lu: %s", i, (unsigned long)before, tn_errmsg());
        if (status != TN_OK)
            continue;
        cr_assert(eq(int, check("new"), TN_OK), "%d, seed %lu: %s", i,
                  (unsigned long)before, tn_errmsg());
        unlink("new");
    }
    free(whole);
    free(bytes);
}

/* --- What is made anew ---------------------------------------------------- */

/* The object of this name in the segment that is mapped at base. */
static struct record *record_of(tn_segment *seg, const char *name)
{
    void *p;

    OK(tn_find(seg, name, NULL, &p, NULL));
    return (struct record *)p - 1;
}

/* Change the objects of "s" by hand, and repair it as it is then. */
static void repair_after(void (*change)(tn_segment *seg))
{
    tn_store *store;

    OK(tn_store_open(&store, "s", TN_SHARED, NULL));
    change(tn_store_segment(store));
    OK(tn_store_close(store));
    OK(tn_repair("s", "new", NULL, NULL, &result));
    OK(check("new"));
}

/* Its name and the descriptor of its type. */
static void damage_name_and_type(tn_segment *seg)
{
    struct record *record = record_of(seg, "item/004");
    struct heap *h = segment_heap(seg);
    char *name = record_block(h, TN_INDEX_MAP, heap_off(h, record));

    memset(heap_at(h, record->type & RECORD_OFF_MASK), 0xff, 40);
    name[2] = 0;
}

Test(repair, gives_a_type_to_what_has_lost_its_name_too)
{
    tn_store *store;

    repair_after(damage_name_and_type);
    cr_expect(eq(sz, result.lost, 0));
    OK(tn_store_open(&store, "new", TN_READ_ONLY, NULL));
    cr_expect(eq(sz, tn_named_count(tn_store_segment(store)), STORES_OBJECTS));
    OK(tn_store_close(store));
}

/* More elements than there can be; the sum of their bytes is small again. */
static void claim_too_many(tn_segment *seg)
{
    struct record *record = record_of(seg, "item/007");
    struct heap *h = segment_heap(seg);
    uint64_t count = RECORD_COUNT_MASK;

    struct type_descriptor *type = heap_at(h, record->type & RECORD_OFF_MASK);

    type->size = UINT32_MAX;
    record->count =
        count | record_check_bits(heap_off(h, record), record->type, count)
                    << RECORD_CHECK_SHIFT;
}

Test(repair, believes_no_count_that_cannot_be)
{
    repair_after(claim_too_many);
    cr_expect(ge(sz, result.damaged, 1));
}

/* A program's own bytes look like a descriptor in a block, and a record says
 * that it is of that type. */
static void refer_into_raw_memory(tn_segment *seg)
{
    struct record *record = record_of(seg, "item/011");
    struct heap *h = segment_heap(seg);
    char *raw = tn_alloc(seg, 400);
    uint64_t inside, type = record->type & RECORD_OFF_MASK;

    cr_assert(raw != NULL);
    inside = round_up(heap_off(h, raw) + 64, 16);
    memcpy(heap_at(h, inside), heap_at(h, type),
           sizeof(struct type_descriptor) + 16);
    word_store(h, inside, word_make(inside, 96, HEAP_PREV_USED, BLOCK_TYPE));
    record->type += inside - type;
    record->count = 1 | record_check_bits(heap_off(h, record), record->type, 1)
                            << RECORD_CHECK_SHIFT;
}

Test(repair, believes_no_descriptor_that_is_in_no_block)
{
    repair_after(refer_into_raw_memory);
    IS(check("s"), TN_ECORRUPT);
    cr_expect(strstr(tn_errmsg(), "T") != NULL, "%s", tn_errmsg());
    cr_expect(ge(sz, result.damaged, 1));
}

/* Header and superblock say that there are no names; the objects say other. */
Test(repair, keeps_names_in_an_index_that_can)
{
    uint32_t none = TN_INDEX_NULL;
    struct superblock sb;
    tn_store *store;

    stores_superblock("s", &sb);
    sb.index = TN_INDEX_NULL;
    stores_reseal("s", &sb);
    stores_write("s", &none, sizeof(none),
                 STORE_SEGMENT_OFF + offsetof(struct segment, named.kind));
    OK(tn_repair("s", "new", NULL, NULL, &result));
    OK(check("new"));
    OK(tn_store_open(&store, "new", TN_READ_ONLY, NULL));
    cr_expect(eq(sz, tn_named_count(tn_store_segment(store)), STORES_OBJECTS));
    OK(tn_store_close(store));
}

/* The last block is free and stays so: nothing is a program's own that was
 * not. */
Test(repair, leaves_free_memory_free)
{
    tn_stats before, after;
    tn_store *store;

    OK(tn_store_open(&store, "s", TN_READ_ONLY, NULL));
    OK(tn_segment_stats(tn_store_segment(store), &before));
    OK(tn_store_close(store));
    stores_abandon("s");
    OK(tn_repair("s", "new", NULL, NULL, &result));
    OK(tn_store_open(&store, "new", TN_READ_ONLY, NULL));
    OK(tn_segment_stats(tn_store_segment(store), &after));
    OK(tn_store_close(store));
    cr_expect(eq(sz, after.raw, before.raw));
}

/* A sound superblock whose numbers can be no other commit's, and which says
 * that all free memory is zero in the next one. */
Test(repair, does_not_go_on_from_numbers_that_are_used_up)
{
    struct superblock sb;

    for (uint64_t less = 0; less < 3; less++) {
        stores_superblock("s", &sb);
        sb.commit_number = STORE_MOST_NUMBERS - less;
        sb.zeroed = sb.commit_number + 1;
        stores_reseal("s", &sb);
        OK(tn_repair("s", "new", NULL, NULL, &result));
        OK(check("new"));
        cr_expect(stores_sound("new", 0));
        cr_assert(eq(int, unlink("new"), 0));
    }
}

/* --- Files that are mostly holes ------------------------------------------ */

enum { LARGE = 200 * 1024 * 1024 };

/* Objects on both sides of a hole come out, when the block in front of it is
 * broken too; nobody wants page sums of it. */
Test(repair, finds_what_lies_behind_a_hole)
{
    tn_options options = {.size = LARGE, .page_sums = TN_SUMS_OFF};
    char *bytes;
    size_t size;
    tn_store *store;
    tn_segment *seg;
    void *large, *behind;
    uint64_t zero = 0, at, last;

    cr_assert(eq(int, unlink("s"), 0));
    OK(tn_store_open(&store, "s", TN_SHARED | TN_CREATE, &options));
    seg = tn_store_segment(store);
    OK(tn_construct(seg, "before", &stores_item, 1, NULL, NULL));
    large = tn_alloc(seg, LARGE - (1 << 20));
    cr_assert(large != NULL);
    OK(tn_construct(seg, "behind", &stores_item, 1, NULL, &behind));
    at = STORE_SEGMENT_OFF + tn_handle_of(seg, large);
    last = at + (LARGE - (1 << 20));
    OK(tn_store_close(store));
    /* A copy with a hole. */
    size = stores_length("s");
    bytes = malloc(size);
    stores_read("s", bytes, size, 0);
    stores_put("sparse", bytes, at + 8);
    cr_assert(eq(int, truncate("sparse", (off_t)size), 0));
    last = last / 4096 * 4096;
    stores_write("sparse", bytes + last, size - last, last);
    stores_write("sparse", &zero, sizeof(zero), at - 8);
    free(bytes);
    OK(tn_repair("sparse", "new", NULL, NULL, &result));
    OK(check("new"));
    cr_expect(eq(sz, result.whole + result.damaged, 2));
    cr_expect(eq(sz, result.gaps, 1));
    OK(tn_store_open(&store, "new", TN_READ_ONLY, NULL));
    OK(tn_find(tn_store_segment(store), "before", NULL, NULL, NULL));
    OK(tn_find(tn_store_segment(store), "behind", NULL, NULL, NULL));
    OK(tn_store_close(store));
}

Test(repair, of_what_is_too_large_for_a_store_is_refused)
{
    if (truncate("s", ((off_t)1 << 48) + 4096) != 0)
        cr_skip_test("no file can be that large here");
    IS(tn_repair("s", "new", NULL, NULL, NULL), TN_ENOTSTORE);
}
