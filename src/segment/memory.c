/* memory.c - raw allocation: the heap under its lock, growing at need
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "heap/quick.h"
#include "segment/segment.h"

enum { MAX_ALIGNMENT = 2 * 1024 * 1024 }; /* what every mapping keeps */

/* May it be changed without any lock? */
static inline bool is_ours_alone(const tn_segment *seg)
{
    return !seg->locking && !seg->read_only;
}

/* Take the heap lock for a change. */
static tn_status enter(const tn_segment *seg)
{
    if (unlikely(seg->read_only))
        return segment_writable(seg);
    return segment_lock_heap(seg);
}

/* Without the heap lock if that can be. */
static void *alloc_beside_others(tn_segment *seg, size_t size)
{
    struct heap *h = segment_heap(seg);
    void *p = magazines_alloc(seg, size);

    if (likely(p != NULL) || enter(seg) != TN_OK)
        return p;
    p = magazines_fetch(seg, size);
    if (p == NULL)
        p = heap_alloc(h, size, BLOCK_RAW);
    if (p == NULL && segment_make_room(seg, size) == TN_OK)
        p = heap_alloc(h, size, BLOCK_RAW);
    segment_unlock_heap(seg);
    return p;
}

/* With the heap lock, if others use the segment. */
static __attribute__((noinline)) void *alloc_with_care(tn_segment *seg,
                                                       size_t size)
{
    void *p;

    if (seg->magazines != NULL)
        return alloc_beside_others(seg, size);
    if (enter(seg) != TN_OK)
        return NULL;
    p = heap_alloc(segment_heap(seg), size, BLOCK_RAW);
    if (p == NULL && segment_make_room(seg, size) == TN_OK)
        p = heap_alloc(segment_heap(seg), size, BLOCK_RAW);
    segment_unlock_heap(seg);
    return p;
}

TN_API void *tn_alloc(tn_segment *seg, size_t size)
{
    void *p;

    if (unlikely(!is_ours_alone(seg)))
        return alloc_with_care(seg, size);
    p = quick_alloc(segment_heap(seg), size);
    return likely(p != NULL) ? p : alloc_with_care(seg, size);
}

TN_API void *tn_alloc_aligned(tn_segment *seg, size_t size, size_t alignment)
{
    size_t needed;
    void *p;

    if (!is_power_of_two(alignment) || alignment > MAX_ALIGNMENT) {
        error_set(TN_EINVAL, "%zu is no alignment", alignment);
        return NULL;
    }
    if (enter(seg) != TN_OK)
        return NULL;
    p = heap_alloc_aligned(segment_heap(seg), size, alignment, 0, BLOCK_RAW);
    if (p == NULL && bytes_add(size, alignment, &needed) &&
        segment_make_room(seg, needed) == TN_OK)
        p = heap_alloc_aligned(segment_heap(seg), size, alignment, 0,
                               BLOCK_RAW);
    segment_unlock_heap(seg);
    return p;
}

/* Objects are destroyed, not freed: only raw blocks are the caller's. */
static tn_status check_raw(const tn_segment *seg, const void *p)
{
    const struct heap *h = segment_heap(seg);

    if (heap_owns(h, p) && heap_state(h, p) != BLOCK_RAW)
        return error_set(TN_EINVAL,
                         "%p is no allocation but belongs to an "
                         "object or to the segment itself",
                         p);
    return TN_OK;
}

static __attribute__((noinline)) tn_status free_with_care(tn_segment *seg,
                                                          void *p)
{
    tn_status status;

    if (p == NULL || (seg->magazines != NULL && magazines_free(seg, p)))
        return TN_OK;
    status = enter(seg);
    if (status != TN_OK)
        return status;
    if (seg->magazines == NULL || !magazines_keep(seg, p))
        status = heap_free_raw(segment_heap(seg), p);
    if (status == TN_EINVAL && check_raw(seg, p) == TN_OK)
        error_set(TN_EINVAL, "%p is no allocation of this segment", p);
    else if (status == TN_ECORRUPT)
        status = error_set(TN_ECORRUPT,
                           "the header of the block at %p has "
                           "been overwritten",
                           p);
    segment_unlock_heap(seg);
    return status;
}

TN_API tn_status tn_free(tn_segment *seg, void *p)
{
    if (likely(is_ours_alone(seg) && quick_free(segment_heap(seg), p)))
        return TN_OK;
    return free_with_care(seg, p);
}

TN_API void *tn_realloc(tn_segment *seg, void *p, size_t size)
{
    void *fresh = NULL;

    if (p == NULL)
        return tn_alloc(seg, size);
    if (enter(seg) != TN_OK)
        return NULL;
    if (!heap_owns(segment_heap(seg), p))
        error_set(TN_EINVAL, "%p is no allocation of this segment", p);
    else if (check_raw(seg, p) == TN_OK) {
        if (seg->magazines != NULL && heap_waits_behind(segment_heap(seg), p))
            magazines_reclaim(seg);
        fresh = heap_realloc(segment_heap(seg), p, size);
        if (fresh == NULL && segment_make_room(seg, size) == TN_OK)
            fresh = heap_realloc(segment_heap(seg), p, size);
    }
    segment_unlock_heap(seg);
    return fresh;
}

/* The header of a block changes only with the block, whose owner asks.  A lock
 * is needed only where others may make the heap larger than can be reached. */
TN_API size_t tn_usable_size(const tn_segment *seg, const void *p)
{
    const struct heap *h = segment_heap(seg);
    bool lock = seg->locking && !seg->reaches_all;
    size_t size = 0;

    if (p == NULL || (lock && segment_lock_heap(seg) != TN_OK))
        return 0;
    if (heap_owns(h, p) && heap_state(h, p) == BLOCK_RAW)
        size = heap_usable_size(h, p);
    if (lock)
        segment_unlock_heap(seg);
    return size;
}

