/* btree.c - the map, and the flat_map too: B+trees of two shapes
 *
 *                    +-------------------------+
 *     words[0] ----> | "ant"  "dog"  "horse"   |  level 1
 *                    +---|------|------|-------+
 *                        v      v      v
 *          +-----------+ +-----------+ +---------------+
 *          | ant  cat  | | dog  eel  | | horse  owl    |  level 0
 *          +--|----|---+ +--|----|---+ +--|------|-----+
 *             v    v        v    v        v      v   records
 *
 * A map has nodes of at most 128 entries on every level.  A flat_map has chunks
 * of the same size, and above them a single directory that grows as it must, so
 * that a search is two searches in arrays and no insertion moves more than a
 * chunk (or, once in a hundred times, the directory).  Nodes are described in
 * node.h; a leaf that is alone, and a directory, begin small and double.
 *
 * index.words[0] is the root's offset, 0: no names; the others are zero.
 *
 * Beside I1 to I4 of index.c:
 *
 *   I5  A child's level is one less than its parent's; every node has entries.
 *   I6  Every key is the slice at skip of its record's name, all names below
 *       begin with the same skip bytes, and unused keys are NODE_NO_KEY.
 *   I7  A parent's entry names the least record below its child.
 *   I8  prev and next of the leaves are the order of the leaves.
 *
 * Looking for a name that is there, it never matters whether a node's skipped
 * bytes are those of the name: on the way to it they are.  And if it is not
 * there, any leaf will show that.  So finding reads no record but the last.
 * Where a missing name belongs is another matter, and place() then compares.
 *
 * Why not balanced by the book: nodes are merged when little is left in them
 * and dropped when empty, not topped up from neighbours.  Depth is bounded by
 * what was ever inserted: 128 ways a level, 16 levels.
 *
 * Why 128: a search waits longest for what is not in a cache, and nodes of one
 * level lie far apart, so few levels with large nodes beat many with small ones
 * (at a million names, 290 ns against 550 with nodes of 32), although more keys
 * are looked at.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "index/node.h"

/* What sets the two kinds apart: the greatest capacities.  Nodes that are not
 * the root have them always, and so has the root of a map above its leaves. */
enum {
    MAP_LEAF_LOG2 = NODE_USUAL_CAPACITY_LOG2,
    MAP_INNER_LOG2 = NODE_USUAL_CAPACITY_LOG2,
    FLAT_LEAF_LOG2 = NODE_USUAL_CAPACITY_LOG2,
    FLAT_INNER_LOG2 = NODE_MAX_CAPACITY_LOG2,
};

static uint8_t most_log2(const struct scope *s, uint8_t level)
{
    if (s->index == TN_INDEX_MAP)
        return level == 0 ? MAP_LEAF_LOG2 : MAP_INNER_LOG2;
    return level == 0 ? FLAT_LEAF_LOG2 : FLAT_INNER_LOG2;
}

/* How small a node of this level may be. */
static uint8_t least_log2(const struct scope *s, uint8_t level)
{
    return s->index == TN_INDEX_MAP && level > 0 ? MAP_INNER_LOG2
                                                 : NODE_MIN_CAPACITY_LOG2;
}

static struct index_node *node_at(const struct scope *s, uint64_t off)
{
    return heap_at(s->h, off);
}

/* --- Finding -------------------------------------------------------------
 *
 * At a million names the leaf and the record are far away in memory, and what
 * a search costs is how long it waits for them.  A processor waits for several
 * things at once if it can see them coming, into the next search even: so the
 * way down is short, has no branch that could go either way, and the lines of
 * a leaf are called for together, before it is known which are needed. */

/* Here a node is not looked at through node_read(): its capacity is given. */
static inline __attribute__((always_inline)) const struct index_node *
fixed_node(const struct scope *s, uint64_t off, unsigned level,
           unsigned capacity_log2)
{
    const struct index_node *n = heap_at(s->h, off);

    if (unlikely(
            !scope_has(s, off,
                       node_bytes((uint8_t)level, (uint8_t)capacity_log2)) ||
            n->level != level || n->capacity_log2 != capacity_log2))
        return NULL;
    return n;
}

