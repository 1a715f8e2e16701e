/* segment_check.c - every layer's checker over one segment
 *
 * The layers below check themselves (H.. heap, T.. types, I.. indexes); what
 * only a look at all of them shows is checked here:
 *
 *   S1  magic and version are ours.
 *   S2  Both indexes are of the same kind.
 *   S3  No change is under way: the sequences are even, and what counts
 *       objects in state BLOCK_BUILDING is 0.  Where others are at work, who
 *       has both locks sees to the sequences, and the rest is theirs.
 *   S4  Every block in state BLOCK_OBJECT has a sound record.
 *   S5  Every named and unique object is in its index, and the index counts no
 *       others.
 *   S6  No block is in state BLOCK_BUILDING while nobody else is at work.
 *   S7  Every block in state BLOCK_INDEX is one of an index, or has the page
 *       sums or magazines.
 *   S8  What the header reserves is zero.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "segment/segment.h"
#include "sync/sequence.h"

#include <string.h>

enum { LOOKS = 20 }; /* at a segment that others may be changing */

/* Objects met in the walk over the chain, by kind. */
struct census {
    size_t named, unique;
    size_t index_blocks; /* less those that an index knows */
};

static bool others_at_work(const tn_segment *seg)
{
    return seg->locking || seg->live;
}

static void check_header(const tn_segment *seg, struct report *report)
{
    const struct segment *base = seg->base;

    if (base->magic != SEGMENT_MAGIC || base->version != SEGMENT_VERSION)
        report_add(report, "S1", 0, NULL, "magic or version is damaged");
    if (base->reserved != 0 || base->named.reserved != 0 ||
        base->unique.reserved != 0)
        report_add(report, "S8", 0, NULL,
                   "bytes of the header that are reserved are not zero");
    if (base->named.kind != base->unique.kind)
        report_add(report, "S2", 0, NULL, "the indexes are of two kinds");
    if (!others_at_work(seg) && segment_is_torn(base))
        report_add(report, "S3", 0, NULL,
                   "somebody was killed while changing it; opening the store "
                   "for shared use puts it right");
}

static void check_object(const tn_segment *seg, const void *payload,
                         uint64_t block, struct census *census,
                         struct report *report)
{
    const struct heap *h = segment_heap(seg);
    tn_index kind = segment_index_kind(seg);
    uint64_t record = record_in_block(h, kind, payload);
    const char *name;
    size_t length;

    if (record == 0) {
        report_add(report, "S4", block, NULL,
                   "the description of the object in this block is damaged");
        return;
    }
    if (record_kind(h, record) == TN_KIND_ANONYMOUS)
        return;
    name = record_name(h, kind, record, &length);
    if (index_find(h, segment_index(seg, record_kind(h, record)), name,
                   length) != record)
        report_add(report, "S5", record, name,
                   "the object is not found under its name");
    if (record_kind(h, record) == TN_KIND_NAMED)
        census->named++;
    else
        census->unique++;
}

/* Compare what was counted with what the indexes count. */
static void check_census(const tn_segment *seg, const struct census *census,
                         struct report *report)
{
    const struct segment *base = seg->base;

    if (census->index_blocks != 0)
        report_add(report, "S7", 0, NULL,
                   "the indexes do not know all blocks that are theirs");
    if (census->named != base->named.count ||
        census->unique != base->unique.count)
        report_add(report, "S5", 0, NULL,
                   "there are %zu named and %zu unique objects, but the "
                   "indexes count %lu and %lu",
                   census->named, census->unique,
                   (unsigned long)base->named.count,
                   (unsigned long)base->unique.count);
}

static void check_objects(const tn_segment *seg, size_t index_blocks,
                          struct report *report)
{
    const struct segment *base = seg->base;
    struct census census = {.index_blocks = 0 - index_blocks};
    enum block_state state;
    uint64_t block = 0;
    size_t usable;
    void *payload;

    while ((block = heap_next_block(&base->heap, block, &payload, &state,
                                    &usable)) != 0) {
        if (state == BLOCK_OBJECT)
            check_object(seg, payload, block, &census, report);
        if (state == BLOCK_BUILDING && !others_at_work(seg))
            report_add(report, "S6", block, NULL,
                       "this object was never completed");
        census.index_blocks += state == BLOCK_INDEX;
    }
    check_census(seg, &census, report);
}

void segment_check_chain(const tn_segment *seg, struct report *report)
{
    size_t before = report->findings;

    report->layer = "segment";
    check_header(seg, report);
    if (report->findings != before)
        return; /* what is being changed cannot be judged */
    report->layer = "heap";
    heap_check(segment_heap(seg), report);
}

