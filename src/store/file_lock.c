/* file_lock.c - a lock on a file, between processes that agree on it
 *
 * The public face of os/flock.c.  The lock is one byte far beyond any data and
 * away from the bytes with which a store is guarded, so that locking a store's
 * file as a whole does not collide with using it:
 *
 *     2^62 .. 2^62+15   the locks of a store
 *     2^62+64           this one
 *
 * The kernel converts a lock that a handle has, without saying so, and two
 * handles that both wait for the conversion wait for ever.  So the handle knows
 * what it has, and a lock of the other kind is refused.
 *
 *            lock_until()               tn_file_lock_release()
 *     FREE ---------------> SHARABLE or EXCLUSIVE ------------> FREE
 *
 *   K1  While kind is not FREE, the kernel has our byte locked that way.
 *   K2  kind leaves FREE only by the thread that has turn, and returns to it
 *       only by the thread that has guard.
 *
 * turn is held while waiting, which may take long, guard never.  So the threads
 * that share a handle do not disturb its state; they are still not kept apart,
 * since to all of them the handle has the lock.  Both are robust: a thread that
 * is cancelled while it waits does not stop the others.
 *
 * After a fork the child's handle is closed (os/flock.c), and its mutexes may
 * have been held by threads that do not exist there; so whether it is open is
 * looked at first.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tenon/lock.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/flock.h"
#include "sync/mutex.h"

#include <errno.h>
#include <stdlib.h>

#define LOCK_BYTE ((UINT64_C(1) << 62) + 64)

enum kind { FREE, SHARABLE, EXCLUSIVE };

struct tn_file_lock {
    struct flock_handle handle;
    struct mutex turn, guard;
    enum kind kind;
};

TN_API tn_status tn_file_lock_open(tn_file_lock **out, const char *path)
{
    tn_file_lock *lock;
    tn_status status;

    if (out == NULL || path == NULL)
        return error_set(TN_EINVAL, "tn_file_lock_open: an argument is NULL");
    lock = calloc(1, sizeof(*lock));
    if (lock == NULL)
        return error_from_errno(ENOMEM, "%s", path);

    lock->handle = (struct flock_handle)FLOCK_CLOSED;
    status = mutex_init(&lock->turn, false);
    if (status == TN_OK)
        status = mutex_init(&lock->guard, false);
    if (status == TN_OK)
        status = flock_open(&lock->handle, path);
    if (status == TN_OK && !lock->handle.writable)
        status =
            error_set(TN_EACCES, "%s: a lock needs write permission", path);
    if (status == TN_OK)
        *out = lock;
    else
        tn_file_lock_close(lock);
    return status;
}

TN_API void tn_file_lock_close(tn_file_lock *lock)
{
    if (lock == NULL)
        return;
    flock_close(&lock->handle);
    free(lock);
}

static tn_status check_handle(const tn_file_lock *lock)
{
    if (lock == NULL)
        return error_set(TN_EINVAL, "there is no lock handle");
    if (lock->handle.fd < 0)
        return error_set(TN_EINVAL,
                         "%s: a lock handle ends with a fork in the child",
                         lock->handle.path);
    return TN_OK;
}

/* A thread that died with one of our mutexes left nothing half done, since the
 * kernel, or a single store to kind, says how things stand. */
static tn_status sound(tn_status status, struct mutex *m, bool owner_died)
{
    if (status == TN_OK && owner_died)
        mutex_consistent(m);
    return status;
}

static tn_status take_guard(tn_file_lock *lock)
{
    bool owner_died = false;

    return sound(mutex_lock(&lock->guard, &owner_died), &lock->guard,
                 owner_died);
}

static tn_status take_turn(tn_file_lock *lock, bool wait,
                           const struct timespec *deadline)
{
    bool owner_died = false;
    tn_status status;

    if (!wait)
        status = mutex_try_lock(&lock->turn, &owner_died);
    else if (deadline == NULL)
        status = mutex_lock(&lock->turn, &owner_died);
    else
        status = mutex_lock_until(&lock->turn, deadline, &owner_died);
    return sound(status, &lock->turn, owner_died);
}

/* Caller holds turn, so no one else makes kind anything but FREE. */
static tn_status acquire(tn_file_lock *lock, enum kind kind, bool wait,
                         const struct timespec *deadline)
{
    bool exclusive = kind == EXCLUSIVE;
    enum kind has = __atomic_load_n(&lock->kind, __ATOMIC_ACQUIRE);
    tn_status status;

    if (has == kind)
        return TN_OK;
    if (has != FREE)
        return error_set(TN_EDEADLK,
                         "%s: this handle has a lock of the other kind",
                         lock->handle.path);
    status = wait ? flock_wait(&lock->handle, LOCK_BYTE, exclusive, deadline)
                  : flock_try(&lock->handle, LOCK_BYTE, exclusive);
    if (status == TN_OK)
        __atomic_store_n(&lock->kind, kind, __ATOMIC_RELEASE);
    return status;
}

static tn_status lock_until(tn_file_lock *lock, enum kind kind, bool wait,
                            const struct timespec *deadline)
{
    tn_status status = check_handle(lock);

    if (status == TN_OK)
        status = take_turn(lock, wait, deadline);
    if (status != TN_OK)
        return status;
    status = acquire(lock, kind, wait, deadline);
    mutex_unlock(&lock->turn);
    return status;
}

TN_API tn_status tn_file_lock_exclusive(tn_file_lock *lock)
{
    return lock_until(lock, EXCLUSIVE, true, NULL);
}

TN_API tn_status tn_file_lock_sharable(tn_file_lock *lock)
{
    return lock_until(lock, SHARABLE, true, NULL);
}

TN_API tn_status tn_file_lock_try_exclusive(tn_file_lock *lock)
{
    return lock_until(lock, EXCLUSIVE, false, NULL);
}

TN_API tn_status tn_file_lock_try_sharable(tn_file_lock *lock)
{
    return lock_until(lock, SHARABLE, false, NULL);
}

TN_API tn_status tn_file_lock_timed_exclusive(tn_file_lock *lock,
                                              const struct timespec *deadline)
{
    return lock_until(lock, EXCLUSIVE, true, deadline);
}

TN_API tn_status tn_file_lock_timed_sharable(tn_file_lock *lock,
                                             const struct timespec *deadline)
{
    return lock_until(lock, SHARABLE, true, deadline);
}

/* guard keeps a second release out between the two steps, in which another
 * thread could already have locked anew. */
TN_API tn_status tn_file_lock_release(tn_file_lock *lock)
{
    tn_status status = check_handle(lock);

    if (status == TN_OK)
        status = take_guard(lock);
    if (status != TN_OK)
        return status;
    if (__atomic_load_n(&lock->kind, __ATOMIC_ACQUIRE) == FREE) {
        status = error_set(TN_EPERM, "%s: this handle has no lock",
                           lock->handle.path);
    } else {
        flock_release(&lock->handle, LOCK_BYTE);
        __atomic_store_n(&lock->kind, FREE, __ATOMIC_RELEASE);
    }
    mutex_unlock(&lock->guard);
    return status;
}
