/* stream.h - where a snapshot's bytes come from or go to
 *
 * A file, a descriptor or the caller's function, from beginning to end.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef IMAGE_STREAM_H
#define IMAGE_STREAM_H

#include "os/file.h"
#include "tenon/image.h"

#include <stdbool.h>

enum { STREAM_ROOM = 512 * 1024 }; /* bytes that one can look ahead */

struct stream {
    struct file *file; /* or */
    tn_read_fn *read;  /* or */
    tn_write_fn *write;
    void *arg;
    int fd;           /* if none of these */
    const char *name; /* for messages */
    uint64_t offset;  /* of the first byte in the buffer */
    char *buffer;     /* STREAM_ROOM bytes */
    size_t at, have;  /* in the buffer: where to go on, and what is there */
    bool ended;       /* nothing comes behind the buffer */
};

/* Get the buffer.  TN_ENOMEM.  stream_close() closes nothing of the caller's
 * and does not flush. */
tn_status stream_open(struct stream *stream);
void stream_close(struct stream *stream);

/* Bytes read or written so far. */
uint64_t stream_offset(const struct stream *stream);

/* Reading: have at least size bytes, at most STREAM_ROOM, at *bytes, or all
 * there are; *have says how many.  stream_skip() goes on behind size of
 * them. */
tn_status stream_look(struct stream *stream, size_t size, const char **bytes,
                      size_t *have);
void stream_skip(struct stream *stream, size_t size);

/* Take exactly size bytes.  TN_ECORRUPT: the stream ends before. */
tn_status stream_take(struct stream *stream, void *bytes, size_t size);

/* Writing. */
tn_status stream_put(struct stream *stream, const void *bytes, size_t size);
tn_status stream_flush(struct stream *stream);

#endif
