/* heap.c - allocation inside one stretch of memory
 *
 * The memory behind the owner's bytes is tiled by blocks:
 *
 *        used block                   free block
 *       +-------------------+        +-------------------+
 *       | check | size|P|st | header | check | size|P| 0 |
 *  off  +-------------------+        +-------------------+ multiple of 16
 *       | the caller's      |        | links             |
 *       |   bytes           |        |                   |
 *       |                   |        | (whatever)        |
 *       |                   |        +-------------------+
 *       |                   |        | size (footer)     |
 *       +-------------------+        +-------------------+
 *       | header of the     |        | header of the     |
 *       | next one, P = 1   |        | next one, P = 0   |
 *
 * A used block so pays 8 bytes: the footer is there only while a block is free
 * and P, in the header behind it, says so.  An allocation is a search for the
 * best block and a split; taking back is two looks at the neighbours.
 *
 * Blocks below 2 KiB are mostly not merged when they are given back but wait in
 * a quick list, whole, for the next request of their size, or one little less:
 * state BLOCK_QUICK, and for their neighbours as good as used.  What may wait
 * is bounded, and whatever must be exact flushes the lists first.
 *
 * Between calls these hold, and heap_check() tests them by these names:
 *
 *   H1  Stepping by size from the first block ends exactly on the end block;
 *       every header's check bits are right, and sizes are multiples of 16 and
 *       at least 32.
 *   H2  No two neighbours are both BLOCK_FREE.
 *   H3  P is 0 just where the block before is BLOCK_FREE; then the word before
 *       the header is that block's size.
 *   H4  With tables: each bin holds the BLOCK_FREE blocks of its size and
 *       nothing else, each once; links agree both ways; the map says which bins
 *       are not empty.
 *   H5  With tables: the tree holds the BLOCK_FREE blocks of 1 KiB and more and
 *       nothing else, each once, by size and address.
 *   H6  With tables: each quick list holds the BLOCK_QUICK blocks of its size
 *       and nothing else, each once, and counts them; but for those that
 *       magazines hold, while there are any.
 *   H7  Without tables: the list holds the BLOCK_FREE blocks, each once, by
 *       address; there are no BLOCK_QUICK blocks.
 *   H8  taken, waiting and fixed are sums over the blocks; tables names the one
 *       BLOCK_FIXED block besides the end block, or there is none; what is
 *       behind the end block is less than a block; the fields of struct heap
 *       agree with each other.
 *
 * The chain of blocks (H1 and the states) is the truth, and everything else can
 * be built from it.  It changes by single stores of header words only:
 *
 *   split     the rest's header is written first, then the block shrinks to
 *             make it visible
 *   give back the state becomes BLOCK_FREE; merging is a step of its own
 *   merge     the leftmost block grows over the others
 *
 * Crashes: killed at any instruction, the process leaves a chain that can be
 * walked, and sequence odd.  heap_rebuild() does the rest.  A block that was
 * being given out stays in use, one that was being taken back is free or not.
 * Nothing here is flushed to disk.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "heap/block.h"
#include "heap/quick.h"

/* --- Quick lists --------------------------------------------------------- */

enum {
    QUICK_LEAST_BYTES = 4096, /* bytes that may wait in any heap */
    QUICK_SHARE = 16,         /* and more: this part of what is taken */
    QUICK_SPARED = 1024,      /* and less: this part, when the end is cut */
    QUICK_WASTE = 16,         /* this part of a request may be wasted */
};

/* Release the newest block that waits in one list.  False: none does.  Blocks
 * behind one that is not what it should be stay lost until the next rebuild:
 * nothing may be done with them. */
static bool quick_release(struct heap *h, uint64_t bin)
{
    uint64_t *list = &tables_of(h)->quick[bin];
    uint64_t size = bin_size(bin), off = *list & QUICK_OFF;

    if (off == 0)
        return false;
    if (!block_is(h, off, size, BLOCK_QUICK)) {
        *list = 0;
        return false;
    }
    *list = links_at(h, off)->next;
    h->waiting -= size;
    h->taken -= size;
    if (chain_release(h, off, word_load(h, off)) == TN_OK)
        return true;
    *list = 0;
    return false;
}

/* Release what waits in one list; or half of it, one block at least. */
static void quick_flush(struct heap *h, uint64_t bin)
{
    while (quick_release(h, bin))
        ;
}

