/* mutex.c - a lock that lives in shared memory and survives its owner
 *
 * The C library's robust mutex does the locking; this file adds what happens
 * after a death, and keeps it all inside 56 bytes on every machine:
 *
 *      0                                                   48          56
 *     +---------------------------------------------------+-----------+
 *     | pthread_mutex_t (40 or 48 bytes)                  | condition |
 *     +---------------------------------------------------+-----------+
 *
 *             lock                             unlock
 *     free ------------------> owned ------------------------> free
 *                                |
 *                                | the owner is killed
 *              lock:             v
 *     orphaned --------------> owned, in doubt --------------> given up
 *         ^    *owner_died      |      |          unlock
 *         |                     |      |
 *         +---------------------+      +--------> owned
 *           killed in turn                mutex_consistent()
 *
 *   X1  condition is SOUND; or it names the heir, the thread that has the lock
 *       and is in doubt, and how often it has locked it; or it is GIVEN_UP.
 *   X2  Only the thread that has the lock changes condition.
 *   X3  GIVEN_UP is for good, and who gets the lock then lets go of it at once.
 *
 * Each thread has a list of the robust locks it holds, which the kernel walks
 * when the thread ends, however that happens; it marks them and wakes one who
 * waits.  So the owner is a thread, not a process: one that returns while it
 * has the lock leaves it orphaned as well.  Whoever is killed anywhere in this
 * file had the lock or did not; the condition it leaves is judged by the next
 * one, to whom the C library reports the death again.
 *
 * Waiting is in slices of time, for a wake-up can get lost: an owner frees the
 * lock and is killed before it wakes one who waits; before the kernel does that
 * in its stead it looks at the lock, and if another thread has it by then, one
 * that did not see anybody wait, nobody is ever woken.  The same happens when
 * the one who was woken is killed.  Who looks again after a while finds the
 * lock free, or makes its owner know that somebody waits.
 *
 * What the locks guard is mostly done in less time than it takes to sleep and
 * be woken.  So who finds a lock taken looks again some times first.
 *
 * Limits: the owner is known by its thread number, so all users must live in
 * one PID namespace; and memory must not be unmapped by a thread that holds a
 * lock in it.
 *
 * Why the C library's own way to give a lock up is not used: in glibc (seen in
 * 2.36) pthread_mutex_trylock() on such a lock keeps it for its caller, and of
 * several who wait only one is woken.  So it is told at once that all is well,
 * and condition remembers that it is not.
 *
 * Why not a lock of our own on futexes: the robust list belongs to the C
 * library, one a thread, and can hold only locks laid out as it expects.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "sync/mutex.h"

#include "base/assert.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/thread.h"

#include <string.h>

enum {
    SLICE_MS = 50, /* of waiting, milliseconds */
    SPINS = 16,    /* looks at a lock before sleeping */
    LONGEST = 64,  /* pauses between two looks */
};

_Static_assert(sizeof(pthread_mutex_t) <= MUTEX_CONDITION * sizeof(uint64_t) &&
                   _Alignof(pthread_mutex_t) <= _Alignof(struct mutex),
               "the C library's mutex fits");

#define SOUND    UINT64_C(0)
#define GIVEN_UP UINT64_MAX

tn_status mutex_init(struct mutex *m, bool recursive)
{
    int type = recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_ERRORCHECK;
    pthread_mutexattr_t attributes;
    int number = pthread_mutexattr_init(&attributes);

    if (number != 0)
        return error_from_errno(number, "cannot make a mutex");
    number = pthread_mutexattr_settype(&attributes, type);
    if (number == 0)
        number =
            pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (number == 0)
        number = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (number == 0) {
        memset(m, 0, sizeof(*m));
        number = pthread_mutex_init(mutex_inner(m), &attributes);
    }
    pthread_mutexattr_destroy(&attributes);
    if (number != 0)
        return error_from_errno(number, "cannot make a mutex");
    return TN_OK;
}

/* The condition: SOUND, GIVEN_UP, or the heir's number above a count. */

static uint64_t *condition_of(struct mutex *m)
{
    return &m->words[MUTEX_CONDITION];
}

/* Others may look while they do not have the lock, to unlock it by mistake. */
static uint64_t condition(struct mutex *m)
{
    return __atomic_load_n(condition_of(m), __ATOMIC_RELAXED);
}

static void set_condition(struct mutex *m, uint64_t value)
{
    __atomic_store_n(condition_of(m), value, __ATOMIC_RELAXED);
}

static uint64_t heir_locked(uint32_t times)
{
    return (uint64_t)thread_number() << 32 | times;
}