static inline void prefetch_leaf(const struct scope *s, uint64_t off,
                                 unsigned capacity_log2)
{
    const char *p = heap_at(s->h, off);
    size_t bytes = node_bytes(0, (uint8_t)capacity_log2);

#pragma GCC unroll 40
    for (size_t i = 0; i < bytes; i += 64)
        __builtin_prefetch(p + i);
}

enum { NO_ENTRY = UINT32_MAX };

/* More than one entry may have this key: find the right one, in a node that is
 * checked once more.  NO_ENTRY: no such name. */
static __attribute__((noinline)) uint32_t
find_among_equals(const struct heap *h, tn_index index,
                  const struct index_node *at, const char *bytes, size_t length)
{
    struct scope s = scope_of(h, index);
    struct name name = {bytes, length};
    struct node n;
    uint32_t place;
    bool exact;

    if (!node_read(&s, heap_off(h, at), &n))
        return NO_ENTRY;
    place = node_place(&s, &n, &name, &exact);
    if (!exact && (n.level == 0 || place-- == 0))
        return NO_ENTRY;
    return place;
}

/* The child that leads to a name, of a node with this many keys; 0: none. */
static inline __attribute__((always_inline)) uint64_t
find_child(const struct scope *s, const struct index_node *n,
           unsigned capacity_log2, const struct name *name)
{
    uint64_t key = name_slice(name, n->skip);
    uint32_t at = node_rank_of(n->words, capacity_log2, key), entry = at - 1;

    /* Behind the last key is a record, which is no harm to look at. */
    if (unlikely(n->words[at] == key))
        entry = find_among_equals(s->h, s->index, n, name->bytes, name->length);
    if (unlikely(entry == NO_ENTRY))
        return 0;
    return load64(&n->words[entry + (UINT64_C(2) << capacity_log2)]);
}

static inline __attribute__((always_inline)) uint64_t
find_in_leaf(const struct scope *s, const struct index_node *n,
             unsigned capacity_log2, const struct name *name)
{
    uint64_t key = name_slice(name, n->skip), record;
    uint32_t entry = node_rank_of(n->words, capacity_log2, key);

    /* The name of a record that is gone may have the key of those unused. */
    if (unlikely(entry >> capacity_log2 != 0 || n->words[entry] != key ||
                 entry >= n->count))
        return 0;
    if (unlikely(n->words[entry + 1] == key))
        entry = find_among_equals(s->h, s->index, n, name->bytes, name->length);
    if (unlikely(entry == NO_ENTRY))
        return 0;
    record = load64(&n->words[entry + (UINT64_C(1) << capacity_log2)]);
    return name_is(s, record, name, TN_INDEX_MAP) ? record : 0;
}

/* In a tree that is one leaf. */
static uint64_t find_in_root(const struct heap *h, tn_index index,
                             const struct index_node *n, const char *bytes,
                             size_t length)
{
    struct scope s = scope_of(h, index);
    struct name name = {bytes, length};
    struct node root;

    return node_read(&s, heap_off(h, n), &root) && root.level == 0
               ? find_in_leaf(&s, n, root.capacity_log2, &name)
               : 0;
}

static uint64_t map_find(const struct heap *h, const struct index *ix,
                         const char *bytes, size_t length)
{
    struct scope s = scope_of(h, TN_INDEX_MAP);
    struct name name = {bytes, length};
    uint64_t off = load64(&ix->words[0]);
    const struct index_node *n = heap_at(h, off);
    unsigned level;

    if (unlikely(!scope_has(&s, off, sizeof(*n))))
        return 0;
    level = n->level;
    if (unlikely(level == 0))
        return find_in_root(h, TN_INDEX_MAP, n, bytes, length);
    for (; level > 0; level--) {
        n = fixed_node(&s, off, level, MAP_INNER_LOG2);
        if (unlikely(n == NULL))
            return 0;
        off = find_child(&s, n, MAP_INNER_LOG2, &name);
        if (level == 1)
            prefetch_leaf(&s, off, MAP_LEAF_LOG2);
    }
    n = fixed_node(&s, off, 0, MAP_LEAF_LOG2);
    return unlikely(n == NULL) ? 0 : find_in_leaf(&s, n, MAP_LEAF_LOG2, &name);
}

