/* file.h - the one door to files
 *
 * Every operation on a file that can change what a crash leaves behind goes
 * through here, so that a test can record it, refuse it or die at it
 * (os/fault.h).  Names in errors are those the caller gave.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_FILE_H
#define OS_FILE_H

#include "tenon/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct file {
    int fd; /* -1: not open */
    bool writable;
    bool unnamed;    /* made, but not published yet */
    char *path;      /* for messages; owned */
    char *temporary; /* where an unnamed file lies meanwhile, or NULL; owned */
    uint64_t device, inode;
    int through; /* a descriptor for file_write_through(), or one of these: */
};
enum { FILE_THROUGH_NEVER = -2, FILE_THROUGH_UNTRIED = -1 };
#define FILE_CLOSED                                                            \
    {                                                                          \
        .fd = -1, .through = FILE_THROUGH_UNTRIED                              \
    }

/* Open an existing regular file.  TN_ENOENT, TN_EACCES, TN_EROFS, TN_ENOMEM,
 * TN_EINVAL (not a regular file; a fifo is not waited for), TN_ESYS. */
tn_status file_open(struct file *f, const char *path, bool writable);

/* Make an empty file without a name, to be written and then named, in the
 * directory of path: O_TMPFILE where the file system has it, else under a
 * temporary name, which stays behind if the process is killed.  mode is set
 * whatever the umask.  As file_open(), and TN_ENOSPC, TN_EROFS. */
tn_status file_create_unnamed(struct file *f, const char *path, mode_t mode);

/* Give it its name path, which file_create_unnamed() was told, and sync the
 * directory.  TN_EEXIST: the name is taken, and replace is false.  TN_EIO: the
 * file has its name (others may use it by now), but a power cut may undo
 * that. */
tn_status file_publish(struct file *f, bool replace);

/* Close; an unnamed file is gone.  Never fails; f is FILE_CLOSED after. */
void file_close(struct file *f);

/* All size bytes at offset, or an error: then buffer, or the file there, may
 * have changed in part.  TN_ESIZE: the file ends before. */
tn_status file_read(const struct file *f, void *buffer, size_t size,
                    uint64_t offset);
tn_status file_write(struct file *f, const void *buffer, size_t size,
                     uint64_t offset);

/* The same for several pieces, in this order, one system call each. */
struct file_piece {
    const void *bytes;
    size_t size;
    uint64_t offset;
};
tn_status file_write_pieces(struct file *f, const struct file_piece *pieces,
                            size_t count);

/* file_write() and file_sync() in one step past the page cache, a tenth or more
 * faster; what was written to f before need not be on disk after.  Size and
 * offset are multiples of FILE_UNIT, and size is at most FILE_THROUGH_MOST.
 * Where this cannot be done, both are done instead.  TN_EIO: it may be there,
 * in part, or not; any other error: it is not. */
enum { FILE_UNIT = 512, FILE_THROUGH_MOST = 16 * 1024 };
tn_status file_write_through(struct file *f, const void *buffer, size_t size,
                             uint64_t offset);

/* These bytes will be read, or be written in part: begin to read them. */
void file_expect(const struct file *f, uint64_t offset, uint64_t size);

tn_status file_size(const struct file *f, uint64_t *size);
tn_status file_mode(const struct file *f, mode_t *mode);

/* Make the file size bytes long with real blocks under all of them, holes in
 * what it had included, so that no store into a mapping can fail later; never
 * shortens.  Where the file system cannot allocate, the new bytes are written
 * as zeros and old holes stay.  TN_ENOSPC: the size is as before.  The caller
 * keeps others from changing the size meanwhile. */
tn_status file_extend(struct file *f, uint64_t size);

/* The same, leaving holes before from as they are. */
tn_status file_extend_from(struct file *f, uint64_t from, uint64_t size);

/* Have real blocks under these bytes of the file, which it has; what is there
 * stays.  Nothing happens where the file system cannot allocate.  TN_ENOSPC. */
tn_status file_fill(struct file *f, uint64_t offset, uint64_t size);

/* Make the file size bytes long; new bytes are a hole. */
tn_status file_truncate(struct file *f, uint64_t size);

/* Punch a hole: the bytes read as zeros, and their whole blocks are given back.
 * TN_ENOTSUP: the file system has none. */
tn_status file_punch(struct file *f, uint64_t offset, uint64_t size);

/* Make these bytes of the file zero, and keep blocks under them, without
 * writing them all.  After a failure any of them may be zero; TN_ENOTSUP: the
 * file system has no such thing, and nothing happened. */
tn_status file_zero(struct file *f, uint64_t offset, uint64_t size);

/* The first byte at or behind offset that may be something else than a hole,
 * and the first behind it that may be one; both the file's size if there is
 * none.
 * Blocks that were allocated and not written yet count as holes.  Where the
 * file system does not tell, all is data. */
tn_status file_find_data(const struct file *f, uint64_t offset, uint64_t *start,
                         uint64_t *end);

/* Is at least one in FILE_DENSITY of these bytes, which lie in the file, no
 * hole?  Less than a mebibyte always counts as dense.  What was written is,
 * though a copy of it may have holes for some of its zeros; what a file only
 * claims to hold is not, and would take as long to read. */
enum { FILE_DENSITY = 64 };
tn_status file_is_dense(const struct file *f, uint64_t offset, uint64_t size,
                        bool *dense);

/* Bytes of the blocks that the file has on disk. */
tn_status file_disk_bytes(const struct file *f, uint64_t *bytes);

/* fdatasync.  TN_EIO: what was written may be lost; do not try again. */
tn_status file_sync(struct file *f);

/* Take the name away and sync the directory.  TN_ENOENT.  TN_EIO: it is gone,
 * but a power cut may bring it back. */
tn_status file_unlink(const char *path);

/* A number that no other file has while this one exists. */
uint64_t file_identity(const struct file *f);

/* Does any directory still name it? */
bool file_has_name(const struct file *f);

/* Sync the directory that f's path is in.  TN_EIO, TN_EACCES. */
tn_status file_sync_directory(const struct file *f);

/* Is there a file at f's path, and is it f? */
bool file_still_named(const struct file *f);

#endif
