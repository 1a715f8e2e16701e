/* index.c - the index frame that stands behind a group of chunks
 *
 *     +--------------+-------------+--------------------+------------+
 *     | image_frame  | image_index | image_entry, ...   | image_tail |
 *     +--------------+-------------+--------------------+------------+
 *     0              8             40                   40 + 40 count
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "image/index.h"
#include "base/assert.h"
#include "base/digest.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEAD_AT = sizeof(struct image_frame),
    ENTRIES_AT = HEAD_AT + sizeof(struct image_index),
};

size_t index_frame_bytes(uint64_t count)
{
    return ENTRIES_AT + count * sizeof(struct image_entry) +
           sizeof(struct image_tail);
}

tn_status index_open(struct index_frame *index, uint64_t most)
{
    *index = (struct index_frame){.room = most};
    index->bytes = malloc(index_frame_bytes(most));
    return index->bytes != NULL ? TN_OK
                                : error_set(TN_ENOMEM, "no memory for an "
                                                       "index");
}

void index_close(struct index_frame *index)
{
    free(index->bytes);
    index->bytes = NULL;
}

void index_begin(struct index_frame *index, uint64_t first, uint64_t end)
{
    struct image_index head = {
        .magic = INDEX_MAGIC, .first = first, .end = end};

    index->count = 0;
    memcpy(index->bytes + HEAD_AT, &head, sizeof(head));
}

void index_add(struct index_frame *index, const struct image_entry *entry)
{
    TN_ASSERT(index->count < index->room);
    memcpy(index->bytes + ENTRIES_AT + index->count * sizeof(*entry), entry,
           sizeof(*entry));
    index->count++;
}

const struct image_entry *index_entries(const struct index_frame *index)
{
    return (const struct image_entry *)(index->bytes + ENTRIES_AT);
}

static uint64_t digest_of(const char *frame, size_t size)
{
    return digest64(frame, size - sizeof(uint64_t));
}

size_t index_seal(struct index_frame *index, const struct image_tail *tail)
{
    size_t size = index_frame_bytes(index->count);
    struct image_frame frame = {FRAME_INDEX, (uint32_t)(size - sizeof(frame))};
    struct image_tail sealed = *tail;
    char *at = index->bytes + size - sizeof(sealed);

    memcpy(index->bytes, &frame, sizeof(frame));
    memcpy(index->bytes + HEAD_AT + offsetof(struct image_index, count),
           &index->count, sizeof(index->count));
    sealed.frame_bytes = size;
    sealed.magic = TAIL_MAGIC;
    memcpy(at, &sealed, sizeof(sealed));
    sealed.digest = digest_of(index->bytes, size);
    memcpy(at, &sealed, sizeof(sealed));
    return size;
}

const struct image_tail *index_tail_of(const char *frame, uint64_t count)
{
    return (const struct image_tail *)(frame + index_frame_bytes(count) -
                                       sizeof(struct image_tail));
}

bool index_is_sound(const char *frame, size_t size, struct image_index *head)
{
    const struct image_tail *tail;
    struct image_frame start;

    if (size < index_frame_bytes(0))
        return false;
    memcpy(&start, frame, sizeof(start));
    memcpy(head, frame + HEAD_AT, sizeof(*head));
    if (start.magic != FRAME_INDEX || head->magic != INDEX_MAGIC ||
        head->count > IMAGE_GROUP || index_frame_bytes(head->count) != size ||
        start.bytes != size - sizeof(start))
        return false;
    tail = index_tail_of(frame, head->count);
    return tail->magic == TAIL_MAGIC && tail->frame_bytes == size &&
           tail->digest == digest_of(frame, size);
}