static void quick_halve(struct heap *h, uint64_t bin)
{
    uint64_t count = tables_of(h)->quick[bin] >> QUICK_COUNT_SHIFT;

    for (uint64_t left = count / 2; count > left && quick_release(h, bin);)
        count--;
}

/* Release the block at off, and clear what the heap wrote between it and its
 * free neighbours: it may have come from wiped memory and never been used. */
static void release_cleanly(struct heap *h, uint64_t off, uint64_t word)
{
    uint64_t next = off + word_size(word), next_word = word_load(h, next);
    uint64_t before = (word & HEAP_PREV_USED) == 0 ? *footer_before(h, off) : 0;

    links_at(h, off)->next = 0;
    h->taken -= word_size(word);
    if (chain_release(h, off, word) != TN_OK) {
        h->taken += word_size(word);
        return;
    }
    if (before != 0)
        word_store(h, off, 0);
    if (before > HEAP_MIN_BLOCK) /* else new links may lie there */
        block_clear_footer(h, off);
    if (word_state(next_word) == BLOCK_FREE) {
        word_store(h, next, 0);
        *links_at(h, next) = (struct block_links){0};
        if (word_size(next_word) >= HEAP_BINNED)
            block_clear_links(h, next);
    }
}

void chain_keep(struct heap *h, uint64_t off, bool merge)
{
    uint64_t word = word_load(h, off), size = word_size(word), *list;

    if (!merge && h->tables != 0 && h->waiting + size <= h->room) {
        list = &tables_of(h)->quick[bin_of(size)];
        if (*list < QUICK_LONGEST * QUICK_ONE) {
            links_at(h, off)->next = *list;
            *list = (*list | QUICK_OFF) + 1 + off;
            h->waiting += size;
            return;
        }
    }
    release_cleanly(h, off, word);
}

/* Take a waiting block that is a little larger.  What it wastes is less than
 * what splitting and merging leave over, and both are saved. */
static void *quick_pop_larger(struct heap *h, uint64_t size,
                              enum block_state state)
{
    uint64_t most = size + size / QUICK_WASTE;
    void *p = NULL;

    if (h->tables == 0)
        return NULL;
    for (size += HEAP_GRANULE; p == NULL && size <= most && size < HEAP_QUICK;
         size += HEAP_GRANULE)
        p = quick_pop(h, size, state);
    return p;
}

void chain_set_room(struct heap *h)
{
    h->room = h->tables == 0 ? 0 : QUICK_LEAST_BYTES + h->taken / QUICK_SHARE;
}

/* Make room for a block of this size to wait, which it could not.  Either its
 * list is full, perhaps of a size that went out of use; or too many bytes wait,
 * and then half of the largest blocks go, for one of them counts no more than a
 * small one for the speed. */
static void quick_make_room(struct heap *h, uint64_t size)
{
    uint64_t bin = HEAP_QUICKS;

    chain_set_room(h);
    if (h->waiting + size <= h->room)
        quick_halve(h, bin_of(size));
    else
        while (bin > 0 && h->waiting + size > h->room / 2)
            quick_halve(h, --bin);
}

void chain_flush(struct heap *h)
{
    if (h->tables == 0)
        return;
    for (uint64_t bin = 0; bin < HEAP_QUICKS; bin++)
        quick_flush(h, bin);
}

void chain_flush_block(struct heap *h, uint64_t off)
{
    uint64_t word = word_load(h, off), size = word_size(word);

    if (word_state(word) == BLOCK_QUICK && h->tables != 0 &&
        size >= HEAP_MIN_BLOCK && size < HEAP_QUICK)
        quick_flush(h, bin_of(size));
}

/* --- The chain ----------------------------------------------------------- */

static void count_used(struct heap *h, uint64_t size, enum block_state state)
{
    if (state == BLOCK_FIXED)
        h->fixed += size;
    else
        h->taken += size;
}

/* Give the first size bytes of the free block at off, which is in no bin, this
 * state.  What is left over is a free block if it can be one. */
static void split(struct heap *h, uint64_t off, uint64_t size,
                  enum block_state state)
{
    uint64_t word = word_load(h, off), has = word_size(word);
    uint64_t prev_used = word & HEAP_PREV_USED;

