/* index.h - the index frame that stands behind a group of chunks
 *
 * Writers and readers build the same frame from the chunks they have seen, the
 * ones to write it and the others to compare.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef IMAGE_INDEX_H
#define IMAGE_INDEX_H

#include "image/layout.h"
#include "tenon/status.h"

#include <stdbool.h>

struct index_frame {
    char *bytes; /* the frame as it grows; owned */
    uint64_t count, room;
};

/* The size of an index frame with count entries. */
size_t index_frame_bytes(uint64_t count);

/* Get memory for most entries at once.  TN_ENOMEM. */
tn_status index_open(struct index_frame *index, uint64_t most);
void index_close(struct index_frame *index);

/* Begin anew for the chunks from first up to end; add one, of which there is
 * room for. */
void index_begin(struct index_frame *index, uint64_t first, uint64_t end);
void index_add(struct index_frame *index, const struct image_entry *entry);

/* Complete it with tail, of which only previous, last, low, high and offset
 * count; returns its size. */
size_t index_seal(struct index_frame *index, const struct image_tail *tail);

const struct image_entry *index_entries(const struct index_frame *index);

/* In the bytes of a frame with count entries. */
const struct image_tail *index_tail_of(const char *frame, uint64_t count);

/* Is this whole frame of size bytes sound in itself: sizes, magic numbers and
 * digest?  Puts what it says into *head.  Never reads beyond size. */
bool index_is_sound(const char *frame, size_t size, struct image_index *head);

#endif
