/* magazine.c - blocks that wait apart, for users who do not have the heap lock
 *
 * The heap has one lock.  Where many threads allocate, most of what they free
 * and take again goes through magazines instead: quick lists as in heap.c, but
 * each set of them with a lock of its own, so that its users meet nobody.
 *
 *                      pop, push                        fill, make_room, empty
 *     user <----------------------------> magazine <----------------> heap
 *            the magazine's lock alone               that and the heap's
 *
 * A block in a magazine is BLOCK_QUICK, like one in the heap's own quick lists,
 * and like those it counts as taken; the magazine counts what waits in it.
 *
 *   M1  A list holds blocks of its size that are BLOCK_QUICK, and counts them.
 *   M2  waiting is the sum of all of them.
 *   M3  sequence is odd while either may not hold.
 *
 * What changes without the heap lock is the state of a block alone, and only
 * between BLOCK_QUICK and BLOCK_RAW; what changes with it in the header of a
 * block that is not free is P alone.  Both are done by one indivisible step on
 * the word, so neither undoes the other; and no block is merged or split, for
 * that takes a free one.
 *
 * While there are magazines (heap.held), the heap does not rebuild itself: it
 * would hand out what they hold.  It says so instead (HEAP_HELD_BROKEN), and
 * who can stop their users rebuilds it and empties them.
 *
 * Crashes: killed anywhere here, the chain is whole and the sequence odd.  The
 * rebuild merges all blocks that are BLOCK_QUICK, wherever they were.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "heap/block.h"

enum {
    LONGEST = 64,        /* blocks in a list */
    LEAST_BYTES = 16384, /* may wait in any case */
    SHARE = 16,          /* and more: this part of what is taken */
    WASTE = 16,          /* this part of a request may be wasted */
    FILL_BYTES = 8192,   /* are fetched at once, */
    FILL_MOST = 16,      /* in so many blocks at most */
    SPARE_BYTES = 2048,  /* if they come from free memory: not so many */
};

