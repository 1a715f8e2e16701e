/* node.h - one node of a map or flat_map: a run of names in order
 *
 * A node knows each of its names by a key: eight bytes of the name from byte
 * skip on, where skip bytes are alike in all names of the node and below it
 * (name_slice() of kind.h).  Only names with equal keys have to be compared in
 * full.  node.c works inside one node; btree.c makes a tree of them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef INDEX_NODE_H
#define INDEX_NODE_H

#include "index/kind.h"

enum {
    NODE_MIN_CAPACITY_LOG2 = 2,
    NODE_MAX_CAPACITY_LOG2 = 31,
    NODE_USUAL_CAPACITY_LOG2 = 7,
};

/* Keys that no entry has: greater than none, so a search never counts them. */
#define NODE_NO_KEY UINT64_MAX

/* A node as it was when node_read() checked it. */
struct node {
    const struct index_node *at;
    const uint64_t *keys, *records, *children;
    uint32_t count, capacity;
    uint16_t skip;
    uint8_t level, capacity_log2;
};

/* Bytes of a node. */
static inline uint64_t node_bytes(uint8_t level, uint8_t capacity_log2)
{
    uint64_t arrays = level == 0 ? 2 : 3;

    return sizeof(struct index_node) +
           (arrays * sizeof(uint64_t) << capacity_log2);
}

/* Look at the node at off; false: there can be none.  What the node says of
 * itself is read once, for another process may be changing it. */
static inline bool node_read(const struct scope *s, uint64_t off,
                             struct node *out)
{
    const struct index_node *n = heap_at(s->h, off);
    struct index_node head;
    uint64_t word;

    if (!scope_has(s, off, sizeof(*n)))
        return false;
    word = load64((const uint64_t *)n);
    memcpy(&head, &word, sizeof(word));
    if (head.capacity_log2 < NODE_MIN_CAPACITY_LOG2 ||
        head.capacity_log2 > NODE_MAX_CAPACITY_LOG2 ||
        head.level >= INDEX_LEVELS ||
        !scope_has(s, off, node_bytes(head.level, head.capacity_log2)))
        return false;
    out->at = n;
    out->count = head.count;
    out->skip = head.skip;
    out->level = head.level;
    out->capacity_log2 = head.capacity_log2;
    out->capacity = (uint32_t)1 << head.capacity_log2;
    out->keys = n->words;
    out->records = n->words + out->capacity;
    out->children = n->words + 2 * (uint64_t)out->capacity;
    return out->count >= 1 && out->count <= out->capacity;
}

/* The same, and it is a block of the index: it may be changed. */
bool node_read_owned(const struct scope *s, uint64_t off, struct node *out);

/* How many names of the node, which all begin with the same skip bytes as name
 * does, are less than name; *exact: the next one is name. */
uint32_t node_place(const struct scope *s, const struct node *n,
                    const struct name *name, bool *exact);

/* The record of the greatest name in the node or below it; 0: damaged. */
uint64_t node_greatest(const struct scope *s, const struct index_node *n);

/* btree_check.c: I4 to I8 of btree.c. */
void btree_check(struct index_checker *checker);

/* --- Changing one.  The caller has checked it with node_read(). ---------- */

uint64_t *node_keys(struct index_node *n);
uint64_t *node_records(struct index_node *n);
uint64_t *node_children(struct index_node *n);

/* A new empty one, 0: no room. */
uint64_t node_make(struct heap *h, uint8_t level, uint8_t capacity_log2);

/* Put the entry of a record, whose name begins as all do, before entry at, or
 * in its place. */
void node_insert(const struct scope *s, struct index_node *n, uint32_t at,
                 uint64_t record, uint64_t child);
void node_set(const struct scope *s, struct index_node *n, uint32_t at,
              uint64_t record);
void node_remove(struct index_node *n, uint32_t at);

/* Move the entries from at on to the end of another node of the same skip. */
void node_move(struct index_node *from, uint32_t at, struct index_node *to);

/* Let keys begin at byte skip, less than now; name is any of the node's. */
void node_lower(struct index_node *n, uint16_t skip, const struct name *name);

/* Take all keys anew from byte skip on, which all names have in common. */
void node_reslice(const struct scope *s, struct index_node *n, uint16_t skip);

/* --- Searching ----------------------------------------------------------- */

/* The part, of 2 to the power of log2 that so many keys fall into, in which the
 * first one not less than key is.  The last keys of all parts but the last are
 * compared at once, for a processor waits for them together. */
static inline __attribute__((always_inline)) const uint64_t *
node_part(const uint64_t *keys, unsigned capacity_log2, unsigned log2,
          uint64_t key)
{
    uint64_t parts = UINT64_C(1) << log2, less = 0;
    uint64_t part = UINT64_C(1) << capacity_log2 >> log2;

#pragma GCC unroll 8
    for (uint64_t i = 1; i < parts; i++)
        less += keys[i * part - 1] < key;
    return keys + less * part;
}

/* Of as many keys as a power of two says, all of which are searched and never
 * less: which is the first that is not less than key, or how many are.  No
 * branch depends on what is in the node, so none can be foretold wrongly. */
static inline __attribute__((always_inline)) uint32_t
node_rank_of(const uint64_t *keys, unsigned capacity_log2, uint64_t key)
{
    const uint64_t *base = keys;
    unsigned log2 = capacity_log2;

    for (; log2 > 4; log2 -= 3)
        base = node_part(base, log2, 3, key);
    for (; log2 > 1; log2 -= 2)
        base = node_part(base, log2, 2, key);
    if (log2 > 0)
        base = node_part(base, log2, 1, key);
    return (uint32_t)(base - keys) + (*base < key);
}

/* How many keys of a node are less than key. */
static inline uint32_t node_rank(const struct node *n, uint64_t key)
{
    return n->capacity_log2 == NODE_USUAL_CAPACITY_LOG2
               ? node_rank_of(n->keys, NODE_USUAL_CAPACITY_LOG2, key)
               : node_rank_of(n->keys, n->capacity_log2, key);
}

#endif