    block_clear_links(h, off);
    if (has - size < HEAP_MIN_BLOCK) {
        block_clear_footer(h, off + has);
        block_mark_prev(h, off + has, HEAP_PREV_USED);
        word_store(h, off, (word & ~HEAP_STATE_MASK) | state);
        count_used(h, has, state);
        return;
    }
    block_write_free(h, off + size, has - size, HEAP_PREV_USED);
    word_store(h, off, word_make(off, size, prev_used, state));
    count_used(h, size, state);
    if (!fit_insert(h, off + size, has - size))
        chain_rebuild(h);
}

/* The same of a large block that stays where it is in the tree.  find_free()
 * found it for this size, so those before it are smaller than size, and what is
 * left over is not.  False: that is not so, and nothing has changed. */
static bool split_in_place(struct heap *h, uint64_t off, uint64_t size,
                           enum block_state state)
{
    uint64_t word = word_load(h, off), rest = word_size(word) - size;

    if (h->tables == 0 || rest < HEAP_BINNED || rest < size ||
        unlikely(!best_move(h, off, off + size)))
        return false;
    block_write_free(h, off + size, rest, HEAP_PREV_USED);
    block_clear_links(h, off);
    word_store(h, off, word_make(off, size, word & HEAP_PREV_USED, state));
    count_used(h, size, state);
    return true;
}

/* At the end lies the memory that nobody has used yet, and what is used once
 * stays resident: before it is cut, what waits is merged, if it is enough to
 * matter. */
static bool is_better_merged(const struct heap *h, uint64_t off)
{
    return h->waiting > h->taken / QUICK_SPARED &&
           off + word_size(word_load(h, off)) == h->end;
}

/* Is there a block of this size, and not just at the end? */
static bool has_merged(const struct heap *h, uint64_t size)
{
    uint64_t off = fit_find(h, size);

    return off != 0 && off != FIT_BROKEN && !is_better_merged(h, off);
}

/* Merge what waits until there is a block of this size: first blocks that are
 * large enough themselves, the smallest of them first; then the larger ones of
 * the others, few of which make much.  So most of the small ones go on waiting,
 * and most requests are small. */
static void merge_for(struct heap *h, uint64_t size)
{
    const uint64_t *lists = tables_of(h)->quick;
    bool had = false;

    for (uint64_t bin = bin_of(size); !had && bin < HEAP_QUICKS; bin++)
        while (!had && quick_release(h, bin))
            had = has_merged(h, size);
    for (uint64_t bin = bin_of(size); !had && bin > 0; bin--)
        if (lists[bin - 1] != 0) {
            quick_flush(h, bin - 1);
            had = has_merged(h, size);
        }
}

/* Search twice: what is broken, or waits in quick lists, is put right first. */
static uint64_t find_free(struct heap *h, uint64_t size)
{
    uint64_t off = fit_find(h, size);

    if (likely(off != 0 && off != FIT_BROKEN) && !is_better_merged(h, off))
        return off;
    if (off == FIT_BROKEN) {
        if (chain_rebuild(h) != TN_OK)
            return 0;
    } else if (h->waiting == 0) {
        return 0;
    } else if (size < HEAP_QUICK) {
        merge_for(h, size);
    } else {
        chain_flush(h);
    }
    off = fit_find(h, size);
    return off == FIT_BROKEN ? 0 : off;
}

uint64_t chain_take(struct heap *h, uint64_t size, enum block_state state)
{
    uint64_t off = find_free(h, size);

    if (off == 0)
        return 0;
    if (split_in_place(h, off, size, state))
        return off;
    if (unlikely(!fit_remove(h, off, word_size(word_load(h, off))))) {
        if (chain_rebuild(h) != TN_OK)
            return 0;
        off = fit_find(h, size);
        if (off == 0 || off == FIT_BROKEN ||
            !fit_remove(h, off, word_size(word_load(h, off))))
            return 0;
    }
    split(h, off, size, state);
    return off;
}

uint64_t chain_free_before(const struct heap *h, uint64_t off)
{
    uint64_t size = *footer_before(h, off);

    return size <= off && block_is(h, off - size, size, BLOCK_FREE) ? size : 0;
}

