/* base.c - a whole snapshot that another one is written or restored with
 *
 *     header | chunks ... | index | chunks ... | index
 *                              ^-----------------+ previous
 *
 * The last index lies at the end, and each names the one before it.  Where they
 * lie is found out once; one of them is in memory at a time, with where in the
 * file each of its chunks begins.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "image/base.h"
#include "base/error.h"
#include "image/header.h"
#include "image/index.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct base {
    struct file file;
    struct image_header header;
    struct digest128 digest; /* of the image */
    uint64_t size;           /* bytes of the file */
    uint64_t *places;        /* of the indexes, and the end of the file */
    uint64_t groups;
    uint64_t group; /* the one in memory, or groups: none */
    char *frame;    /* its index */
    size_t frame_room;
    uint64_t *offsets; /* of its chunks */
};

static tn_status damaged(const struct base *base)
{
    return error_set(TN_ECORRUPT,
                     "%s: the snapshot's index is damaged; tenon verify tells "
                     "more",
                     base->file.path);
}

/* --- Groups --------------------------------------------------------------- */

static uint64_t group_start(const struct base *base, uint64_t group)
{
    return group == 0 ? sizeof(struct image_frame) + sizeof(base->header)
                      : base->places[group - 1];
}

/* Do the entries stand for all chunks of the group, one after the other? */
static bool note_offsets(struct base *base, uint64_t group, uint64_t start,
                         const struct image_index *head)
{
    uint64_t first = group * IMAGE_GROUP, at = start;
    const struct image_entry *entry =
        (const struct image_entry *)(base->frame + sizeof(struct image_frame) +
                                     sizeof(*head));

    if (head->first != first ||
        head->end != image_group_end(base->header.image_bytes, first) ||
        head->count != head->end - first)
        return false;
    for (uint64_t i = 0; i < head->count; i++, entry++) {
        if (entry->number != first + i ||
            entry->frame_bytes > compress_bound() ||
            entry->chunk_bytes !=
                image_chunk_bytes(base->header.image_bytes, entry->number))
            return false;
        base->offsets[i] = at;
        at += entry->frame_bytes;
    }
    return at == base->places[group];
}

/* The frame of the group's index, whose size its tail tells or, if it is not
 * the last, the frame's own first bytes. */
static tn_status read_frame(struct base *base, uint64_t place,
                            struct image_index *head)
{
    struct image_frame start;
    tn_status status = file_read(&base->file, &start, sizeof(start), place);
    size_t size = (size_t)start.bytes + sizeof(start);

    if (status != TN_OK)
        return status == TN_ESIZE ? damaged(base) : status;
    if (start.magic != FRAME_INDEX || size > base->frame_room)
        return damaged(base);
    status = file_read(&base->file, base->frame, size, place);
    if (status == TN_ESIZE ||
        (status == TN_OK && !index_is_sound(base->frame, size, head)))
        return damaged(base);
    return status;
}

static tn_status load(struct base *base, uint64_t group)
{
    struct image_index head;
    uint64_t start = group_start(base, group);
    tn_status status;

    if (base->group == group)
        return TN_OK;
    base->group = base->groups;
    if (group > 0) { /* behind the index before */
        status = read_frame(base, start, &head);
        if (status != TN_OK)
            return status;
        start += index_frame_bytes(head.count);
    }
    status = read_frame(base, base->places[group], &head);
    if (status != TN_OK)
        return status;
    if (!note_offsets(base, group, start, &head))
        return damaged(base);
    base->group = group;
    return TN_OK;
}

static const struct image_entry *entry_of(const struct base *base,
                                          uint64_t number)
{
    return (const struct image_entry *)(base->frame +
                                        sizeof(struct image_frame) +
                                        sizeof(struct image_index)) +
           number % IMAGE_GROUP;
}

/* --- Opening -------------------------------------------------------------- */

/* The last index lies before the end, and its tail says where it begins. */
static tn_status find_last(struct base *base, struct image_tail *tail)
{
    tn_status status =
        file_read(&base->file, tail, sizeof(*tail), base->size - sizeof(*tail));

    if (status != TN_OK)
        return status;
    if (tail->magic != TAIL_MAGIC || tail->last != 1 ||
        tail->frame_bytes > base->size ||
        tail->offset != base->size - tail->frame_bytes)
        return error_set(TN_ECORRUPT,
                         "%s: the snapshot has been cut off, or its end is "
                         "damaged",
                         base->file.path);
    return TN_OK;
}

/* Follow the chain from the last index to the first. */
static tn_status find_groups(struct base *base)
{
    struct image_tail tail;
    struct image_index head;
    tn_status status = find_last(base, &tail);

    base->digest = (struct digest128){tail.low, tail.high};
    for (uint64_t group = base->groups; status == TN_OK && group-- > 0;) {
        base->places[group] = tail.offset;
        status = read_frame(base, tail.offset, &head);
        if (status != TN_OK)
            return status;
        tail = *index_tail_of(base->frame, head.count);
        if (tail.offset != base->places[group] ||
            tail.last != (group == base->groups - 1) ||
            (group == 0) != (tail.previous == 0))
            return damaged(base);
        tail.offset = tail.previous;
    }
    return status;
}

