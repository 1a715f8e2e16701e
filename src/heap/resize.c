/* resize.c - blocks that become larger or smaller, in place if that can be
 *
 *      before          the block         behind
 *     +---------------+-----------------+---------------+
 *     | free          | in use          | free          |
 *     +---------------+-----------------+---------------+
 *               <-- start             end -->
 *
 * Moving the end covers shrinking and expanding forward alike: the block and
 * what is free behind it are one room, of which the block gets the front.
 * Moving the start, backward, goes by steps that are a multiple of both 16 and
 * the element size, so that elements can be moved by whole places; the contents
 * are the caller's to move.
 *
 * The order in which heap_resize() tries its ways, first all of them for the
 * preferred size, then all of them for whatever is not less than the limit:
 * forward; backward, with all that is free behind if forward is allowed too; a
 * new block.
 *
 * Crashes: either move is one store of a header word, as in heap.c.  heap_
 * realloc() copies to a new block and then gives the old one back; it never
 * moves contents inside a block, for there a crash would leave half of them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "heap/block.h"

#include <string.h>

/* --- One block and its free neighbours ----------------------------------- */

/* Bytes of the free block behind a block, 0: there is none. */
static uint64_t free_behind(const struct heap *h, uint64_t off)
{
    uint64_t next = off + word_size(word_load(h, off));
    uint64_t word = word_load(h, next);

    return word_state(word) == BLOCK_FREE && block_is_sound(h, next, word)
               ? word_size(word)
               : 0;
}

static uint64_t free_before(const struct heap *h, uint64_t off)
{
    return (word_load(h, off) & HEAP_PREV_USED) != 0
               ? 0
               : chain_free_before(h, off);
}

/* The block at off had has bytes and now has size: clear the header, links and
 * footer of the free block that it got them from. */
static void clear_gained(struct heap *h, uint64_t off, uint64_t has,
                         uint64_t size, bool all)
{
    uint64_t gained = size - has;

    memset(word_at(h, off + has), 0,
           gained < HEAP_MIN_BLOCK ? gained : HEAP_MIN_BLOCK);
    if (all)
        block_clear_footer(h, off + size);
}

/* Let the block at off be size bytes, which it has with what is free behind it,
 * or all if the rest could not be a block.  False: the free block could not be
 * had, and nothing has changed. */
static bool move_end(struct heap *h, uint64_t off, uint64_t size)
{
    uint64_t word = word_load(h, off), has = word_size(word);
    uint64_t behind = free_behind(h, off), room = has + behind;

    if (room - size < HEAP_MIN_BLOCK)
        size = room;
    if (size == has)
        return true;
    if (behind != 0 && !fit_remove(h, off + has, behind)) {
        chain_rebuild(h);
        return false;
    }

    if (size < room)
        block_write_free(h, off + size, room - size, HEAP_PREV_USED);
    word_store(h, off,
               word_make(off, size, word & HEAP_PREV_USED, word_state(word)));
    h->taken += size - has;
    if (size > has)
        clear_gained(h, off, has, size, size == room);
    block_mark_prev(h, off + room, size < room ? 0 : HEAP_PREV_USED);
    if (size < room && !fit_insert(h, off + size, room - size))
        chain_rebuild(h);
    return true;
}

/* Let the block at off begin distance bytes earlier, in the free block before
 * it, of which nothing or a block is left.  Returns the new place, 0: the free
 * block could not be had. */
static uint64_t move_start(struct heap *h, uint64_t off, uint64_t distance)
{
    uint64_t word = word_load(h, off), before = free_before(h, off);
    uint64_t size = word_size(word) + distance, left = before - distance;
    uint64_t front = off - before, start = off - distance;
    uint64_t prev_used = word_load(h, front) & HEAP_PREV_USED;

    if (!fit_remove(h, front, before)) {
        chain_rebuild(h);
        return 0;
    }
    if (left == 0) {
        word_store(h, start,
                   word_make(start, size, prev_used, word_state(word)));
    } else {
        word_store(h, start, word_make(start, size, 0, word_state(word)));
        block_write_free(h, front, left, prev_used);
    }
    h->taken += distance;
    word_store(h, off, 0); /* no longer a header that could be believed */
    block_clear_footer(h, off);
    if (left == 0)
        block_clear_links(h, start);
    if (left != 0 && !fit_insert(h, front, left))
        chain_rebuild(h);
    return start;
}

/* --- The ways of heap_resize() ------------------------------------------- */

/* What is wanted; sizes are of whole blocks. */
struct request {
    struct heap *h;
    unsigned command;
    size_t element;
    uint64_t off;  /* the block to resize, 0: none */
    uint64_t step; /* by which its start may move */
};

static uint64_t size_of(const struct request *r)
{
    return word_size(word_load(r->h, r->off));
}

/* The least multiple of a granule that is one of the element's size too. */
static uint64_t step_for(uint64_t element)
{
    uint64_t step = element * HEAP_GRANULE;

    for (int k = 0; k < 4 && element % 2 == 0; k++) {
        element /= 2;
        step /= 2;
    }
    return step;
}

