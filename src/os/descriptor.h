/* descriptor.h - read and write what the caller has opened, from where it is
 *
 * For pipes, sockets and terminals, which have no offsets; files have file.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_DESCRIPTOR_H
#define OS_DESCRIPTOR_H

#include "tenon/status.h"

/* Read up to size bytes into buffer and put how many into *got: fewer only at
 * the end.  TN_EIO, TN_EINVAL (it is no descriptor for reading), TN_ESYS. */
tn_status descriptor_read(int fd, void *buffer, size_t size, size_t *got);

/* Write all size bytes.  TN_ENOSPC, TN_EIO, TN_ESYS. */
tn_status descriptor_write(int fd, const void *bytes, size_t size);

#endif
