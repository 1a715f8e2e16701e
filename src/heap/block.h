/* block.h - header words, and what the files of heap/ share
 *
 * A block is named by the offset of its payload everywhere.  Nothing here
 * believes a header that has not been checked.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef HEAP_BLOCK_H
#define HEAP_BLOCK_H

#include "base/assert.h"
#include "base/bytes.h"
#include "heap/heap.h"
#include "heap/layout.h"

/* --- Header words --------------------------------------------------------- */

/* The check bits of a block of this size at off.  The factor is odd, so every
 * bit of both reaches the 16 that are kept. */
static inline uint64_t word_check(uint64_t off, uint64_t size)
{
    uint64_t mixed = off ^ (size << 29 | size >> 35);

    return mixed * UINT64_C(0x9e3779b97f4a7c15) >> HEAP_CHECK_SHIFT
                                                       << HEAP_CHECK_SHIFT;
}

/* prev_used is HEAP_PREV_USED or 0. */
static inline uint64_t word_make(uint64_t off, uint64_t size,
                                 uint64_t prev_used, enum block_state state)
{
    return word_check(off, size) | size | prev_used | state;
}

static inline uint64_t word_size(uint64_t word)
{
    return word & HEAP_SIZE_MASK;
}

static inline enum block_state word_state(uint64_t word)
{
    return (enum block_state)(word & HEAP_STATE_MASK);
}

/* In use by somebody other than the heap?  Adding 1 turns BLOCK_FIXED, the
 * last, into 0, beside the two kinds of free. */
static inline bool word_is_used(uint64_t word)
{
    return ((word + 1) & HEAP_STATE_MASK) > BLOCK_RAW;
}

/* The header's place in memory.  A store is the one step by which the chain
 * changes: all that was written before it is there when it is. */
static inline uint64_t *word_at(const struct heap *h, uint64_t off)
{
    return (uint64_t *)heap_at(h, off - HEAP_OVERHEAD);
}

static inline uint64_t word_load(const struct heap *h, uint64_t off)
{
    return __atomic_load_n(word_at(h, off), __ATOMIC_RELAXED);
}

static inline void word_store(struct heap *h, uint64_t off, uint64_t word)
{
    __atomic_store_n(word_at(h, off), word, __ATOMIC_RELEASE);
}

/* --- Blocks --------------------------------------------------------------- */

/* The size of the block that a request of n bytes takes; n is not more than
 * HEAP_MAX_SIZE. */
static inline uint64_t block_size_for(size_t n)
{
    uint64_t size = round_up(n + HEAP_OVERHEAD, HEAP_GRANULE);

    return size < HEAP_MIN_BLOCK ? HEAP_MIN_BLOCK : size;
}

/* Could a block other than the end block be at off?  end is never less than
 * sizeof(struct heap). */
static inline bool block_may_be_at(const struct heap *h, uint64_t off)
{
    return off % HEAP_GRANULE == 0 && off >= h->first &&
           off <= h->end - HEAP_MIN_BLOCK;
}

/* Has off the place of a block's header before it? */
static inline bool word_may_be_at(const struct heap *h, uint64_t off)
{
    return off % HEAP_GRANULE == 0 && off >= h->first && off <= h->end;
}

/* Is word, read at off, the header of a block that lies within the heap?  off
 * is the end block or one that block_may_be_at(). */
static inline bool block_is_sound(const struct heap *h, uint64_t off,
                                  uint64_t word)
{
    uint64_t size = word_size(word);

    if (unlikely((word ^ word_check(off, size)) >> HEAP_CHECK_SHIFT != 0))
        return false;
    if (unlikely(off == h->end))
        return size == 0 && word_state(word) == BLOCK_FIXED;
    return size >= HEAP_MIN_BLOCK && size <= h->end - off;
}

/* Is there a sound block of this size and state at off?  Safe for any off. */
static inline bool block_is(const struct heap *h, uint64_t off, uint64_t size,
                            enum block_state state)
{
    return word_may_be_at(h, off) && size <= h->end - off &&
           (word_load(h, off) | HEAP_PREV_USED) ==
               word_make(off, size, HEAP_PREV_USED, state);
}

/* Is there a waiting block of this size at off?  Safe for any off.  The check
 * bits are not looked at: nothing else has just this size and state. */
static inline bool block_waits(const struct heap *h, uint64_t off,
                               uint64_t size)
{
    return off % HEAP_GRANULE == 0 && off >= h->first && off + size <= h->end &&
           ((word_load(h, off) ^ size ^ BLOCK_QUICK) &
            (HEAP_SIZE_MASK | HEAP_STATE_MASK)) == 0;
}

/* The last word of the free block that ends where the block at off begins. */
static inline uint64_t *footer_before(const struct heap *h, uint64_t off)
{
    return (uint64_t *)heap_at(h, off - 2 * HEAP_OVERHEAD);
}

static inline struct block_links *links_at(const struct heap *h, uint64_t off)
{
    return heap_at(h, off);
}

static inline struct heap_tables *tables_of(const struct heap *h)
{
    return heap_at(h, h->tables);
}

/* The number of the bin or quick list for this size, which has one. */
static inline uint64_t bin_of(uint64_t size)
{
    return size / HEAP_GRANULE - 2;
}

static inline uint64_t bin_size(uint64_t bin)
{
    return (bin + 2) * HEAP_GRANULE;
}

