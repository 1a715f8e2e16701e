/* region.c - address space: reserve, map, protect, flush
 *
 * A region is larger than its file.  The file is mapped over all of it at once,
 * and what lies beyond the file's end becomes usable in every process when the
 * file is extended, with nothing to map anew: no pointer ever moves.
 *
 *     base (multiple of 2 MiB)                                   base + size
 *      +-------------------------------+-------------------------------+
 *      | bytes of the file             | addresses only: touching them |
 *      |                               | is SIGBUS until the file grows|
 *      +-------------------------------+-------------------------------+
 *      0                       end of file
 *
 *   R1  base is a multiple of the page size; of 2 MiB if no address was asked
 *       for, so that huge pages and whole page tables can serve it.
 *   R2  A mapping at a given address never replaces another one.
 *   R3  A region that could not be made leaves no reservation behind.
 *
 * To get the alignment, 2 MiB more than needed are reserved without access, the
 * file is mapped at the multiple inside, and both ends are given back.  Nobody
 * else can get in between, as the addresses are ours all the time.
 *
 * Address space costs nothing but page tables of what is touched.  It can be
 * limited all the same (ulimit -v, a file system whose files cannot be that
 * long), so region_map_most() takes what there is.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/region.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/digest.h"
#include "base/error.h"
#include "os/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

/* "This process", where a descriptor of one is wanted (Linux 6.14). */
enum { SELF = -10000 };

enum { ALIGNMENT = 2 * 1024 * 1024, PIECES = 128 };

size_t region_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Mapping */

static int protection(enum region_access access)
{
    return access == REGION_READ ? PROT_READ : PROT_READ | PROT_WRITE;
}

static int sharing(enum region_access access)
{
    return access == REGION_PRIVATE ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED;
}

/* mmap() with its errno as the result. */
static int map_at(void *address, size_t size, int prot, int flags, int fd,
                  char **base)
{
    void *p = mmap(address, size, prot, flags, fd, 0);

    if (p == MAP_FAILED)
        return errno;
    *base = p;
    return 0;
}

/* Map f at a multiple of ALIGNMENT.  size is a multiple of the page size. */
static int map_aligned(const struct file *f, enum region_access access,
                       size_t size, char **base)
{
    char *reserved = NULL, *aligned;
    size_t total, before;
    int number;

    if (!bytes_add(size, ALIGNMENT, &total))
        return ENOMEM;
    number = map_at(NULL, total, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, &reserved);
    if (number != 0)
        return number;

    aligned = (char *)round_up((uintptr_t)reserved, ALIGNMENT);
    before = (size_t)(aligned - reserved);
    number = map_at(aligned, size, protection(access),
                    sharing(access) | MAP_FIXED, f->fd, base);
    if (number != 0) {
        munmap(reserved, total);
        return number;
    }
    if (before > 0)
        munmap(reserved, before);
    munmap(aligned + size, ALIGNMENT - before);
    return 0;
}

/* Map f at address and nowhere else.  A kernel that does not know the flag
 * takes the address for a hint. */
static int map_exactly(const struct file *f, enum region_access access,
                       size_t size, void *address, char **base)
{
    char *got = NULL;
    int number = map_at(address, size, protection(access),
                        sharing(access) | MAP_FIXED_NOREPLACE, f->fd, &got);

    if (number != 0)
        return number;
    if (got != address) {
        munmap(got, size);
        return EEXIST;
    }
    *base = got;
    return 0;
}

/* EOVERFLOW: no file of this file system can be so long. */
static tn_status map_failed(int number, const struct file *f, size_t size,
                            const void *address)
{
    if (number == EEXIST)
        return error_set(TN_EBUSY,
                         "%s: something else is mapped at or behind %p",
                         f->path, address);
    if (number == ENOMEM || number == EOVERFLOW)
        return error_set(TN_ENOMEM, "%s: cannot map %zu bytes: %s", f->path,
                         size, strerror(number));
    return error_from_errno(number, "%s: cannot map %zu bytes", f->path, size);
}

tn_status region_map(struct region *r, const struct file *f,
                     enum region_access access, size_t size, void *address)
{
    size_t page = region_page_size();
    char *base = NULL;
    int number;

    if (size == 0 || (uintptr_t)address % page != 0)
        return error_set(TN_EINVAL,
                         "%s: cannot map %zu bytes at %p: not whole pages",
                         f->path, size, address);
    if (size > SIZE_MAX / 2)
        return map_failed(ENOMEM, f, size, address);
    size = round_up(size, page);

    number = fault_point(&(struct fault_event){.op = FAULT_MAP,
                                               .path = f->path,
                                               .device = f->device,
                                               .inode = f->inode,
                                               .size = size});
    if (number == 0)
        number = address == NULL ? map_aligned(f, access, size, &base)
                                 : map_exactly(f, access, size, address, &base);
    if (number != 0)
        return map_failed(number, f, size, address);
    r->base = base;
    r->size = size;
    return TN_OK;
}

/* Something behind the address may leave room for less, so TN_EBUSY is tried
 * with less too. */
tn_status region_map_most(struct region *r, const struct file *f,
                          enum region_access access, size_t size, size_t least,
                          void *address)
{
    for (;;) {
        tn_status status = region_map(r, f, access, size, address);

        if ((status != TN_ENOMEM && status != TN_EBUSY) || size <= least)
            return status;
        size = size / 2 > least ? size / 2 : least;
    }
}

static bool is_inside(const struct region *r, size_t offset, size_t size)
{
    return offset <= r->size && size <= r->size - offset;
}

