/* atomic.c - sections in which nobody else sees or changes names
 *
 * The lock of names keeps others from changing them, and the word sections from
 * looking without it (find.c).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "segment/segment.h"

/* One section more or less is open.  The end of the outermost one also counts
 * it, so that who looked before and after it sees a difference. */
static void open_section(const tn_segment *seg)
{
    __atomic_store_n(&seg->base->sections, seg->base->sections + 1,
                     __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void close_section(const tn_segment *seg)
{
    uint64_t sections = seg->base->sections - 1;

    if ((uint32_t)sections == 0)
        sections += SEGMENT_ONE_SECTION;
    __atomic_store_n(&seg->base->sections, sections, __ATOMIC_RELEASE);
}

static tn_status run_inside(tn_segment *seg,
                            tn_status (*f)(tn_segment *seg, void *arg),
                            void *arg)
{
    tn_status status;

    if (seg->locking)
        open_section(seg);
    status = f(seg, arg);
    if (seg->locking)
        close_section(seg);
    segment_unlock_names(seg);
    return status;
}

TN_API tn_status tn_atomic(tn_segment *seg,
                           tn_status (*f)(tn_segment *seg, void *arg),
                           void *arg)
{
    tn_status status = segment_writable(seg);

    if (status == TN_OK)
        status = segment_lock_names(seg);
    return status == TN_OK ? run_inside(seg, f, arg) : status;
}

TN_API tn_status tn_try_atomic(tn_segment *seg,
                               tn_status (*f)(tn_segment *seg, void *arg),
                               void *arg)
{
    tn_status status = segment_writable(seg);

    if (status == TN_OK)
        status = segment_try_lock_names(seg);
    if (status == TN_EBUSY)
        return error_set(TN_EBUSY, "somebody else is changing names");
    return status == TN_OK ? run_inside(seg, f, arg) : status;
}