/* Write footer and header of a free block. */
static inline void block_write_free(struct heap *h, uint64_t off, uint64_t size,
                                    uint64_t prev_used)
{
    *footer_before(h, off + size) = size;
    word_store(h, off, word_make(off, size, prev_used, BLOCK_FREE));
}

/* What the heap itself wrote into a free block that is becoming somebody's: the
 * links at its start and, if all of it is given out, the footer.  Cleared, so
 * that memory which heap_zero_free() wiped is zero to whoever gets it. */
static inline void block_clear_links(struct heap *h, uint64_t off)
{
    uint64_t *links = heap_at(h, off);

    links[0] = links[1] = links[2] = 0;
}

static inline void block_clear_footer(struct heap *h, uint64_t next)
{
    *footer_before(h, next) = 0;
}

/* Tell the block at off whether the one before it is free.  Its state may just
 * be changed by somebody who has no lock of ours (magazine.c). */
static inline void block_mark_prev(struct heap *h, uint64_t off,
                                   uint64_t prev_used)
{
    if ((word_load(h, off) & HEAP_PREV_USED) != prev_used)
        __atomic_fetch_xor(word_at(h, off), HEAP_PREV_USED, __ATOMIC_RELEASE);
}

/* --- A change ------------------------------------------------------------- */

/* The sequence is odd before any other store of a change can be seen, and even
 * again only after all of them. */
static inline uint64_t change_begin(struct heap *h)
{
    uint64_t sequence = h->sequence | 1;

    __atomic_store_n(&h->sequence, sequence, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    return sequence;
}

static inline void change_end(struct heap *h, uint64_t sequence)
{
    __atomic_store_n(&h->sequence, sequence + 1, __ATOMIC_RELEASE);
}

/* --- Where free blocks are found: bestfit.c, seqfit.c --------------------- */

/* What a search answers when it met something that cannot be: the chain is the
 * truth, and chain_rebuild() puts the rest right. */
#define FIT_BROKEN UINT64_MAX

/* A free block that holds size bytes: the smallest, and the lowest of those in
 * the tree; 0: none. */
uint64_t best_find(const struct heap *h, uint64_t size);
uint64_t best_largest(const struct heap *h);
bool best_insert(struct heap *h, uint64_t off, uint64_t size);
bool best_remove(struct heap *h, uint64_t off, uint64_t size);

/* Let the block of the tree at off be at fresh from now on, with a size by
 * which it keeps its place in the order.  False: as above; nothing was done. */
bool best_move(struct heap *h, uint64_t off, uint64_t fresh);

/* The same by the list: the first, or with TN_FIT_BEST the smallest. */
uint64_t seq_find(const struct heap *h, uint64_t size);
uint64_t seq_largest(const struct heap *h);
bool seq_insert(struct heap *h, uint64_t off);
bool seq_remove(struct heap *h, uint64_t off);

/* Put off behind last, the last block of the list (0: it is empty). */
void seq_append(struct heap *h, uint64_t last, uint64_t off);

static inline uint64_t fit_find(const struct heap *h, uint64_t size)
{
    return h->tables != 0 ? best_find(h, size) : seq_find(h, size);
}

static inline uint64_t fit_largest(const struct heap *h)
{
    return h->tables != 0 ? best_largest(h) : seq_largest(h);
}

/* Put a free block in, or take one out.  False: what was met there cannot be,
 * and the block is not in or not out. */
static inline bool fit_insert(struct heap *h, uint64_t off, uint64_t size)
{
    return h->tables != 0 ? best_insert(h, off, size) : seq_insert(h, off);
}

static inline bool fit_remove(struct heap *h, uint64_t off, uint64_t size)
{
    return h->tables != 0 ? best_remove(h, off, size) : seq_remove(h, off);
}

/* --- Inside a change: heap.c, extent.c ------------------------------------ */

/* Get a block of size bytes by any means but the quick lists; 0: no room. */
uint64_t chain_take(struct heap *h, uint64_t size, enum block_state state);

/* Make the block at off free and merge it with its free neighbours.  word is
 * its header, and sound.  TN_ECORRUPT: a neighbour's header is broken, and
 * nothing was changed. */
tn_status chain_release(struct heap *h, uint64_t off, uint64_t word);

/* The size of the free block that ends where the one at off begins, by its
 * footer; 0: it is not what it should be.  P of off is 0. */
uint64_t chain_free_before(const struct heap *h, uint64_t off);

/* Put the header of the used block at p into *word.  Safe for any p; as
 * heap_free(). */
tn_status chain_find_used(const struct heap *h, const void *p, uint64_t *word);

/* Let the heap have the block at off, which is BLOCK_QUICK and in no list: let
 * it wait or, if merge or there is no room, merge it. */
void chain_keep(struct heap *h, uint64_t off, bool merge);

/* Decide anew how much may wait. */
void chain_set_room(struct heap *h);

/* Release all blocks that wait in quick lists; or, if the block at off waits,
 * those of its size. */
void chain_flush(struct heap *h);
void chain_flush_block(struct heap *h, uint64_t off);

/* Build all but the chain anew.  TN_ECORRUPT: it is broken itself. */
tn_status chain_rebuild(struct heap *h);

#ifdef TN_DEEP_CHECK
void heap_deep_check(const struct heap *h);
#define HEAP_DEEP_CHECK(h) heap_deep_check(h)
#else
#define HEAP_DEEP_CHECK(h) ((void)0)
#endif

#endif