/* How far the start can move to gain size bytes; if it cannot gain so many, as
 * far as it can. */
static uint64_t distance_back(const struct request *r, uint64_t size)
{
    uint64_t before = free_before(r->h, r->off);
    uint64_t most = before / r->step * r->step;
    uint64_t distance = (size + r->step - 1) / r->step * r->step;

    if (distance > most)
        distance = most;
    /* Leaving 16 bytes in front is no good. */
    if (distance != 0 && before - distance == HEAP_GRANULE)
        distance += r->step == HEAP_GRANULE ? HEAP_GRANULE : -r->step;
    return distance;
}

static uint64_t forward(struct request *r, uint64_t least, uint64_t most)
{
    uint64_t room;

    if (r->off == 0 || (r->command & TN_EXPAND_FWD) == 0)
        return 0;
    if (size_of(r) >= most)
        return r->off;
    room = size_of(r) + free_behind(r->h, r->off);
    if (room < least)
        return 0;
    return move_end(r->h, r->off, room < most ? room : most) ? r->off : 0;
}

static uint64_t backward(struct request *r, uint64_t least, uint64_t most)
{
    uint64_t room, distance;

    if (r->off == 0 || (r->command & TN_EXPAND_BWD) == 0)
        return 0;
    if (size_of(r) >= most)
        return r->off;
    room = size_of(r);
    if ((r->command & TN_EXPAND_FWD) != 0)
        room += free_behind(r->h, r->off);
    distance = room < most ? distance_back(r, most - room) : 0;
    if (room + distance < least)
        return 0;
    if (!move_end(r->h, r->off, room < most ? room : most))
        return 0;
    return distance == 0 ? r->off : move_start(r->h, r->off, distance);
}

/* The largest free block there is, or 0. */
static uint64_t largest(struct heap *h)
{
    uint64_t size;

    chain_flush(h);
    size = fit_largest(h);
    return size == FIT_BROKEN ? 0 : size;
}

static uint64_t anew(struct request *r, uint64_t least, uint64_t most)
{
    uint64_t off, size;

    if ((r->command & TN_NEW) == 0)
        return 0;
    off = chain_take(r->h, most, BLOCK_RAW);
    if (off != 0)
        return off;
    size = largest(r->h);
    return size < least || size == 0 ? 0 : chain_take(r->h, size, BLOCK_RAW);
}

/* The place of a block of most bytes, else of as many as can be had and not
 * less than least; *is_new: it is another block.  0: not possible. */
static uint64_t try_all(struct request *r, uint64_t least, uint64_t most,
                        bool *is_new)
{
    uint64_t off;

    *is_new = false;
    for (uint64_t floor = most;; floor = least) {
        off = forward(r, floor, most);
        if (off == 0)
            off = backward(r, floor, most);
        if (off != 0)
            return off;
        off = anew(r, floor, most);
        *is_new = off != 0;
        if (off != 0 || floor == least)
            return off;
    }
}

/* The size of block that some allowed way could give. */
static uint64_t reachable(const struct request *r)
{
    uint64_t size = 0, room;

    if (r->off != 0) {
        room = size_of(r);
        if ((r->command & TN_EXPAND_FWD) != 0)
            room += free_behind(r->h, r->off);
        if ((r->command & TN_EXPAND_BWD) != 0)
            room += distance_back(r, HEAP_MAX_SIZE);
        size = room;
    }
    if ((r->command & TN_NEW) != 0) {
        room = largest(r->h);
        size = room > size ? room : size;
    }
    return size;
}

/* --- heap_resize() ------------------------------------------------------- */

enum {
    EXPAND = TN_EXPAND_FWD | TN_EXPAND_BWD,
    REDUCE = TN_SHRINK | TN_TRY_SHRINK,
    KNOWN = TN_NEW | EXPAND | REDUCE | TN_ZERO,
};

static size_t elements_in(uint64_t block, size_t element)
{
    return block < HEAP_OVERHEAD ? 0 : (block - HEAP_OVERHEAD) / element;
}

/* The block for so many elements; more than can be is more than any has. */
static uint64_t block_for(size_t elements, size_t element)
{
    size_t bytes;

    if (!bytes_mul(elements, element, &bytes) || bytes > HEAP_MAX_SIZE)
        bytes = HEAP_MAX_SIZE;
    return block_size_for(bytes);
}

/* NULL, or why the request makes no sense. */
static const char *objection(const struct heap *h, unsigned command,
                             size_t limit, size_t preferred, void *block,
                             size_t element)
{
    uint64_t word;

    if (element == 0 || element > HEAP_MAX_SIZE)
        return "elements of this size cannot be";
    if ((command & ~(unsigned)KNOWN) != 0 || (command & ~TN_ZERO) == 0)
        return "the command has no way, or an unknown one";
    if ((command & REDUCE) != 0 && (command & (TN_NEW | EXPAND)) != 0)
        return "shrinking goes with no other way";
    if ((command & REDUCE) != 0 ? limit < preferred : limit > preferred)
        return "the limit is on the wrong side of the preferred size";
    if (block == NULL)
        return (command & TN_NEW) != 0 ? NULL : "there is no block to resize";
    return chain_find_used(h, block, &word) == TN_OK
               ? NULL
               : "the block to resize is no allocation";
}