static uint64_t flat_find(const struct heap *h, const struct index *ix,
                          const char *bytes, size_t length)
{
    struct scope s = scope_of(h, TN_INDEX_FLAT_MAP);
    struct name name = {bytes, length};
    uint64_t off = load64(&ix->words[0]);
    const struct index_node *n = heap_at(h, off);
    struct node root;

    if (unlikely(!node_read(&s, off, &root)))
        return 0;
    if (unlikely(root.level == 0))
        return find_in_root(h, TN_INDEX_FLAT_MAP, n, bytes, length);
    off = find_child(&s, n, root.capacity_log2, &name);
    prefetch_leaf(&s, off, FLAT_LEAF_LOG2);
    n = fixed_node(&s, off, 0, FLAT_LEAF_LOG2);
    return unlikely(n == NULL) ? 0 : find_in_leaf(&s, n, FLAT_LEAF_LOG2, &name);
}

/* --- Finding the place of any name -------------------------------------- */

/* The place of a name in a node with whose names it may have nothing in
 * common; shared bytes are known to be alike. */
static bool place(const struct scope *s, const struct node *n,
                  const struct name *name, size_t shared,
                  struct index_path *path)
{
    struct name first;
    size_t common;
    uint32_t at;

    path->common[n->level] = -1;
    path->exact = false;
    if (n->skip > shared) {
        if (!name_read(s, load64(&n->records[0]), &first))
            return false;
        common = name_common(name, &first);
        if (common < n->skip) {
            path->common[n->level] = (int32_t)common;
            path->at[n->level] = name_compare(name, &first) < 0 ? 0 : n->count;
            return true;
        }
    }
    at = node_place(s, n, name, &path->exact);
    path->at[n->level] = at;
    return true;
}

/* Find the place of a name in a tree that is not empty; to_change: nodes are
 * looked at as what changes them must. */
static bool find_path(const struct scope *s, const struct index *ix,
                      const struct name *name, bool to_change,
                      struct index_path *path)
{
    uint64_t off = load64(&ix->words[0]);
    size_t shared = 0;
    struct node n;
    int level = INDEX_LEVELS;

    do {
        if (!(to_change ? node_read_owned(s, off, &n)
                        : node_read(s, off, &n)) ||
            n.level >= level || (level < INDEX_LEVELS && n.level != level - 1))
            return false;
        if (level == INDEX_LEVELS)
            path->top = n.level;
        level = n.level;
        path->off[level] = off;
        if (!place(s, &n, name, shared, path))
            return false;
        if (path->common[level] < 0 && n.skip > shared)
            shared = n.skip;
        if (level == 0)
            break;
        path->least[level] = path->at[level] == 0 && !path->exact;
        if (!path->exact && path->at[level] > 0)
            path->at[level]--;
        off = load64(&n.children[path->at[level]]);
        if (level == 1)
            prefetch_leaf(s, off, MAP_LEAF_LOG2);
    } while (true);
    return true;
}

/* --- Inserting ---------------------------------------------------------- */

/* New nodes that an insertion needs, had before anything changes. */
struct spares {
    uint64_t off[INDEX_LEVELS + 1]; /* by level: to split or to replace one */
};

static void spares_free(struct heap *h, const struct spares *spares)
{
    for (int level = 0; level <= INDEX_LEVELS; level++) {
        if (spares->off[level] != 0)
            (void)heap_free(h, heap_at(h, spares->off[level]));
    }
}

static bool is_full(const struct index_node *n)
{
    return n->count == (uint32_t)1 << n->capacity_log2;
}

/* A full node that may still grow is replaced, any other is split. */
static bool may_grow(const struct scope *s, const struct index_node *n)
{
    return n->capacity_log2 < most_log2(s, n->level);
}

/* Get what a full leaf and full nodes above it need.  A new root begins with
 * the least capacity. */