void segment_check(const tn_segment *seg, struct report *report)
{
    const struct segment *base = seg->base;
    size_t before = report->findings, index_blocks;

    segment_check_chain(seg, report);
    if (report->findings != before)
        return; /* nothing above a broken heap can be believed */
    report->layer = "index";
    type_check(&base->heap, segment_index_kind(seg), base->types, report);
    index_blocks =
        index_check(&base->heap, &base->named, TN_KIND_NAMED, report) +
        index_check(&base->heap, &base->unique, TN_KIND_UNIQUE, report) +
        (base->sums != 0) + (base->magazines != 0);
    report->layer = "segment";
    check_objects(seg, index_blocks, report);
}

static tn_status check_locked(const tn_segment *seg, segment_check_fn *check,
                              struct report *report)
{
    tn_status status = segment_lock_names(seg);

    if (status != TN_OK)
        return status;
    status = segment_stop(seg);
    if (status == TN_OK) {
        magazines_flush(seg);
        check(seg, report);
        segment_go(seg);
        status = report_status(report);
    }
    segment_unlock_names(seg);
    return status;
}

/* All three sequences, which only grow, as one. */
static bool hold_still(const struct segment *base, uint64_t *sum)
{
    uint64_t names, types, heap;

    if (!sequence_begin(&base->names_sequence, &names) ||
        !sequence_begin(&base->types_sequence, &types) ||
        !sequence_begin(&base->heap.sequence, &heap))
        return false;
    *sum = names + types + heap;
    return true;
}

/* A live view has no lock: what was found counts only if nothing moved.  So the
 * findings are reported when that is known, by looking once more. */
static tn_status check_live(const tn_segment *seg, segment_check_fn *check,
                            struct report *report)
{
    struct report quiet = {.fn = NULL};
    uint64_t before, after;

    for (int look = 0; look < LOOKS; look++) {
        tn_status status = segment_within_reach(seg);

        if (status != TN_OK)
            return status;
        if (!hold_still(seg->base, &before))
            break;
        quiet.findings = 0;
        check(seg, &quiet);
        if (!hold_still(seg->base, &after) || after != before)
            continue;
        if (quiet.findings != 0)
            check(seg, report);
        return report_status(report);
    }
    return error_set(TN_EBUSY, "a view for reading only cannot hold a store "
                               "still that others change");
}

tn_status segment_check_still(const tn_segment *seg, segment_check_fn *check,
                              struct report *report)
{
    return seg->live ? check_live(seg, check, report)
                     : check_locked(seg, check, report);
}

TN_API tn_status tn_segment_check(const tn_segment *seg, tn_report_fn *report,
                                  void *arg)
{
    struct report findings = {.fn = report, .arg = arg};
    tn_status status = segment_check_still(seg, segment_check, &findings);

    if (findings.findings != 0)
        error_set(status, "%zu things are wrong", findings.findings);
    return status;
}

/* --- Names of what is damaged --------------------------------------------- */

/* Move *block so far that the one behind it reaches into these bytes and is an
 * object, whose offset is returned; 0: there is none, or a header is broken. */
static uint64_t find_object(const struct heap *h, uint64_t off, uint64_t end,
                            uint64_t *block, void **payload)
{
    enum block_state state;
    uint64_t next;
    size_t usable;

    for (;;) {
        next = heap_next_block(h, *block, payload, &state, &usable);
        if (next == 0 || next >= end)
            return 0;
        if (state == BLOCK_OBJECT && next + usable > off)
            return next;
        *block = next;
    }
}

static size_t count_objects(const struct heap *h, uint64_t end, uint64_t block)
{
    void *payload;
    size_t count = 0;
    uint64_t object;

    for (; (object = find_object(h, 0, end, &block, &payload)) != 0;
         block = object)
        count++;
    return count;
}

bool segment_name_at(const tn_segment *seg, uint64_t off, uint64_t end,
                     uint64_t *block, char *buffer, size_t size, size_t *others)
{
    const struct heap *h = segment_heap(seg);
    tn_index kind = segment_index_kind(seg);
    uint64_t object, record;
    const char *name;
    size_t length;
    void *payload;

    for (; (object = find_object(h, off, end, block, &payload)) != 0;
         *block = object) {
        record = record_in_block(h, kind, payload);
        name = record != 0 ? record_name(h, kind, record, &length) : NULL;
        if (name == NULL || length >= size)
            continue;
        memcpy(buffer, name, length);
        buffer[length] = '\0';
        *others = count_objects(h, end, object);
        return true;
    }
    return false;
}
