/* bestfit.c - free blocks by size: exact bins, and a tree for the larger
 *
 *     tables.map    ...0 0 1 0 1 1      bit i: bin i is not empty
 *                        |   | |
 *     tables.bins        v   v v        one ring-less list for each size of
 *                       [ ] [ ][ ]      32, 48, ... 1008 bytes, newest first
 *                        |     |
 *                       [ ]   [ ]
 *
 *     heap.tree     by (size, address), for blocks of 1024 bytes and more
 *
 * Invariants H4 and H5 of heap.c.  The smallest block for a request below 1 KiB
 * is one shift and one count of zeros away; every size has its own bin, so any
 * block of the first bin that is not empty fits best.  In the tree the lowest
 * block of the best size is found on the way down.
 *
 * Links lie in free memory, where a stray store of the application may have
 * met them.  A link is followed only to where a block may be, and unhooked
 * only when both ends agree; what does not hold is answered with "broken", and
 * heap.c builds everything here anew from the chain.  (Balancing the tree looks
 * at nodes around those that were checked; heap_check() looks at all.)
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "heap/block.h"
#include "link/rbtree.h"

/* A sound tree of all that 2^48 bytes can hold is not deeper. */
enum { MAX_DEPTH = 96 };

static inline uint64_t size_at(const struct heap *h, uint64_t off)
{
    return word_size(word_load(h, off));
}

/* --- Bins ---------------------------------------------------------------- */

static bool bin_insert(struct heap *h, uint64_t off, uint64_t bin)
{
    struct heap_tables *t = tables_of(h);
    uint64_t next = t->bins[bin];

    if (unlikely(next != 0 && !block_may_be_at(h, next)))
        return false;
    *links_at(h, off) = (struct block_links){.next = next, .prev = 0};
    if (next != 0)
        links_at(h, next)->prev = off;
    t->bins[bin] = off;
    t->map |= UINT64_C(1) << bin;
    return true;
}

static bool bin_remove(struct heap *h, uint64_t off, uint64_t bin)
{
    struct heap_tables *t = tables_of(h);
    struct block_links links = *links_at(h, off);

    if (unlikely(links.next != 0 && (!block_may_be_at(h, links.next) ||
                                     links_at(h, links.next)->prev != off)))
        return false;
    if (links.prev == 0) {
        if (unlikely(t->bins[bin] != off))
            return false;
        t->bins[bin] = links.next;
        if (links.next == 0)
            t->map &= ~(UINT64_C(1) << bin);
    } else {
        if (unlikely(!block_may_be_at(h, links.prev) ||
                     links_at(h, links.prev)->next != off))
            return false;
        links_at(h, links.prev)->next = links.next;
    }
    if (links.next != 0)
        links_at(h, links.next)->prev = links.prev;
    return true;
}

/* A block of the smallest size not below this one; 0: none in the bins. */
static uint64_t bin_find(const struct heap *h, uint64_t size)
{
    const struct heap_tables *t = tables_of(h);
    uint64_t map = t->map >> bin_of(size) << bin_of(size);
    unsigned bin;
    uint64_t off;

    if (map == 0)
        return 0;
    bin = (unsigned)__builtin_ctzll(map);
    if (unlikely(bin >= HEAP_BINS))
        return FIT_BROKEN;
    off = t->bins[bin];
    return likely(block_is(h, off, bin_size(bin), BLOCK_FREE)) ? off
                                                               : FIT_BROKEN;
}

/* --- The tree ------------------------------------------------------------ */

static inline bool link_may_be(const struct heap *h, uint64_t off)
{
    return off == 0 || block_may_be_at(h, off);
}

/* May a way down from parent to off go on here? */
static inline bool step_is_sound(const struct heap *h, uint64_t parent,
                                 uint64_t off)
{
    const struct rb_node *n = rb_at(h, off);

    return block_may_be_at(h, off) && (n->parent & ~UINT64_C(1)) == parent &&
           link_may_be(h, n->left) && link_may_be(h, n->right);
}

/* The least node of at least this size, and of that size the lowest. */
static uint64_t tree_find(const struct heap *h, uint64_t size)
{
    uint64_t off = h->tree, found = 0;

    for (int depth = 0; off != 0; depth++) {
        if (unlikely(depth > MAX_DEPTH || !block_may_be_at(h, off)))
            return FIT_BROKEN;
        if (size_at(h, off) >= size) {
            found = off;
            off = rb_at(h, off)->left;
        } else {
            off = rb_at(h, off)->right;
        }
    }
    if (found != 0 &&
        unlikely(!block_is(h, found, size_at(h, found), BLOCK_FREE)))
        return FIT_BROKEN;
    return found;
}

static bool tree_insert(struct heap *h, uint64_t off, uint64_t size)
{
    uint64_t parent = 0, *link = &h->tree;

    while (*link != 0) {
        uint64_t has;

        if (unlikely(!step_is_sound(h, parent, *link)))
            return false;
        parent = *link;
        has = size_at(h, parent);
        link = size < has || (size == has && off < parent)
                   ? &rb_at(h, parent)->left
                   : &rb_at(h, parent)->right;
    }
    rb_insert(h, &h->tree, parent, link, off);
    return true;
}

static bool child_is_sound(const struct heap *h, uint64_t off, uint64_t child)
{
    return child == 0 || (block_may_be_at(h, child) &&
                          (rb_at(h, child)->parent & ~UINT64_C(1)) == off);
}

/* Do the node's links and those of the nodes around it agree? */
static bool node_is_sound(const struct heap *h, uint64_t off)
{
    const struct rb_node *n = rb_at(h, off);
    uint64_t parent = n->parent & ~UINT64_C(1);

    if (!child_is_sound(h, off, n->left) || !child_is_sound(h, off, n->right))
        return false;
    if (parent == 0)
        return h->tree == off;
    return block_may_be_at(h, parent) &&
           (rb_at(h, parent)->left == off || rb_at(h, parent)->right == off);
}

static bool tree_remove(struct heap *h, uint64_t off)
{
    if (unlikely(!node_is_sound(h, off)))
        return false;
    rb_erase(h, &h->tree, off);
    return true;
}

bool best_move(struct heap *h, uint64_t off, uint64_t fresh)
{
    if (unlikely(!node_is_sound(h, off)))
        return false;
    rb_replace(h, &h->tree, off, fresh);
    return true;
}

/* --- Both ---------------------------------------------------------------- */

uint64_t best_find(const struct heap *h, uint64_t size)
{
    uint64_t off = size < HEAP_BINNED ? bin_find(h, size) : 0;

    return off != 0 ? off : tree_find(h, size);
}

uint64_t best_largest(const struct heap *h)
{
    const struct heap_tables *t = tables_of(h);
    uint64_t off = h->tree;

    if (off == 0)
        return t->map == 0 ? 0
                           : bin_size(63 - (unsigned)__builtin_clzll(t->map));
    for (int depth = 0;; depth++) {
        if (depth > MAX_DEPTH || !block_may_be_at(h, off))
            return FIT_BROKEN;
        if (rb_at(h, off)->right == 0)
            return size_at(h, off);
        off = rb_at(h, off)->right;
    }
}

bool best_insert(struct heap *h, uint64_t off, uint64_t size)
{
    return size < HEAP_BINNED ? bin_insert(h, off, bin_of(size))
                              : tree_insert(h, off, size);
}

bool best_remove(struct heap *h, uint64_t off, uint64_t size)
{
    return size < HEAP_BINNED ? bin_remove(h, off, bin_of(size))
                              : tree_remove(h, off);
}
