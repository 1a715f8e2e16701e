/* construct.h - what making and destroying objects have in common
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef SEGMENT_CONSTRUCT_H
#define SEGMENT_CONSTRUCT_H

#include "segment/segment.h"

/* What a look for a name answers. */
struct found {
    uint64_t record; /* 0: there is none, and the rest is not set */
    bool type_matches;
    void *elements;
    size_t count;
};

/* Look for a name without its lock.  False: what was found is not to be relied
 * on, and the lock is needed. */
bool segment_look_up_freely(const tn_segment *seg,
                            const struct segment_name *name,
                            const tn_type *type, struct found *found);

/* Give back the block of an object in state BLOCK_BUILDING and count one less
 * of its type. */
tn_status segment_discard(tn_segment *seg, uint64_t record);

/* Count an object more or less that is in state BLOCK_BUILDING: a named or
 * unique one by the owner of the lock of names, an anonymous one by anybody.
 * What is counted is never less than what there is, wherever one is killed. */
static inline void segment_count_building(tn_segment *seg, tn_kind kind,
                                          int change)
{
    uint64_t *count = kind == TN_KIND_ANONYMOUS ? &seg->base->building_alone
                                                : &seg->base->building;
    uint64_t more = (uint64_t)(int64_t)change;

    if (kind == TN_KIND_ANONYMOUS && seg->locking) {
        __atomic_fetch_add(count, more, __ATOMIC_SEQ_CST);
        return;
    }
    __atomic_store_n(count, *count + more, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

/* Run type's fini, if it has one, over count elements, last first. */
void segment_finish_elements(tn_segment *seg, const tn_type *type,
                             void *elements, size_t count);

#endif
