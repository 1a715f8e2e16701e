/* iset.c - the index that needs no memory of its own
 *
 * A red-black tree whose nodes lie in the objects' own blocks, between name and
 * record.  Beside the links each node has the first eight bytes of its name,
 * so that most steps down look at nothing else:
 *
 *     | name, NUL, zeros | parent, left, right, prefix | type, count | ...
 *                          struct record_link            struct record
 *
 * Offsets in the tree are those of links; the record is 32 bytes further on.
 * index.words[0] is the root, all other words are zero.
 *
 * Beside I1 to I4 of index.c (of which I4 is empty here):
 *
 *   I5  Colours, parents and heights are those of a red-black tree.
 *   I6  prefix is the first eight bytes of the name, as name_slice() has them.
 *
 * Why not shallower: every step of a search at a million names is a cache miss,
 * and a tree of two ways needs twenty.  That is what the map is for; this one
 * costs 32 bytes a name and never asks for memory.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "index/kind.h"

/* More than twice the logarithm of how many blocks there can be. */
enum { DEPTH_MAX = 96 };

static struct record_link *link_at(const struct scope *s, uint64_t off)
{
    return heap_at(s->h, off);
}

static uint64_t link_of(uint64_t record)
{
    return record - sizeof(struct record_link);
}

static uint64_t record_of(uint64_t link)
{
    return link == 0 ? 0 : link + sizeof(struct record_link);
}

static uint64_t parent_of(const struct record_link *link)
{
    return load64(&link->node.parent) & ~UINT64_C(1);
}

/* Can a link and a record lie at off? */
static bool valid(const struct scope *s, uint64_t off)
{
    return scope_has(s, off,
                     sizeof(struct record_link) + sizeof(struct record));
}

static bool valid_or_none(const struct scope *s, uint64_t off)
{
    return off == 0 || valid(s, off);
}

/* A name that is looked for, and its first 16 bytes. */
struct wanted {
    const struct name *name;
    uint64_t first, second;
};

static struct wanted wanted_of(const struct name *name)
{
    return (struct wanted){name, name_slice(name, 0), name_slice(name, 8)};
}

/* How a name compares with that of the node at off, which is valid().  Where
 * both are alike up to a byte that is past the end, both have ended. */
static inline int compare(const struct scope *s, const struct wanted *wanted,
                          uint64_t off)
{
    uint64_t first = load64(&link_at(s, off)->prefix), second;
    struct name here;

    if (wanted->first != first)
        return wanted->first < first ? -1 : 1;
    if (unlikely(!name_read(s, record_of(off), &here)))
        return 1; /* damaged: anywhere will do */
    second = name_slice(&here, 8);
    if (wanted->second != second)
        return wanted->second < second ? -1 : 1;
    return (second & 0xff) == 0 && (first & 0xff) != 0
               ? 0
               : name_compare(wanted->name, &here);
}

/* Name, link and record often lie in two cache lines: call for both. */
static inline void prefetch(const struct scope *s, uint64_t off)
{
    __builtin_prefetch((const char *)link_at(s, off) - 16);
    __builtin_prefetch((const char *)link_at(s, off) + 32);
}

/* Which child comes next is often known only when the name itself has come, a
 * line after the links, so both are called for. */
static inline void prefetch_children(const struct scope *s, uint64_t off)
{
    prefetch(s, load64(&link_at(s, off)->node.left));
    prefetch(s, load64(&link_at(s, off)->node.right));
}

/* The link of a name, 0: none.  In *greater the first node whose name is
 * greater, if the name is not there. */
static uint64_t descend(const struct scope *s, const struct index *ix,
                        const struct name *name, uint64_t *greater)
{
    struct wanted wanted = wanted_of(name);
    uint64_t off = load64(&ix->words[0]);
    int order;

    *greater = 0;
    for (int depth = 0; depth < DEPTH_MAX && off != 0; depth++) {
        if (!valid(s, off))
            return 0;
        prefetch_children(s, off);
        order = compare(s, &wanted, off);
        if (order == 0)
            return off;
        if (order < 0)
            *greater = off;
        off = order < 0 ? load64(&link_at(s, off)->node.left)
                        : load64(&link_at(s, off)->node.right);
    }
    return 0;
}

static uint64_t iset_find(const struct heap *h, const struct index *ix,
                          const char *name, size_t length)
{
    struct scope s = scope_of(h, TN_INDEX_ISET);
    struct name wanted = {name, length};
    uint64_t greater;

    return record_of(descend(&s, ix, &wanted, &greater));
}

/* --- Changing ----------------------------------------------------------- */

/* rb_insert() follows parents upwards and looks at their children: see that
 * none of these leads out of the heap. */
static bool step_is_sound(const struct scope *s, uint64_t off, uint64_t parent)
{
    const struct record_link *link = link_at(s, off);

    return parent_of(link) == parent && valid_or_none(s, link->node.left) &&
           valid_or_none(s, link->node.right);
}

static tn_status iset_place(const struct scope *s, const struct index *ix,
                            const struct name *name, struct index_place *place)
{
    struct wanted wanted = wanted_of(name);
    uint64_t off = ix->words[0];
    struct index_link link = {0, false};
    int order, depth = 0;

    place->record = 0;
    while (off != 0) {
        if (depth++ == DEPTH_MAX || !valid(s, off) ||
            !step_is_sound(s, off, link.parent))
            return TN_ECORRUPT;
        order = compare(s, &wanted, off);
        if (order == 0) {
            place->record = record_of(off);
            break;
        }
        link = (struct index_link){off, order < 0};
        off = order < 0 ? link_at(s, off)->node.left
                        : link_at(s, off)->node.right;
        prefetch(s, off);
    }
    place->link = link;
    return TN_OK;
}

