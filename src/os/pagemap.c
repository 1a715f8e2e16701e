/* pagemap.c - what the kernel knows of the pages of a mapping
 *
 * A page of a private file mapping is either the file's own or a copy, made
 * when it was first written to.  /proc/self/pagemap tells them apart: bit 61 is
 * set for pages of files, bit 62 for pages in swap, bit 63 for pages in memory
 * (Documentation/admin-guide/mm/pagemap.rst in the Linux sources).  A copy is
 * in memory or in swap, and not a file's.
 *
 * PAGEMAP_SCAN asks the same of many pages at once and skips what has no page
 * tables.  Its structures are declared here, since many systems' headers are
 * older than the kernels they run on.
 *
 * The same call can ask what was written, where userfaultfd watches, and
 * protect those pages anew in the same step.  It is then told to look at pages
 * that are present or swapped, and at no others:
 *
 *     category   present | swapped, and written
 *                   in memory           in swap          no page, or a mark
 *     written       found, protected    found, protected  passed over
 *     not written   passed over         passed over       passed over
 *
 * "Written and present" would miss what was swapped out after it was written,
 * and protecting what has no page would fill page tables for all the addresses.
 * A page that is read for the first time counts as written.
 *
 * Marks that other features of the kernel leave in page tables show as copies;
 * so a page that is named here may not differ from the file's, but none that
 * does is missing.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/pagemap.h"
#include "base/bytes.h"
#include "base/error.h"
#include "os/fault.h"
#include "os/region.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* linux/fs.h */
struct scan_region {
    uint64_t start, end, categories;
};

struct scan_arguments {
    uint64_t size, flags, start, end, walk_end;
    uint64_t vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask;
    uint64_t return_mask;
};

#define SCAN_IOCTL   _IOWR('f', 16, struct scan_arguments)
#define SCAN_WRITTEN (UINT64_C(1) << 1)
#define SCAN_FILE    (UINT64_C(1) << 2)
#define SCAN_PRESENT (UINT64_C(1) << 3)
#define SCAN_SWAPPED (UINT64_C(1) << 4)

#define SCAN_PROTECT (UINT64_C(1) << 0) /* PM_SCAN_WP_MATCHING */
#define SCAN_WATCHED (UINT64_C(1) << 1) /* PM_SCAN_CHECK_WPASYNC */

#define BIT_FILE     (UINT64_C(1) << 61)
#define BIT_SWAPPED  (UINT64_C(1) << 62)
#define BIT_PRESENT  (UINT64_C(1) << 63)

enum { SCAN_REGIONS = 512, READ_ENTRIES = 512 };

tn_status pagemap_open(int *fd)
{
    static const char path[] = "/proc/self/pagemap";
    int number =
        fault_point(&(struct fault_event){.op = FAULT_OPEN, .path = path});

    *fd = -1;
    if (number == 0)
        *fd = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC));
    if (number == 0 && *fd < 0)
        number = errno;
    return number == 0 ? TN_OK
                       : error_from_errno(number, "cannot open %s", path);
}

void pagemap_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

static int ask(uint64_t start, uint64_t end)
{
    return fault_point(&(struct fault_event){
        .op = FAULT_PAGEMAP, .offset = start, .size = end - start});
}

/* The ioctl with what its caller wants to know in arguments. */
static tn_status scan(int fd, struct scan_arguments *arguments,
                      struct pagemap_range *ranges, size_t count, size_t *found)
{
    struct scan_region regions[SCAN_REGIONS];
    int number = ask(arguments->start, arguments->end), got = 0;

