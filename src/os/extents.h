/* extents.h - which bytes of a file have blocks on the disk
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_EXTENTS_H
#define OS_EXTENTS_H

#include "os/file.h"

/* Has every one of the file's first size bytes a block on the disk, written to
 * or not?  No, if it cannot be told, or not soon. */
bool extents_cover(const struct file *f, uint64_t size);

/* The longest run of bytes that were never written to disk, as far as can be
 * told soon; both the file's size if there is none.  Fails as file_size(). */
tn_status extents_find_blank(const struct file *f, uint64_t *start,
                             uint64_t *end);

#endif