tn_status chain_release(struct heap *h, uint64_t off, uint64_t word)
{
    uint64_t size = word_size(word), next = off + size;
    uint64_t next_word = word_load(h, next), before = 0;
    bool hung = true;

    if (unlikely(!block_is_sound(h, next, next_word)))
        return TN_ECORRUPT;
    if ((word & HEAP_PREV_USED) == 0) {
        before = chain_free_before(h, off);
        if (unlikely(before == 0))
            return TN_ECORRUPT;
    }

    /* From here on the block is free, whatever happens. */
    word_store(h, off, word & ~HEAP_STATE_MASK);
    if (word_state(next_word) == BLOCK_FREE) {
        hung = fit_remove(h, next, word_size(next_word));
        size += word_size(next_word);
        next = off + size;
    }
    if (before != 0) {
        off -= before;
        size += before;
        hung = fit_remove(h, off, before) && hung;
    }
    block_write_free(h, off, size, word_load(h, off) & HEAP_PREV_USED);
    block_mark_prev(h, next, 0);
    if (unlikely(!hung || !fit_insert(h, off, size)))
        return chain_rebuild(h);
    return TN_OK;
}

/* --- Allocating ---------------------------------------------------------- */

/* Not from the quick list of its size, which has none, or is broken. */
static __attribute__((noinline)) void *alloc_slowly(struct heap *h, size_t n,
                                                    enum block_state state)
{
    uint64_t off, size, sequence;
    void *p;

    if (n > HEAP_MAX_SIZE)
        return NULL;
    size = block_size_for(n);
    p = quick_pop_larger(h, size, state);
    if (p == NULL) {
        sequence = change_begin(h);
        off = chain_take(h, size, state);
        chain_set_room(h);
        change_end(h, sequence);
        p = off != 0 ? heap_at(h, off) : NULL;
    }
    HEAP_DEEP_CHECK(h);
    return p;
}

void *heap_alloc(struct heap *h, size_t n, enum block_state state)
{
    void *p;

    if (unlikely(n > HEAP_QUICK - HEAP_OVERHEAD - HEAP_GRANULE ||
                 h->tables == 0))
        return alloc_slowly(h, n, state);
    p = quick_pop(h, block_size_for(n), state);
    if (unlikely(p == NULL))
        return alloc_slowly(h, n, state);

    HEAP_DEEP_CHECK(h);
    return p;
}

void *heap_alloc_waiting(struct heap *h, size_t n)
{
    return h->tables != 0 ? quick_pop(h, block_size_for(n), BLOCK_QUICK) : NULL;
}

void *heap_alloc_spare(struct heap *h, size_t n, enum block_state state)
{
    uint64_t size = block_size_for(n), off = fit_find(h, size), sequence;
    bool had;

    if (off == 0 || off == FIT_BROKEN)
        return NULL;
    sequence = change_begin(h);
    had = fit_remove(h, off, word_size(word_load(h, off)));
    if (had)
        split(h, off, size, state);
    change_end(h, sequence);
    return had ? heap_at(h, off) : NULL;
}

/* How far into the free block at off a block of size bytes can begin so that
 * its place is right; what is left in front is nothing or a block.  False:
 * nowhere. */
static bool aligned_place(const struct heap *h, uint64_t off, uint64_t size,
                          size_t alignment, size_t offset, uint64_t *skip)
{
    uintptr_t place = (uintptr_t)h + off + offset;
    uint64_t gap = -place & (alignment - 1);

    if (gap != 0 && gap < HEAP_MIN_BLOCK)
        gap += alignment;
    *skip = gap;
    return gap + size <= word_size(word_load(h, off));
}

/* The last resort: any free block that has the right place in it. */
static uint64_t find_any_aligned(const struct heap *h, uint64_t size,
                                 size_t alignment, size_t offset)
{
    uint64_t skip, off = h->first, word;

    for (; off != h->end; off += word_size(word)) {
        word = word_load(h, off);
        if (!block_is_sound(h, off, word))
            return 0;
        if (word_state(word) == BLOCK_FREE &&
            aligned_place(h, off, size, alignment, offset, &skip))
            return off;
    }
    return 0;
}

/* The best block for the size may do; one that is larger by the alignment and
 * what cannot be left in front does for certain. */
