/* stream.c - where a snapshot's bytes come from or go to
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "image/stream.h"
#include "base/assert.h"
#include "base/error.h"
#include "os/descriptor.h"

#include <stdlib.h>
#include <string.h>

tn_status stream_open(struct stream *stream)
{
    stream->buffer = malloc(STREAM_ROOM);
    return stream->buffer != NULL
               ? TN_OK
               : error_set(TN_ENOMEM, "%s: no memory", stream->name);
}

void stream_close(struct stream *stream)
{
    free(stream->buffer);
    stream->buffer = NULL;
}

uint64_t stream_offset(const struct stream *stream)
{
    return stream->offset + stream->at;
}

/* --- Reading -------------------------------------------------------------- */

static tn_status read_file(struct stream *stream, void *bytes, size_t size,
                           size_t *got)
{
    uint64_t end, at = stream->offset + stream->have;
    tn_status status = file_size(stream->file, &end);

    if (status != TN_OK)
        return status;
    *got = at >= end ? 0 : end - at < size ? (size_t)(end - at) : size;
    return *got == 0 ? TN_OK : file_read(stream->file, bytes, *got, at);
}

/* A function may give less than it is asked for; nothing is the end. */
static tn_status read_function(struct stream *stream, void *bytes, size_t size,
                               size_t *got)
{
    tn_status status = stream->read(stream->arg, bytes, size, got);

    if (status == TN_OK && *got > size)
        return error_set(TN_EINVAL,
                         "%s: the function gave more than it was "
                         "asked for",
                         stream->name);
    return status;
}

static tn_status read_some(struct stream *stream, size_t *got)
{
    void *room = stream->buffer + stream->have;
    size_t size = STREAM_ROOM - stream->have;
    tn_status status;

    if (stream->file != NULL)
        return read_file(stream, room, size, got);
    if (stream->read != NULL)
        return read_function(stream, room, size, got);
    status = descriptor_read(stream->fd, room, size, got);
    return status == TN_OK ? TN_OK : error_prefix(status, "%s", stream->name);
}

tn_status stream_look(struct stream *stream, size_t size, const char **bytes,
                      size_t *have)
{
    tn_status status = TN_OK;
    size_t got;

    TN_ASSERT(size <= STREAM_ROOM);
    if (stream->at + size > STREAM_ROOM) {
        memmove(stream->buffer, stream->buffer + stream->at,
                stream->have - stream->at);
        stream->offset += stream->at;
        stream->have -= stream->at;
        stream->at = 0;
    }
    while (status == TN_OK && !stream->ended &&
           stream->have - stream->at < size) {
        status = read_some(stream, &got);
        if (status == TN_OK && got == 0)
            stream->ended = true;
        else if (status == TN_OK)
            stream->have += got;
    }
    *bytes = stream->buffer + stream->at;
    *have = stream->have - stream->at;
    return status;
}

void stream_skip(struct stream *stream, size_t size)
{
    TN_ASSERT(size <= stream->have - stream->at);
    stream->at += size;
}

tn_status stream_take(struct stream *stream, void *bytes, size_t size)
{
    char *to = bytes;
    const char *from;
    size_t n, have;
    tn_status status;

    for (; size > 0; size -= n, to += n) {
        n = size < STREAM_ROOM ? size : STREAM_ROOM;
        status = stream_look(stream, n, &from, &have);
        if (status != TN_OK)
            return status;
        if (have < n)
            return error_set(TN_ECORRUPT, "%s: it has been cut off",
                             stream->name);
        memcpy(to, from, n);
        stream_skip(stream, n);
    }
    return TN_OK;
}

/* --- Writing -------------------------------------------------------------- */

static tn_status write_out(struct stream *stream, const void *bytes,
                           size_t size)
{
    tn_status status;

    if (stream->file != NULL)
        return file_write(stream->file, bytes, size, stream->offset);
    if (stream->write != NULL)
        return stream->write(stream->arg, bytes, size);
    status = descriptor_write(stream->fd, bytes, size);
    return status == TN_OK ? TN_OK : error_prefix(status, "%s", stream->name);
}

tn_status stream_flush(struct stream *stream)
{
    tn_status status = TN_OK;

    if (stream->at != 0)
        status = write_out(stream, stream->buffer, stream->at);
    stream->offset += stream->at;
    stream->at = 0;
    return status;
}

tn_status stream_put(struct stream *stream, const void *bytes, size_t size)
{
    const char *from = bytes;
    tn_status status = TN_OK;

    for (size_t n; size > 0 && status == TN_OK; from += n, size -= n) {
        if (stream->at == STREAM_ROOM)
            status = stream_flush(stream);
        n = STREAM_ROOM - stream->at;
        if (n > size)
            n = size;
        if (status == TN_OK)
            memcpy(stream->buffer + stream->at, from, n);
        stream->at += n;
    }
    return status;
}
