/* map.c - a store's file in memory, and how far its segment is believed
 *
 *     file      | page | segment ..................... |
 *     region    | ........ addresses, up to the maximum size ............ |
 *                        reach: what of them is the segment's
 *
 * A segment's header comes from a file, so it is verified before anything in it
 * is followed.  While others are at work it may change under our eyes: the file
 * is extended first and the header after that, so a size read too early is too
 * small.  Then both are read again.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "os/clock.h"
#include "store/store.h"
#include "store/sums.h"
#include "store/superblock.h"

#include <inttypes.h>

enum {
    LOOKS = 50, /* at a header that others may be changing, each after */
    BETWEEN_LOOKS = 1000 * 1000, /* nanoseconds */
};

/* The superblock of the commit that a view shows. */
static const struct superblock *superblock_of(const tn_segment *view)
{
    return (const struct superblock *)((const char *)view->base -
                                       STORE_SEGMENT_OFF);
}

/* What a store is made with, and stays. */
static bool agree_for_ever(const struct superblock *sb,
                           const struct segment *base)
{
    return sb->index == base->named.kind && sb->fit == base->heap.fit;
}

static tn_status contradiction(const tn_store *store)
{
    return error_set(TN_ECORRUPT,
                     "%s: the superblock and the segment's header contradict "
                     "each other",
                     store->path);
}

/* One look: the file's size first, then what says that it needs as much.  The
 * superblock of a view may come from a journal. */
tn_status store_check_header(tn_store *store, const tn_segment *view)
{
    uint64_t size;
    tn_status status = file_size(&store->file, &size);

    if (status != TN_OK)
        return status;
    if (size > store->region.size)
        return error_set(TN_ENOMEM,
                         "%s: the store has grown to %" PRIu64
                         " bytes meanwhile, but there are addresses for %zu "
                         "only",
                         store->path, size, store->region.size);
    if (size < STORE_SEGMENT_OFF)
        return error_set(TN_ESIZE, "%s: the file has been cut off",
                         store->path);
    if (store->held_commit && superblock_of(view)->file_size > size)
        return error_set(TN_ESIZE,
                         "%s: the file has %" PRIu64
                         " bytes, but the store has %" PRIu64
                         ": it has been cut off",
                         store->path, size, superblock_of(view)->file_size);
    if (view == &store->segment && store->access != TN_DURABLE)
        store->backed = size; /* still one thread's: it is being opened */
    if (size > store->superblock.max_size)
        size = store->superblock.max_size; /* the rest is not the store's */
    status = segment_verify(view->base, size - STORE_SEGMENT_OFF);
    if (status != TN_OK)
        return error_prefix(status, "%s", store->path);
    if (!agree_for_ever(&store->superblock, view->base) ||
        (store->held_commit &&
         (!agree_for_ever(superblock_of(view), view->base) ||
          superblock_of(view)->max_size != store->superblock.max_size)))
        return contradiction(store);
    return TN_OK;
}

static tn_status verify_header(tn_store *store, bool at_work)
{
    tn_status status = store_check_header(store, &store->segment);

    for (int i = 1; status != TN_OK && at_work && i < LOOKS; i++) {
        clock_sleep(BETWEEN_LOOKS, NULL);
        status = store_check_header(store, &store->segment);
    }
    return status;
}

tn_status store_map_only(tn_store *store, enum region_access access,
                         const tn_options *options, uint64_t most)
{
    const struct superblock *sb = &store->superblock;
    tn_segment *seg = &store->segment;
    uint64_t size;
    tn_status status = file_size(&store->file, &size);

    if (most > sb->max_size)
        most = sb->max_size;
    if (status == TN_OK)
        status = region_map_most(&store->region, &store->file, access,
                                 most > size ? most : size, size,
                                 options != NULL ? options->address : NULL);
    if (status != TN_OK)
        return status;
    seg->base = (struct segment *)(store->region.base + STORE_SEGMENT_OFF);
    seg->memory = SEGMENT_STORE;
    seg->reach = store->region.size - STORE_SEGMENT_OFF;
    seg->max_size = sb->max_size - STORE_SEGMENT_OFF;
    seg->reaches_all = seg->max_size <= seg->reach;
    if (!seg->reaches_all)
        seg->max_size = seg->reach;
    seg->grow_step = options != NULL ? options->grow_step : 0;
    store->backed = size;
    return TN_OK;
}

tn_status store_map(tn_store *store, enum region_access access,
                    const tn_options *options, bool at_work)
{
    tn_status status = store_map_only(store, access, options, UINT64_MAX);

    return status == TN_OK ? verify_header(store, at_work) : status;
}

static bool agree(const struct superblock *sb, const struct segment *base)
{
    return sb->segment_size == heap_size(&base->heap) &&
           agree_for_ever(sb, base);
}

tn_status store_compare(const tn_store *store)
{
    const struct segment *base = store->segment.base;

    if (heap_sequence(&base->heap) % 2 != 0) /* so it was not verified */
        return error_set(TN_ECORRUPT,
                         "%s: the store is marked as closed in order, but its "
                         "segment is in the middle of a change",
                         store->path);
    return agree(&store->superblock, base) ? TN_OK : contradiction(store);
}

void store_check_superblock(const tn_segment *view, struct report *report)
{
    const struct superblock *sb = superblock_of(view);

    report->layer = "superblock";
    if (!superblock_is_sealed(sb))
        report_add(report, "B6", 0, NULL,
                   "the superblock is damaged: its checksum is wrong");
    else if (!agree(sb, view->base))
        report_add(report, "B6", 0, NULL,
                   "the superblock and the segment's header contradict each "
                   "other");
}

tn_status store_verify(const tn_store *store)
{
    return store_verify_view(store, &store->segment);
}

tn_status store_verify_view(const tn_store *store, const tn_segment *view)
{
    struct report report = {0};
    tn_status status = TN_OK;

    segment_check(view, &report);
    if (store->held_commit) {
        store_check_superblock(view, &report);
        status = sums_check(view, &report);
    }
    if (report.findings == 0)
        return status;
    return error_set(TN_ECORRUPT,
                     "%s: the store is damaged: %zu things are wrong; "
                     "tenon check tells which",
                     store->path, report.findings);
}

/* The file first; others may have extended it further already. */
tn_status store_extend_file(void *arg, size_t size)
{
    tn_store *store = arg;

    return file_extend(&store->file,
                       round_up(STORE_SEGMENT_OFF + size, region_page_size()));
}
