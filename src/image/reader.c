/* reader.c - read a whole snapshot, believing nothing of it
 *
 *     this file, in order    frames: what they are, where they end, which
 *                            chunk they hold
 *     pipeline.c             by several threads: decompress, digest, write
 *     this file, in order    digest of the whole, comparison with the indexes
 *
 * These hold for what is read, and whatever does not fit is refused at once:
 *
 *   R1  The header is sound and its sizes are possible.
 *   R2  Chunks come in ascending order, each at most once.  Without a base none
 *       is missing; a place says how many are left out, and leaves some out.
 *   R3  A chunk's frame is no longer than the longest that can be, and holds
 *       its chunk and nothing else.
 *   R4  The first page of the image is that of the store and commit that the
 *       header names.
 *   R5  An index comes where a group of chunks ends and nowhere else, and is,
 *       byte for byte, what the chunks that were read make it.
 *   R6  Nothing comes behind the last index.
 *
 * So no number that is read decides how much memory is taken or how long a loop
 * runs, but for the size of the image, and reading an image of that size takes
 * a frame for each of its chunks, or a base that has them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "image/reader.h"
#include "base/error.h"
#include "image/base.h"
#include "image/header.h"
#include "image/index.h"
#include "image/pipeline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct reader *reader;
    struct base *base; /* NULL: none */
    struct file *target;
    struct pipeline *pipeline;
    struct digest_stream *whole;
    struct index_frame index;
    struct slot zero;  /* a chunk of zeros, as it is written by default */
    uint64_t end;      /* of the group that is being read */
    uint64_t next;     /* chunk of the image to be read next */
    uint64_t number;   /* of the next chunk in the stream */
    bool placed;       /* a place was read, and no chunk since */
    uint64_t previous; /* where the index before begins */
    uint64_t held;     /* chunks in the stream */
    struct digest128 digest;
};

static tn_status refuse(const struct reading *r, const char *why)
{
    return error_set(TN_ECORRUPT, "%s: the snapshot is damaged: %s",
                     r->reader->in->name, why);
}

static tn_status refuse_chunk(const struct reading *r, uint64_t number,
                              const char *why)
{
    return error_set(TN_ECORRUPT,
                     "%s: the snapshot is damaged: chunk %" PRIu64 ": %s",
                     r->reader->in->name, number, why);
}

static bool has_base(const struct reading *r)
{
    return (r->reader->header.flags & IMAGE_SINCE) != 0;
}

static uint64_t image_bytes(const struct reading *r)
{
    return r->reader->header.image_bytes;
}

/* --- What threads do ------------------------------------------------------ */

static bool is_zero(const char *page)
{
    return page[0] == 0 && memcmp(page, page + 1, STORE_PAGE - 1) == 0;
}

/* Runs of pages that are not zero. */
static tn_status write_chunk(struct file *target, const struct slot *slot)
{
    uint64_t offset = slot->number * IMAGE_CHUNK;
    tn_status status = TN_OK;
    size_t at = 0, end;

    while (at < slot->size && status == TN_OK) {
        if (is_zero(slot->bytes + at)) {
            at += STORE_PAGE;
            continue;
        }
        for (end = at + STORE_PAGE; end < slot->size; end += STORE_PAGE)
            if (is_zero(slot->bytes + end))
                break;
        status = file_write(target, slot->bytes + at, end - at, offset + at);
        at = end;
    }
    return status;
}

static bool is_zero_frame(const struct reading *r, const struct slot *slot)
{
    return slot->size == IMAGE_CHUNK &&
           slot->frame_size == r->zero.frame_size &&
           memcmp(slot->frame, r->zero.frame, slot->frame_size) == 0;
}

static tn_status decode(struct reading *r, struct worker *worker,
                        struct slot *slot)
{
    tn_status status;

    slot->zero = is_zero_frame(r, slot);
    if (slot->zero) {
        slot->encoded = r->zero.encoded;
        slot->digest = r->zero.digest;
        return TN_OK;
    }
    slot->encoded = digest64(slot->frame, slot->frame_size);
    status = decompress_chunk(worker->coder, slot->frame, slot->frame_size,
                              slot->bytes, slot->size);
    if (status == TN_OK)
        slot->digest = digest128(slot->bytes, slot->size);
    return status;
}

