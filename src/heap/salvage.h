/* salvage.h - a chain of blocks that is broken, made whole again
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef HEAP_SALVAGE_H
#define HEAP_SALVAGE_H

#include "heap/heap.h"

/* What the chain's owner knows of a block whose header is broken. */
struct heap_witness {
    /* What do the bytes at off look like, of which room are in the heap?  The
     * bytes that such a block needs, and its state; 0: like nothing. */
    size_t (*recognise)(void *arg, const struct heap *h, uint64_t off,
                        size_t room, enum block_state *state);

    /* The header of the block at off was broken, and is now that of a block of
     * so many bytes in this state. */
    void (*mended)(void *arg, uint64_t off, uint64_t size,
                   enum block_state state);

    /* The first place from off on, up to the heap's end, where there may be
     * something else than zeros.  NULL: there may be everywhere. */
    uint64_t (*next_data)(void *arg, uint64_t off);
    void *arg;
};

/* Set the fields that are fixed when a heap is made, for one of size bytes that
 * are all there, and take what lies in it for its blocks. */
tn_status heap_frame(struct heap *h, size_t size, size_t reserved, tn_fit fit);

/* Write a header wherever the chain leads to one that is broken, so that it can
 * be walked from the first block to the end; heap_rebuild() does the rest.
 * Nothing but headers is written.  Takes time proportional to the heap's
 * size, less what the witness says is zero. */
void heap_salvage(struct heap *h, const struct heap_witness *witness);

#endif
