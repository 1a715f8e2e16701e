/* seqfit.c - free blocks in one list by address
 *
 *     heap.list --> +------+ next  +------+ next  +------+ --> 0
 *                   | free | ----> | free | ----> | free |
 *            0 <--  +------+ <---- +------+ <---- +------+
 *                              prev           prev
 *
 * Invariant H7 of heap.c: the list holds the free blocks, all of them, by
 * rising address, and prev is the way back.
 *
 * Segments made with TN_FIT_SEQ take the first block that is large enough.
 * Heaps too small for tables of bins use the same list, and take the smallest
 * block in it.  Searching and inserting cost a walk; removing, and merging on
 * free, do not.
 *
 * Links lie in free memory, where a stray store of the application may have
 * met them: each is checked before it is followed.  Addresses rise with every
 * step, so every walk ends.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "heap/block.h"

/* May the list go on from off (0: its head) to next, and is there a free
 * block? */
static bool step_is_sound(const struct heap *h, uint64_t off, uint64_t next)
{
    uint64_t word;

    if (next <= off || !block_may_be_at(h, next))
        return false;
    word = word_load(h, next);
    return block_is_sound(h, next, word) && word_state(word) == BLOCK_FREE &&
           links_at(h, next)->prev == off;
}

uint64_t seq_find(const struct heap *h, uint64_t size)
{
    uint64_t found = 0, least = UINT64_MAX, off = 0, next = h->list;

    for (; next != 0; off = next, next = links_at(h, off)->next) {
        uint64_t has;

        if (!step_is_sound(h, off, next))
            return FIT_BROKEN;
        has = word_size(word_load(h, next));
        if (has < size || has >= least)
            continue;
        found = next;
        least = has;
        if (h->fit == TN_FIT_SEQ || has == size)
            break;
    }
    return found;
}

uint64_t seq_largest(const struct heap *h)
{
    uint64_t most = 0, off = 0, next = h->list;

    for (; next != 0; off = next, next = links_at(h, off)->next) {
        if (!step_is_sound(h, off, next))
            return FIT_BROKEN;
        if (word_size(word_load(h, next)) > most)
            most = word_size(word_load(h, next));
    }
    return most;
}

/* Link off in between two neighbours, either of which may be 0. */
static void link_between(struct heap *h, uint64_t before, uint64_t off,
                         uint64_t after)
{
    *links_at(h, off) = (struct block_links){.next = after, .prev = before};
    if (before != 0)
        links_at(h, before)->next = off;
    else
        h->list = off;
    if (after != 0)
        links_at(h, after)->prev = off;
}

bool seq_insert(struct heap *h, uint64_t off)
{
    uint64_t before = 0, next = h->list;

    while (next != 0 && next < off) {
        if (!step_is_sound(h, before, next))
            return false;
        before = next;
        next = links_at(h, before)->next;
    }
    if (next != 0 && !step_is_sound(h, before, next))
        return false;
    link_between(h, before, off, next);
    return true;
}

void seq_append(struct heap *h, uint64_t last, uint64_t off)
{
    link_between(h, last, off, 0);
}

bool seq_remove(struct heap *h, uint64_t off)
{
    struct block_links links = *links_at(h, off);

    if (links.next != 0 && !step_is_sound(h, off, links.next))
        return false;
    if (links.prev == 0 ? h->list != off
                        : !block_may_be_at(h, links.prev) ||
                              links_at(h, links.prev)->next != off)
        return false;

    if (links.prev != 0)
        links_at(h, links.prev)->next = links.next;
    else
        h->list = links.next;
    if (links.next != 0)
        links_at(h, links.next)->prev = links.prev;
    return true;
}