static tn_status read_chunk(void *arg, struct worker *worker, struct slot *slot)
{
    struct reading *r = arg;
    tn_status status = decode(r, worker, slot);

    if (status == TN_OK && slot->has_wanted &&
        !digest_equal(slot->digest, slot->wanted))
        status = error_set(TN_ECORRUPT,
                           "%s: the base is damaged: chunk %" PRIu64
                           " is not what its digest says",
                           r->reader->options->base, slot->number);
    else if (status == TN_ECORRUPT)
        status = error_prefix(status, "%s",
                              slot->from_base ? r->reader->options->base
                                              : r->reader->in->name);
    if (status == TN_OK && slot->number == 0 && slot->zero)
        status = refuse_chunk(r, 0, "it is not that of a store");
    else if (status == TN_OK && slot->number == 0)
        status =
            header_match(r->reader->in->name, &r->reader->header, slot->bytes);
    if (status == TN_OK && r->target != NULL && !slot->zero)
        status = write_chunk(r->target, slot);
    return status;
}

/* --- Chunks in order ------------------------------------------------------ */

/* Take the oldest chunk. */
static tn_status take(struct reading *r)
{
    const struct slot *slot = pipeline_take(r->pipeline);
    struct image_entry entry = {.number = slot->number,
                                .low = slot->digest.low,
                                .high = slot->digest.high,
                                .encoded = slot->encoded,
                                .frame_bytes = (uint32_t)slot->frame_size,
                                .chunk_bytes = (uint32_t)slot->size};
    tn_status status = slot->status;

    if (status != TN_OK)
        error_set(status, "%s", slot->why);
    else if (!slot->from_base)
        index_add(&r->index, &entry);
    if (status == TN_OK)
        digest_stream_add(r->whole, slot->zero ? r->zero.bytes : slot->bytes,
                          slot->size);
    pipeline_release(r->pipeline);
    return status == TN_OK
               ? image_progress(r->reader->options, r->reader->in->name,
                                entry.number, image_bytes(r))
               : status;
}

/* A slot for the chunk that comes next in the image. */
static tn_status next_slot(struct reading *r, struct slot **out)
{
    tn_status status = TN_OK;

    while (status == TN_OK && (*out = pipeline_room(r->pipeline)) == NULL)
        status = take(r);
    if (status != TN_OK)
        return status;
    (*out)->number = r->next;
    (*out)->size = image_chunk_bytes(image_bytes(r), r->next);
    r->next++;
    return TN_OK;
}

/* The chunks before end that the stream leaves out. */
static tn_status fill_gap(struct reading *r, uint64_t end)
{
    struct slot *slot;
    tn_status status = TN_OK;

    if (r->base == NULL)
        r->next = end;
    while (r->next < end && status == TN_OK) {
        status = next_slot(r, &slot);
        if (status != TN_OK)
            return status;
        slot->from_base = true;
        status = base_fetch(r->base, slot);
        if (status == TN_OK)
            pipeline_feed(r->pipeline);
    }
    return status;
}

static tn_status find_frame(struct reading *r, const char **frame,
                            size_t *length)
{
    size_t have, need;
    bool whole;
    tn_status status =
        stream_look(r->reader->in, compress_bound(), frame, &have);

    if (status == TN_OK)
        status = compress_measure(*frame, have, &need, &whole);
    if (status == TN_ECORRUPT)
        return error_prefix(status, "%s", r->reader->in->name);
    if (status != TN_OK)
        return status;
    if (need > compress_bound())
        return refuse_chunk(r, r->number, "it is longer than a chunk can be");
    if (!whole)
        return refuse_chunk(r, r->number, "it has been cut off");
    *length = need;
    return TN_OK;
}