static uint64_t find_aligned(struct heap *h, uint64_t size, size_t alignment,
                             size_t offset)
{
    uint64_t skip, off = find_free(h, size);

    if (off == 0)
        return 0;
    if (aligned_place(h, off, size, alignment, offset, &skip))
        return off;
    off = fit_find(h, size + alignment + HEAP_GRANULE);
    if (off != 0 && off != FIT_BROKEN)
        return off;
    chain_flush(h);
    return find_any_aligned(h, size, alignment, offset);
}

/* Cut skip bytes off the front of the free block at off, which is in no bin.
 * They stay a free block; so does the rest, which is not in a bin either. */
static bool cut_front(struct heap *h, uint64_t off, uint64_t skip)
{
    uint64_t word = word_load(h, off), rest = word_size(word) - skip;

    block_write_free(h, off + skip, rest, 0);
    *footer_before(h, off + skip) = skip;
    word_store(h, off, word_make(off, skip, word & HEAP_PREV_USED, BLOCK_FREE));
    return fit_insert(h, off, skip);
}

static uint64_t take_aligned(struct heap *h, uint64_t size, size_t alignment,
                             size_t offset, enum block_state state)
{
    uint64_t skip, off = find_aligned(h, size, alignment, offset);

    if (off == 0 || !aligned_place(h, off, size, alignment, offset, &skip))
        return 0;
    if (!fit_remove(h, off, word_size(word_load(h, off)))) {
        chain_rebuild(h);
        return 0;
    }
    if (skip != 0 && !cut_front(h, off, skip)) {
        chain_rebuild(h);
        return 0;
    }
    split(h, off + skip, size, state);
    return off + skip;
}

void *heap_alloc_aligned(struct heap *h, size_t n, size_t alignment,
                         size_t offset, enum block_state state)
{
    uint64_t off, sequence;

    if (!is_power_of_two(alignment) || n > HEAP_MAX_SIZE ||
        alignment > HEAP_MAX_SIZE)
        return NULL;
    if (alignment <= HEAP_GRANULE)
        return offset % alignment == 0 ? heap_alloc(h, n, state) : NULL;
    if (offset % HEAP_GRANULE != 0)
        return NULL;

    sequence = change_begin(h);
    off = take_aligned(h, block_size_for(n), alignment, offset, state);
    change_end(h, sequence);

    HEAP_DEEP_CHECK(h);
    return off != 0 ? heap_at(h, off) : NULL;
}

/* --- Taking back --------------------------------------------------------- */

/* p is no block, or one whose header has been overrun.  Only the chain can
 * tell: does a walk from the start step on it? */
static tn_status diagnose(const struct heap *h, uint64_t off)
{
    uint64_t at = h->first, word;

    for (; at < off; at += word_size(word)) {
        word = word_load(h, at);
        if (!block_is_sound(h, at, word))
            return TN_ECORRUPT;
    }
    return at == off ? TN_ECORRUPT : TN_EINVAL;
}

tn_status chain_find_used(const struct heap *h, const void *p, uint64_t *word)
{
    uint64_t off = (uint64_t)((uintptr_t)p - (uintptr_t)h), found;

    if (!block_may_be_at(h, off))
        return TN_EINVAL;
    found = word_load(h, off);
    if (!block_is_sound(h, off, found))
        return diagnose(h, off);
    if (!word_is_used(found))
        return TN_EINVAL;
    *word = found;
    return TN_OK;
}

/* Merge the block at p with its neighbours, if it is one, and make room in the
 * quick lists for the next. */
static __attribute__((noinline)) tn_status free_slowly(struct heap *h, void *p,
                                                       bool raw)
{
    uint64_t word, size, sequence;
    tn_status status = chain_find_used(h, p, &word);

    if (status != TN_OK)
        return status;
    if (!is_for_freeing(word, raw))
        return TN_EINVAL;
    sequence = change_begin(h);
    size = word_size(word);
    if (size < HEAP_QUICK && h->tables != 0) {
        quick_make_room(h, size);
        word = word_load(h, heap_off(h, p));
    }
    h->taken -= size;
    status = chain_release(h, heap_off(h, p), word);
    if (status != TN_OK)
        h->taken += size;
    change_end(h, sequence);

    HEAP_DEEP_CHECK(h);
    return status;
}

