/* heap.h - allocation inside one stretch of memory
 *
 * A heap hands out and takes back pieces of the memory it lies in.  It knows
 * no files, no names and no locks: segment/ adds those, and holds the heap
 * lock around every call here.
 *
 *     struct heap *h = base;  the heap lies at the start of its memory
 *     heap_init(h, size, sizeof(struct segment), TN_FIT_BEST);
 *     p = heap_alloc(h, 100, BLOCK_RAW);
 *     heap_free(h, p);
 *
 * Functions that can fail return a status other than TN_OK, or NULL, and then
 * have changed nothing.  Any pointer given out stays valid until freed: blocks
 * never move.  The heap may be killed between any two instructions: after
 * heap_rebuild() it is sound, and holds every block that was handed out and
 * not taken back.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef HEAP_HEAP_H
#define HEAP_HEAP_H

#include "base/report.h"
#include "heap/layout.h"
#include "tenon/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap;
struct magazine;

/* A place in a heap: pointers and offsets from its start.  p is inside. */
static inline uint64_t heap_off(const struct heap *h, const void *p)
{
    return (uint64_t)((const char *)p - (const char *)h);
}

static inline void *heap_at(const struct heap *h, uint64_t off)
{
    return (void *)((uintptr_t)h + off);
}

/* All its bytes, struct heap included. */
static inline size_t heap_size(const struct heap *h)
{
    return h->size;
}

/* The least size heap_init() accepts with this many reserved bytes. */
size_t heap_min_size(size_t reserved);

/* Make an empty heap of size bytes at h, 16-aligned.  The first reserved bytes,
 * struct heap included, are the owner's.  TN_ESIZE: too small or too large. */
tn_status heap_init(struct heap *h, size_t size, size_t reserved, tn_fit fit);

/* Put a header at h, whatever is there, with which the blocks of a damaged heap
 * of size bytes can be walked; for copies that are only looked at.  size is at
 * least heap_min_size(reserved) and at most HEAP_MAX_SIZE. */
void heap_assume(struct heap *h, size_t size, size_t reserved);

/* Can the struct heap at h, of which available bytes are readable, be walked
 * at all?  Checks every field before it is used.  Call it once on memory that
 * was not made by heap_init() in this process; if heap_sequence() is odd then,
 * heap_rebuild() comes next.  TN_ECORRUPT. */
tn_status heap_verify_header(const struct heap *h, size_t available);

/* Return n bytes aligned to 16 (n may be 0) as a block of this state, or NULL
 * when no free block is large enough. */
void *heap_alloc(struct heap *h, size_t n, enum block_state state);

/* The same, but only if it costs little: a block that waits, which stays
 * BLOCK_QUICK (n is at most MAGAZINE_MOST); or a part of a free block. */
void *heap_alloc_waiting(struct heap *h, size_t n);
void *heap_alloc_spare(struct heap *h, size_t n, enum block_state state);

/* The same, with (p + offset) a multiple of alignment, a power of two; NULL
 * also if that cannot be because p itself is a multiple of 16. */
void *heap_alloc_aligned(struct heap *h, size_t n, size_t alignment,
                         size_t offset, enum block_state state);

/* Take back what heap_alloc() gave, whatever its state.  TN_EINVAL: p is no
 * allocation.  TN_ECORRUPT: it was one, and its header has been overrun. */
tn_status heap_free(struct heap *h, void *p);

/* The same, but only if its state is BLOCK_RAW.  TN_EINVAL: it is another. */
tn_status heap_free_raw(struct heap *h, void *p);

/* Is p the start of a block that is in use?  Safe for any p. */
bool heap_owns(const struct heap *h, const void *p);

/* Usable bytes and state of the block at p, which heap_owns() accepts. */
size_t heap_usable_size(const struct heap *h, const void *p);
enum block_state heap_state(const struct heap *h, const void *p);

/* All of that in one: state and usable bytes of the block in use at p.  False:
 * there is none.  Safe for any p. */
bool heap_describe(const struct heap *h, const void *p, enum block_state *state,
                   size_t *usable);

/* Give the block at p another used state, by one store that every store made
 * before it precedes. */
void heap_set_state(struct heap *h, void *p, enum block_state state);

/* resize.c: make the block at p larger or smaller, in place or elsewhere, by
 * the rules of TN_NEW, TN_EXPAND_FWD ... in <tenon/segment.h>. */
void *heap_resize(struct heap *h, unsigned command, size_t limit,
                  size_t *preferred, void **reuse, size_t element);
void *heap_realloc(struct heap *h, void *p, size_t n);

/* bulk.c: append count blocks of size bytes, or of sizes[i] * element bytes, to
 * chain, all or none.  TN_ENOMEM, TN_EINVAL (the sum overflows). */
