/* disk.h - a disk that remembers what a power cut may leave of it
 *
 * A recorder behind the library's file operations (os/fault.h) keeps for every
 * sector of every file which values may be on disk: the one that the last
 * successful sync of the file covered, and all that were written since.  The
 * same for sizes of files and for names.  A cut takes any combination.
 *
 * A sync that fails covers nothing, and a later one that succeeds does not
 * cover what was written before the failure either, unless it is written again
 * (the page cache takes it for clean).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef CRASH_DISK_H
#define CRASH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SECTOR = 512 };

/* Start recording what happens to files whose names begin with directory, which
 * is empty or whose files were given by disk_load(). */
void disk_start(const char *directory);
void disk_stop(void);

/* Put another disk on top, to be started, while this one's recording pauses;
 * and take it off again. */
void disk_push(void);
void disk_pop(void);

/* Take the files that are in the directory now as being on disk. */
void disk_load(void);

/* Called before every operation that changes what a cut may leave, and after
 * the last one with what NULL: a cut here is one to try.  The hook may refuse
 * the operation with an errno. */
typedef int disk_step_fn(void *arg, const char *what);
void disk_on_step(disk_step_fn *step, void *arg);

/* Called when the operation has been recorded: what is written now was written
 * while it went on, and a sync does not cover it. */
typedef void disk_during_fn(void *arg, const char *what, const char *path);
void disk_on_during(disk_during_fn *during, void *arg);

/* How many sectors, sizes and names are open now: how many bits decide. */
size_t disk_choices(void);

/* Choose one of the disks that a cut now may leave, and hash it.
 * choose(arg, n) picks one of n values of each thing that is open; the last one
 * is what the page cache shows. */
typedef size_t disk_choose_fn(void *arg, size_t n);
uint64_t disk_choose(disk_choose_fn *choose, void *arg);

/* Write into the directory at path, which is empty, the disk chosen last. */
void disk_write(const char *path);

#endif
