/* remains.h - what can still be read of an object that is damaged
 *
 * For repairing: nothing here believes anything, and nothing is changed but by
 * the calls that say so.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef INDEX_REMAINS_H
#define INDEX_REMAINS_H

#include "index/record.h"

/* A record that was found in a block, by its check or else by everything
 * around it. */
struct remains {
    uint64_t record;    /* its offset */
    size_t front;       /* bytes of the block before the elements */
    tn_kind kind;       /* what it says ... */
    size_t name_length; /* 0 but for named objects */
    uint64_t type;
    uint64_t count;
    bool check_fits; /* else its check is damaged, or a bit that it covers */
    bool name_sound;
    bool type_sound; /* there is a sound descriptor where it says */
};

/* Look for the record of an object in the block at payload, which has so many
 * usable bytes and may be in any state.  False: there is none. */
bool remains_find(const struct heap *h, tn_index index, const void *payload,
                  size_t usable, struct remains *out);

/* Bytes of the block before the elements of the object of this record, by what
 * it says; 0: it says nothing that can be. */
size_t remains_front(tn_index index, const struct record *record);

/* Bytes of the block that its elements end at, if its type is known, SIZE_MAX
 * if they are too many for any; else those before the elements. */
size_t remains_extent(const struct heap *h, const struct remains *remains);

/* Write the record anew from these fields, as a sound one. */
void remains_write(struct heap *h, const struct remains *remains);

/* Give a named object whose name is damaged, or taken, another one, which
 * begins with prefix (at most 15 bytes) and is as long as its place allows; of
 * what it was called, what is legible follows. */
void remains_rename(struct heap *h, tn_index index, struct remains *remains,
                    const char *prefix);

/* Is what lies at payload like the descriptor of a type?  In any state. */
bool remains_type(const struct heap *h, const void *payload, size_t usable);

/* The least and the most bytes that an element can have in an object whose
 * block has so many usable bytes; false: it has no elements. */
bool remains_element(const struct remains *remains, size_t usable,
                     uint64_t *least, uint64_t *most);

#endif
