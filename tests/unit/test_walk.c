/* test_walk.c - a walk meets every block, and they are all of the segment
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "heap/block.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"
#include "segment/segment.h"
#include "tenon.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <string.h>

#define PATH "walked.tn"

/* What a walk has met. */
struct tally {
    uint64_t next; /* where the next block should begin */
    size_t blocks[TN_USE_SUMS + 1], bytes[TN_USE_SUMS + 1];
    size_t kinds[3];
    bool tiles;
    size_t stop_after;
    char seen[STORES_OBJECTS]; /* items by number */
};

static tn_status meet(void *arg, const tn_block *block)
{
    struct tally *tally = arg;
    unsigned item;

    tally->tiles &= block->offset == tally->next && block->bytes != 0;
    tally->next = block->offset + block->bytes;
    tally->blocks[block->use]++;
    tally->bytes[block->use] += block->bytes;
    if (block->use == TN_USE_OBJECT) {
        cr_assert(block->object.address != NULL);
        tally->kinds[block->object.kind]++;
        if (block->object.kind == TN_KIND_NAMED &&
            sscanf(block->object.name, "item/%u", &item) == 1)
            tally->seen[item]++;
    }
    return --tally->stop_after == 0 ? TN_ECANCELED : TN_OK;
}

static struct tally walk(const tn_segment *seg)
{
    struct tally tally = {.tiles = true};

    cr_assert(eq(int, tn_walk(seg, meet, &tally), TN_OK), "%s", tn_errmsg());
    cr_expect(tally.tiles, "a gap before %lu", (unsigned long)tally.next);
    cr_expect(eq(u64, tally.next, tn_segment_size(seg)));
    return tally;
}

/* The walk and the figures tell the same of a segment. */
static void compare(const tn_segment *seg, const struct tally *tally)
{
    tn_stats stats;

    cr_assert(eq(int, tn_segment_stats(seg, &stats), TN_OK));
    cr_expect(eq(sz, tally->kinds[TN_KIND_NAMED], stats.named));
    cr_expect(eq(sz, tally->kinds[TN_KIND_UNIQUE], stats.unique));
    cr_expect(eq(sz, tally->kinds[TN_KIND_ANONYMOUS], stats.anonymous));
    cr_expect(eq(sz, tally->blocks[TN_USE_RAW], stats.raw));
    cr_expect(eq(sz, tally->blocks[TN_USE_TYPE], stats.types));
    cr_expect(eq(sz, tally->bytes[TN_USE_INDEX], stats.index_bytes));
    cr_expect(eq(sz, tally->bytes[TN_USE_FREE] + tally->bytes[TN_USE_WAITING],
                 stats.free_bytes));
    cr_expect(eq(sz, tally->bytes[TN_USE_OWN] + tally->bytes[TN_USE_SUMS],
                 stats.overhead_bytes));
}

static void enter(void)
{
    tmpdir_enter();
}

TestSuite(walk, .init = enter, .fini = tmpdir_leave, .timeout = 60);

ParameterizedTestParameters(walk, meets_every_block_of_a_store)
{
    static tn_index kinds[] = {TN_INDEX_ISET, TN_INDEX_FLAT_MAP, TN_INDEX_MAP,
                               TN_INDEX_HASH};

    return cr_make_param_array(tn_index, kinds, sizeof(kinds) / sizeof(*kinds));
}

ParameterizedTest(tn_index *kind, walk, meets_every_block_of_a_store)
{
    tn_store *store;
    struct tally tally;

    stores_make(PATH, *kind);
    cr_assert(eq(int, tn_store_open(&store, PATH, TN_READ_ONLY, NULL), TN_OK));
    tally = walk(tn_store_segment(store));
    compare(tn_store_segment(store), &tally);
    for (int i = 0; i < STORES_OBJECTS; i++)
        cr_expect(eq(int, tally.seen[i], 1), "item %d", i);
    tn_store_close(store);
}

Test(walk, tiles_segments_of_any_size)
{
    tn_segment *seg;

    for (size_t size = tn_segment_min_size(NULL); size < 20000; size += 7) {
        cr_assert(eq(int, tn_segment_create_heap(&seg, size, NULL), TN_OK));
        walk(seg);
        tn_segment_detach(seg);
    }
}

Test(walk, meets_raw_and_waiting_blocks)
{
    tn_segment *seg;
    struct tally tally;
    void *p[4];

    cr_assert(eq(int, tn_segment_create_heap(&seg, 65536, NULL), TN_OK));
    for (int i = 0; i < 4; i++)
        p[i] = tn_alloc(seg, 100);
    tn_free(seg, p[1]);
    tally = walk(seg);
    cr_expect(eq(sz, tally.blocks[TN_USE_RAW], 3));
    cr_expect(eq(sz, tally.blocks[TN_USE_WAITING], 1));
    compare(seg, &tally);
    tn_segment_detach(seg);
}