static tn_status feed_chunk(struct reading *r)
{
    struct slot *slot;
    const char *frame = NULL;
    size_t length = 0;
    tn_status status;

    if (r->number >= r->end)
        return refuse(r, "there are more chunks than there should be");
    status = fill_gap(r, r->number);
    if (status == TN_OK)
        status = find_frame(r, &frame, &length);
    if (status == TN_OK)
        status = next_slot(r, &slot);
    if (status != TN_OK)
        return status;
    memcpy(slot->frame, frame, length);
    slot->frame_size = length;
    stream_skip(r->reader->in, length);
    pipeline_feed(r->pipeline);
    r->number++;
    r->held++;
    r->placed = false;
    return TN_OK;
}

static tn_status take_place(struct reading *r)
{
    struct image_frame frame;
    struct image_place place;
    tn_status status = stream_take(r->reader->in, &frame, sizeof(frame));

    if (status == TN_OK &&
        (frame.bytes != sizeof(place) || !has_base(r) || r->placed))
        return refuse(r, "a chunk is left out that must not be");
    if (status == TN_OK)
        status = stream_take(r->reader->in, &place, sizeof(place));
    if (status != TN_OK)
        return status;
    if (place.digest != digest64(&place.number, sizeof(place.number)) ||
        place.number <= r->number || place.number >= r->end)
        return refuse(r, "its chunks are not in order");
    r->number = place.number;
    r->placed = true;
    return TN_OK;
}

/* --- Indexes -------------------------------------------------------------- */

/* Why are the bytes of the stream not those that its chunks make? */
static tn_status explain(const struct reading *r, const char *theirs,
                         size_t size)
{
    const struct image_entry *own = index_entries(&r->index), *other;
    struct image_index head;

    if (!index_is_sound(theirs, size, &head))
        return refuse(r, "its index is damaged");
    other = (const struct image_entry *)(theirs + sizeof(struct image_frame) +
                                         sizeof(head));
    for (uint64_t i = 0; i < r->index.count; i++)
        if (memcmp(&own[i], &other[i], sizeof(*own)) != 0)
            return refuse_chunk(r, own[i].number,
                                "it is not what its digest says");
    return refuse(r, "the digest of the whole, or a place in it, is wrong");
}

static tn_status compare_index(struct reading *r, const char *theirs,
                               size_t size, bool last)
{
    struct image_tail tail = {.previous = r->previous,
                              .last = last,
                              .offset = stream_offset(r->reader->in) - size};

    if (last && (r->base != NULL || !has_base(r)))
        r->digest = digest_stream_value(r->whole);
    else if (last) /* known only with the base */
        r->digest =
            (struct digest128){index_tail_of(theirs, r->index.count)->low,
                               index_tail_of(theirs, r->index.count)->high};
    tail.low = r->digest.low;
    tail.high = r->digest.high;
    index_seal(&r->index, &tail);
    if (memcmp(r->index.bytes, theirs, size) != 0)
        return explain(r, theirs, size);
    r->previous = tail.offset;
    return TN_OK;
}

static tn_status take_index_bytes(struct reading *r, uint32_t bytes, bool last)
{
    size_t size = index_frame_bytes(r->index.count);
    char *theirs;
    tn_status status;

    if (bytes != size - sizeof(struct image_frame))
        return refuse(r, "its index is not that of its chunks");
    theirs = malloc(size);
    if (theirs == NULL)
        return error_set(TN_ENOMEM, "%s: no memory for an index",
                         r->reader->in->name);
    status = stream_take(r->reader->in, theirs, size);
    if (status == TN_OK)
        status = compare_index(r, theirs, size, last);
    free(theirs);
    return status;
}

static tn_status check_end(struct reading *r)
{
    const char *bytes;
    size_t have;
    tn_status status = stream_look(r->reader->in, 1, &bytes, &have);

    return status == TN_OK && have != 0
               ? refuse(r, "something comes behind its end")
               : status;
}

static void begin_group(struct reading *r, uint64_t first)
{
    r->end = image_group_end(image_bytes(r), first);
    index_begin(&r->index, first, r->end);
}

