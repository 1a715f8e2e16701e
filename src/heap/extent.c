/* extent.c - the heap as a whole: made, verified, rebuilt, larger, smaller
 *
 *     0        reserved    first                          end   size
 *     +---------+-----------+---------------------------+-----+---+
 *     | struct  | the       | blocks                    | end |   |
 *     | heap    | owner's   |                           |block| ? |
 *     +---------+-----------+---------------------------+-----+---+
 *
 * A heap may have any size; what is behind the end block is less than a block
 * and waits for the heap to grow.  The tables of bins and quick lists lie in a
 * block of their own, of state BLOCK_FIXED, in heaps that are large enough to
 * deserve them.
 *
 * Crashes: growing first writes a new end block, then size, and by making the
 * old end block a free one it links the two; shrinking makes the last free
 * block the end block.  A rebuild takes end from the chain, and then takes in
 * whatever room there is behind it, so that either is finished or undone.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "heap/block.h"
#include "link/rbtree.h"

#include <string.h>

/* Where the end block of a heap of this size is, if nothing is behind it. */
static uint64_t end_for(uint64_t size)
{
    return round_down(size, HEAP_GRANULE);
}

static uint64_t first_for(uint64_t reserved)
{
    return round_up(reserved + HEAP_OVERHEAD, HEAP_GRANULE);
}

static uint64_t tables_block(void)
{
    return block_size_for(sizeof(struct heap_tables));
}

size_t heap_min_size(size_t reserved)
{
    return first_for(reserved) + HEAP_MIN_BLOCK;
}

static void write_end(struct heap *h, uint64_t off, uint64_t prev_used)
{
    word_store(h, off, word_make(off, 0, prev_used, BLOCK_FIXED));
}

/* Turn the end block into a free one that reaches to where the end can be, if
 * that is a block at all. */
static tn_status take_in_room(struct heap *h)
{
    uint64_t old = h->end, end = end_for(h->size), word;

    if (end - old < HEAP_MIN_BLOCK)
        return TN_OK;
    write_end(h, end, HEAP_PREV_USED);
    word = word_make(old, end - old, word_load(h, old) & HEAP_PREV_USED,
                     BLOCK_FREE);
    word_store(h, old, word);
    h->end = end;
    return chain_release(h, old, word);
}

/* Give a heap that is large enough its tables, if there is room for them. */
static tn_status take_tables(struct heap *h)
{
    uint64_t off;

    if (h->tables != 0 || h->fit != TN_FIT_BEST || h->size < HEAP_TABLED)
        return TN_OK;
    off = chain_take(h, tables_block(), BLOCK_FIXED);
    return off == 0 ? TN_OK : chain_rebuild(h);
}

tn_status heap_init(struct heap *h, size_t size, size_t reserved, tn_fit fit)
{
    if (size > HEAP_MAX_SIZE || reserved > UINT32_MAX ||
        reserved < sizeof(struct heap) || size < heap_min_size(reserved))
        return TN_ESIZE;
    *h = (struct heap){.size = size,
                       .first = first_for(reserved),
                       .end = first_for(reserved),
                       .reserved = (uint32_t)reserved,
                       .fit = (uint16_t)fit};
    write_end(h, h->end, HEAP_PREV_USED);
    take_in_room(h);
    take_tables(h);
    HEAP_DEEP_CHECK(h);
    return TN_OK;
}

void heap_assume(struct heap *h, size_t size, size_t reserved)
{
    *h = (struct heap){.size = size,
                       .first = first_for(reserved),
                       .end = end_for(size),
                       .sequence = 1, /* nothing else can be relied on */
                       .reserved = (uint32_t)reserved,
                       .fit = TN_FIT_BEST};
}

/* --- Believing a header -------------------------------------------------- */

/* What is fixed when a heap is made, and enough for a walk over its chain. */
static bool frame_is_sound(const struct heap *h)
{
    return h->size <= HEAP_MAX_SIZE && h->reserved >= sizeof(struct heap) &&
           h->first == first_for(h->reserved) && h->first <= end_for(h->size) &&
           (h->fit == TN_FIT_BEST || h->fit == TN_FIT_SEQ) &&
           h->held <= HEAP_HELD_BROKEN;
}

static bool tables_are_sound(const struct heap *h)
{
    uint64_t word;

    if (h->tables == 0)
        return true;
    if (h->fit != TN_FIT_BEST || !block_may_be_at(h, h->tables))
        return false;
    word = word_load(h, h->tables);
    return block_is_sound(h, h->tables, word) &&
           word_state(word) == BLOCK_FIXED && word_size(word) >= tables_block();
}

