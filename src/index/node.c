/* node.c - one node of a map or flat_map: a run of names in order
 *
 *     | count, skip, level, capacity | prev | next |
 *     | key 0 | key 1 | ...  capacity of them, in order, then NODE_NO_KEY
 *     | record 0 | record 1 | ...
 *     | child 0 | child 1 | ...   not in leaves
 *
 * A leaf has an entry a name.  Higher up there is an entry a child, with the
 * record of the least name below that child.
 *
 * Keys begin behind what all names have in common, else names such as
 * "account/000017" would be alike in their first eight bytes.  skip is no more
 * than a promise, and may promise less than is true: it goes down when a name
 * comes that breaks it, and up when two keys turn out equal.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "index/node.h"

bool node_read_owned(const struct scope *s, uint64_t off, struct node *out)
{
    return node_read(s, off, out) &&
           block_is_index(s, off, node_bytes(out->level, out->capacity_log2));
}

/* Of the names at to end, whose keys are alike, how many are less? */
static uint32_t place_among_equals(const struct scope *s, const struct node *n,
                                   const struct name *name, uint32_t at,
                                   uint32_t end, bool *exact)
{
    uint32_t low = at, high = end;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct name here;
        int order;

        if (!name_read(s, load64(&n->records[middle]), &here))
            return low;
        order = name_compare(&here, name);
        if (order == 0) {
            *exact = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t node_place(const struct scope *s, const struct node *n,
                    const struct name *name, bool *exact)
{
    uint64_t key = name_slice(name, n->skip);
    uint32_t at = node_rank(n, key), end;

    *exact = false;
    if (at > n->count) /* damaged: an unused key is not NODE_NO_KEY */
        at = n->count;
    end = at;
    while (end < n->count && n->keys[end] == key)
        end++;
    if (end == at)
        return at;
    if ((key & 0xff) == 0) { /* both names end within the key */
        *exact = true;
        return at;
    }
    return place_among_equals(s, n, name, at, end, exact);
}

uint64_t node_greatest(const struct scope *s, const struct index_node *n)
{
    struct node below;
    int level = n->level;
    uint64_t off = heap_off(s->h, n);

    for (;;) {
        if (!node_read(s, off, &below) || below.level != level)
            return 0;
        if (level-- == 0)
            return load64(&below.records[below.count - 1]);
        off = load64(&below.children[below.count - 1]);
    }
}

/* --- Changing ----------------------------------------------------------- */

static uint64_t capacity_of(const struct index_node *n)
{
    return UINT64_C(1) << n->capacity_log2;
}

uint64_t *node_keys(struct index_node *n)
{
    return n->words;
}

uint64_t *node_records(struct index_node *n)
{
    return n->words + capacity_of(n);
}

uint64_t *node_children(struct index_node *n)
{
    return n->words + 2 * capacity_of(n);
}

uint64_t node_make(struct heap *h, uint8_t level, uint8_t capacity_log2)
{
    struct index_node *n =
        heap_alloc(h, node_bytes(level, capacity_log2), BLOCK_INDEX);

    if (n == NULL)
        return 0;
    memset(n, 0, sizeof(*n));
    n->level = level;
    n->capacity_log2 = capacity_log2;
    memset(node_keys(n), 0xff, capacity_of(n) * sizeof(uint64_t));
    return heap_off(h, n);
}

static uint64_t slice_of(const struct scope *s, uint64_t record, uint16_t skip)
{
    struct name name;

    return name_read(s, record, &name) ? name_slice(&name, skip) : 0;
}

/* Make room for one word before word at of count. */
static void open_gap(uint64_t *words, uint32_t at, uint32_t count)
{
    memmove(words + at + 1, words + at, (count - at) * sizeof(*words));
}

static void close_gap(uint64_t *words, uint32_t at, uint32_t count)
{
    memmove(words + at, words + at + 1, (count - at - 1) * sizeof(*words));
}

void node_insert(const struct scope *s, struct index_node *n, uint32_t at,
                 uint64_t record, uint64_t child)
{
    open_gap(node_keys(n), at, n->count);
    open_gap(node_records(n), at, n->count);
    if (n->level > 0) {
        open_gap(node_children(n), at, n->count);
        node_children(n)[at] = child;
    }
    n->count++;
    node_set(s, n, at, record);
}

void node_set(const struct scope *s, struct index_node *n, uint32_t at,
              uint64_t record)
{
    node_keys(n)[at] = slice_of(s, record, n->skip);
    node_records(n)[at] = record;
}

void node_remove(struct index_node *n, uint32_t at)
{
    close_gap(node_keys(n), at, n->count);
    close_gap(node_records(n), at, n->count);
    if (n->level > 0)
        close_gap(node_children(n), at, n->count);
    n->count--;
    node_keys(n)[n->count] = NODE_NO_KEY;
}

void node_move(struct index_node *from, uint32_t at, struct index_node *to)
{
    size_t bytes = (from->count - at) * sizeof(uint64_t);

    memcpy(node_keys(to) + to->count, node_keys(from) + at, bytes);
    memcpy(node_records(to) + to->count, node_records(from) + at, bytes);
    if (from->level > 0)
        memcpy(node_children(to) + to->count, node_children(from) + at, bytes);
    memset(node_keys(from) + at, 0xff, bytes);
    to->count += from->count - at;
    from->count = at;
}

void node_lower(struct index_node *n, uint16_t skip, const struct name *name)
{
    unsigned bits = (unsigned)(n->skip - skip) * 8;
    uint64_t common = name_slice(name, skip);
    uint64_t *keys = node_keys(n);

    if (bits == 0)
        return;
    /* What was skipped and now is not is alike in all. */
    for (uint32_t i = 0; i < n->count; i++)
        keys[i] = bits >= 64 ? common
                             : (common >> (64 - bits) << (64 - bits)) |
                                   keys[i] >> bits;
    n->skip = skip;
}

void node_reslice(const struct scope *s, struct index_node *n, uint16_t skip)
{
    n->skip = skip;
    for (uint32_t i = 0; i < n->count; i++)
        node_keys(n)[i] = slice_of(s, node_records(n)[i], skip);
}