/* An index ends the group that is being read. */
static tn_status take_index(struct reading *r, uint32_t bytes, bool *ended)
{
    bool last = r->end == image_chunks(image_bytes(r));
    tn_status status;

    if (r->placed || (!has_base(r) && r->number != r->end))
        return refuse_chunk(r, r->number, "it is missing");
    status = fill_gap(r, r->end);
    while (status == TN_OK && pipeline_take(r->pipeline) != NULL)
        status = take(r);
    if (status == TN_OK)
        status = take_index_bytes(r, bytes, last);
    if (status == TN_OK && last)
        status = check_end(r);
    else if (status == TN_OK)
        begin_group(r, r->end);
    *ended = last;
    return status;
}

/* --- All of it ------------------------------------------------------------ */

static tn_status take_frame(struct reading *r, bool *ended)
{
    struct image_frame frame;
    const char *bytes;
    size_t have;
    tn_status status = stream_look(r->reader->in, sizeof(frame), &bytes, &have);

    if (status != TN_OK)
        return status;
    if (have < sizeof(frame))
        return refuse(r, "it has been cut off");
    memcpy(&frame, bytes, sizeof(frame));
    switch (frame.magic) {
    case FRAME_CHUNK:
        return feed_chunk(r);
    case FRAME_PLACE:
        return take_place(r);
    case FRAME_INDEX:
        return take_index(r, frame.bytes, ended);
    default:
        return refuse(r, "there is something in it that does not belong "
                         "there");
    }
}

static tn_status prepare(struct reading *r)
{
    uint64_t chunks = image_chunks(image_bytes(r));
    tn_status status =
        index_open(&r->index, chunks < IMAGE_GROUP ? chunks : IMAGE_GROUP);

    r->whole = digest_stream_open();
    if (status == TN_OK && r->whole == NULL)
        status = error_set(TN_ENOMEM, "no memory for a digest");
    if (status == TN_OK)
        status =
            image_make_zeros(&r->zero, image_bytes(r), COMPRESS_LEVEL_DEFAULT);
    if (status == TN_OK)
        status = pipeline_open(&r->pipeline, r->reader->options->threads,
                               chunks, read_chunk, r);
    return status;
}

static void fill_info(const struct reading *r, tn_snapshot_info *info)
{
    image_describe(&r->reader->header, info);
    info->snapshot_size = stream_offset(r->reader->in);
    info->chunks_held = r->held;
    image_put_digest(info->digest, r->digest);
}

tn_status reader_run(struct reader *reader, struct file *target,
                     tn_snapshot_info *info)
{
    struct reading *r = reader->reading;
    bool ended = false;
    tn_status status = prepare(r);

    r->target = target;
    if (status == TN_OK)
        begin_group(r, 0);
    while (status == TN_OK && !ended)
        status = take_frame(r, &ended);
    /* After a refusal its threads still write into the caller's file. */
    pipeline_close(r->pipeline);
    r->pipeline = NULL;
    if (status == TN_OK && target != NULL)
        status = file_truncate(target, image_bytes(r));
    if (status == TN_OK)
        fill_info(r, info);
    return status;
}

static tn_status open_base(struct reader *reader)
{
    struct reading *r = reader->reading;
    const char *path = reader->options->base;
    tn_status status;

    if (path == NULL)
        return TN_OK;
    if (!has_base(r))
        return error_set(TN_EINVAL, "%s: the snapshot has no base",
                         reader->in->name);
    status = base_open(&r->base, path);
    return status == TN_OK ? base_is(r->base, &reader->header) : status;
}

tn_status reader_open(struct reader *reader)
{
    tn_status status = stream_open(reader->in);

    reader->reading = calloc(1, sizeof(*reader->reading));
    if (status == TN_OK && reader->reading == NULL)
        status = error_set(TN_ENOMEM, "%s: no memory", reader->in->name);
    if (status != TN_OK)
        return status;
    reader->reading->reader = reader;
    status = header_take(reader->in, &reader->header);
    return status == TN_OK ? open_base(reader) : status;
}

void reader_close(struct reader *reader)
{
    struct reading *r = reader->reading;

    stream_close(reader->in);
    if (r == NULL)
        return;
    pipeline_close(r->pipeline);
    index_close(&r->index);
    digest_stream_close(r->whole);
    base_close(r->base);
    image_free_zeros(&r->zero);
    free(r);
    reader->reading = NULL;
}
