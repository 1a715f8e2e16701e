/* flock.c - locks on bytes of a file that the kernel drops with their owner
 *
 *     handle ----> descriptor ----> open file description ----> locks
 *       |                             ^
 *       +-- list of all open handles  |  a forked child would share it
 *
 * The kernel drops the locks when the last descriptor of the description is
 * gone.  A child made by fork() has one too, so a killed parent's locks would
 * live on in it.  Hence the list: right after a fork the child closes them all.
 *
 *   L1  Every open handle is in the list, and only its descriptor refers to its
 *       description: it is never duplicated, mapped or passed on by exec.
 *   L2  The list changes only under its lock, and descriptors are opened and
 *       closed under it too.  fork() takes it: a child finds the list whole,
 *       with all the descriptors, and its lock free.
 *
 * Between fork and the handler the child holds the locks; if the parent is
 * killed in that moment they go when the handler has run.  A child made by
 * vfork(), posix_spawn() or a bare clone() runs no handler: the first two are
 * over at exec, which closes the descriptor.
 *
 * There is no system call that waits with a time-out, so waiting until a
 * deadline is trying, with pauses that grow from 1 to 50 ms.  Waiters are thus
 * not served in order.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/flock.h"

#include "base/assert.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/fault.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    SHORTEST_PAUSE = 1000 * 1000, /* nanoseconds */
    LONGEST_PAUSE = 50 * 1000 * 1000,
};

/* The list of open handles */

static struct flock_handle *open_handles;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t watching_forks = PTHREAD_ONCE_INIT;
static int watch_failed; /* errno of pthread_atfork(), or 0 */

/* This thread has the list locked while it opens a file, and a test's hook on
 * that (os/fault.h) may fork. */
static _Thread_local bool opening;

/* A thread that was cancelled with the list locked would stop all later forks,
 * so it is not, though open() and close() would let it be. */
static int cancel_state; /* that of the thread which has the list locked */

static void lock_list(void)
{
    int state;

    if (opening)
        return;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    pthread_mutex_lock(&list_lock);
    cancel_state = state;
}

static void unlock_list(void)
{
    int state = cancel_state;

    if (opening)
        return;
    pthread_mutex_unlock(&list_lock);
    pthread_setcancelstate(state, NULL);
}

/* In the child nothing else runs yet.  The path stays with the handle, whose
 * owner frees it. */
static void close_in_child(void)
{
    while (open_handles != NULL) {
        struct flock_handle *h = open_handles;

        open_handles = h->next;
        close(h->fd);
        h->fd = -1;
    }
    unlock_list();
}

static void watch_forks(void)
{
    watch_failed = pthread_atfork(lock_list, unlock_list, close_in_child);
}

/* Caller has the list locked. */
static void enlist(struct flock_handle *h)
{
    h->previous = NULL;
    h->next = open_handles;
    if (h->next != NULL)
        h->next->previous = h;
    open_handles = h;
}

/* Out of the list and closed in one step, so that a child made in between does
 * not keep the descriptor. */
static void delist_and_close(struct flock_handle *h)
{
    lock_list();
    if (h->next != NULL)
        h->next->previous = h->previous;
    if (h->previous != NULL)
        h->previous->next = h->next;
    else
        open_handles = h->next;
    close(h->fd);
    unlock_list();
}

/* Handles */

/* Caller has the list locked. */
static tn_status open_and_enlist(struct flock_handle *h, const char *path)
{
    struct file f = FILE_CLOSED;
    tn_status status = file_open(&f, path, true);

    if (status == TN_EACCES || status == TN_EROFS)
        status = file_open(&f, path, false);
    if (status != TN_OK)
        return status;
    h->fd = f.fd;
    h->writable = f.writable;
    h->path = f.path;
    h->device = f.device;
    h->inode = f.inode;
    enlist(h);
    return TN_OK;
}

tn_status flock_open(struct flock_handle *h, const char *path)
{
    tn_status status;

    pthread_once(&watching_forks, watch_forks);
    if (watch_failed != 0)
        return error_from_errno(watch_failed, "%s: cannot lock", path);
    lock_list();
    opening = true;
    status = open_and_enlist(h, path);
    opening = false;
    unlock_list();
    return status;
}

void flock_close(struct flock_handle *h)
{
    if (h->fd >= 0)
        delist_and_close(h);
    free(h->path);
    *h = (struct flock_handle)FLOCK_CLOSED;
}

