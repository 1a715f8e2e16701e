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

#include "base/assert.h"
#include "tenon/status.h"

#include <errno.h>
#include <pthread.h>
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

/* Go on from number, the C library's answer to a request for the lock, when it
 * or the condition is not the usual one. */
tn_status mutex_judge(struct mutex *m, int number, bool *owner_died);

/* Declare the data sound again after owner_died; else it does nothing. */
void mutex_consistent(struct mutex *m);

/* TN_EPERM: this thread does not have it. */
tn_status mutex_unlock(struct mutex *m);

/* --- Where every nanosecond counts ---------------------------------------- */

#define MUTEX_CONDITION 6 /* the word of it; 0: sound */

static inline pthread_mutex_t *mutex_inner(struct mutex *m)
{
    return (pthread_mutex_t *)(void *)m->words;
}

static inline bool mutex_is_sound(struct mutex *m)
{
    return __atomic_load_n(&m->words[MUTEX_CONDITION], __ATOMIC_RELAXED) == 0;
}

/* As mutex_try_lock(), without a word about it: was it free, and is it ours? */
static inline bool mutex_take(struct mutex *m, bool *owner_died)
{
    int number = pthread_mutex_trylock(mutex_inner(m));

    *owner_died = false;
    if (likely(number == 0 && mutex_is_sound(m)))
        return true;
    return number != EBUSY && mutex_judge(m, number, owner_died) == TN_OK;
}

/* As mutex_unlock(), for who has it. */
static inline void mutex_release(struct mutex *m)
{
    if (likely(mutex_is_sound(m)))
        pthread_mutex_unlock(mutex_inner(m));
    else
        mutex_unlock(m);
}

#endif
