/* uffd.h - have the kernel note which pages are written
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_UFFD_H
#define OS_UFFD_H

#include "os/region.h"

/* Watch all addresses of r for writes from now on, until uffd_close() or until
 * they are unmapped; pagemap_take() tells which pages were written.
 * TN_ENOTSUP, TN_EACCES, TN_ESYS: not to be had here, *fd is -1. */
tn_status uffd_open(int *fd, const struct region *r);

/* Only the process that opened it stops watching. */
void uffd_close(int fd);

#endif
