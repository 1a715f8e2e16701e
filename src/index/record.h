/* record.h - an object, its name and what is known of it, in one block
 *
 * An object's place is the offset of its struct record.  Unless said
 * otherwise, offsets given are of sound records; record_verify() tells.  The
 * caller holds the heap lock around what allocates, frees or counts.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef INDEX_RECORD_H
#define INDEX_RECORD_H

#include "heap/heap.h"
#include "index/layout.h"

/* What a new object is to be. */
struct record_spec {
    tn_kind kind;
    tn_index index;   /* kind of the index: where the link goes, if any */
    const char *name; /* named objects only */
    size_t name_length;
    uint64_t type; /* descriptor, from type_ref() */
    size_t count;
};

/* Allocate the block of a new object, in state BLOCK_BUILDING, with record and
 * name written and its elements not yet.  0: no room, or the size overflows
 * (TN_EINVAL in *why, else TN_ENOMEM). */
uint64_t record_create(struct heap *h, const struct record_spec *spec,
                       tn_status *why);

/* Give the object's block back.  Its type is the caller's to unref. */
void record_destroy(struct heap *h, tn_index index, uint64_t off);

/* The payload of the block the record lies in, and the record in a payload of
 * a block in state BLOCK_OBJECT or BLOCK_BUILDING; 0: no sound record. */
void *record_block(const struct heap *h, tn_index index, uint64_t off);
uint64_t record_in_block(const struct heap *h, tn_index index,
                         const void *payload);

/* Is there a sound record of an object in use at off?  Safe for any off. */
bool record_verify(const struct heap *h, tn_index index, uint64_t off);

/* Parts.  The name is NUL-terminated; a unique object's is its type's. */
const char *record_name(const struct heap *h, tn_index index, uint64_t off,
                        size_t *length);
tn_kind record_kind(const struct heap *h, uint64_t off);
static inline size_t record_count(const struct heap *h, uint64_t off)
{
    return ((const struct record *)heap_at(h, off))->count & RECORD_COUNT_MASK;
}

/* Its type; one without a name or size if what is there is damaged. */
const struct type_descriptor *record_type(const struct heap *h, uint64_t off);

static inline void *record_elements(const struct heap *h, uint64_t off)
{
    return heap_at(h, off + sizeof(struct record));
}

/* --- Types (types.c) ------------------------------------------------------
 *
 * root is the tree of descriptors, a word in the segment's header. */

/* Find the descriptor of a type of this name, or make it, and count one object
 * more of it.  TN_ETYPE: the one there has another size or alignment;
 * TN_EINVAL: the type makes no sense; TN_ENOMEM. */
tn_status type_ref(struct heap *h, uint64_t *root, const tn_type *type,
                   uint64_t *out);

/* Count one object less; the last one takes the descriptor along. */
void type_unref(struct heap *h, uint64_t *root, uint64_t off);

/* Is the object at off of this type (NULL: any)? */
bool type_matches(const struct heap *h, uint64_t record, const tn_type *type);

size_t type_count(const struct heap *h, uint64_t root);

/* Is a sound descriptor at off, and in the tree?  Safe for any off. */
bool type_is_linked(const struct heap *h, uint64_t root, uint64_t off);

/* Build the tree and the counts anew from the blocks of the heap, dropping
 * descriptors that no object refers to. */
void type_rebuild(struct heap *h, tn_index index, uint64_t *root);

void type_check(const struct heap *h, tn_index index, uint64_t root,
                struct report *report);

#endif