tn_status heap_verify_header(const struct heap *h, size_t available)
{
    if (available < sizeof(struct heap) || h->size > available ||
        !frame_is_sound(h))
        return TN_ECORRUPT;
    if (h->end % HEAP_GRANULE != 0 || h->end < h->first ||
        h->end > end_for(h->size) || !tables_are_sound(h))
        return TN_ECORRUPT;

    /* In the middle of a change the rest may be as it is. */
    if (h->sequence % 2 != 0)
        return TN_OK;
    if (!block_is_sound(h, h->end, word_load(h, h->end)) ||
        (h->tree != 0 && (h->tables == 0 || !block_may_be_at(h, h->tree))) ||
        (h->room != 0 && h->tables == 0) ||
        (h->list != 0 && (h->tables != 0 || !block_may_be_at(h, h->list))))
        return TN_ECORRUPT;
    return TN_OK;
}

/* --- Rebuilding ---------------------------------------------------------- */

/* Follow the chain to its end block, whatever else the heap says, and find the
 * tables on the way (0: there are none). */
static tn_status chain_verify(const struct heap *h, uint64_t *end,
                              uint64_t *tables)
{
    uint64_t limit = end_for(h->size), off = h->first, size, word;

    *tables = 0;
    for (;; off += size) {
        word = word_load(h, off);
        size = word_size(word);
        if ((word ^ word_check(off, size)) >> HEAP_CHECK_SHIFT != 0)
            return TN_ECORRUPT;
        if (size == 0)
            break;
        if (size < HEAP_MIN_BLOCK || size > limit - off)
            return TN_ECORRUPT;
        if (word_state(word) == BLOCK_FIXED) {
            if (*tables != 0 || size < tables_block())
                return TN_ECORRUPT;
            *tables = off;
        }
    }
    *end = off;
    return word_state(word) == BLOCK_FIXED ? TN_OK : TN_ECORRUPT;
}

static bool word_is_free(uint64_t word)
{
    return word_state(word) == BLOCK_FREE || word_state(word) == BLOCK_QUICK;
}

/* The bytes of free blocks from off on, which become one. */
static uint64_t run_of_free(const struct heap *h, uint64_t off)
{
    uint64_t size = 0, word;

    while (word_is_free(word = word_load(h, off + size)))
        size += word_size(word);
    return size;
}

/* Build all that can be from the chain, which is known to be sound. */
static void rebuild_caches(struct heap *h)
{
    uint64_t off, size, last = 0, prev_used = HEAP_PREV_USED;

    for (off = h->first; off != h->end; off += size) {
        uint64_t word = word_load(h, off);

        size = word_size(word);
        if (word_is_free(word)) {
            size = run_of_free(h, off);
            *footer_before(h, off + size) = size;
            word_store(h, off,
                       word_make(off, size, HEAP_PREV_USED, BLOCK_FREE));
            if (h->tables != 0)
                best_insert(h, off, size);
            else
                seq_append(h, last, off);
            last = off;
            prev_used = 0;
            continue;
        }
        word_store(h, off, (word & ~HEAP_PREV_USED) | prev_used);
        prev_used = HEAP_PREV_USED;
        if (word_state(word) == BLOCK_FIXED)
            h->fixed += size;
        else
            h->taken += size;
    }
    write_end(h, h->end, prev_used);
}

tn_status chain_rebuild(struct heap *h)
{
    uint64_t end, tables;

    if (h->held != HEAP_HELD_NOT) {
        heap_break(h);
        return TN_ECORRUPT;
    }
    if (!frame_is_sound(h) || chain_verify(h, &end, &tables) != TN_OK)
        return TN_ECORRUPT;
    h->end = end;
    h->tables = h->fit == TN_FIT_BEST ? tables : 0;
    h->tree = h->list = h->taken = h->fixed = h->waiting = 0;
    if (h->tables != 0)
        memset(tables_of(h), 0, sizeof(struct heap_tables));
    rebuild_caches(h);
    chain_set_room(h);
    return TN_OK;
}

tn_status heap_rebuild(struct heap *h)
{
    uint64_t sequence = change_begin(h);
    tn_status status;

    heap_hold(h, false);
    status = chain_rebuild(h);

    if (status == TN_OK)
        status = take_in_room(h);
    if (status == TN_OK)
        status = take_tables(h);
    if (status == TN_OK) {
        change_end(h, sequence);
        HEAP_DEEP_CHECK(h);
    }
    return status;
}

/* --- Larger and smaller -------------------------------------------------- */

tn_status heap_grow(struct heap *h, size_t size)
{
    uint64_t sequence;
    tn_status status;

    if (size <= h->size || size > HEAP_MAX_SIZE)
        return TN_ESIZE;
    sequence = change_begin(h);
    if (end_for(size) - h->end >= HEAP_MIN_BLOCK)
        write_end(h, end_for(size), HEAP_PREV_USED);
    __atomic_store_n(&h->size, size, __ATOMIC_RELEASE);
    status = take_in_room(h);
    if (status == TN_OK)
        status = take_tables(h);
    change_end(h, sequence);

    HEAP_DEEP_CHECK(h);
    return status;
}