static int ask(enum fault_op op, size_t offset, size_t size)
{
    return fault_point(
        &(struct fault_event){.op = op, .offset = offset, .size = size});
}

tn_status region_map_zero(struct region *r, size_t offset, size_t size)
{
    size_t page = region_page_size();
    char *base;
    int number;

    TN_ASSERT(is_inside(r, offset, size));
    TN_ASSERT(offset % page == 0 && size % page == 0);
    if (size == 0)
        return TN_OK;
    number = ask(FAULT_MAP, offset, size);
    if (number == 0)
        number = map_at(r->base + offset, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
                        -1, &base);
    if (number != 0)
        return error_from_errno(number, "cannot map %zu zero bytes", size);
    return TN_OK;
}

void region_unmap(struct region *r)
{
    if (r->size > 0)
        munmap(r->base, r->size);
    *r = (struct region){.base = NULL, .size = 0};
}

/* What is mapped */

tn_status region_flush(const struct region *r, size_t offset, size_t size)
{
    size_t start = round_down(offset, region_page_size());
    int number;

    TN_ASSERT(is_inside(r, offset, size));
    if (size == 0)
        return TN_OK;
    number = ask(FAULT_FLUSH, offset, size);
    if (number == 0 &&
        msync(r->base + start, size + (offset - start), MS_SYNC) != 0)
        number = errno;
    if (number != 0)
        return error_set(TN_EIO, "cannot write %zu mapped bytes at %zu: %s",
                         size, offset, strerror(number));
    return TN_OK;
}

tn_status region_discard(const struct region *r, size_t offset, size_t size)
{
    int number;

    TN_ASSERT(is_inside(r, offset, size));
    number = ask(FAULT_DISCARD, offset, size);
    if (number == 0 && madvise(r->base + offset, size, MADV_DONTNEED) != 0)
        number = errno;
    /* Pages that are locked into memory need another word (Linux 5.18). */
    if (number == EINVAL &&
        madvise(r->base + offset, size, MADV_DONTNEED_LOCKED) == 0)
        return TN_OK;
    if (number != 0)
        return error_from_errno(number, "cannot drop %zu mapped bytes at %zu",
                                size, offset);
    return TN_OK;
}

/* Drop pieces together, up to PIECES of them.  Returns how many were; 0: one by
 * one, please, which also finds out what is wrong. */
static size_t discard_together(const struct region *r,
                               const struct region_piece *pieces, size_t count)
{
    static bool impossible; /* here; only a hint, so threads may race */
    struct iovec vector[PIECES];
    size_t n = count < PIECES ? count : PIECES, total = 0, done = 0;
    long dropped;

    if (n < 2 || __atomic_load_n(&impossible, __ATOMIC_RELAXED) ||
        ask(FAULT_DISCARD, pieces[0].offset, pieces[0].size) != 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        TN_ASSERT(is_inside(r, pieces[i].offset, pieces[i].size));
        vector[i] = (struct iovec){r->base + pieces[i].offset, pieces[i].size};
    }
    dropped = syscall(SYS_process_madvise, SELF, vector, n, MADV_DONTNEED, 0);
    if (dropped < 0 && errno != EINTR && errno != EAGAIN)
        __atomic_store_n(&impossible, true, __ATOMIC_RELAXED);
    while (dropped > 0 && done < n &&
           total + pieces[done].size <= (size_t)dropped)
        total += pieces[done++].size;
    return done;
}

tn_status region_discard_all(const struct region *r,
                             const struct region_piece *pieces, size_t count)
{
    tn_status status = TN_OK;
    size_t i = 0;

    while (status == TN_OK && i < count) {
        size_t done = discard_together(r, pieces + i, count - i);

        if (done == 0) {
            status = region_discard(r, pieces[i].offset, pieces[i].size);
            done = 1;
        }
        i += done;
    }
    return status;
}

/* Read-ahead brings in folios of up to 2 MiB where the kernel has them, and
 * ext4 goes through all blocks of one for each write to a part of it (Linux
 * 6.18: 50 us).  It is a hint, so it may fail. */
void region_expect_blank(const struct region *r, size_t offset, size_t size)
{
    size_t start = round_up(offset, region_page_size());
    size_t end = round_down(offset + size, region_page_size());

    TN_ASSERT(is_inside(r, offset, size));
    if (start < end)
        (void)madvise(r->base + start, end - start, MADV_RANDOM);
}

tn_status region_pin(const struct region *r)
{
    if (mlock(r->base, r->size) == 0)
        return TN_OK;
    return error_from_errno(errno, "cannot keep %zu mapped bytes in memory",
                            r->size);
}

tn_status region_protect(const struct region *r, size_t offset, size_t size,
                         bool writable)
{
    int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    int number;

    TN_ASSERT(is_inside(r, offset, size));
    TN_ASSERT(offset % region_page_size() == 0);
    if (size == 0)
        return TN_OK;
    number = ask(FAULT_PROTECT, offset, size);
    if (number == 0 && mprotect(r->base + offset, size, prot) != 0)
        number = errno;
    if (number != 0)
        return error_from_errno(number, "cannot protect %zu bytes at %zu", size,
                                offset);
    return TN_OK;
}

/* The boot id is 36 characters of a random UUID. */
uint64_t region_boot_id(void)
{
    char text[64];
    ssize_t length;
    uint64_t id;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    length = TEMP_FAILURE_RETRY(read(fd, text, sizeof(text)));
    close(fd);
    if (length < 36)
        return 0;
    id = digest64(text, 36);
    return id == 0 ? 1 : id;
}