static tn_status take_header(struct base *base)
{
    struct stream in = {.file = &base->file, .name = base->file.path};
    tn_status status = stream_open(&in);

    if (status == TN_OK)
        status = header_take(&in, &base->header);
    stream_close(&in);
    if (status == TN_OK && (base->header.flags & IMAGE_SINCE) != 0)
        status = error_set(TN_ENOTSUP,
                           "%s: the snapshot has a base itself, so it cannot "
                           "be one",
                           base->file.path);
    return status;
}

/* A small file may claim to be of a large image: the memory is for as many
 * groups as the file could have. */
static tn_status make_room(struct base *base)
{
    uint64_t chunks = image_chunks(base->header.image_bytes);
    uint64_t most = chunks < IMAGE_GROUP ? chunks : IMAGE_GROUP;

    base->groups = (chunks + IMAGE_GROUP - 1) / IMAGE_GROUP;
    base->group = base->groups;
    if (base->size / sizeof(struct image_entry) < chunks)
        return error_set(TN_ECORRUPT, "%s: the snapshot has been cut off",
                         base->file.path);
    base->places = calloc(base->groups, sizeof(*base->places));
    base->frame_room = index_frame_bytes(most);
    base->frame = malloc(base->frame_room);
    base->offsets = calloc(most, sizeof(*base->offsets));
    if (base->places != NULL && base->frame != NULL && base->offsets != NULL)
        return TN_OK;
    return error_set(TN_ENOMEM, "%s: no memory for an index", base->file.path);
}

tn_status base_open(struct base **out, const char *path)
{
    struct base *base = calloc(1, sizeof(*base));
    tn_status status;

    if (base == NULL)
        return error_set(TN_ENOMEM, "%s: no memory for an index", path);
    base->file = (struct file)FILE_CLOSED;
    status = file_open(&base->file, path, false);
    if (status == TN_OK)
        status = file_size(&base->file, &base->size);
    if (status == TN_OK)
        status = take_header(base);
    if (status == TN_OK)
        status = make_room(base);
    if (status == TN_OK)
        status = find_groups(base);
    if (status == TN_OK)
        *out = base;
    else
        base_close(base);
    return status;
}

void base_close(struct base *base)
{
    if (base == NULL)
        return;
    file_close(&base->file);
    free(base->places);
    free(base->frame);
    free(base->offsets);
    free(base);
}

/* --- Identity ------------------------------------------------------------- */

tn_status base_match(const struct base *base, const uint8_t uuid[16])
{
    if (memcmp(base->header.uuid, uuid, sizeof(base->header.uuid)) == 0)
        return TN_OK;
    return error_set(TN_EINVAL, "%s: it is a snapshot of another store",
                     base->file.path);
}

void base_describe(const struct base *base, struct image_header *header)
{
    header->flags |= IMAGE_SINCE;
    header->base_number = base->header.commit_number;
    header->base_nonce = base->header.commit_nonce;
    header->base_low = base->digest.low;
    header->base_high = base->digest.high;
}

tn_status base_is(const struct base *base, const struct image_header *header)
{
    struct digest128 wanted = {header->base_low, header->base_high};
    tn_status status = base_match(base, header->uuid);

    if (status != TN_OK || (header->base_number == base->header.commit_number &&
                            header->base_nonce == base->header.commit_nonce &&
                            digest_equal(wanted, base->digest)))
        return status;
    return error_set(TN_EINVAL,
                     "%s: it is not the base: it is of commit %" PRIu64
                     ", or of another with this number, and the snapshot was "
                     "made since commit %" PRIu64,
                     base->file.path, base->header.commit_number,
                     header->base_number);
}

/* --- Chunks --------------------------------------------------------------- */

tn_status base_digest(struct base *base, uint64_t number, size_t size,
                      struct digest128 *digest, bool *found)
{
    const struct image_entry *entry;
    tn_status status;

    *found = number < image_chunks(base->header.image_bytes);
    if (!*found)
        return TN_OK;
    status = load(base, number / IMAGE_GROUP);
    if (status != TN_OK)
        return status;
    entry = entry_of(base, number);
    *found = entry->chunk_bytes == size;
    *digest = (struct digest128){entry->low, entry->high};
    return TN_OK;
}

tn_status base_fetch(struct base *base, struct slot *slot)
{
    tn_status status = base_digest(base, slot->number, slot->size,
                                   &slot->wanted, &slot->has_wanted);

    if (status != TN_OK)
        return status;
    if (!slot->has_wanted)
        return error_set(TN_ECORRUPT,
                         "%s: there is no chunk %" PRIu64
                         ", which the snapshot leaves out",
                         base->file.path, slot->number);
    slot->frame_size = entry_of(base, slot->number)->frame_bytes;
    return file_read(&base->file, slot->frame, slot->frame_size,
                     base->offsets[slot->number % IMAGE_GROUP]);
}
