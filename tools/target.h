/* target.h - files that are written beside their place and moved into it
 *
 *     struct target target;
 *     if (target_begin(&target, dir, 0644)) {
 *         if (write_all(target.fd, data, n) && target_place(&target, "photo",
 *                                                           false))
 *             return true;
 *         ...errno says why...
 *     }
 *
 * So nobody sees half a file under its name, and if it cannot be written
 * completely, what was there is still there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_TARGET_H
#define TENON_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct target {
    int fd;  /* to write to */
    int dir; /* of the file's directory */
    char temporary[48];
};

/* Make an empty file under a passing name in the directory dir.  False: errno
 * says why. */
bool target_begin(struct target *target, int dir, mode_t mode);

/* Give the file its name; over is whether it may take the place of another.
 * False: errno says why (EEXIST: there is one), and the file is gone. */
bool target_place(struct target *target, const char *name, bool over);

/* Forget the file; errno stays. */
void target_drop(struct target *target);

/* Write all n bytes.  False: errno says why. */
bool write_all(int fd, const void *data, size_t n);

#endif