Test(walk, of_a_read_view_shows_one_committed_state)
{
    tn_store *store;
    tn_segment *seg;
    const tn_segment *view;
    struct tally before, after;

    stores_make(PATH, TN_INDEX_MAP);
    cr_assert(eq(int, tn_store_open(&store, PATH, TN_DURABLE, NULL), TN_OK));
    cr_assert(eq(int, tn_read_begin(store, &view), TN_OK));
    before = walk(view);
    cr_assert(eq(int, tn_begin(store, &seg), TN_OK));
    cr_assert(tn_alloc(seg, 5000) != NULL);
    cr_assert(eq(int, tn_commit(store), TN_OK));
    after = walk(view);
    cr_expect(eq(int, memcmp(&before, &after, sizeof(before)), 0));
    tn_read_end(store, view);
    cr_assert(eq(int, tn_read_begin(store, &view), TN_OK));
    after = walk(view);
    cr_expect(eq(sz, after.blocks[TN_USE_RAW], before.blocks[TN_USE_RAW] + 1));
    tn_read_end(store, view);
    tn_store_close(store);
}

Test(walk, of_a_store_in_shared_use_needs_no_lock)
{
    tn_store *writer, *reader;
    struct tally tally;

    stores_make(PATH, TN_INDEX_MAP);
    cr_assert(eq(int, tn_store_open(&writer, PATH, TN_SHARED, NULL), TN_OK));
    cr_assert(eq(int, tn_store_open(&reader, PATH, TN_READ_ONLY, NULL), TN_OK));
    tally = walk(tn_store_segment(reader));
    compare(tn_store_segment(writer), &tally);
    walk(tn_store_segment(writer));
    tn_store_close(reader);
    tn_store_close(writer);
}

Test(walk, ends_when_the_visitor_says_so)
{
    struct tally tally = {.stop_after = 3};
    tn_segment *seg;

    cr_assert(eq(int, tn_segment_create_heap(&seg, 65536, NULL), TN_OK));
    cr_expect(eq(int, tn_walk(seg, meet, &tally), TN_ECANCELED));
    cr_expect(eq(sz, tally.blocks[TN_USE_OWN] + tally.blocks[TN_USE_FREE], 3));
    cr_expect(eq(int, tn_walk(NULL, meet, &tally), TN_EINVAL));
    cr_expect(eq(int, tn_walk(seg, NULL, &tally), TN_EINVAL));
    tn_segment_detach(seg);
}

Test(walk, ends_at_a_damaged_block)
{
    struct tally tally = {0};
    tn_segment *seg;
    void *p;

    cr_assert(eq(int, tn_segment_create_heap(&seg, 65536, NULL), TN_OK));
    p = tn_alloc(seg, 100);
    memset((char *)p - 8, 0x55, 8);
    cr_expect(eq(int, tn_walk(seg, meet, &tally), TN_ECORRUPT));
    cr_expect(eq(u64, tally.next, tn_handle_of(seg, p) - 8));
    tn_segment_detach(seg);
}

/* As if somebody had died while he changed the heap. */
Test(walk, of_a_store_that_is_never_still_is_given_up, .timeout = 10)
{
    struct tally tally = {.stop_after = 3};
    tn_store *writer, *reader;
    struct heap *h;

    stores_make(PATH, TN_INDEX_MAP);
    cr_assert(eq(int, tn_store_open(&writer, PATH, TN_SHARED, NULL), TN_OK));
    cr_assert(eq(int, tn_store_open(&reader, PATH, TN_READ_ONLY, NULL), TN_OK));
    h = segment_heap(tn_store_segment(writer));
    h->sequence++;
    cr_expect(
        eq(int, tn_walk(tn_store_segment(reader), meet, &tally), TN_EBUSY));
    cr_expect(eq(u64, tally.next, 0), "nothing was visited");
    h->sequence--;
    cr_expect(
        eq(int, tn_walk(tn_store_segment(reader), meet, &tally), TN_ECANCELED));
    walk(tn_store_segment(reader));
    tn_store_close(reader);
    tn_store_close(writer);
}

Test(walk, of_many_blocks_in_shared_use_meets_all)
{
    tn_store *writer, *reader;
    struct tally tally;

    stores_make(PATH, TN_INDEX_MAP);
    cr_assert(eq(int, tn_store_open(&writer, PATH, TN_SHARED, NULL), TN_OK));
    for (int i = 0; i < 5000; i++)
        cr_assert(tn_alloc(tn_store_segment(writer), 16) != NULL);
    cr_assert(eq(int, tn_store_open(&reader, PATH, TN_READ_ONLY, NULL), TN_OK));
    tally = walk(tn_store_segment(reader));
    cr_expect(ge(sz, tally.blocks[TN_USE_RAW], 5000));
    tn_store_close(reader);
    tn_store_close(writer);
}
