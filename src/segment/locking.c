/* locking.c - the order of the two locks, and what a dead owner leaves
 *
 *     names_lock   recursive; both indexes, and every object that is being
 *                  made or destroyed under a name
 *     heap_lock    the heap, the descriptors of types, and the index roots
 *                  while they change
 *
 *   L1  names_lock is taken before heap_lock, never after.
 *   L2  An index changes only under both locks, so that it may allocate; it is
 *       read under names_lock alone, or under none (find.c).  Constructors
 *       run under names_lock alone: raw allocation goes on beside them.
 *   L3  While an index changes, names_sequence is odd; while the descriptors of
 *       types change, types_sequence is; while the heap changes, its own is.
 *       building counts the objects that are in state BLOCK_BUILDING on behalf
 *       of the owner of names_lock.
 *
 * So whoever gets a lock and finds an odd number there knows that its last
 * owner was killed in the middle of a change.  It then builds what can be
 * derived anew from the chain of blocks (rebuild.c), which every single store
 * leaves whole:
 *
 *     names_lock  names_sequence odd     rebuild the indexes; take back what
 *                                        was being built
 *     heap_lock   the heap's odd         rebuild the heap
 *                 types_sequence odd     recount the types
 *
 * Only building must not be judged so, for the owner's own constructors take
 * names_lock again: it counts when the kernel says that the owner died, and
 * then makes names_sequence odd.
 *
 * An atomic section that its owner's death cut short is over (sections).
 *
 * A rebuilder that is killed leaves the numbers odd, and so does one that
 * fails: the next one tries again.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/assert.h"
#include "base/error.h"
#include "segment/segment.h"
#include "sync/sequence.h"

static bool is_odd(uint64_t sequence)
{
    return (sequence & 1) != 0;
}

static bool names_are_torn(const struct segment *base)
{
    return is_odd(base->names_sequence);
}

static bool heap_is_torn(const struct segment *base)
{
    return is_odd(heap_sequence(&base->heap)) || is_odd(base->types_sequence) ||
           heap_is_broken(&base->heap);
}

bool segment_is_torn(const struct segment *base)
{
    return names_are_torn(base) || heap_is_torn(base) || base->building != 0 ||
           base->building_alone != 0 || base->magazines != 0 ||
           base->heap.held != HEAP_HELD_NOT;
}

/* Another process may have made the segment larger than the addresses that
 * this one could get. */
tn_status segment_within_reach(const tn_segment *seg)
{
    if (likely(heap_size(segment_heap(seg)) <= seg->reach))
        return TN_OK;
    return error_set(TN_ENOMEM,
                     "the segment has grown to %zu bytes, but this process "
                     "has addresses for %zu only; open it again",
                     heap_size(segment_heap(seg)), seg->reach);
}

/* The lock of names was taken: is all well behind it? */
static tn_status enter_names(const tn_segment *seg, bool owner_died)
{
    struct segment *base = seg->base;
    tn_status status = segment_within_reach(seg);

    if (unlikely(owner_died)) {
        if ((uint32_t)base->sections != 0)
            __atomic_store_n(&base->sections, (base->sections | UINT32_MAX) + 1,
                             __ATOMIC_RELEASE);
        if (base->building != 0)
            sequence_open(&base->names_sequence);
        mutex_consistent(&base->names_lock);
    }
    if (unlikely(status == TN_OK && names_are_torn(base))) {
        status = segment_lock_heap(seg);
        if (status == TN_OK) {
            status = rebuild_names(seg);
            segment_unlock_heap(seg);
        }
    }
    if (unlikely(status != TN_OK))
        mutex_unlock(&base->names_lock);
    return status;
}

tn_status segment_lock_names(const tn_segment *seg)
{
    bool owner_died = false;
    tn_status status;

    if (!seg->locking)
        return TN_OK;
    status = mutex_lock(&seg->base->names_lock, &owner_died);
    return status == TN_OK ? enter_names(seg, owner_died) : status;
}

tn_status segment_try_lock_names(const tn_segment *seg)
{
    bool owner_died = false;
    tn_status status;

    if (!seg->locking)
        return TN_OK;
    status = mutex_try_lock(&seg->base->names_lock, &owner_died);
    return status == TN_OK ? enter_names(seg, owner_died) : status;
}

void segment_unlock_names(const tn_segment *seg)
{
    if (seg->locking)
        mutex_unlock(&seg->base->names_lock);
}

tn_status segment_lock_shared_heap(const tn_segment *seg)
{
    struct segment *base = seg->base;
    bool owner_died = false;
    tn_status status = mutex_lock(&base->heap_lock, &owner_died);

    if (unlikely(status != TN_OK))
        return status;
    if (unlikely(owner_died))
        mutex_consistent(&base->heap_lock);
    status = segment_within_reach(seg);
    if (unlikely(status == TN_OK && heap_is_torn(base)))
        status = rebuild_heap(seg);
    if (unlikely(status != TN_OK))
        mutex_unlock(&base->heap_lock);
    return status;
}