static tn_status spares_get(struct heap *h, const struct scope *s,
                            const struct index_path *path,
                            struct spares *spares)
{
    memset(spares, 0, sizeof(*spares));
    for (int level = 0; level <= path->top + 1; level++) {
        uint8_t log2 = least_log2(s, (uint8_t)level);
        const struct index_node *n = NULL;

        if (level <= path->top) {
            n = node_at(s, path->off[level]);
            if (!is_full(n))
                return TN_OK;
            log2 = (uint8_t)(n->capacity_log2 + may_grow(s, n));
        }
        if (level < INDEX_LEVELS)
            spares->off[level] = node_make(h, (uint8_t)level, log2);
        if (spares->off[level] == 0) {
            spares_free(h, spares);
            return TN_ENOMEM;
        }
        if (n != NULL && may_grow(s, n))
            return TN_OK;
    }
    return TN_OK;
}

/* Let the neighbours of a leaf, if it is one, know where it is. */
static void tell_neighbours(const struct scope *s, uint64_t off)
{
    struct index_node *n = node_at(s, off);
    struct node checked;

    if (n->prev != 0 && node_read_owned(s, n->prev, &checked))
        node_at(s, n->prev)->next = off;
    if (n->next != 0 && node_read_owned(s, n->next, &checked))
        node_at(s, n->next)->prev = off;
}

/* Move all that a node has into fresh, and fresh into its place. */
static void replace_node(struct heap *h, const struct scope *s,
                         struct index *ix, const struct index_path *path,
                         int level, uint64_t fresh)
{
    struct index_node *from = node_at(s, path->off[level]);
    struct index_node *to = node_at(s, fresh);

    to->skip = from->skip;
    to->prev = from->prev;
    to->next = from->next;
    node_move(from, 0, to);
    tell_neighbours(s, fresh);
    if (level == path->top)
        ix->words[0] = fresh;
    else
        node_children(node_at(s, path->off[level + 1]))[path->at[level + 1]] =
            fresh;
    (void)heap_free(h, from);
}

/* Move the entries from at on into the empty node right, behind n. */
static void split_node(const struct scope *s, uint64_t off, uint32_t at,
                       uint64_t right_off)
{
    struct index_node *n = node_at(s, off), *right = node_at(s, right_off);

    right->skip = n->skip;
    node_move(n, at, right);
    if (n->level > 0)
        return;
    right->prev = off;
    right->next = n->next;
    tell_neighbours(s, right_off);
}

/* Two keys are equal: skip as much as the names allow. */
static void raise_skip(const struct scope *s, struct index_node *n)
{
    struct name first, last;
    size_t common;

    if (!name_read(s, node_records(n)[0], &first) ||
        !name_read(s, node_greatest(s, n), &last))
        return;
    common = name_common(&first, &last);
    if (common > n->skip)
        node_reslice(s, n, (uint16_t)common);
}

static void insert_entry(const struct scope *s, struct index_node *n,
                         uint32_t at, uint64_t record, uint64_t child)
{
    const uint64_t *keys = node_keys(n);

    node_insert(s, n, at, record, child);
    if ((at > 0 && keys[at - 1] == keys[at]) ||
        (at + 1 < n->count && keys[at + 1] == keys[at]))
        raise_skip(s, n);
}

/* A new root above the old one, which was split; skip is what all names had in
 * common before, for a half may have more. */
static void add_root(const struct scope *s, struct index *ix, uint64_t old,
                     uint64_t fresh, uint16_t skip)
{
    struct index_node *root = node_at(s, fresh);

    root->skip = skip;
    node_insert(s, root, 0, node_records(node_at(s, old))[0], old);
    ix->words[0] = fresh;
}

/* Put the entry into a full node by splitting it; *right gets the new node.
 * Names that come in order leave full nodes behind them. */
