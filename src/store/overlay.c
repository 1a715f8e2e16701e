/* overlay.c - committed states that the file alone does not show
 *
 * When readers hold the file still, or an applier died, F is older than the
 * last commit.  What it misses is in the journal:
 *
 *       records applied+1 .. n      +------+      +---+
 *     laid over in order            | runs |      |   |
 *                                   +------+------+---+--------------+
 *       F, private mapping          |                                |
 *                                   +--------------------------------+
 *
 * The pages that are touched become private, all others are F's own.  Nobody
 * writes F while such a view is open (its user holds RL), and a record laid
 * over bytes that are there already changes nothing, so it does not matter what
 * part of the records F has (P1).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "store/durable.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

tn_status overlay_find_place(struct journal *j,
                             const struct journal_place *hint, uint64_t number,
                             struct journal_place *out)
{
    struct journal_place place = journal_start(j);
    tn_status status = TN_OK;

    if (hint != NULL && hint->off >= JOURNAL_RECORDS_OFF &&
        hint->number <= number && hint->number >= place.number)
        place = *hint;
    while (status == TN_OK && place.number < number)
        status = journal_read(j, &place);
    if (status == TN_OK)
        *out = place;
    return status;
}

/* Pages that are zero already stay the file's own: a run of zeros is often a
 * long one. */
static void lay_zeros(char *p, size_t length)
{
    for (size_t n; length != 0; p += n, length -= n) {
        n = STORE_PAGE - (uintptr_t)p % STORE_PAGE;
        n = n < length ? n : length;
        if (!bytes_are_zero(p, n))
            memset(p, 0, n);
    }
}

/* Behind the end of the file there is no memory to lay anything over. */
static tn_status lay_runs(const struct region *target, uint64_t file_size,
                          const struct journal *j)
{
    uint64_t offset;
    const void *bytes;
    size_t length, at = 0;

    while (journal_next_run(j, &at, &offset, &bytes, &length)) {
        if (offset > file_size || length > file_size - offset)
            return error_set(TN_ECORRUPT,
                             "%s: the journal has bytes for a longer store",
                             j->file.path);
        if (offset > target->size || length > target->size - offset)
            return error_set(TN_ENOMEM,
                             "%s: the store has grown beyond the addresses "
                             "that this process has for it",
                             j->file.path);
        if (bytes != NULL)
            memcpy(target->base + offset, bytes, length);
        else
            lay_zeros(target->base + offset, length);
    }
    return TN_OK;
}

/* Read the next record, unless it is the last one and is there still. */
static tn_status take_record(struct journal *j, struct journal_place *place)
{
    if (place->number + 1 != j->end.number || !journal_holds(j, j->end.number))
        return journal_read(j, place);
    *place = j->end;
    return TN_OK;
}

tn_status overlay_lay(const tn_store *store, const struct region *target,
                      struct journal *j, struct journal_place *place,
                      uint64_t through)
{
    uint64_t size;
    tn_status status = file_size(&store->file, &size);

    while (status == TN_OK && place->number < through) {
        status = take_record(j, place);
        if (status == TN_OK)
            status = lay_runs(target, size, j);
    }
    return status;
}

static void make_segment(struct overlay *overlay, const tn_store *store)
{
    tn_segment *seg = &overlay->segment;

    seg->base = (struct segment *)(overlay->region.base + STORE_SEGMENT_OFF);
    seg->memory = SEGMENT_STORE;
    seg->reach = overlay->region.size - STORE_SEGMENT_OFF;
    seg->max_size = store->segment.max_size;
    seg->read_only = true;
}

/* A committed state does not grow, and there may be many of them, so they do
 * not take the addresses of the maximum size each.  The writer's own is to last
 * while the store grows a bit. */
static size_t addresses_for(const tn_store *store, uint64_t size)
{
    return size < store->region.size / 2 ? 2 * size : store->region.size;
}

tn_status overlay_make(struct overlay **out, tn_store *store, struct journal *j,
                       const struct journal_place *hint, uint64_t applied,
                       uint64_t through)
{
    struct overlay *overlay = calloc(1, sizeof(*overlay));
    uint64_t size;
    tn_status status = file_size(&store->file, &size);

    if (overlay == NULL)
        return error_set(TN_ENOMEM, "no memory for a view");
    if (status == TN_OK)
        status = region_map(&overlay->region, &store->file, REGION_PRIVATE,
                            addresses_for(store, size), NULL);
    if (status == TN_OK)
        status = overlay_find_place(j, hint, applied, &overlay->through);
    if (status == TN_OK)
        status =
            overlay_lay(store, &overlay->region, j, &overlay->through, through);
    if (status != TN_OK) {
        overlay_free(overlay);
        return status;
    }
    overlay->generation = j->header.generation;
    overlay->applied = applied;
    make_segment(overlay, store);
    *out = overlay;
    return TN_OK;
}

void overlay_free(struct overlay *overlay)
{
    if (overlay == NULL)
        return;
    region_unmap(&overlay->region);
    free(overlay);
}