size_t heap_shrink(struct heap *h)
{
    uint64_t sequence = change_begin(h), size, off;

    chain_flush(h);
    if ((word_load(h, h->end) & HEAP_PREV_USED) == 0) {
        size = *footer_before(h, h->end);
        off = h->end - size;
        if (size <= h->end && block_is(h, off, size, BLOCK_FREE) &&
            fit_remove(h, off, size)) {
            write_end(h, off, HEAP_PREV_USED);
            h->end = off;
        }
    }
    h->size = h->end;
    change_end(h, sequence);

    HEAP_DEEP_CHECK(h);
    return h->size;
}

/* --- Wiping -------------------------------------------------------------- */

/* How far a wiping goes. */
struct wiping {
    uint64_t from; /* nothing before this is touched */
    size_t left;   /* bytes that may still be stored to */
    const struct heap_helper *helper;
};

enum { PIECE = 4096 };
_Static_assert((int)HEAP_QUICK <= PIECE, "see next_piece()");

/* Where the next piece may be that is not zero, or end.
 *
 * Blocks that left the lists just now may have left bytes in free memory that
 * the helper does not know of.  But those lie beside their headers and beside
 * those of the blocks behind them, and since they are smaller than a piece, in
 * each piece that has such bytes there was a header before. */
static uint64_t next_piece(const struct wiping *w, uint64_t off, uint64_t end)
{
    uint64_t next = off;

    if (w->helper != NULL && w->helper->next != NULL)
        next = w->helper->next(w->helper->arg, off);
    return next < end ? next : end;
}

static bool is_taken(const struct wiping *w, uint64_t off, uint64_t n)
{
    return n == PIECE && w->helper != NULL && w->helper->take != NULL &&
           w->helper->take(w->helper->arg, off);
}

static const char *sight_of(const struct heap *h, const struct wiping *w)
{
    return w->helper != NULL && w->helper->sight != NULL ? w->helper->sight
                                                         : (const char *)h;
}

/* Memory that is zero already is not written to: it may be a hole in a file.
 * False: no more may be stored to, and w->from is where to go on. */
static bool wipe(struct heap *h, uint64_t start, uint64_t end, struct wiping *w)
{
    uint64_t off = next_piece(w, start > w->from ? start : w->from, end);
    const char *sight = sight_of(h, w);

    for (uint64_t n; off < end; off = next_piece(w, off + n, end)) {
        n = PIECE - (uintptr_t)heap_at(h, off) % PIECE;
        if (n > end - off)
            n = end - off;
        if (bytes_are_zero(sight + off, n))
            continue;
        if (w->left < n) {
            w->from = off;
            return false;
        }
        if (!is_taken(w, off, n))
            memset(heap_at(h, off), 0, n);
        w->left -= n;
    }
    return true;
}

/* What of the block at off, whose header is word, is neither used nor needed by
 * the heap: from *start, *size bytes. */
static void find_idle(const struct heap *h, uint64_t off, uint64_t word,
                      uint64_t *start, uint64_t *size)
{
    uint64_t head = 0, tail = word_size(word) - HEAP_OVERHEAD;

    if (word_state(word) == BLOCK_QUICK) {
        head = sizeof(uint64_t); /* of its links, the first */
    } else if (word_state(word) == BLOCK_FREE) {
        head = h->tables != 0 && word_size(word) >= HEAP_BINNED
                   ? sizeof(struct rb_node)
                   : sizeof(struct block_links);
        tail -= HEAP_OVERHEAD;
    } else {
        tail = 0;
    }
    *start = off + head;
    *size = tail - head;
}

uint64_t heap_next_idle(const struct heap *h, uint64_t off, uint64_t *start,
                        uint64_t *size)
{
    uint64_t word, next = h->first;

    *start = *size = 0;
    if (off != 0) {
        word = word_load(h, off);
        next = off + word_size(word);
    }
    if (!word_may_be_at(h, next))
        return HEAP_BROKEN;
    word = word_load(h, next);
    if (!block_is_sound(h, next, word))
        return HEAP_BROKEN;
    if (next == h->end) {
        *start = next;
        *size = h->size - next;
        return 0;
    }
    find_idle(h, next, word, start, size);
    return next;
}

uint64_t heap_zero_some(struct heap *h, uint64_t from, size_t most,
                        const struct heap_helper *helper)
{
    struct wiping w = {from, most, helper};
    uint64_t sequence = change_begin(h), off = 0, start, size;
    bool all = true;

    chain_flush(h);
    do {
        off = heap_next_idle(h, off, &start, &size);
        if (start + size > from)
            all = wipe(h, start, start + size, &w);
    } while (all && off != 0 && off != HEAP_BROKEN);
    change_end(h, sequence);
    HEAP_DEEP_CHECK(h);
    return all ? 0 : w.from;
}

void heap_zero_free(struct heap *h)
{
    heap_zero_some(h, 0, SIZE_MAX, NULL);
}