/* Locks */

static struct flock one_byte(uint64_t byte, short type)
{
    TN_ASSERT(byte < INT64_MAX);
    return (struct flock){.l_type = type,
                          .l_whence = SEEK_SET,
                          .l_start = (off_t)byte,
                          .l_len = 1};
}

static struct flock wanted(uint64_t byte, bool exclusive)
{
    return one_byte(byte, exclusive ? F_WRLCK : F_RDLCK);
}

static tn_status check_usable(const struct flock_handle *h, bool exclusive)
{
    if (h->fd < 0)
        return error_set(TN_EINVAL,
                         "%s: the handle is closed, as it is in a "
                         "child after fork",
                         h->path == NULL ? "lock" : h->path);
    if (exclusive && !h->writable)
        return error_set(
            TN_EACCES, "%s: an exclusive lock needs write permission", h->path);
    return TN_OK;
}

/* Ask the kernel for it with command: 0 or an errno. */
static int lock_byte(struct flock_handle *h, int command, uint64_t byte,
                     bool exclusive)
{
    struct flock lock = wanted(byte, exclusive);
    int number = fault_point(&(struct fault_event){
        .op = FAULT_LOCK, .path = h->path, .offset = byte, .size = exclusive});

    if (number == 0 && TEMP_FAILURE_RETRY(fcntl(h->fd, command, &lock)) != 0)
        number = errno;
    return number;
}

static tn_status status_of_lock(const struct flock_handle *h, int number)
{
    if (number == 0)
        return TN_OK;
    if (number == EAGAIN || number == EACCES)
        return error_set(TN_EBUSY, "%s: another has it locked", h->path);
    return error_from_errno(number, "%s: cannot lock", h->path);
}

tn_status flock_try(struct flock_handle *h, uint64_t byte, bool exclusive)
{
    tn_status status = check_usable(h, exclusive);

    if (status != TN_OK)
        return status;
    return status_of_lock(h, lock_byte(h, F_OFD_SETLK, byte, exclusive));
}

/* Try again and again; the first try was in vain. */
static tn_status poll_until(struct flock_handle *h, uint64_t byte,
                            bool exclusive, const struct timespec *deadline)
{
    tn_status status = TN_EBUSY;
    long pause = SHORTEST_PAUSE;

    while (status == TN_EBUSY) {
        if (clock_passed(deadline))
            return error_set(TN_ETIMEDOUT,
                             "%s: another kept it locked until the time was up",
                             h->path);
        clock_sleep(pause, deadline);
        pause = pause * 2 < LONGEST_PAUSE ? pause * 2 : LONGEST_PAUSE;
        status = flock_try(h, byte, exclusive);
    }
    return status;
}

tn_status flock_wait(struct flock_handle *h, uint64_t byte, bool exclusive,
                     const struct timespec *deadline)
{
    tn_status status = check_usable(h, exclusive);

    if (status != TN_OK)
        return status;
    if (deadline == NULL)
        return status_of_lock(h, lock_byte(h, F_OFD_SETLKW, byte, exclusive));

    status = flock_try(h, byte, exclusive);
    if (status != TN_EBUSY)
        return status;
    if (deadline->tv_nsec < 0 || deadline->tv_nsec > 999999999)
        return error_set(TN_EINVAL, "%s: the deadline is not a time", h->path);
    return poll_until(h, byte, exclusive, deadline);
}

/* The kernel refuses to unlock only when it has no memory left to split the
 * record of neighbouring locks; then it is worth trying again. */
void flock_release(struct flock_handle *h, uint64_t byte)
{
    struct flock lock = one_byte(byte, F_UNLCK);

    fault_point(&(struct fault_event){
        .op = FAULT_UNLOCK, .path = h->path, .offset = byte});
    while (h->fd >= 0 && fcntl(h->fd, F_OFD_SETLK, &lock) != 0 &&
           (errno == EINTR || errno == ENOMEM || errno == ENOLCK))
        clock_sleep(SHORTEST_PAUSE, NULL);
}

bool flock_taken(const struct flock_handle *h, uint64_t byte, bool exclusive)
{
    struct flock lock = wanted(byte, exclusive);

    if (TEMP_FAILURE_RETRY(fcntl(h->fd, F_OFD_GETLK, &lock)) != 0)
        return true;
    return lock.l_type != F_UNLCK;
}