    arguments->size = sizeof(*arguments);
    arguments->vec = (uint64_t)(uintptr_t)regions;
    arguments->vec_len = count < SCAN_REGIONS ? count : SCAN_REGIONS;
    if (number == 0)
        got = TEMP_FAILURE_RETRY(ioctl(fd, SCAN_IOCTL, arguments));
    if (got < 0)
        number = errno;
    if (number == ENOTTY || number == EINVAL)
        return error_set(TN_ENOTSUP, "the kernel has no PAGEMAP_SCAN (it came "
                                     "with Linux 6.7)");
    if (number != 0)
        return error_from_errno(number, "PAGEMAP_SCAN");
    for (int i = 0; i < got; i++)
        ranges[i] = (struct pagemap_range){regions[i].start, regions[i].end};
    *found = (size_t)got;
    return TN_OK;
}

tn_status pagemap_scan(int fd, uint64_t start, uint64_t end,
                       struct pagemap_range *ranges, size_t count,
                       size_t *found, uint64_t *next)
{
    struct scan_arguments arguments = {
        .start = start,
        .end = end,
        .category_inverted = SCAN_FILE,
        .category_mask = SCAN_FILE,
        .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
        .return_mask = SCAN_FILE | SCAN_PRESENT | SCAN_SWAPPED,
    };
    tn_status status = scan(fd, &arguments, ranges, count, found);

    if (status == TN_OK)
        *next = arguments.walk_end;
    return status;
}

tn_status pagemap_take(int fd, uint64_t start, uint64_t end,
                       struct pagemap_range *ranges, size_t count,
                       size_t *found, uint64_t *next)
{
    struct scan_arguments arguments = {
        .flags = SCAN_PROTECT | SCAN_WATCHED,
        .start = start,
        .end = end,
        .category_mask = SCAN_WRITTEN,
        .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
        .return_mask = SCAN_WRITTEN,
    };
    tn_status status = scan(fd, &arguments, ranges, count, found);

    if (status == TN_OK)
        *next = arguments.walk_end;
    return status;
}

static bool is_copy(uint64_t entry)
{
    return (entry & BIT_FILE) == 0 &&
           (entry & (BIT_PRESENT | BIT_SWAPPED)) != 0;
}

/* Add a page to the ranges; false: there is no room for another. */
static bool add_page(struct pagemap_range *ranges, size_t count, size_t *found,
                     uint64_t page, uint64_t size)
{
    if (*found > 0 && ranges[*found - 1].end == page) {
        ranges[*found - 1].end = page + size;
        return true;
    }
    if (*found == count)
        return false;
    ranges[(*found)++] = (struct pagemap_range){page, page + size};
    return true;
}

/* Read the entries of up to count pages; how many were, or 0 and an error. */
static size_t read_entries(int fd, uint64_t page, uint64_t *entries,
                           size_t count, tn_status *status)
{
    int number =
        ask(page * region_page_size(), (page + count) * region_page_size());
    ssize_t got = 0;

    if (number == 0)
        got = TEMP_FAILURE_RETRY(pread(fd, entries, count * sizeof(entries[0]),
                                       (off_t)(page * sizeof(entries[0]))));
    if (got < 0)
        number = errno;
    else if (number == 0 && got < (ssize_t)sizeof(entries[0]))
        number = EIO;
    if (number == 0)
        return (size_t)got / sizeof(entries[0]);
    *status = error_from_errno(number, "cannot read the page map");
    return 0;
}

tn_status pagemap_read(int fd, uint64_t start, uint64_t end,
                       struct pagemap_range *ranges, size_t count,
                       size_t *found, uint64_t *next)
{
    uint64_t entries[READ_ENTRIES], size = region_page_size();
    tn_status status = TN_OK;

    *found = 0;
    end = round_up(end, size);
    while (start < end) {
        size_t wanted = (size_t)((end - start) / size);

        wanted = read_entries(fd, start / size, entries,
                              wanted < READ_ENTRIES ? wanted : READ_ENTRIES,
                              &status);
        if (status != TN_OK)
            return status;
        for (size_t i = 0; i < wanted; i++, start += size)
            if (is_copy(entries[i]) &&
                !add_page(ranges, count, found, start, size)) {
                *next = start;
                return TN_OK;
            }
    }
    *next = end;
    return TN_OK;
}
