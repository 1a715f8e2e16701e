/* world.h - a heap, its types and one index, for tests of src/index/
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "index/index.h"

struct world {
    struct heap *h;
    size_t size;
    struct index ix;
    tn_kind kind; /* of the objects that ix is for */
    uint64_t types;
    size_t objects;    /* there, as made and dropped here */
    size_t free_bytes; /* of the empty heap */
};

/* Make an empty one, or give its memory back. */
void world_init(struct world *w, size_t size, tn_index index, tn_kind kind);
void world_fini(struct world *w);

/* Make an object of size bytes without entering it into the index; 0: no room.
 * For unique ones the name becomes the type's. */
uint64_t world_object(struct world *w, const char *name, size_t length,
                      size_t size, tn_status *why);

/* Make it and enter it, or neither. */
tn_status world_add(struct world *w, const char *name, size_t length,
                    uint64_t *record);

/* Take it out of the index, or just destroy it. */
tn_status world_remove(struct world *w, uint64_t record);
void world_destroy(struct world *w, uint64_t record);

/* How many findings the checkers of index, types and heap have; each is
 * printed. */
size_t world_check(const struct world *w);

/* Blocks of the heap that are in this state. */
size_t world_blocks(const struct world *w, enum block_state state);

/* xorshift, so that every run is alike.  A number below n. */
uint64_t world_random(uint64_t *state, uint64_t n);

/* A name of one of several shapes, among them prefixes of each other, bytes of
 * 0x80 and more, long common beginnings and the longest possible; up to 255
 * bytes if short_only.  Returns its length; room for TN_NAME_MAX + 1. */
size_t world_random_name(uint64_t *state, bool short_only, char *name);

#endif
