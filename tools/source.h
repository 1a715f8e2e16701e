/* source.h - the bytes of a file or a pipe, on their way into an object
 *
 *     struct source source;
 *     if (source_open(&source, AT_FDCWD, "photo.jpg", 0))
 *         status = source_store(&source, seg, "photo", false);
 *     source_close(&source);
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_SOURCE_H
#define TENON_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include <tenon.h>

struct source {
    int fd;
    struct stat stat; /* when it was opened, or last looked at */
    char *memory;     /* all bytes, once they had to be read ahead; or NULL */
    size_t size;      /* bytes stored, once they are */
    const char *why;  /* why it could not be read; or NULL */
};

/* Open the file at path, from the directory dir (or AT_FDCWD), with more flags
 * of open(2), for reading; path NULL: standard input.  False: it cannot be
 * read, and source->why says why. */
bool source_open(struct source *source, int dir, const char *path, int flags);
void source_close(struct source *source);

/* Read what is no regular file into memory now, since it may take its time.
 * False: it cannot be read; source->why says why. */
bool source_wait(struct source *source);

/* Make a byte object of this name with the bytes of source, within a
 * transaction.  If there is one and replace is set, it is replaced.
 *
 *   TN_ECANCELED  source could not be read, and nothing is changed;
 *                 source->why says why
 *   TN_EEXIST     there is one, and replace is not set
 *   other         as tn_construct(); the old object may be gone, so the
 *                 transaction has to be rolled back */
tn_status source_store(struct source *source, tn_segment *seg, const char *name,
                       bool replace);

/* Whether the size bytes at data are all that the file has.  A file that
 * cannot be read is not the same. */
bool source_is_same(struct source *source, const void *data, size_t size);

#endif
