/* atomic.c - sections in which nobody else sees or changes names
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "segment/segment.h"

static tn_status run_inside(tn_segment *seg,
                            tn_status (*f)(tn_segment *seg, void *arg),
                            void *arg)
{
    tn_status status = f(seg, arg);

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
