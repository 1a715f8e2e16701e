/* index.h - from a name to an object, five ways
 *
 * An index maps names to the offsets of records (record.h), in the order of
 * the names' bytes.  The kind was chosen when the segment was made; this is the
 * one interface to all of them.  The names themselves stay in the objects'
 * blocks.  Memory comes from the heap as BLOCK_INDEX.
 *
 * Locks are the caller's: the lock of names around every call, and the heap's
 * too around those that take a struct heap that is not const.
 *
 * Finding and walking are safe whatever the bytes are: every offset is checked
 * before it is followed, and every loop has a bound.  So a read-only opener may
 * look while another process changes the index; it then looks again when the
 * sequence number tells it to.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef INDEX_INDEX_H
#define INDEX_INDEX_H

#include "index/record.h"

/* Which of a segment's two indexes this is: a unique object's name is its
 * type's.  Both are alike otherwise. */

/* Make an empty index.  kind is not TN_INDEX_DEFAULT. */
void index_init(struct index *ix, tn_index kind);

/* The record of a name, 0: none. */
uint64_t index_find(const struct heap *h, const struct index *ix,
                    const char *name, size_t length);

/* Add a record whose name is not there yet.  TN_EEXIST: it is.  TN_ENOMEM:
 * nothing changed.  TN_ENOTSUP: TN_INDEX_NULL. */
tn_status index_insert(struct heap *h, struct index *ix, uint64_t record);

enum { INDEX_LEVELS = 16 }; /* no tree of nodes is higher */

/* Where a name is or would be, as each kind tells. */
struct index_place {
    uint64_t record; /* the one of this name, 0: none */
    union {
        struct index_link { /* iset: the node it would hang below, 0: none */
            uint64_t parent;
            bool left;
        } link;
        uint64_t hash;      /* hash */
        struct index_path { /* map, flat_map: from the root to a leaf */
            uint64_t off[INDEX_LEVELS];
            uint32_t at[INDEX_LEVELS];    /* entry taken; in the leaf: the
                                             place */
            int32_t common[INDEX_LEVELS]; /* bytes that name has in common with
                                             the node's, if less than skip;
                                             else -1 */
            bool least[INDEX_LEVELS];     /* the name is less than all below */
            int top;                      /* level of the root */
            bool exact;                   /* the name is there */
        } path;
    };
};

/* Find the place of a name of 1 to TN_NAME_MAX bytes; and add a record of this
 * name, which is not there, without another search, the index being as it was.
 * TN_ECORRUPT: what was met cannot be. */
tn_status index_find_place(const struct heap *h, const struct index *ix,
                           const char *name, size_t length,
                           struct index_place *place);
tn_status index_insert_at(struct heap *h, struct index *ix, uint64_t record,
                          const struct index_place *place);

/* Take out a record that is there; never fails and never allocates.
 * TN_ECORRUPT: it is not there. */
tn_status index_remove(struct heap *h, struct index *ix, uint64_t record);

/* Make room for count names in all; give back memory that is not needed. */
tn_status index_reserve(struct heap *h, struct index *ix, size_t count);
void index_shrink(struct heap *h, struct index *ix);

/* Free all memory of the index, which is empty afterwards.  The records stay
 * where they are. */
void index_clear(struct heap *h, struct index *ix);

/* A place in the order of names. */
struct index_cursor {
    uint64_t record; /* the one met last, 0: none yet */
    uint64_t words[4];
    uint64_t *sorted; /* TN_INDEX_HASH: malloc'd; index_cursor_fini() frees */
    size_t sorted_count;
};

/* Set the cursor to the first name that is >= (or with after: >) the given
 * one; length 0: the very first.  *record gets it, 0: none.  Valid until the
 * index changes.  TN_ENOMEM: no memory (TN_INDEX_HASH sorts). */
tn_status index_seek(const struct heap *h, const struct index *ix,
                     struct index_cursor *cursor, const char *name,
                     size_t length, bool after, uint64_t *record);

/* The record after the one met last, 0: none. */
uint64_t index_next(const struct heap *h, const struct index *ix,
                    struct index_cursor *cursor);
void index_cursor_fini(struct index_cursor *cursor);

/* Report every broken invariant, I1 to In as told in each kind's file: order,
 * links, counts, that every record is sound and of this kind, and that
 * BLOCK_INDEX memory is what the index says.  Returns how many blocks of
 * BLOCK_INDEX the index has. */
size_t index_check(const struct heap *h, const struct index *ix, tn_kind kind,
                   struct report *report);

#endif