static inline tn_status free_block(struct heap *h, void *p, bool raw)
{
    uint64_t off = (uint64_t)((uintptr_t)p - (uintptr_t)h);

    if (unlikely(!word_may_be_at(h, off)))
        return TN_EINVAL;
    if (unlikely(!quick_push(h, off, word_load(h, off), raw)))
        return free_slowly(h, p, raw);

    HEAP_DEEP_CHECK(h);
    return TN_OK;
}

tn_status heap_free(struct heap *h, void *p)
{
    return free_block(h, p, false);
}

tn_status heap_free_raw(struct heap *h, void *p)
{
    return free_block(h, p, true);
}

/* --- Questions ----------------------------------------------------------- */

bool heap_describe(const struct heap *h, const void *p, enum block_state *state,
                   size_t *usable)
{
    uint64_t off = (uint64_t)((uintptr_t)p - (uintptr_t)h), word;

    if (!block_may_be_at(h, off))
        return false;
    word = word_load(h, off);
    if (!block_is_sound(h, off, word) || !word_is_used(word))
        return false;
    *state = word_state(word);
    *usable = word_size(word) - HEAP_OVERHEAD;
    return true;
}

bool heap_owns(const struct heap *h, const void *p)
{
    enum block_state state;
    size_t usable;

    return heap_describe(h, p, &state, &usable);
}

size_t heap_usable_size(const struct heap *h, const void *p)
{
    return word_size(word_load(h, heap_off(h, p))) - HEAP_OVERHEAD;
}

enum block_state heap_state(const struct heap *h, const void *p)
{
    return word_state(word_load(h, heap_off(h, p)));
}

void heap_set_state(struct heap *h, void *p, enum block_state state)
{
    uint64_t off = heap_off(h, p), sequence = change_begin(h);

    word_store(h, off, (word_load(h, off) & ~HEAP_STATE_MASK) | state);
    change_end(h, sequence);
}

size_t heap_free_bytes(const struct heap *h)
{
    return h->end - h->first - h->taken - h->fixed + h->waiting;
}

size_t heap_largest(struct heap *h)
{
    uint64_t sequence = change_begin(h), size;

    chain_flush(h);
    size = fit_largest(h);
    if (size == FIT_BROKEN)
        size = chain_rebuild(h) == TN_OK ? fit_largest(h) : 0;
    change_end(h, sequence);
    return size == 0 ? 0 : size - HEAP_OVERHEAD;
}

void heap_hold(struct heap *h, bool held)
{
    h->held = held ? HEAP_HELD : HEAP_HELD_NOT;
}

bool heap_is_broken(const struct heap *h)
{
    return __atomic_load_n(&h->held, __ATOMIC_RELAXED) == HEAP_HELD_BROKEN;
}

void heap_break(struct heap *h)
{
    __atomic_store_n(&h->held, (uint16_t)HEAP_HELD_BROKEN, __ATOMIC_RELAXED);
}

bool heap_waits_behind(const struct heap *h, const void *p)
{
    uint64_t off = heap_off(h, p), next = off + word_size(word_load(h, off));

    return word_state(word_load(h, next)) == BLOCK_QUICK;
}

size_t heap_used_bytes(const struct heap *h)
{
    return h->taken - h->waiting;
}

bool heap_all_free(const struct heap *h)
{
    return heap_used_bytes(h) == 0;
}

uint64_t heap_next_block(const struct heap *h, uint64_t off, void **p,
                         enum block_state *state, size_t *usable)
{
    uint64_t word, next = h->first;

    if (off != 0) {
        if (!block_may_be_at(h, off))
            return 0;
        word = word_load(h, off);
        if (!block_is_sound(h, off, word))
            return 0;
        next = off + word_size(word);
    }
    if (!block_may_be_at(h, next))
        return 0;
    word = word_load(h, next);
    if (!block_is_sound(h, next, word))
        return 0;
    *p = heap_at(h, next);
    *state = word_state(word);
    *usable = word_size(word) - HEAP_OVERHEAD;
    return next;
}

uint64_t heap_sequence(const struct heap *h)
{
    return __atomic_load_n(&h->sequence, __ATOMIC_ACQUIRE);
}

void heap_flush(struct heap *h)
{
    uint64_t sequence = change_begin(h);

    chain_flush(h);
    change_end(h, sequence);
    HEAP_DEEP_CHECK(h);
}