static void split_and_insert(const struct scope *s,
                             const struct index_path *path, int level,
                             uint32_t at, uint64_t record, uint64_t child,
                             uint64_t right_off)
{
    struct index_node *n = node_at(s, path->off[level]);
    struct index_node *right = node_at(s, right_off);
    bool append = at == n->count && n->next == 0;
    uint32_t middle = append ? n->count : n->count / 2;

    split_node(s, path->off[level], middle, right_off);
    if (at > middle || append)
        insert_entry(s, right, at - middle, record, child);
    else
        insert_entry(s, n, at, record, child);
    if (level == 0)
        n->next = right_off;
}

/* Put an entry into the leaf, and into the nodes above it what follows. */
static void insert_up(struct heap *h, const struct scope *s, struct index *ix,
                      struct index_path *path, struct spares *spares,
                      uint64_t record)
{
    uint64_t child = 0;

    for (int level = 0;; level++) {
        uint32_t at = path->at[level] + (level > 0);
        struct index_node *n = node_at(s, path->off[level]);
        uint64_t spare = spares->off[level];
        uint16_t skip;

        if (is_full(n) && may_grow(s, n)) {
            replace_node(h, s, ix, path, level, spare);
            n = node_at(s, spare);
        }
        if (!is_full(n)) {
            insert_entry(s, n, at, record, child);
            return;
        }
        skip = n->skip;
        split_and_insert(s, path, level, at, record, child, spare);
        child = spare;
        record = node_records(node_at(s, child))[0];
        if (level == path->top) {
            path->off[level + 1] = spares->off[level + 1];
            path->at[level + 1] = 0;
            path->top++;
            add_root(s, ix, path->off[level], path->off[level + 1], skip);
        }
    }
}

/* Make the nodes on the way fit for a name that does not begin as theirs do,
 * or is less than all. */
static void prepare_path(const struct scope *s, struct index_path *path,
                         uint64_t record)
{
    struct index_node *n;
    struct name first;

    for (int level = path->top; level >= 0; level--) {
        n = node_at(s, path->off[level]);
        if (path->common[level] >= 0 &&
            name_read(s, node_records(n)[0], &first))
            node_lower(n, (uint16_t)path->common[level], &first);
        if (level > 0 && path->least[level])
            node_set(s, n, 0, record);
    }
}

static tn_status insert_first(struct heap *h, const struct scope *s,
                              struct index *ix, uint64_t record)
{
    uint64_t off = node_make(h, 0, NODE_MIN_CAPACITY_LOG2);

    if (off == 0)
        return TN_ENOMEM;
    node_insert(s, node_at(s, off), 0, record, 0);
    ix->words[0] = off;
    return TN_OK;
}

static tn_status tree_place(const struct scope *s, const struct index *ix,
                            const struct name *name, struct index_place *place)
{
    struct index_path *path = &place->path;

    place->record = 0;
    if (ix->words[0] == 0)
        return TN_OK;
    if (!find_path(s, ix, name, true, path))
        return TN_ECORRUPT;
    if (path->exact)
        place->record = node_records(node_at(s, path->off[0]))[path->at[0]];
    return TN_OK;
}

static tn_status tree_insert(struct heap *h, const struct scope *s,
                             struct index *ix, uint64_t record,
                             const struct name *name,
                             const struct index_place *place)
{
    struct index_path path;
    struct spares spares;
    tn_status status;

    (void)name;
    if (ix->words[0] == 0)
        return insert_first(h, s, ix, record);
    path = place->path;
    status = spares_get(h, s, &path, &spares);
    if (status != TN_OK)
        return status;
    prepare_path(s, &path, record);
    insert_up(h, s, ix, &path, &spares, record);
    return TN_OK;
}

/* --- Removing ----------------------------------------------------------- */

/* Take an empty leaf or node out and give it back. */
static void drop_node(struct heap *h, const struct scope *s, uint64_t off)
{
    struct index_node *n = node_at(s, off);
    struct node checked;

    if (n->level == 0) {
        if (n->prev != 0 && node_read_owned(s, n->prev, &checked))
            node_at(s, n->prev)->next = n->next;
        if (n->next != 0 && node_read_owned(s, n->next, &checked))
            node_at(s, n->next)->prev = n->prev;
    }
    (void)heap_free(h, n);
}

