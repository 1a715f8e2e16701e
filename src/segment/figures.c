/* figures.c - how much of a segment is used, for what; room in its indexes
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "segment/segment.h"
#include "sync/sequence.h"

/* Both locks: the figures of heap and names belong together. */
static tn_status lock_both(const tn_segment *seg)
{
    tn_status status = segment_lock_names(seg);

    if (status != TN_OK)
        return status;
    status = segment_lock_heap(seg);
    if (status != TN_OK)
        segment_unlock_names(seg);
    return status;
}

static void unlock_both(const tn_segment *seg)
{
    segment_unlock_heap(seg);
    segment_unlock_names(seg);
}

static void count_object(const tn_segment *seg, const void *payload,
                         tn_stats *out)
{
    const struct heap *h = segment_heap(seg);
    uint64_t record = record_in_block(h, segment_index_kind(seg), payload);

    if (record == 0)
        return;
    switch (record_kind(h, record)) {
    case TN_KIND_NAMED:
        out->named++;
        break;
    case TN_KIND_UNIQUE:
        out->unique++;
        break;
    case TN_KIND_ANONYMOUS:
        out->anonymous++;
        break;
    }
}

/* Page sums are the store's own, and no memory of an index. */
static size_t bytes_of_sums(const tn_segment *seg)
{
    const struct heap *h = segment_heap(seg);
    const void *sums = heap_at(h, seg->base->sums);

    if (seg->base->sums == 0 || !heap_owns(h, sums))
        return 0;
    return heap_usable_size(h, sums) + HEAP_OVERHEAD;
}

/* Free bytes are summed here rather than asked for: a view for reading only
 * may not merge the quick lists. */
static void count_blocks(const tn_segment *seg, tn_stats *out)
{
    const struct heap *h = segment_heap(seg);
    enum block_state state;
    uint64_t block = 0;
    size_t usable;
    size_t run = 0; /* bytes of free blocks side by side */
    void *payload;

    while ((block = heap_next_block(h, block, &payload, &state, &usable)) !=
           0) {
        if (state == BLOCK_FREE || state == BLOCK_QUICK) {
            run += usable + HEAP_OVERHEAD;
            out->free_bytes += usable + HEAP_OVERHEAD;
            if (run - HEAP_OVERHEAD > out->largest_free)
                out->largest_free = run - HEAP_OVERHEAD;
            continue;
        }
        run = 0;
        if (state == BLOCK_OBJECT)
            count_object(seg, payload, out);
        out->raw += state == BLOCK_RAW;
        out->types += state == BLOCK_TYPE;
        if (state == BLOCK_INDEX)
            out->index_bytes += usable + HEAP_OVERHEAD;
        if (state != BLOCK_FIXED)
            out->used_bytes += usable + HEAP_OVERHEAD;
    }
}

/* The segment's own memory, which counts as overhead. */
static size_t bytes_of_its_own(const tn_segment *seg)
{
    return bytes_of_sums(seg) + magazines_bytes(seg);
}

TN_API tn_status tn_segment_stats(const tn_segment *seg, tn_stats *out)
{
    tn_stats stats = {0};
    tn_status status = segment_lock_names(seg);

    if (status != TN_OK)
        return status;
    status = segment_stop(seg);
    if (status != TN_OK) {
        segment_unlock_names(seg);
        return status;
    }
    stats.size = tn_segment_size(seg);
    stats.index = segment_index_kind(seg);
    stats.fit = (tn_fit)seg->base->heap.fit;
    count_blocks(seg, &stats);
    stats.used_bytes -= bytes_of_its_own(seg);
    stats.index_bytes -= bytes_of_its_own(seg);
    stats.overhead_bytes = stats.size - stats.used_bytes - stats.free_bytes;
    segment_go(seg);
    segment_unlock_names(seg);
    *out = stats;
    return TN_OK;
}

TN_API size_t tn_free_bytes(const tn_segment *seg)
{
    size_t bytes;

    if (segment_stop(seg) != TN_OK)
        return 0;
    bytes = heap_free_bytes(segment_heap(seg)) + magazines_waiting(seg);
    segment_go(seg);
    return bytes;
}

TN_API bool tn_all_free(const tn_segment *seg)
{
    bool all;

    if (segment_stop(seg) != TN_OK)
        return false;
    all = heap_used_bytes(segment_heap(seg)) - magazines_waiting(seg) ==
          bytes_of_its_own(seg);
    segment_go(seg);
    return all;
}

static size_t count_of(const tn_segment *seg, tn_kind kind)
{
    return __atomic_load_n(&segment_index(seg, kind)->count, __ATOMIC_RELAXED);
}

TN_API size_t tn_named_count(const tn_segment *seg)
{
    return count_of(seg, TN_KIND_NAMED);
}

TN_API size_t tn_unique_count(const tn_segment *seg)
{
    return count_of(seg, TN_KIND_UNIQUE);
}

/* --- Room in the indexes -------------------------------------------------- */

enum { BYTES_A_NAME = 64 }; /* more than any index needs for one */

static tn_status reserve_locked(tn_segment *seg, tn_kind kind, size_t count)
{
    struct heap *h = segment_heap(seg);
    struct index *ix = segment_index(seg, kind);
    tn_status status;
    size_t bytes;

    if (__builtin_mul_overflow(count, (size_t)BYTES_A_NAME, &bytes))
        return error_set(TN_ENOMEM, "there is no room for %zu names", count);
    sequence_open(&seg->base->names_sequence);
    status = index_reserve(h, ix, count);
    if (status == TN_ENOMEM) {
        status = segment_make_room(seg, bytes);
        if (status == TN_OK)
            status = index_reserve(h, ix, count);
    }
    sequence_close(&seg->base->names_sequence);
    return status;
}

static tn_status reserve(tn_segment *seg, tn_kind kind, size_t count)
{
    tn_status status = segment_writable(seg);

    if (status == TN_OK)
        status = lock_both(seg);
    if (status != TN_OK)
        return status;
    status = reserve_locked(seg, kind, count);
    unlock_both(seg);
    return status;
}

TN_API tn_status tn_reserve_named(tn_segment *seg, size_t count)
{
    return reserve(seg, TN_KIND_NAMED, count);
}

TN_API tn_status tn_reserve_unique(tn_segment *seg, size_t count)
{
    return reserve(seg, TN_KIND_UNIQUE, count);
}

TN_API tn_status tn_shrink_indexes(tn_segment *seg)
{
    tn_status status = segment_writable(seg);

    if (status == TN_OK)
        status = lock_both(seg);
    if (status != TN_OK)
        return status;
    sequence_open(&seg->base->names_sequence);
    index_shrink(segment_heap(seg), &seg->base->named);
    index_shrink(segment_heap(seg), &seg->base->unique);
    sequence_close(&seg->base->names_sequence);
    unlock_both(seg);
    return TN_OK;
}
