/* region.h - address space: reserve, map, protect, flush
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_REGION_H
#define OS_REGION_H

#include "os/file.h"

enum region_access {
    REGION_READ,    /* shared, only for reading */
    REGION_SHARED,  /* shared, writable */
    REGION_PRIVATE, /* copy on write, writable; no swap is reserved for it */
};

struct region {
    char *base;
    size_t size; /* bytes of address space, which may reach past the file */
};

size_t region_page_size(void);

/* Map f from its start over size bytes of addresses (rounded up to pages), also
 * beyond its end, at a multiple of 2 MiB, or at address exactly (then a
 * multiple of the page size; TN_EBUSY: something is there).  TN_ENOMEM: no room
 * of that size. */
tn_status region_map(struct region *r, const struct file *f,
                     enum region_access access, size_t size, void *address);

/* The same, taking less if size is not to be had, down to least. */
tn_status region_map_most(struct region *r, const struct file *f,
                          enum region_access access, size_t size, size_t least,
                          void *address);

/* Put fresh zeroed private memory over bytes at offset, page multiples, for
 * which no swap is reserved. */
tn_status region_map_zero(struct region *r, size_t offset, size_t size);

/* Give the addresses back; r is empty after, and may have been before. */
void region_unmap(struct region *r);

/* Write the changed pages of these bytes to the file and wait.  TN_EIO: they
 * may be lost; do not try again. */
tn_status region_flush(const struct region *r, size_t offset, size_t size);

/* Drop what was stored to these pages of a private region, page multiples: they
 * show the file again. */
tn_status region_discard(const struct region *r, size_t offset, size_t size);

/* The same for many pieces, ascending, in few system calls where the kernel
 * takes more than one at once (Linux 6.13). */
struct region_piece {
    size_t offset, size;
};
tn_status region_discard_all(const struct region *r,
                             const struct region_piece *pieces, size_t count);

/* Of these bytes there is nothing on disk, so do not read ahead. */
void region_expect_blank(const struct region *r, size_t offset, size_t size);

/* Keep the region's pages in memory from now on.  TN_ENOMEM: not allowed. */
tn_status region_pin(const struct region *r);

/* Forbid or allow writing; offset is a multiple of the page size. */
tn_status region_protect(const struct region *r, size_t offset, size_t size,
                         bool writable);

/* The machine's boot, as a number that another boot does not have; 0: not to
 * be found out. */
uint64_t region_boot_id(void);

#endif