/* Merge child at + 1 of parent into child at, if together they have no more
 * than most entries, in quarters of the left one's capacity. */
static bool merge(struct heap *h, const struct scope *s,
                  struct index_node *parent, uint32_t at, unsigned quarters)
{
    uint64_t left_off = node_children(parent)[at];
    uint64_t right_off = node_children(parent)[at + 1];
    struct index_node *left = node_at(s, left_off);
    struct index_node *right = node_at(s, right_off);
    struct node l, r;
    struct name first, other;
    size_t common;

    if (!node_read_owned(s, left_off, &l) ||
        !node_read_owned(s, right_off, &r) || l.level + 1 != parent->level ||
        r.level != l.level || left == right ||
        l.count + (uint64_t)r.count > (uint64_t)l.capacity / 4 * quarters ||
        !name_read(s, l.records[0], &first) ||
        !name_read(s, r.records[0], &other))
        return false;
    common = name_common(&first, &other);
    common = common < l.skip ? common : l.skip;
    common = common < r.skip ? common : r.skip;
    node_lower(left, (uint16_t)common, &first);
    node_lower(right, (uint16_t)common, &other);
    node_move(right, 0, left);
    drop_node(h, s, right_off);
    node_remove(parent, at + 1);
    return true;
}

/* Merge a node of which little is left with one beside it. */
static bool merge_little(struct heap *h, const struct scope *s,
                         struct index_node *parent, uint32_t at)
{
    const struct index_node *n = node_at(s, node_children(parent)[at]);

    if (n->count >= (uint32_t)1 << n->capacity_log2 >> 2)
        return false;
    return (at + 1 < parent->count && merge(h, s, parent, at, 3)) ||
           (at > 0 && merge(h, s, parent, at - 1, 3));
}

/* Roots without entries or with one child go. */
static void lower_root(struct heap *h, const struct scope *s, struct index *ix)
{
    uint64_t child;
    struct node n;

    while (ix->words[0] != 0) {
        struct index_node *root = node_at(s, ix->words[0]);

        if (root->count > 1 || (root->count == 1 && root->level == 0))
            return;
        child = root->count == 0 ? 0 : node_children(root)[0];
        if (child != 0 &&
            (!node_read_owned(s, child, &n) || n.level >= root->level))
            return;
        (void)heap_free(h, root);
        ix->words[0] = child;
    }
}

/* After an entry was taken from the leaf, set right the nodes above it. */
static void remove_up(struct heap *h, const struct scope *s,
                      const struct index_path *path)
{
    bool first = path->at[0] == 0; /* was it the node's first? */

    for (int level = 0; level < path->top; level++) {
        struct index_node *n = node_at(s, path->off[level]);
        struct index_node *parent = node_at(s, path->off[level + 1]);
        uint32_t at = path->at[level + 1];

        if (n->count == 0) {
            drop_node(h, s, path->off[level]);
            node_remove(parent, at);
            first = at == 0;
            continue;
        }
        if (first)
            node_set(s, parent, at, node_records(n)[0]);
        first = first && at == 0;
        if (!merge_little(h, s, parent, at) && !first)
            return;
    }
}

static tn_status tree_remove(struct heap *h, const struct scope *s,
                             struct index *ix, uint64_t record,
                             const struct name *name)
{
    struct index_node *leaf;
    struct index_path path;

    if (!find_path(s, ix, name, true, &path) || !path.exact)
        return TN_ECORRUPT;
    leaf = node_at(s, path.off[0]);
    if (node_records(leaf)[path.at[0]] != record)
        return TN_ECORRUPT;
    node_remove(leaf, path.at[0]);
    remove_up(h, s, &path);
    lower_root(h, s, ix);
    return TN_OK;
}

/* --- Memory ------------------------------------------------------------- */

static tn_status tree_reserve(struct heap *h, const struct scope *s,
                              struct index *ix, size_t count)
{
    (void)h, (void)s, (void)ix, (void)count; /* grows a node at a time */
    return TN_OK;
}

