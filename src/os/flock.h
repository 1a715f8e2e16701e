/* flock.h - locks on bytes of a file, dropped by the kernel when owners die
 *
 * Open-file-description locks (F_OFD_SETLK): they belong to the descriptor, so
 * two handles in one process exclude each other like two processes.  They do
 * not exclude the threads that share one handle.  The descriptor is opened for
 * this alone: a mapping would keep its locks alive after close.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_FLOCK_H
#define OS_FLOCK_H

#include "tenon/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* An open handle is known by its address: it must not be copied or moved. */
struct flock_handle {
    int fd; /* -1: closed */
    bool writable;
    char *path; /* for messages; owned */
    uint64_t device, inode;
    struct flock_handle *next, *previous;
};
#define FLOCK_CLOSED                                                           \
    {                                                                          \
        .fd = -1                                                               \
    }

/* Open path for locking only; in a forked child the handle is closed.  Without
 * write permission it is opened for reading and can take shared locks only.
 * Errors as of file_open(). */
tn_status flock_open(struct flock_handle *h, const char *path);
void flock_close(struct flock_handle *h);

/* Lock one byte (below 2^63), shared or exclusive, converting a lock this
 * handle has.  TN_EBUSY: others are in the way (the lock held is kept).
 * TN_EACCES: exclusive, and the handle is not writable.  TN_EINVAL: the handle
 * is closed. */
tn_status flock_try(struct flock_handle *h, uint64_t byte, bool exclusive);

/* Wait for it until deadline (CLOCK_MONOTONIC, NULL: for ever); TN_ETIMEDOUT.
 * A free byte is locked even when deadline has passed. */
tn_status flock_wait(struct flock_handle *h, uint64_t byte, bool exclusive,
                     const struct timespec *deadline);
void flock_release(struct flock_handle *h, uint64_t byte);

/* Would another handle's lock refuse this one?  True also when that cannot be
 * found out. */
bool flock_taken(const struct flock_handle *h, uint64_t byte, bool exclusive);

#endif
