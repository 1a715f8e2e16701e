/* fault.h - tests only: watch, refuse or die at a file operation
 *
 * Every operation in os/ that reaches the kernel and can fail passes
 * fault_point() first.  With no hook set that is one load and a branch.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_FAULT_H
#define OS_FAULT_H

#include <stddef.h>
#include <stdint.h>

enum fault_op {
    FAULT_OPEN,
    FAULT_CREATE,
    FAULT_LINK,
    FAULT_RENAME,
    FAULT_UNLINK,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_ALLOCATE,
    FAULT_TRUNCATE,
    FAULT_PUNCH,
    FAULT_ZERO,
    FAULT_SYNC,
    FAULT_SYNC_RANGE,
    FAULT_SYNC_DIRECTORY,
    FAULT_STAT,
    FAULT_CHMOD,
    FAULT_MAP,
    FAULT_FLUSH,
    FAULT_PROTECT,
    FAULT_DISCARD,
    FAULT_PAGEMAP,
    FAULT_TRACK,
    FAULT_LOCK,
    FAULT_UNLOCK,
    FAULT_OPS
};

/* One operation about to happen.  What an operation does not have is NULL or 0.
 *
 *   FAULT_CREATE    path is the name to be made; NULL: a file without a name
 *                   (O_TMPFILE), wanted for path2.  Refused with EOPNOTSUPP,
 *                   the file is made under a temporary name instead
 *   FAULT_LINK      path is the old name, NULL if the file has none yet; path2
 *                   the new one, which must not exist
 *   FAULT_RENAME    from path to path2; size 1: path2 is replaced if it exists
 *   FAULT_STAT      of a file that is open, or (device and inode 0) of a path
 *   FAULT_WRITE     size bytes at data are written at offset
 *   FAULT_SYNC_RANGE
 *                   of what was written last, and of nothing else
 *   FAULT_ALLOCATE  blocks for size bytes at offset; a shorter file grows.
 *                   EINTR: done in smaller pieces
 *   FAULT_TRUNCATE  to size
 *   FAULT_MAP, FAULT_FLUSH, FAULT_PROTECT, FAULT_DISCARD
 *                   offset is that in the region, path the file's if known
 *   FAULT_PAGEMAP   size bytes of addresses from offset are looked up
 *   FAULT_TRACK     each of the calls that have writes watched
 *   FAULT_LOCK      offset is the byte, size 1: exclusive, 0: shared
 *   FAULT_UNLOCK    offset is the byte; this cannot be refused
 */
struct fault_event {
    enum fault_op op;
    const char *path;  /* may be NULL */
    const char *path2; /* FAULT_LINK, FAULT_RENAME: the new name */
    uint64_t device, inode;
    uint64_t offset, size;
    const void *data;
};

/* Called before each operation; a result other than 0 is the errno it fails
 * with instead of happening.  The hook may also not return. */
typedef int fault_hook(void *arg, const struct fault_event *event);

/* Set or remove (NULL) the hook of this process.  Exported to tests only
 * through the static library. */
void fault_set_hook(fault_hook *hook, void *arg);

extern fault_hook *fault_active;
int fault_call(const struct fault_event *event);

/* 0: go on. */
static inline int fault_point(const struct fault_event *event)
{
    return __builtin_expect(fault_active == NULL, 1) ? 0 : fault_call(event);
}

#endif