static bool this_is_heir(struct mutex *m)
{
    uint64_t c = condition(m);

    return c != SOUND && c != GIVEN_UP && c >> 32 == thread_number();
}

static tn_status let_go(struct mutex *m)
{
    pthread_mutex_unlock(mutex_inner(m));
    return error_set(TN_ECORRUPT, "the lock was given up: its owner died, and "
                                  "the next did not put the data right");
}

/* The lock is ours, and an owner died or the condition is not sound. */
static tn_status judge(struct mutex *m, bool died, bool *owner_died)
{
    if (died)
        pthread_mutex_consistent(mutex_inner(m));
    if (died && condition(m) != GIVEN_UP)
        set_condition(m, heir_locked(1));
    else if (this_is_heir(m)) /* once more, as it is recursive */
        set_condition(m, condition(m) + 1);
    else
        return let_go(m);
    *owner_died = died;
    return TN_OK;
}

static tn_status refused(int number)
{
    switch (number) {
    case EBUSY:
        return error_set(TN_EBUSY, "another thread has the lock");
    case ETIMEDOUT:
        return error_set(TN_ETIMEDOUT,
                         "another thread kept the lock until the time was up");
    case EDEADLK:
        return error_set(TN_EDEADLK, "this thread has the lock already");
    default:
        return error_from_errno(number, "cannot lock");
    }
}

/* Go on from number, the C library's answer to a request for the lock. */
static inline tn_status locked(struct mutex *m, int number, bool *owner_died)
{
    if (number != 0 && number != EOWNERDEAD)
        return refused(number);
    if (number == EOWNERDEAD || condition(m) != SOUND)
        return judge(m, number == EOWNERDEAD, owner_died);
    *owner_died = false;
    return TN_OK;
}

/* The end of the next slice of waiting until deadline, or it if that is sooner.
 * One that is no time is for the C library to refuse. */
static struct timespec slice_until(const struct timespec *deadline)
{
    struct timespec slice = clock_after(SLICE_MS);

    if (deadline == NULL)
        return slice;
    if (deadline->tv_nsec < 0 || deadline->tv_nsec > 999999999 ||
        deadline->tv_sec < slice.tv_sec ||
        (deadline->tv_sec == slice.tv_sec && deadline->tv_nsec < slice.tv_nsec))
        return *deadline;
    return slice;
}

/* The C library's answer, after waiting until deadline (NULL: for ever). */
static int wait_for(struct mutex *m, const struct timespec *deadline)
{
    struct timespec slice;
    int number;

    do {
        slice = slice_until(deadline);
        number =
            pthread_mutex_clocklock(mutex_inner(m), CLOCK_MONOTONIC, &slice);
    } while (number == ETIMEDOUT && !clock_passed(deadline));
    return number;
}

static inline void cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Look again, and again after longer and longer pauses. */
static int spin(struct mutex *m)
{
    int number = EBUSY;

    for (int look = 0, pauses = 1; number == EBUSY && look < SPINS; look++) {
        for (int i = 0; i < pauses; i++)
            cpu_pause();
        if (pauses < LONGEST)
            pauses *= 2;
        number = pthread_mutex_trylock(mutex_inner(m));
    }
    return number;
}

tn_status mutex_lock(struct mutex *m, bool *owner_died)
{
    int number = pthread_mutex_trylock(mutex_inner(m));

    if (unlikely(number == EBUSY))
        number = spin(m);
    if (unlikely(number == EBUSY))
        number = wait_for(m, NULL);
    return locked(m, number, owner_died);
}

tn_status mutex_try_lock(struct mutex *m, bool *owner_died)
{
    return locked(m, pthread_mutex_trylock(mutex_inner(m)), owner_died);
}

tn_status mutex_judge(struct mutex *m, int number, bool *owner_died)
{
    return locked(m, number, owner_died);
}

/* The C library looks at the time only if it has to wait. */
tn_status mutex_lock_until(struct mutex *m, const struct timespec *deadline,
                           bool *owner_died)
{
    return locked(m, wait_for(m, deadline), owner_died);
}

void mutex_consistent(struct mutex *m)
{
    if (this_is_heir(m))
        set_condition(m, SOUND);
}

tn_status mutex_unlock(struct mutex *m)
{
    int number;

    if (condition(m) != SOUND && this_is_heir(m)) {
        uint64_t left = condition(m) - 1;

        set_condition(m, (uint32_t)left == 0 ? GIVEN_UP : left);
    }
    number = pthread_mutex_unlock(mutex_inner(m));
    if (number != 0)
        return error_set(TN_EPERM, "this thread does not have the lock");
    return TN_OK;
}