static inline uint64_t magazine_begin(struct magazine *m)
{
    uint64_t sequence = m->sequence | 1;

    __atomic_store_n(&m->sequence, sequence, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    return sequence;
}

static inline void magazine_end(struct magazine *m, uint64_t sequence)
{
    __atomic_store_n(&m->sequence, sequence + 1, __ATOMIC_RELEASE);
}

/* --- With the magazine's lock alone --------------------------------------- */

/* Take the newest block off the list of this size, whatever its state is to be.
 * 0: there is none, or what is there cannot be.  Inside a change. */
static inline uint64_t unhang(struct heap *h, struct magazine *m, uint64_t size)
{
    uint64_t *list = &m->lists[bin_of(size)], off = *list & QUICK_OFF;

    if (off == 0)
        return 0;
    if (unlikely(!block_waits(h, off, size))) {
        *list = 0;
        heap_break(h);
        return 0;
    }
    *list = links_at(h, off)->next;
    m->waiting -= size;
    return off;
}

static inline void hang(struct heap *h, struct magazine *m, uint64_t off,
                        uint64_t size)
{
    uint64_t *list = &m->lists[bin_of(size)];

    links_at(h, off)->next = *list;
    *list = (*list | QUICK_OFF) + 1 + off; /* one more, and off */
    m->waiting += size;
}

static inline void *pop(struct heap *h, struct magazine *m, uint64_t size)
{
    uint64_t sequence, off;

    if (m->lists[bin_of(size)] == 0)
        return NULL;
    sequence = magazine_begin(m);
    off = unhang(h, m, size);
    if (likely(off != 0)) {
        links_at(h, off)->next = 0; /* as block_clear_links() */
        __atomic_fetch_xor(word_at(h, off), BLOCK_QUICK ^ BLOCK_RAW,
                           __ATOMIC_RELEASE);
    }
    magazine_end(m, sequence);
    return off != 0 ? heap_at(h, off) : NULL;
}

void *magazine_pop(struct heap *h, struct magazine *m, size_t n)
{
    uint64_t size = block_size_for(n), most = size + size / WASTE;
    void *p = pop(h, m, size);

    for (size += HEAP_GRANULE;
         unlikely(p == NULL) && size <= most && size < HEAP_QUICK;
         size += HEAP_GRANULE)
        p = pop(h, m, size);
    return p;
}

/* Turn a block that is BLOCK_RAW into a waiting one, unless somebody else does.
 * P may change at any time; the rest of the word may not. */
static inline bool claim_raw(struct heap *h, uint64_t off, uint64_t word)
{
    uint64_t seen = word;

    do {
        if (__atomic_compare_exchange_n(word_at(h, off), &seen,
                                        seen ^ BLOCK_RAW ^ BLOCK_QUICK, false,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            return true;
    } while (((seen ^ word) & ~HEAP_PREV_USED) == 0);
    return false;
}

bool magazine_push(struct heap *h, struct magazine *m, void *p)
{
    uint64_t off = (uint64_t)((uintptr_t)p - (uintptr_t)h), word, size;
    uint64_t sequence;
    bool claimed;

    if (unlikely(!block_may_be_at(h, off)))
        return false;
    word = word_load(h, off);
    size = word_size(word);
    if (unlikely(size - HEAP_MIN_BLOCK >= HEAP_QUICK - HEAP_MIN_BLOCK ||
                 m->waiting + size > m->room || word_state(word) != BLOCK_RAW ||
                 !block_is_sound(h, off, word) ||
                 m->lists[bin_of(size)] >= LONGEST * QUICK_ONE))
        return false;
    sequence = magazine_begin(m);
    claimed = claim_raw(h, off, word);
    if (likely(claimed))
        hang(h, m, off, size);
    magazine_end(m, sequence);
    return claimed;
}

/* --- With the heap's lock too --------------------------------------------- */

/* Let the heap have the newest block of this size.  False: there is none. */
static bool give_back(struct heap *h, struct magazine *m, uint64_t size,
                      bool merge)
{
    uint64_t off = unhang(h, m, size);

    if (off != 0)
        chain_keep(h, off, merge);
    return off != 0;
}

void magazine_fill(struct heap *h, struct magazine *m, size_t n)
{
    uint64_t size = block_size_for(n), sequence = magazine_begin(m), bytes = 0;
    void *p = heap_alloc(h, n, BLOCK_QUICK);

    for (int i = 0; p != NULL; i++) {
        uint64_t off = heap_off(h, p), has = word_size(word_load(h, off));

        hang(h, m, off, has);
        bytes += size;
        p = NULL;
        if (i < FILL_MOST - 1 && bytes < FILL_BYTES)
            p = heap_alloc_waiting(h, n);
        if (p == NULL && bytes < SPARE_BYTES)
            p = heap_alloc_spare(h, n, BLOCK_QUICK);
    }
    magazine_end(m, sequence);
}

void magazine_make_room(struct heap *h, struct magazine *m, size_t size)
{
    uint64_t sequence = magazine_begin(m), heap_sequence = change_begin(h);
    uint64_t bin = HEAP_QUICKS;

    m->room = LEAST_BYTES + h->taken / SHARE;
    if (m->waiting + size <= m->room)
        for (int i = 0; i < LONGEST / 2; i++)
            give_back(h, m, size, false);
    while (bin > 0 && m->waiting + size > m->room / 4 * 3)
        if (!give_back(h, m, bin_size(bin - 1), true))
            bin--;
    change_end(h, heap_sequence);
    magazine_end(m, sequence);
}

void magazine_empty(struct heap *h, struct magazine *m)
{
    uint64_t sequence = magazine_begin(m), heap_sequence = change_begin(h);

    for (uint64_t bin = 0; bin < HEAP_QUICKS; bin++)
        while (give_back(h, m, bin_size(bin), true))
            ;
    change_end(h, heap_sequence);
    magazine_end(m, sequence);
}

void magazine_reset(struct magazine *m)
{
    uint64_t sequence = magazine_begin(m);

    for (uint64_t bin = 0; bin < HEAP_QUICKS; bin++)
        m->lists[bin] = 0;
    m->waiting = 0;
    m->room = LEAST_BYTES;
    magazine_end(m, sequence);
}
