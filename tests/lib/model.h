/* model.h - what a segment must hold, kept in a plain array
 *
 * The model has slots.  Each slot has a name, a type and a pattern of its own,
 * and holds nothing, an object or a raw allocation.  model_step() does
 * something to one of them, in the segment and in the array; model_holds()
 * compares the two, down to the last byte, and runs the segment's checker.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TESTS_LIB_MODEL_H
#define TESTS_LIB_MODEL_H

#include "tenon/segment.h"
#include "tenon/store.h"

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_SLOTS = 32 };

enum model_what {
    MODEL_NOTHING,
    MODEL_NAMED,
    MODEL_UNIQUE,
    MODEL_ANONYMOUS,
    MODEL_RAW,
};

struct model_slot {
    enum model_what what;
    tn_handle place;
    size_t count; /* elements, or bytes of a raw allocation */
    unsigned char mark;
};

struct model {
    tn_segment *seg;
    bool names; /* the index keeps any */
    uint64_t random;
    unsigned made; /* things made so far: each has another mark */
    size_t stray;  /* raw allocations that a dead process had */
    size_t largest;
    struct model_slot slots[MODEL_SLOTS];
};

/* Begin with an empty segment; nothing made is larger than largest bytes, by
 * and large. */
void model_init(struct model *m, tn_segment *seg, uint64_t seed,
                size_t largest);

/* Make or unmake what a slot holds.  TN_ENOMEM leaves it empty.  None of these
 * asserts anything. */
tn_status model_make(struct model *m, unsigned slot, enum model_what what,
                     size_t count);
tn_status model_drop(struct model *m, unsigned slot);
tn_status model_resize(struct model *m, unsigned slot, size_t size);

/* Give what is in the slot other bytes, naming them with tn_touch(): where they
 * are, and nothing else, changes. */
void model_rewrite(struct model *m, unsigned slot);

/* The name and the type of a slot's named object, and the type of its unique
 * one. */
const char *model_name(unsigned slot);
const tn_type *model_type(unsigned slot);
const tn_type *model_unique_type(unsigned slot);

/* One step at random.  False: the segment gave an answer that it should not,
 * which is printed. */
bool model_step(struct model *m);

/* Is everything as the model says?  What is not is printed. */
bool model_holds(struct model *m);

/* The same, after somebody was killed making, dropping or resizing what is in
 * slot, which may now be there, whole, or not.  Sets the slot accordingly.
 * Raw allocations of the dead one may be left over. */
bool model_holds_but(struct model *m, unsigned slot);

/* Does the checker find nothing?  Findings are printed. */
bool model_sound(const tn_segment *seg);

/* Drop everything and shrink the indexes. */
bool model_clear(struct model *m);

/* A number below n. */
size_t model_random(struct model *m, size_t n);

#endif
