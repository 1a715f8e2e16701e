/* rbtree.h - a red-black tree whose links are offsets
 *
 * The nodes lie inside the user's own structs, in memory that may be mapped at
 * any address: every link is the distance in bytes from a base that the caller
 * names with each call.  Offset 0 is "none", so no node may lie at the base.
 * The tree allocates nothing, compares nothing and takes no lock: the caller
 * descends by itself, comparing as it likes, and hands over the place found.
 *
 *     uint64_t parent = 0, *link = &root;
 *     while (*link != 0) {
 *         parent = *link;
 *         link = less(key, parent) ? &rb_at(base, parent)->left
 *                                  : &rb_at(base, parent)->right;
 *     }
 *     rb_insert(base, &root, parent, link, node);
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LINK_RBTREE_H
#define LINK_RBTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reaches files.  Nodes are 8-aligned, so bit 0 of parent is the colour. */
struct rb_node {
    uint64_t parent; /* offset of the parent, | 1: this node is black */
    uint64_t left;   /* offset of the left child, 0: none */
    uint64_t right;
};
_Static_assert(sizeof(struct rb_node) == 24, "struct rb_node is file format");

static inline struct rb_node *rb_at(const void *base, uint64_t off)
{
    return (struct rb_node *)((char *)(uintptr_t)base + off);
}

/* Hang node below parent (0: the tree is empty) at *link, which is parent's
 * left or right, or *root.  *link is 0 before. */
void rb_insert(void *base, uint64_t *root, uint64_t parent, uint64_t *link,
               uint64_t node);

/* Take node, which is in the tree, out of it. */
void rb_erase(void *base, uint64_t *root, uint64_t node);

/* Put fresh in node's place; both must compare alike to all others. */
void rb_replace(void *base, uint64_t *root, uint64_t node, uint64_t fresh);

/* The least and the greatest node, 0 in an empty tree. */
uint64_t rb_first(const void *base, uint64_t root);
uint64_t rb_last(const void *base, uint64_t root);

/* The nodes beside this one in order, 0 at the end. */
uint64_t rb_next(const void *base, uint64_t node);
uint64_t rb_prev(const void *base, uint64_t node);

/* Walk a tree that may be damaged, in order, and call visit for every node.
 * Every offset is first given to valid(), which answers whether a node may lie
 * there at all.  Returns NULL if colours, parents and black heights are right
 * and no more than limit nodes were met, else one sentence about what is
 * wrong, with *where set to the offset of the node concerned. */
const char *rb_check(const void *base, uint64_t root, size_t limit,
                     bool (*valid)(void *arg, uint64_t node),
                     void (*visit)(void *arg, uint64_t node), void *arg,
                     uint64_t *where);

#endif