tn_status heap_alloc_many(struct heap *h, size_t size, size_t count,
                          tn_chain *chain);
tn_status heap_alloc_many_sizes(struct heap *h, const size_t *sizes,
                                size_t count, size_t element, tn_chain *chain);
void heap_free_many(struct heap *h, tn_chain *chain);

/* magazine.c: blocks that wait apart from the heap.  The caller of the first
 * two has the magazine's lock; they take one for n bytes, or NULL, and let p
 * wait, or do not because there is no room or it is no block to let wait
 * (heap_free_raw() tells).  n is at most MAGAZINE_MOST: a block may be larger
 * by a granule than it need be, and must have a list even so. */
enum { MAGAZINE_MOST = HEAP_QUICK - HEAP_OVERHEAD - 2 * HEAP_GRANULE };

void *magazine_pop(struct heap *h, struct magazine *m, size_t n);
bool magazine_push(struct heap *h, struct magazine *m, void *p);

/* The caller of these has the heap's lock too.  Fetch some blocks for n bytes;
 * make room for one that has size bytes; let the heap have all blocks; or
 * forget them, after a rebuild. */
void magazine_fill(struct heap *h, struct magazine *m, size_t n);
void magazine_make_room(struct heap *h, struct magazine *m, size_t size);
void magazine_empty(struct heap *h, struct magazine *m);
void magazine_reset(struct magazine *m);

/* Say that others hold blocks, or no longer.  While they do, the heap does not
 * rebuild itself, and figures and checks leave out what they hold. */
void heap_hold(struct heap *h, bool held);
bool heap_is_broken(const struct heap *h);
void heap_break(struct heap *h);

/* Is there a waiting block behind the one at p, which heap_owns() accepts? */
bool heap_waits_behind(const struct heap *h, const void *p);

/* Exact figures.  Free bytes count whole blocks, headers included; the largest
 * is what one heap_alloc() can get. */
size_t heap_free_bytes(const struct heap *h);
size_t heap_largest(struct heap *h);
size_t heap_used_bytes(const struct heap *h);
bool heap_all_free(const struct heap *h);

/* Merge every block that waits in a quick list with its free neighbours. */
void heap_flush(struct heap *h);

/* Overwrite every byte that is in no used block with zero, apart from the
 * headers and links of free blocks. */
void heap_zero_free(struct heap *h);

/* The same from offset from on, storing to most bytes at most, 4096 or more.
 * Returns where to go on, 0: all is done.
 *
 * A helper, if not NULL, knows the memory.  next says where at or behind off
 * something may be that was not zero when the last change of the heap was
 * complete: no other place is looked at.  take is offered each whole 4096 bytes
 * that would be stored to, and says whether it makes them zero itself.  Offsets
 * ascend.  sight is where else the same memory, from h on, can be read: what is
 * zero already is found out there.  Any of the three may be NULL. */
struct heap_helper {
    uint64_t (*next)(void *arg, uint64_t off);
    bool (*take)(void *arg, uint64_t off);
    void *arg;
    const char *sight;
};
uint64_t heap_zero_some(struct heap *h, uint64_t from, size_t most,
                        const struct heap_helper *helper);

/* Let the heap manage size bytes in all, which are there and zero.  TN_ESIZE:
 * not more than now, or too large. */
tn_status heap_grow(struct heap *h, size_t size);

/* Give up free memory at the end; returns the size that is left. */
size_t heap_shrink(struct heap *h);

/* Build bins, tree, lists, P bits and counts anew from the chain of blocks, and
 * finish a heap_grow() that was cut short.  TN_ECORRUPT: the chain itself is
 * broken. */
tn_status heap_rebuild(struct heap *h);

/* Walk all blocks in order of address: start with off 0, go on with the result
 * until it is 0.  *p gets the payload.  Every header is checked before it is
 * believed; a broken one ends the walk (heap_check() says where). */
uint64_t heap_next_block(const struct heap *h, uint64_t off, void **p,
                         enum block_state *state, size_t *usable);

/* Walk all blocks in the same way for the bytes that nobody needs, which are
 * those that heap_zero_free() overwrites and may be taken as zeros: size bytes
 * at *start, which may be 0.  The last call, at the end of the heap, returns 0
 * and may still find some.  HEAP_BROKEN: the chain is. */
#define HEAP_BROKEN UINT64_MAX
uint64_t heap_next_idle(const struct heap *h, uint64_t off, uint64_t *start,
                        uint64_t *size);

/* A number that changes with every change of the heap; odd while one is under
 * way, so that whoever takes the lock from a dead owner knows. */
uint64_t heap_sequence(const struct heap *h);

/* Report every broken invariant, H1 to H8 in heap.c.  The bytes may be anything
 * that heap_verify_header() accepts; offsets in findings are from h. */
void heap_check(const struct heap *h, struct report *report);

#endif