/* Move the end back.  What comes of it is known before anything is changed. */
static void *reduce(struct request *r, size_t limit, size_t *preferred)
{
    uint64_t has = size_of(r), size = block_for(*preferred, r->element);
    uint64_t behind = free_behind(r->h, r->off), result = has;
    size_t got;

    if (size < has && has + behind - size >= HEAP_MIN_BLOCK)
        result = size;
    got = elements_in(result, r->element);
    if ((r->command & TN_TRY_SHRINK) == 0 &&
        (got < *preferred || got > limit)) {
        *preferred = got;
        return NULL;
    }
    if (result < has)
        move_end(r->h, r->off, result);
    *preferred = elements_in(size_of(r), r->element);
    return heap_at(r->h, r->off);
}

/* Clear what is in the block at off now and was not in the old one, of has
 * bytes. */
static void clear_fresh(const struct request *r, uint64_t off, uint64_t has,
                        bool is_new)
{
    uint64_t end = off + word_size(word_load(r->h, off)) - HEAP_OVERHEAD;
    uint64_t old_end = r->off + has - HEAP_OVERHEAD;

    if (is_new) {
        memset(heap_at(r->h, off), 0, end - off);
        return;
    }
    memset(heap_at(r->h, off), 0, r->off - off);
    memset(heap_at(r->h, old_end), 0, end - old_end);
}

static void *enlarge(struct request *r, size_t limit, size_t *preferred,
                     void **reuse)
{
    uint64_t has = r->off != 0 ? size_of(r) : 0, off;
    bool is_new;

    off = try_all(r, block_for(limit, r->element),
                  block_for(*preferred, r->element), &is_new);
    if (off == 0) {
        *preferred = elements_in(reachable(r), r->element);
        return NULL;
    }
    if ((r->command & TN_ZERO) != 0)
        clear_fresh(r, off, has, is_new);
    if (is_new && reuse != NULL)
        *reuse = NULL;
    *preferred = elements_in(word_size(word_load(r->h, off)), r->element);
    return heap_at(r->h, off);
}

void *heap_resize(struct heap *h, unsigned command, size_t limit,
                  size_t *preferred, void **reuse, size_t element)
{
    bool in_place = (command & (EXPAND | REDUCE)) != 0;
    void *block = in_place && reuse != NULL ? *reuse : NULL, *result;
    struct request r = {.h = h, .command = command, .element = element};
    const char *wrong =
        objection(h, command, limit, *preferred, block, element);
    uint64_t sequence;
    size_t wanted;

    if (wrong != NULL) {
        error_set(TN_EINVAL, "resizing an allocation: %s", wrong);
        return NULL;
    }
    sequence = change_begin(h);
    if (block != NULL) {
        r.off = heap_off(h, block);
        r.step = step_for(element);
        /* A waiting neighbour counts as free.  Behind, it can be seen. */
        chain_flush_block(h, r.off + size_of(&r));
        if ((command & TN_EXPAND_BWD) != 0)
            chain_flush(h);
    }
    wanted = *preferred;
    result = (command & REDUCE) != 0 ? reduce(&r, limit, preferred)
                                     : enlarge(&r, limit, preferred, reuse);
    if (result == NULL && (command & REDUCE) == 0 && h->waiting != 0) {
        chain_flush(h); /* several that wait side by side make room, too */
        *preferred = wanted;
        result = enlarge(&r, limit, preferred, reuse);
    }
    change_end(h, sequence);

    HEAP_DEEP_CHECK(h);
    return result;
}

/* --- heap_realloc() ------------------------------------------------------ */

/* Let the block at off be size bytes without moving it. */
static bool resize_in_place(struct heap *h, uint64_t off, uint64_t size)
{
    uint64_t has = word_size(word_load(h, off)), sequence, next = off + has;
    bool done;

    sequence = change_begin(h);
    if (size > has)
        chain_flush_block(h, next);
    done = size <= has + free_behind(h, off) && move_end(h, off, size);
    change_end(h, sequence);
    return done;
}

void *heap_realloc(struct heap *h, void *p, size_t n)
{
    uint64_t word, has;
    void *fresh;

    if (p == NULL)
        return heap_alloc(h, n, BLOCK_RAW);
    if (n > HEAP_MAX_SIZE || chain_find_used(h, p, &word) != TN_OK)
        return NULL;
    if (resize_in_place(h, heap_off(h, p), block_size_for(n))) {
        HEAP_DEEP_CHECK(h);
        return p;
    }
    fresh = heap_alloc(h, n, word_state(word));
    if (fresh == NULL)
        return NULL;
    has = word_size(word) - HEAP_OVERHEAD;
    memcpy(fresh, p, has < n ? has : n);
    heap_free(h, p);
    return fresh;
}
