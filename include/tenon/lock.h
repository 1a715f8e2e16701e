/* lock.h - a lock on a file, between processes that agree on it
 *
 * The lock is advisory, covers the whole file, and belongs to the handle: two
 * handles exclude each other, in one process or in two, and closing another
 * descriptor of the file changes nothing.  The kernel drops it when its
 * process ends, however that happens; a child made by fork has no lock and its
 * copy of the handle is of no use but to be closed (TN_EINVAL).
 *
 * Threads may share a handle: each call is then one step, but the lock belongs
 * to the handle, so the threads are not kept apart.  Flush buffered output to
 * the file before unlocking.
 *
 *     tn_file_lock *lock;
 *     tn_file_lock_open(&lock, "table.csv");
 *     tn_file_lock_exclusive(lock);
 *     ...
 *     tn_file_lock_release(lock);
 *     tn_file_lock_close(lock);
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_LOCK_H
#define TENON_LOCK_H

#include <time.h>

#include "tenon/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_file_lock tn_file_lock;

/* Make a handle on an existing file that may be read and written.  TN_ENOENT,
 * TN_EACCES, TN_ENOMEM. */
TN_API tn_status tn_file_lock_open(tn_file_lock **out, const char *path);

/* Unlock and let go; lock may be NULL. */
TN_API void tn_file_lock_close(tn_file_lock *lock);

/* Wait for the lock: exclusive, which no one else may share, or sharable,
 * which only an exclusive owner prevents.  TN_EDEADLK: this handle has a lock
 * of the other kind, and there is no promotion; release it first.  Having the
 * same kind already is TN_OK. */
TN_API tn_status tn_file_lock_exclusive(tn_file_lock *lock);
TN_API tn_status tn_file_lock_sharable(tn_file_lock *lock);

/* The same, but TN_EBUSY at once if it cannot be had. */
TN_API tn_status tn_file_lock_try_exclusive(tn_file_lock *lock);
TN_API tn_status tn_file_lock_try_sharable(tn_file_lock *lock);

/* The same, waiting until deadline, an absolute time of CLOCK_MONOTONIC (NULL:
 * for ever); then TN_ETIMEDOUT.  A lock that is free is taken even when the
 * deadline has passed. */
TN_API tn_status tn_file_lock_timed_exclusive(tn_file_lock *lock,
                                              const struct timespec *deadline);
TN_API tn_status tn_file_lock_timed_sharable(tn_file_lock *lock,
                                             const struct timespec *deadline);

/* TN_EPERM: the handle has no lock. */
TN_API tn_status tn_file_lock_release(tn_file_lock *lock);

#ifdef __cplusplus
}
#endif
#endif
