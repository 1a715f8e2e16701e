/* extend.c - make a segment larger, or as small as it can be
 *
 * A segment grows at its end and blocks never move, so growing is two steps:
 * get the bytes (by the kind of memory it lies in), then tell the heap.  Killed
 * between the two, the bytes are there and unused until the next growth.
 *
 * When an allocation finds no room the segment grows by itself, where its store
 * allows it, by grow_step or what is needed, whichever is more; and if so much
 * is not to be had, by what is needed alone.
 *
 * What waits in magazines is used up before that.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "segment/segment.h"

#include <stdlib.h>
#include <string.h>

enum {
    GROWTH_UNIT = 64 * 1024, /* automatic growth is in multiples of this */
    SLACK = 256,             /* more than a block's bookkeeping */
};

/* Get the bytes, then tell the heap.  The caller holds the heap lock. */
static tn_status extend_to(const tn_segment *seg, size_t size)
{
    tn_status status;

    if (size > seg->max_size)
        return error_set(TN_ESIZE,
                         "the segment may grow to %zu bytes, not to %zu",
                         seg->max_size, size);
    status = seg->extend(seg->extend_arg, size);
    return status == TN_OK ? heap_grow(segment_heap(seg), size) : status;
}

static size_t step_of(const tn_segment *seg)
{
    return seg->grow_step != 0 ? seg->grow_step
                               : heap_size(segment_heap(seg)) / 8;
}

static tn_status grow_for(const tn_segment *seg, size_t n)
{
    size_t size = heap_size(segment_heap(seg)), least, wanted;
    tn_status status;

    if (seg->extend == NULL || seg->grow_step == TN_NO_GROWTH)
        return error_set(TN_ENOMEM, "the segment has no room for %zu bytes", n);
    if (!bytes_add(size, n, &least) || !bytes_add(least, SLACK, &least) ||
        least > seg->max_size)
        return error_set(TN_ENOMEM,
                         "%zu bytes more would exceed the segment's maximum "
                         "of %zu",
                         n, seg->max_size);
    wanted = seg->max_size;
    if (step_of(seg) < wanted - size)
        wanted = round_up(size + step_of(seg), GROWTH_UNIT);
    if (wanted < least)
        wanted = round_up(least, GROWTH_UNIT);
    if (wanted > seg->max_size)
        wanted = seg->max_size;
    status = extend_to(seg, wanted);
    if (status != TN_OK && least < wanted)
        status = extend_to(seg, least);
    return status;
}

tn_status segment_make_room(const tn_segment *seg, size_t n)
{
    bool reclaimed = magazines_reclaim(seg);
    tn_status status;

    if (reclaimed && n <= HEAP_MAX_SIZE &&
        heap_largest(segment_heap(seg)) >= n + SLACK)
        return TN_OK;
    status = grow_for(seg, n);
    return reclaimed ? TN_OK : status; /* it may be enough even so */
}

/* A segment in memory of malloc()'s may move. */
static tn_status grow_heap_memory(tn_segment *seg, size_t size)
{
    size_t old = heap_size(segment_heap(seg));
    void *memory = realloc(seg->base, size);

    if (memory == NULL)
        return error_set(TN_ENOMEM, "no memory for %zu bytes", size);
    memset((char *)memory + old, 0, size - old);
    seg->base = memory;
    return TN_OK;
}

static tn_status grow_own_memory(tn_segment *seg, size_t size)
{
    tn_status status = TN_OK;

    if (seg->memory == SEGMENT_HEAP)
        status = grow_heap_memory(seg, size);
    if (status == TN_OK)
        status = heap_grow(segment_heap(seg), size);
    if (status == TN_OK)
        seg->reach = seg->max_size = size;
    return status;
}

TN_API tn_status tn_segment_grow(tn_segment *seg, size_t extra)
{
    tn_status status = segment_writable(seg);
    size_t size;

    if (status == TN_OK)
        status = segment_lock_heap(seg);
    if (status != TN_OK)
        return status;

    /* Nothing waits then that borders on what is added, for which the last one
     * to close a store may have no addresses. */
    magazines_reclaim(seg);
    if (extra == 0)
        status = TN_OK;
    else if (!bytes_add(heap_size(segment_heap(seg)), extra, &size))
        status = error_set(TN_ESIZE, "%zu bytes more are too many", extra);
    else if (seg->memory == SEGMENT_STORE)
        status = extend_to(seg, size);
    else
        status = grow_own_memory(seg, size);
    segment_unlock_heap(seg);
    return status;
}

TN_API tn_status tn_segment_shrink(tn_segment *seg)
{
    tn_status status;

    if (seg->memory == SEGMENT_STORE)
        return error_set(TN_ENOTSUP, "a store's file is made smaller by "
                                     "tn_store_shrink(), off line");
    status = tn_shrink_indexes(seg);
    if (status != TN_OK)
        return status;
    seg->reach = seg->max_size = heap_shrink(segment_heap(seg));
    return TN_OK;
}
