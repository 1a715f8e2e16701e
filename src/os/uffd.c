/* uffd.c - have the kernel note which pages are written
 *
 * userfaultfd can protect pages against writing.  In its asynchronous form
 * (Linux 6.7) nobody is told of a write and nobody waits: the kernel takes the
 * protection of the page away and goes on, and that is the note.
 *
 *     pagemap_take()                  write, by the program or by read(2)
 *     protects the page   -------->   the page is no longer protected: written
 *            ^                                        |
 *            +----------------------------------------+
 *                          found and protected again
 *
 * No privilege is needed, since faults of the kernel itself, which only some
 * may handle, are not handled by us either.  Containers often forbid the call
 * by a seccomp filter all the same.
 *
 * What has no page yet is not protected.  The page that is read there first
 * counts as written: too much is noted, never too little.  A page that is
 * dropped, or whose memory the kernel takes back, leaves its protection behind
 * as a mark in the page table, and the page that comes in its place has it.
 *
 * A forked child has a copy of the memory that nobody watches.  Its copy of the
 * descriptor still speaks for the parent's memory, so nothing is to be done
 * with it but to close it.
 *
 * Numbers and structures are declared here, since many systems' headers are
 * older than the kernels they run on.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/uffd.h"

#include "base/error.h"
#include "os/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/userfaultfd.h */
struct watch_api {
    uint64_t api, features, ioctls;
};

struct watch_register {
    uint64_t start, size, mode, ioctls;
};

#define WATCH_API          UINT64_C(0xaa)
#define WATCH_WP_ASYNC     (UINT64_C(1) << 15) /* UFFD_FEATURE_WP_ASYNC */
#define WATCH_WRITES       (UINT64_C(1) << 1)  /* UFFDIO_REGISTER_MODE_WP */
#define WATCH_USER_ONLY    1                   /* UFFD_USER_MODE_ONLY */
#define WATCH_API_IOCTL    _IOWR(0xaa, 0x3f, struct watch_api)
#define WATCH_MEMORY_IOCTL _IOWR(0xaa, 0x00, struct watch_register)

static int ask(void)
{
    return fault_point(&(struct fault_event){.op = FAULT_TRACK});
}

static tn_status make(int *fd)
{
    int number = ask();

    if (number == 0) {
        *fd = (int)syscall(SYS_userfaultfd,
                           O_CLOEXEC | O_NONBLOCK | WATCH_USER_ONLY);
        number = *fd < 0 ? errno : 0;
    }
    if (number == ENOSYS || number == EINVAL)
        return error_set(TN_ENOTSUP, "the kernel has no userfaultfd that needs "
                                     "no privilege (it came with Linux 5.11)");
    if (number == EPERM || number == EACCES)
        return error_set(TN_EACCES, "userfaultfd is forbidden here, as in many "
                                    "containers (seccomp)");
    return number == 0 ? TN_OK : error_from_errno(number, "userfaultfd");
}

static tn_status agree(int fd)
{
    struct watch_api api = {.api = WATCH_API, .features = WATCH_WP_ASYNC};
    int number = ask();

    if (number == 0 && ioctl(fd, WATCH_API_IOCTL, &api) != 0)
        number = errno;
    if (number == EINVAL)
        return error_set(TN_ENOTSUP, "the kernel cannot note writes (it can "
                                     "since Linux 6.7)");
    return number == 0 ? TN_OK : error_from_errno(number, "userfaultfd");
}

static tn_status watch(int fd, const struct region *r)
{
    struct watch_register memory = {.start = (uint64_t)(uintptr_t)r->base,
                                    .size = r->size,
                                    .mode = WATCH_WRITES};
    int number = ask();

    if (number == 0 && ioctl(fd, WATCH_MEMORY_IOCTL, &memory) != 0)
        number = errno;
    return number == 0 ? TN_OK
                       : error_from_errno(number, "cannot watch mapped memory");
}

tn_status uffd_open(int *fd, const struct region *r)
{
    int made = -1;
    tn_status status = make(&made);

    if (status == TN_OK)
        status = agree(made);
    if (status == TN_OK)
        status = watch(made, r);
    if (status != TN_OK) {
        uffd_close(made);
        made = -1;
    }
    *fd = made;
    return status;
}

void uffd_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
