/* pagemap.h - what the kernel knows of the pages of a mapping
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_PAGEMAP_H
#define OS_PAGEMAP_H

#include "tenon/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Open /proc/self/pagemap.  TN_ENOTSUP, TN_EACCES, TN_ENOENT: not to be had
 * here. */
tn_status pagemap_open(int *fd);
void pagemap_close(int fd);

/* Bytes of addresses, both multiples of the page size. */
struct pagemap_range {
    uint64_t start, end;
};

/* Each of these puts up to count ranges into ranges, ascending, of pages
 * between start and end.  *next is where to go on, end when all was seen.
 * TN_ENOTSUP: this kernel does not know how.
 *
 * Pages that are private copies now, in memory or in swap: by the PAGEMAP_SCAN
 * ioctl (Linux 6.7), or from eight bytes read for every page, mapped or not. */
tn_status pagemap_scan(int fd, uint64_t start, uint64_t end,
                       struct pagemap_range *ranges, size_t count,
                       size_t *found, uint64_t *next);
tn_status pagemap_read(int fd, uint64_t start, uint64_t end,
                       struct pagemap_range *ranges, size_t count,
                       size_t *found, uint64_t *next);

/* Pages, in memory or in swap, that were written since they were last taken, or
 * never were; they count as not written from now on.  All addresses must be
 * watched (os/uffd.h).  After a failure, some may have been taken without a
 * word. */
tn_status pagemap_take(int fd, uint64_t start, uint64_t end,
                       struct pagemap_range *ranges, size_t count,
                       size_t *found, uint64_t *next);

#endif