/* Merge below a node whatever fits together. */
static void compact(struct heap *h, const struct scope *s, uint64_t off,
                    unsigned level)
{
    struct index_node *n = node_at(s, off);
    struct node checked;

    if (!node_read_owned(s, off, &checked) || checked.level != level ||
        level == 0)
        return;
    for (uint32_t i = 0; i < n->count; i++)
        compact(h, s, node_children(n)[i], level - 1);
    for (uint32_t i = 0; i + 1 < n->count;) {
        if (!merge(h, s, n, i, 4))
            i++;
    }
}

/* Let a root that has shrunk be no larger than it must. */
static void trim_root(struct heap *h, const struct scope *s, struct index *ix)
{
    struct index_path path = {.off = {ix->words[0]}};
    struct node root;
    uint64_t fresh;
    uint8_t log2;

    if (!node_read_owned(s, ix->words[0], &root))
        return;
    log2 = least_log2(s, root.level);
    while ((uint32_t)1 << log2 < root.count)
        log2++;
    if (log2 >= root.at->capacity_log2)
        return;
    fresh = node_make(h, root.level, log2);
    if (fresh != 0)
        replace_node(h, s, ix, &path, 0, fresh);
}

static void tree_shrink(struct heap *h, const struct scope *s, struct index *ix)
{
    struct node root;

    if (node_read_owned(s, ix->words[0], &root))
        compact(h, s, ix->words[0], root.level);
    if (node_read_owned(s, ix->words[0], &root))
        lower_root(h, s, ix);
    trim_root(h, s, ix);
}

/* A node met a second time, which only damage can bring about, is free. */
static void free_below(struct heap *h, const struct scope *s, uint64_t off,
                       unsigned level)
{
    struct node n;

    if (!node_read_owned(s, off, &n) || n.level != level)
        return;
    heap_set_state(h, node_at(s, off), BLOCK_RAW);
    for (uint32_t i = 0; level > 0 && i < n.count; i++)
        free_below(h, s, n.children[i], level - 1);
    (void)heap_free(h, node_at(s, off));
}

static void tree_clear(struct heap *h, const struct scope *s, struct index *ix)
{
    struct node root;

    if (node_read_owned(s, ix->words[0], &root))
        free_below(h, s, ix->words[0], root.level);
}

/* --- Walking ------------------------------------------------------------ */

enum { LEAF, PLACE }; /* words of a cursor */

/* The record at the cursor's place, or the first of the leaf behind it. */
static uint64_t record_at_place(const struct scope *s,
                                struct index_cursor *cursor)
{
    struct node leaf;

    if (!node_read(s, cursor->words[LEAF], &leaf) || leaf.level != 0)
        return 0;
    if (cursor->words[PLACE] >= leaf.count) {
        cursor->words[LEAF] = load64(&leaf.at->next);
        cursor->words[PLACE] = 0;
        if (!node_read(s, cursor->words[LEAF], &leaf) || leaf.level != 0)
            return 0;
    }
    return load64(&leaf.records[cursor->words[PLACE]]);
}

static tn_status tree_seek(const struct scope *s, const struct index *ix,
                           struct index_cursor *cursor, const struct name *name,
                           bool after)
{
    struct index_path path;

    if (!find_path(s, ix, name, false, &path))
        return TN_OK; /* empty, or damaged */
    cursor->words[LEAF] = path.off[0];
    cursor->words[PLACE] = path.at[0] + (path.exact && after);
    cursor->record = record_at_place(s, cursor);
    return TN_OK;
}

static uint64_t tree_next(const struct scope *s, const struct index *ix,
                          struct index_cursor *cursor)
{
    (void)ix;
    cursor->words[PLACE]++;
    return record_at_place(s, cursor);
}

#define BTREE                                                                  \
    .place = tree_place, .insert = tree_insert, .remove = tree_remove,         \
    .reserve = tree_reserve, .shrink = tree_shrink, .clear = tree_clear,       \
    .seek = tree_seek, .next = tree_next, .check = btree_check

const struct index_kind index_map = {.find = map_find, BTREE};
const struct index_kind index_flat = {.find = flat_find, BTREE};
