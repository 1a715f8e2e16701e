/* btree_check.c - the checker of maps and flat_maps
 *
 * It goes through the tree once, from left to right, and so meets the leaves
 * and the records in their order.  The invariants stand in btree.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "index/node.h"

/* What a check hands down: the leaf met last. */
struct tree_checker {
    struct index_checker *base;
    uint64_t leaf;
    uint64_t budget; /* nodes that can still be */
};

/* I6 of one node, whose names below all lie between first and last. */
static void check_keys(struct tree_checker *checker, const struct node *n,
                       uint64_t off)
{
    struct report *report = checker->base->report;
    const struct scope *s = &checker->base->s;
    struct name name, last;

    for (uint32_t i = 0; i < n->count; i++) {
        if (name_read(s, n->records[i], &name) &&
            name_slice(&name, n->skip) != n->keys[i])
            report_add(report, "I6", off, name.bytes,
                       "key is not that of the name");
    }
    for (uint32_t i = n->count; i < n->capacity; i++) {
        if (n->keys[i] != NODE_NO_KEY)
            report_add(report, "I6", off, NULL, "unused key is in use");
    }
    if (name_read(s, n->records[0], &name) &&
        name_read(s, node_greatest(s, n->at), &last) &&
        name_common(&name, &last) < n->skip)
        report_add(report, "I6", off, name.bytes,
                   "names do not begin alike as they should");
}

static void check_leaf(struct tree_checker *checker, const struct node *n,
                       uint64_t off)
{
    if (n->at->prev != checker->leaf)
        report_add(checker->base->report, "I8", off, NULL,
                   "leaf does not follow the one before");
    checker->leaf = off;
    for (uint32_t i = 0; i < n->count; i++)
        index_check_record(checker->base, n->records[i]);
    if (n->at->next != 0 && n->at->next == off)
        report_add(checker->base->report, "I8", off, NULL,
                   "leaf follows itself");
}

/* I7: the first record below a child is the one its parent names. */
static void check_child(struct tree_checker *checker, const struct node *n,
                        uint32_t i)
{
    struct node child;

    if (node_read(&checker->base->s, n->children[i], &child) &&
        child.records[0] != n->records[i])
        report_add(checker->base->report, "I7", n->children[i], NULL,
                   "parent names another first record");
}

static void check_node(struct tree_checker *checker, uint64_t off,
                       unsigned level)
{
    struct node n;

    if (!node_read(&checker->base->s, off, &n) || n.level != level ||
        checker->budget == 0) {
        report_add(checker->base->report, "I5", off, NULL,
                   "there is no node of level %u", level);
        return;
    }
    checker->budget--;
    if (!index_check_block(checker->base, off,
                           node_bytes(n.level, n.at->capacity_log2)))
        return;
    check_keys(checker, &n, off);
    if (level == 0)
        check_leaf(checker, &n, off);
    for (uint32_t i = 0; level > 0 && i < n.count; i++) {
        check_child(checker, &n, i);
        check_node(checker, n.children[i], level - 1);
    }
}

void btree_check(struct index_checker *base)
{
    const struct scope *s = &base->s;
    struct tree_checker checker = {base, 0,
                                   s->size / sizeof(struct index_node)};
    uint64_t root = base->ix->words[0];
    struct node n;

    if (root == 0)
        return;
    check_node(&checker, root, node_read(s, root, &n) ? n.level : 0);
    if (node_read(s, checker.leaf, &n) && n.at->next != 0)
        report_add(base->report, "I8", checker.leaf, NULL,
                   "a leaf follows the last one");
}
