/* salvage.c - a chain of blocks that is broken, made whole again
 *
 *     | block | block | broken header   ...  ?  | block | block | end |
 *                     ^ off                     ^ here the chain goes on
 *
 * Where does the block at off end?  Witnesses are asked in this order:
 *
 *   1  What lies in it: a record and a descriptor say how many bytes they need,
 *      and at their end, or one granule later, there must be a header.
 *   2  The block behind: its P bit says that the one before is free, and the
 *      footer names just this distance.  Then it was a free block.
 *   3  The first place from which three headers in a row are right.  A header
 *      has 16 bits of check over its size and its own place, so that bytes
 *      which were never headers do not pass; those of older blocks do, which
 *      is why this comes last.
 *   4  Nobody: it reaches to the end.
 *
 * What 3 and 4 find becomes a raw block, which nobody gives away.
 *
 * The search for 2 may go far in vain, again and again; so all such searches
 * together may make LOOKS looks at each granule.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "heap/salvage.h"
#include "heap/block.h"

enum {
    IN_A_ROW = 3,
    LOOKS = 4,
    STRETCH = 64 * 1024 /* looked at before it is asked what is zero */
};

struct salvage {
    struct heap *h;
    const struct heap_witness *witness;
    uint64_t looks; /* that may still be made for footers */
};

tn_status heap_frame(struct heap *h, size_t size, size_t reserved, tn_fit fit)
{
    if (size > HEAP_MAX_SIZE || size < heap_min_size(reserved))
        return TN_ESIZE;
    h->size = size;
    h->reserved = (uint32_t)reserved;
    h->first = round_up(reserved + HEAP_OVERHEAD, HEAP_GRANULE);
    h->end = round_down(size, HEAP_GRANULE);
    h->fit = (uint32_t)fit;
    return TN_OK;
}

static bool is_header(const struct heap *h, uint64_t off)
{
    return off == h->end || (block_may_be_at(h, off) &&
                             block_is_sound(h, off, word_load(h, off)));
}

/* Do as many headers follow each other here as are believed? */
static bool is_chain(const struct heap *h, uint64_t off)
{
    for (int i = 0; i < IN_A_ROW && off != h->end; i++) {
        if (!is_header(h, off))
            return false;
        off += word_size(word_load(h, off));
    }
    return off == h->end || is_header(h, off);
}

/* 1.  What follows may be a header that is broken too, of an object that says
 * where it is. */
static bool goes_on(const struct salvage *s, uint64_t off)
{
    enum block_state state = BLOCK_RAW;

    if (is_header(s->h, off))
        return true;
    return off <= s->h->end - HEAP_MIN_BLOCK &&
           s->witness->recognise(s->witness->arg, s->h, off,
                                 s->h->end - off - HEAP_OVERHEAD,
                                 &state) != 0 &&
           state == BLOCK_OBJECT;
}

static uint64_t ask_content(const struct salvage *s, uint64_t off,
                            enum block_state *state)
{
    size_t room = s->h->end - off - HEAP_OVERHEAD;
    size_t needed =
        s->witness->recognise(s->witness->arg, s->h, off, room, state);
    uint64_t size;

    if (needed == 0 || needed > room)
        return 0;
    size = block_size_for(needed);
    for (int i = 0; i < 2 && size <= s->h->end - off; i++) {
        if (goes_on(s, off + size))
            return size;
        size += HEAP_GRANULE;
    }
    return 0;
}

/* 2 */
static bool is_footed(const struct heap *h, uint64_t off, uint64_t next)
{
    return (word_load(h, next) & HEAP_PREV_USED) == 0 &&
           *footer_before(h, next) == next - off;
}

/* The granule to look at after this one; zeros are no header. */
static uint64_t next_place(const struct salvage *s, uint64_t at)
{
    uint64_t next = at + HEAP_GRANULE, data;

    if (next % STRETCH != 0 || s->witness->next_data == NULL)
        return next;
    data = s->witness->next_data(s->witness->arg, next);
    if (data > s->h->end)
        return s->h->end;
    return data > next ? round_down(data, HEAP_GRANULE) : next;
}

/* 2 to 4. */
static uint64_t search(struct salvage *s, uint64_t off, enum block_state *state)
{
    struct heap *h = s->h;
    uint64_t found = 0, at = off + HEAP_MIN_BLOCK;

    for (; at < h->end && (found == 0 || s->looks > 0);
         at = next_place(s, at)) {
        if (found != 0)
            s->looks--;
        if (!is_header(h, at))
            continue;
        if (is_footed(h, off, at)) {
            *state = BLOCK_FREE;
            return at - off;
        }
        if (found == 0 && is_chain(h, at))
            found = at;
    }
    *state = BLOCK_RAW;
    return (found != 0 ? found : h->end) - off;
}

static void mend(struct salvage *s, uint64_t off)
{
    enum block_state state = BLOCK_RAW;
    uint64_t size = ask_content(s, off, &state);

    if (size == 0)
        size = search(s, off, &state);
    word_store(s->h, off, word_make(off, size, HEAP_PREV_USED, state));
    s->witness->mended(s->witness->arg, off, size, state);
}

static uint64_t end_word(uint64_t off)
{
    return word_make(off, 0, HEAP_PREV_USED, BLOCK_FIXED);
}

/* An end block before the end: the heap never was larger. */
static bool is_end(const struct heap *h, uint64_t off, uint64_t word)
{
    return (word | HEAP_PREV_USED) == end_word(off) && off < h->end;
}

void heap_salvage(struct heap *h, const struct heap_witness *witness)
{
    struct salvage s = {h, witness, LOOKS * (h->size / HEAP_GRANULE)};
    uint64_t off = h->first;

    while (off < h->end) {
        uint64_t word = word_load(h, off);

        if (is_end(h, off, word) || h->end - off < HEAP_MIN_BLOCK)
            break;
        if (!block_is_sound(h, off, word))
            mend(&s, off);
        off += word_size(word_load(h, off));
    }
    h->end = off;
    if ((word_load(h, off) | HEAP_PREV_USED) != end_word(off))
        word_store(h, off, end_word(off));
}
