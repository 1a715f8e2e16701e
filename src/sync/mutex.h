/* mutex.h - a lock that lives in shared memory and survives its owner
 *
 * Used between threads of any processes that map the memory.  When the owner
 * is killed, the kernel wakes the next one and it gets the lock with the news
 * that the protected data may be half changed; it puts them right and says so
 * with mutex_consistent().  If it is killed in turn, the next one gets the same
 * news.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef SYNC_MUTEX_H
#define SYNC_MUTEX_H

#include "tenon/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* The bytes are the C library's and mean nothing on disk: the first opener
 * makes them anew.  The space leaves room for any machine's. */
struct mutex {
    uint64_t words[7];
};
_Static_assert(sizeof(struct mutex) == 56, "struct mutex is file format");

/* Make an unlocked mutex; nobody uses the memory as one.  TN_ESYS. */
tn_status mutex_init(struct mutex *m, bool recursive);

/* Lock it, waiting.  *owner_died (if true, call mutex_consistent() before
 * unlocking) is set when the result is TN_OK.
 *
 *   TN_EDEADLK  not recursive, and this thread has it
 *   TN_ECORRUPT an owner unlocked without mutex_consistent(); the data were
 *               given up */
tn_status mutex_lock(struct mutex *m, bool *owner_died);

/* The same without waiting (TN_EBUSY), or until deadline, an absolute time of
 * CLOCK_MONOTONIC (TN_ETIMEDOUT; a free mutex is locked even then). */
tn_status mutex_try_lock(struct mutex *m, bool *owner_died);
tn_status mutex_lock_until(struct mutex *m, const struct timespec *deadline,
                           bool *owner_died);

/* The same without waiting and without a word: was it free, and is it ours? */
bool mutex_take(struct mutex *m, bool *owner_died);

/* Declare the data sound again after owner_died; else it does nothing. */
void mutex_consistent(struct mutex *m);

/* TN_EPERM: this thread does not have it. */
tn_status mutex_unlock(struct mutex *m);

#endif
