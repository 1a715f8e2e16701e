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
 *   M2  The reserve is 0 or another such block, of any size.
 *   M3  waiting is the sum of all of them.
 *   M4  sequence is odd while any of this may not hold.
 *
 * Where the heap would cut memory that nobody has used yet, the magazine gets a
 * larger piece of it, the reserve, and cuts that itself.  The heap lock is then
 * taken more rarely, and what its users have lies in pages apart from what
 * others have, so that a process brings in fewer of them.
 *
 * What changes without the heap lock is the state of a block, and only between
 * BLOCK_QUICK and BLOCK_RAW, and the size of a reserve; what changes with it in
 * the header of a block that is not free is P alone.  Both are done by one
 * indivisible step on the word, so neither undoes the other; and no other block
 * is merged or split, for that takes a free one.
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
    LONGEST = 256,         /* blocks in a list */
    LEAST_BYTES = 16384,   /* may wait in any case */
    SHARE = 16,            /* and more: this part of what is taken */
    WASTE = 16,            /* this part of a request may be wasted */
    FILL_BYTES = 8192,     /* are fetched at once, */
    FILL_MOST = 16,        /* in so many blocks at most */
    SPARE_BYTES = 2048,    /* if they come from free memory: not so many */
    RESERVE_BYTES = 65536, /* are reserved where nobody was yet, */
    RESERVE_SHARE = 4,     /* but this part of what may wait at most */
    GIVEN = 32,            /* blocks go back at once */
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

/* The header of the reserve.  0: there is none, or what is there cannot be.
 * Inside a change. */
static uint64_t reserve_word(struct heap *h, struct magazine *m)
{
    uint64_t off = m->reserve, word;

    if (off == 0)
        return 0;
    if (likely(block_may_be_at(h, off))) {
        word = word_load(h, off);
        if (likely(word_state(word) == BLOCK_QUICK &&
                   block_is_sound(h, off, word)))
            return word;
    }
    m->reserve = 0;
    heap_break(h);
    return 0;
}

/* Take a block of this size from the front of the reserve.  What is left gets
 * its header first, then the block shrinks and is the user's, by one step in
 * which P may have changed.  0: the reserve is smaller.  Inside a change. */
static uint64_t cut(struct heap *h, struct magazine *m, uint64_t size)
{
    uint64_t off = m->reserve, word = reserve_word(h, m), has = word_size(word);

    if (has < size)
        return 0;
    if (has - size < HEAP_MIN_BLOCK) {
        size = has;
        m->reserve = 0;
    } else {
        m->reserve = off + size;
        word_store(
            h, off + size,
            word_make(off + size, has - size, HEAP_PREV_USED, BLOCK_QUICK));
    }
    m->waiting -= size;
    word ^= word_make(off, size, word & HEAP_PREV_USED, BLOCK_RAW);
    __atomic_fetch_xor(word_at(h, off), word, __ATOMIC_RELEASE);
    return off;
}