/* --- Many at once --------------------------------------------------------- */

TN_API void *tn_chain_pop(tn_chain *chain)
{
    void *first = chain->first;

    if (chain->count == 0)
        return NULL;
    chain->first = *(void **)first;
    if (--chain->count == 0)
        chain->first = chain->last = NULL;
    return first;
}

TN_API tn_status tn_alloc_many(tn_segment *seg, size_t size, size_t count,
                               tn_chain *chain)
{
    struct heap *h = segment_heap(seg);
    size_t each, total;
    tn_status status;

    if (!bytes_add(size, HEAP_OVERHEAD + HEAP_GRANULE, &each) ||
        !bytes_mul(each, count, &total))
        return error_set(TN_EINVAL, "%zu times %zu bytes are too many", count,
                         size);
    status = enter(seg);
    if (status != TN_OK)
        return status;
    status = heap_alloc_many(h, size, count, chain);
    if (status == TN_ENOMEM && segment_make_room(seg, total) == TN_OK)
        status = heap_alloc_many(h, size, count, chain);
    segment_unlock_heap(seg);
    return status;
}

static tn_status sum_of(const size_t *lengths, size_t count, size_t element,
                        size_t *total)
{
    *total = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n;

        if (!bytes_mul(lengths[i], element, &n) ||
            !bytes_add(n, HEAP_OVERHEAD + HEAP_GRANULE, &n) ||
            !bytes_add(*total, n, total))
            return error_set(TN_EINVAL, "the sum of the sizes is too large");
    }
    return TN_OK;
}

TN_API tn_status tn_alloc_many_v(tn_segment *seg, const size_t *lengths,
                                 size_t count, size_t element, tn_chain *chain)
{
    struct heap *h = segment_heap(seg);
    size_t total;
    tn_status status = sum_of(lengths, count, element, &total);

    if (status != TN_OK)
        return status;
    status = enter(seg);
    if (status != TN_OK)
        return status;
    status = heap_alloc_many_sizes(h, lengths, count, element, chain);
    if (status == TN_ENOMEM && segment_make_room(seg, total) == TN_OK)
        status = heap_alloc_many_sizes(h, lengths, count, element, chain);
    segment_unlock_heap(seg);
    return status;
}

TN_API tn_status tn_free_many(tn_segment *seg, tn_chain *chain)
{
    tn_status status = enter(seg);

    if (status != TN_OK)
        return status;
    heap_free_many(segment_heap(seg), chain);
    segment_unlock_heap(seg);
    return TN_OK;
}

/* --- Resizing ------------------------------------------------------------- */

/* An impossible command is told apart from a lack of room here, so that the
 * heap need only answer NULL. */
static tn_status check_command(const tn_segment *seg, unsigned command,
                               size_t limit, size_t preferred, void **reuse,
                               size_t element)
{
    const unsigned shrink = TN_SHRINK | TN_TRY_SHRINK;
    const unsigned expand = TN_EXPAND_FWD | TN_EXPAND_BWD;
    size_t product;

    if ((command & ~(TN_NEW | shrink | expand | TN_ZERO)) != 0 ||
        (command & ~TN_ZERO) == 0)
        return error_set(TN_EINVAL, "%#x is no command", command);
    if ((command & shrink) != 0 && (command & (expand | TN_NEW)) != 0)
        return error_set(TN_EINVAL, "shrinking goes with nothing else");
    if (element == 0 || !bytes_mul(preferred, element, &product) ||
        !bytes_mul(limit, element, &product))
        return error_set(TN_EINVAL, "the size is 0 or overflows");
    if ((command & shrink) != 0 ? limit < preferred : limit > preferred)
        return error_set(TN_EINVAL, "the limit is on the wrong side");
    if ((command & (shrink | expand)) == 0)
        return TN_OK;
    if (reuse == NULL || *reuse == NULL ||
        !heap_owns(segment_heap(seg), *reuse))
        return error_set(TN_EINVAL, "there is no block to expand or shrink");
    return check_raw(seg, *reuse);
}

TN_API void *tn_realloc_cmd(tn_segment *seg, unsigned command, size_t limit,
                            size_t *preferred, void **reuse, size_t element)
{
    struct heap *h = segment_heap(seg);
    size_t wanted = *preferred;
    void *p = NULL;

    if (enter(seg) != TN_OK)
        return NULL;
    if (check_command(seg, command, limit, wanted, reuse, element) == TN_OK) {
        if ((command & (TN_EXPAND_FWD | TN_EXPAND_BWD)) != 0)
            magazines_reclaim(seg); /* neighbours that wait count as free */
        p = heap_resize(h, command, limit, preferred, reuse, element);
        if (p == NULL && (command & TN_NEW) != 0 &&
            segment_make_room(seg, wanted * element) == TN_OK) {
            *preferred = wanted;
            p = heap_resize(h, command, limit, preferred, reuse, element);
        }
    }
    segment_unlock_heap(seg);
    return p;
}

TN_API tn_status tn_zero_free(tn_segment *seg)
{
    tn_status status = segment_writable(seg);

    if (status == TN_OK)
        status = segment_stop(seg);
    if (status != TN_OK)
        return status;
    magazines_flush(seg);
    if (seg->wipe != NULL)
        seg->wipe(seg->wipe_arg);
    else
        heap_zero_free(segment_heap(seg));
    segment_go(seg);
    return TN_OK;
}