static tn_status iset_insert(struct heap *h, const struct scope *s,
                             struct index *ix, uint64_t record,
                             const struct name *name,
                             const struct index_place *place)
{
    uint64_t off = link_of(record), parent = place->link.parent;
    struct rb_node *above = &link_at(s, parent)->node;
    uint64_t *link = place->link.left ? &above->left : &above->right;

    if (!valid(s, off))
        return TN_ECORRUPT;
    link_at(s, off)->prefix = name_slice(name, 0);
    rb_insert(h, &ix->words[0], parent, parent != 0 ? link : &ix->words[0],
              off);
    return TN_OK;
}

/* Is the node where its parent and children say, so that it can be taken out
 * without a search? */
static bool is_linked(const struct scope *s, const struct index *ix,
                      uint64_t off)
{
    const struct record_link *link = link_at(s, off);
    uint64_t parent = parent_of(link);
    const struct rb_node *above = &link_at(s, parent)->node;

    if (parent == 0
            ? ix->words[0] != off
            : !valid(s, parent) || (above->left != off && above->right != off))
        return false;
    for (int i = 0; i < 2; i++) {
        uint64_t child = i == 0 ? link->node.left : link->node.right;

        if (child != 0 &&
            (!valid(s, child) || parent_of(link_at(s, child)) != off))
            return false;
    }
    return true;
}

static tn_status iset_remove(struct heap *h, const struct scope *s,
                             struct index *ix, uint64_t record,
                             const struct name *name)
{
    (void)name;
    if (!valid(s, link_of(record)) || !is_linked(s, ix, link_of(record)))
        return TN_ECORRUPT;
    rb_erase(h, &ix->words[0], link_of(record));
    return TN_OK;
}

static tn_status iset_reserve(struct heap *h, const struct scope *s,
                              struct index *ix, size_t count)
{
    (void)h, (void)s, (void)ix, (void)count; /* nothing to make room in */
    return TN_OK;
}

static void iset_shrink(struct heap *h, const struct scope *s, struct index *ix)
{
    (void)h, (void)s, (void)ix;
}

/* --- Walking ------------------------------------------------------------ */

/* The least node of the subtree at off, which is not 0; 0: damaged. */
static uint64_t leftmost(const struct scope *s, uint64_t off)
{
    for (int depth = 0; depth < DEPTH_MAX && valid(s, off); depth++) {
        uint64_t left = load64(&link_at(s, off)->node.left);

        if (left == 0)
            return off;
        off = left;
    }
    return 0;
}

static uint64_t successor(const struct scope *s, uint64_t off)
{
    uint64_t right = load64(&link_at(s, off)->node.right), parent;

    if (right != 0)
        return leftmost(s, right);
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        parent = parent_of(link_at(s, off));
        if (parent == 0 || !valid(s, parent))
            return 0;
        if (load64(&link_at(s, parent)->node.left) == off)
            return parent;
        off = parent;
    }
    return 0;
}

static tn_status iset_seek(const struct scope *s, const struct index *ix,
                           struct index_cursor *cursor, const struct name *name,
                           bool after)
{
    uint64_t off, greater, root = load64(&ix->words[0]);

    if (name->length == 0) {
        off = root == 0 ? 0 : leftmost(s, root);
    } else {
        off = descend(s, ix, name, &greater);
        if (off == 0 || after)
            off = off == 0 ? greater : successor(s, off);
    }
    cursor->record = record_of(off);
    return TN_OK;
}

static uint64_t iset_next(const struct scope *s, const struct index *ix,
                          struct index_cursor *cursor)
{
    uint64_t off = link_of(cursor->record);

    (void)ix;
    return valid(s, off) ? record_of(successor(s, off)) : 0;
}

/* --- Checking ----------------------------------------------------------- */

static bool check_valid(void *arg, uint64_t off)
{
    const struct index_checker *checker = arg;

    return valid(&checker->s, off);
}

static void check_visit(void *arg, uint64_t off)
{
    struct index_checker *checker = arg;
    struct name name;

    index_check_record(checker, record_of(off));
    if (name_read(&checker->s, record_of(off), &name) &&
        name_slice(&name, 0) != link_at(&checker->s, off)->prefix)
        report_add(checker->report, "I6", off, NULL,
                   "prefix is not that of the name");
}

static void iset_check(struct index_checker *checker)
{
    uint64_t where = 0;
    const char *wrong =
        rb_check(checker->s.h, checker->ix->words[0], checker->ix->count,
                 check_valid, check_visit, checker, &where);

    if (wrong != NULL)
        report_add(checker->report, "I5", where, NULL, "tree of names: %s",
                   wrong);
}

const struct index_kind index_iset = {
    .find = iset_find,
    .place = iset_place,
    .insert = iset_insert,
    .remove = iset_remove,
    .reserve = iset_reserve,
    .shrink = iset_shrink,
    .clear = iset_shrink,
    .seek = iset_seek,
    .next = iset_next,
    .check = iset_check,
};