static __attribute__((noinline)) void *
pop_from_reserve(struct heap *h, struct magazine *m, uint64_t size)
{
    uint64_t sequence, off;

    if (m->reserve == 0)
        return NULL;
    sequence = magazine_begin(m);
    off = cut(h, m, size);
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
    return likely(p != NULL) ? p : pop_from_reserve(h, m, block_size_for(n));
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

static void set_room(const struct heap *h, struct magazine *m)
{
    m->room = LEAST_BYTES + h->taken / SHARE;
}

/* Is the block behind the one at off free, and so large that the heap took this
 * one from it only because nobody has been there yet? */
static bool is_where_nobody_was(const struct heap *h, uint64_t off)
{
    uint64_t word = word_load(h, off + word_size(word_load(h, off)));

    return word_state(word) == BLOCK_FREE && word_size(word) >= RESERVE_BYTES;
}

/* What is left of the reserve is too small by now: it becomes a block like
 * others.  Take a new one if the block at off, just taken from the heap, comes
 * from where nobody was. */
static void renew_reserve(struct heap *h, struct magazine *m, uint64_t off)
{
    uint64_t old = m->reserve, has = word_size(reserve_word(h, m));
    uint64_t size = round_down(m->room / RESERVE_SHARE, HEAP_GRANULE);
    void *p;

    if (has >= HEAP_QUICK)
        return;
    if (has != 0) {
        m->reserve = 0;
        m->waiting -= has;
        hang(h, m, old, has);
    }
    if (!is_where_nobody_was(h, off))
        return;
    p = heap_alloc_spare(
        h, (size < RESERVE_BYTES ? size : RESERVE_BYTES) - HEAP_OVERHEAD,
        BLOCK_QUICK);
    if (p == NULL)
        return;
    m->reserve = heap_off(h, p);
    m->waiting += word_size(word_load(h, m->reserve));
}

void magazine_fill(struct heap *h, struct magazine *m, size_t n)
{
    uint64_t size = block_size_for(n), sequence = magazine_begin(m), bytes = 0;
    void *p = heap_alloc(h, n, BLOCK_QUICK);

    set_room(h, m);
    if (p != NULL)
        renew_reserve(h, m, heap_off(h, p));
    for (int i = 0; p != NULL; i++) {
        uint64_t off = heap_off(h, p), has = word_size(word_load(h, off));

        hang(h, m, off, has);
        bytes += size;
        p = NULL;
        if (i < FILL_MOST - 1 && bytes < FILL_BYTES)
            p = heap_alloc_waiting(h, n);
        if (p == NULL && bytes < SPARE_BYTES && m->reserve == 0)
            p = heap_alloc_spare(h, n, BLOCK_QUICK);
    }
    magazine_end(m, sequence);
}

/* Let the heap have the reserve if it is larger than this. */
static void give_back_reserve(struct heap *h, struct magazine *m, uint64_t most)
{
    uint64_t off = m->reserve, has = word_size(reserve_word(h, m));

    if (has <= most)
        return;
    m->reserve = 0;
    m->waiting -= has;
    chain_keep(h, off, true);
}

/* Make room for a block of this size by merging the largest, few of which make
 * much; for some more if that can be done soon, for others wait. */
static void give_back_largest(struct heap *h, struct magazine *m, uint64_t size)
{
    uint64_t bin = HEAP_QUICKS;
    int given = 0;

    while (bin > 0 && (m->waiting + size > m->room ||
                       (given < GIVEN && m->waiting + size > m->room / 4 * 3)))
        if (give_back(h, m, bin_size(bin - 1), true))
            given++;
        else
            bin--;
}

void magazine_make_room(struct heap *h, struct magazine *m, size_t size)
{
    uint64_t sequence = magazine_begin(m), heap_sequence = change_begin(h);

    set_room(h, m);
    give_back_reserve(h, m, m->room / RESERVE_SHARE);
    if (m->waiting + size <= m->room)
        for (int i = 0; i < GIVEN; i++)
            give_back(h, m, size, false);
    else
        give_back_largest(h, m, size);
    change_end(h, heap_sequence);
    magazine_end(m, sequence);
}

void magazine_empty(struct heap *h, struct magazine *m)
{
    uint64_t sequence = magazine_begin(m), heap_sequence = change_begin(h);

    for (uint64_t bin = 0; bin < HEAP_QUICKS; bin++)
        while (give_back(h, m, bin_size(bin), true))
            ;
    give_back_reserve(h, m, 0);
    change_end(h, heap_sequence);
    magazine_end(m, sequence);
}

void magazine_reset(struct magazine *m)
{
    uint64_t sequence = magazine_begin(m);

    for (uint64_t bin = 0; bin < HEAP_QUICKS; bin++)
        m->lists[bin] = 0;
    m->waiting = 0;
    m->reserve = 0;
    m->room = LEAST_BYTES;
    magazine_end(m, sequence);
}
