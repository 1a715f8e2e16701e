/* quick.h - quick lists: the short way to a block and back
 *
 * Most allocations take the block that was freed last with their size, and most
 * frees put one back: nothing is searched, split or merged.  The few steps of
 * that are here, so that they become part of their callers.  heap.c has the
 * rest, and the invariants.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef HEAP_QUICK_H
#define HEAP_QUICK_H

#include "heap/block.h"

enum { QUICK_LONGEST = 96 }; /* blocks in a list */

/* Take the newest block off the list of this size.  NULL: there is none, or
 * what is there is not what it should be. */
static inline void *quick_pop(struct heap *h, uint64_t size,
                              enum block_state state)
{
    uint64_t *list = &tables_of(h)->quick[bin_of(size)];
    uint64_t off = *list & QUICK_OFF, word, sequence;
    void *p = heap_at(h, off);

    if (unlikely(!block_waits(h, off, size)))
        return NULL;
    word = word_load(h, off);

    sequence = change_begin(h);
    *list = *(uint64_t *)p; /* the block's link */
    h->waiting -= size;
    word_store(h, off, word ^ BLOCK_QUICK ^ state);
    change_end(h, sequence);
    return p;
}

/* May heap_free_raw(), or else heap_free(), take a block in this state? */
static inline bool is_for_freeing(uint64_t word, bool raw)
{
    return raw ? word_state(word) == BLOCK_RAW : word_is_used(word);
}

/* If the block at off, whose header is word, is sound, for freeing and may
 * wait, let it wait. */
static inline bool quick_push(struct heap *h, uint64_t off, uint64_t word,
                              bool raw)
{
    uint64_t size = word_size(word), *list, sequence;

    if (unlikely(size - HEAP_MIN_BLOCK >= HEAP_QUICK - HEAP_MIN_BLOCK ||
                 h->waiting + size > h->room || !is_for_freeing(word, raw) ||
                 size > h->end - off ||
                 (word ^ word_check(off, size)) >> HEAP_CHECK_SHIFT != 0))
        return false;
    list = &tables_of(h)->quick[bin_of(size)];
    if (unlikely(*list >= QUICK_LONGEST * QUICK_ONE))
        return false;
    sequence = change_begin(h);
    links_at(h, off)->next = *list;
    *list = (*list | QUICK_OFF) + 1 + off; /* one more, and off */
    h->waiting += size;
    word_store(h, off,
               (word | HEAP_STATE_MASK) - (HEAP_STATE_MASK - BLOCK_QUICK));
    change_end(h, sequence);
    return true;
}

/* Allocate n bytes, or take back p, a block of BLOCK_RAW, if that is all there
 * is to do.  NULL or false: heap_alloc() or heap_free_raw() does more, or tells
 * why not. */
static inline void *quick_alloc(struct heap *h, size_t n)
{
    void *p;

    if (unlikely(n > HEAP_QUICK - HEAP_OVERHEAD - HEAP_GRANULE ||
                 h->tables == 0))
        return NULL;
    p = quick_pop(h, block_size_for(n), BLOCK_RAW);
    HEAP_DEEP_CHECK(h);
    return p;
}

static inline bool quick_free(struct heap *h, void *p)
{
    uint64_t off = (uint64_t)((uintptr_t)p - (uintptr_t)h);
    bool done = likely(word_may_be_at(h, off)) &&
                quick_push(h, off, word_load(h, off), true);

    HEAP_DEEP_CHECK(h);
    return done;
}

#endif
