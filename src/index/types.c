/* types.c - the types that objects have, each kept once
 *
 * A descriptor is a block of BLOCK_TYPE.  It is made with the first object of
 * its type and goes with the last one, so that after everything is destroyed
 * all memory is free again.  All descriptors hang in one red-black tree:
 *
 *     | rb_node | objects | size | align_log2, name_length, 0 | name, NUL |
 *
 * These hold, and type_check() tests them:
 *
 *   T1  Every block of BLOCK_TYPE is in the tree, and nothing else is; it is
 *       what records refer to.
 *   T2  The tree is in strict order of the names' bytes.
 *   T3  Names are 1 to 255 bytes without NUL and end with one; a size is not
 *       0, an alignment at most 2 MiB.
 *   T4  objects is the number of records that refer to the descriptor.
 *
 * Crashes: a new descriptor becomes BLOCK_TYPE when it is complete.  What is
 * then still missing, its place in the tree and its count, type_rebuild()
 * finds out anew.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "index/kind.h"

#include <inttypes.h>
#include <stdlib.h>

/* A sound red-black tree of all the types that fit is never deeper. */
enum { DEPTH_MAX = 128 };

static struct type_descriptor *type_at(const struct heap *h, uint64_t off)
{
    return heap_at(h, off);
}

static struct name type_name(const struct heap *h, uint64_t off)
{
    const struct type_descriptor *t = type_at(h, off);

    return (struct name){t->name, t->name_length};
}

/* Is there a block of BLOCK_TYPE that has room for its name?  Safe for any
 * off. */
static bool is_descriptor(const struct heap *h, uint64_t off)
{
    struct scope s = scope_of(h, TN_INDEX_NULL);
    const struct type_descriptor *t = type_at(h, off);
    enum block_state state;
    size_t usable;

    return scope_has(&s, off, sizeof(*t)) &&
           heap_describe(h, t, &state, &usable) && state == BLOCK_TYPE &&
           usable >= sizeof(*t) + t->name_length + 1;
}

/* T3 of all but the name itself, which is followed by a NUL. */
static bool is_complete(const struct type_descriptor *t)
{
    return t->name_length >= 1 && t->name[t->name_length] == '\0' &&
           t->size != 0 && t->align_log2 <= TYPE_ALIGN_LOG2_MAX &&
           t->reserved == 0;
}

/* T3, safe for any off. */
bool type_verify(const struct heap *h, uint64_t off)
{
    const struct type_descriptor *t = type_at(h, off);

    return is_descriptor(h, off) && is_complete(t) &&
           memchr(t->name, '\0', t->name_length) == NULL;
}

/* --- Finding, making, dropping ------------------------------------------ */

static bool type_makes_sense(const tn_type *type, struct name *name)
{
    if (type->name == NULL)
        return false;
    *name = (struct name){type->name, strnlen(type->name, TYPE_NAME_MAX + 1)};
    return name->length >= 1 && name->length <= TYPE_NAME_MAX &&
           type->size >= 1 && type->size <= UINT32_MAX &&
           is_power_of_two(type->align) &&
           type->align <= (size_t)1 << TYPE_ALIGN_LOG2_MAX;
}

/* As name_compare(), and quick where they are the same. */
static int compare(const struct name *name, const struct name *here)
{
    if (likely(name->length == here->length &&
               bytes_alike(name->bytes, here->bytes, name->length)))
        return 0;
    return name_compare(name, here);
}

/* Where in the tree is this name, or would it be?  *found is its node or 0,
 * *parent and *link are as rb_insert() wants them. */
static tn_status look_up(const struct heap *h, uint64_t *root,
                         const struct name *name, uint64_t *found,
                         uint64_t *parent, uint64_t **link)
{
    int order, depth = 0;

    *parent = 0;
    for (*link = root; **link != 0;) {
        uint64_t node = **link;
        struct name here;

        if (depth++ == DEPTH_MAX || !is_descriptor(h, node) ||
            (type_at(h, node)->node.parent & ~UINT64_C(1)) != *parent ||
            !is_complete(type_at(h, node)))
            return TN_ECORRUPT;
        here = type_name(h, node);
        order = compare(name, &here);
        if (order == 0)
            break;
        *parent = node;
        *link = order < 0 ? &type_at(h, node)->node.left
                          : &type_at(h, node)->node.right;
    }
    *found = **link;
    return TN_OK;
}

static bool same_shape(const struct type_descriptor *t, const tn_type *type)
{
    return t->size == type->size && t->align_log2 <= TYPE_ALIGN_LOG2_MAX &&
           (size_t)1 << t->align_log2 == type->align;
}

/* A new descriptor, complete but in no tree; 0: no room. */
static uint64_t make(struct heap *h, const tn_type *type,
                     const struct name *name)
{
    struct type_descriptor *t =
        heap_alloc(h, sizeof(*t) + name->length + 1, BLOCK_BUILDING);

    if (t == NULL)
        return 0;
    memset(t, 0, sizeof(*t));
    t->size = (uint32_t)type->size;
    t->align_log2 = (uint8_t)__builtin_ctzl(type->align);
    t->name_length = (uint8_t)name->length;
    memcpy(t->name, name->bytes, name->length);
    t->name[name->length] = '\0';
    heap_set_state(h, t, BLOCK_TYPE);
    return heap_off(h, t);
}

tn_status type_ref(struct heap *h, uint64_t *root, const tn_type *type,
                   uint64_t *out)
{
    uint64_t off, parent, *link;
    struct name name;
    tn_status status;

    if (!type_makes_sense(type, &name))
        return TN_EINVAL;
    status = look_up(h, root, &name, &off, &parent, &link);
    if (status != TN_OK)
        return status;
    if (off != 0 && !same_shape(type_at(h, off), type))
        return TN_ETYPE;
    if (off == 0) {
        off = make(h, type, &name);
        if (off == 0)
            return TN_ENOMEM;
        rb_insert(h, root, parent, link, off);
    }
    type_at(h, off)->objects++;
    *out = off;
    return TN_OK;
}

/* Is the descriptor in the tree, so that it can be taken out? */
static bool is_linked(const struct heap *h, uint64_t *root, uint64_t off)
{
    struct name name = type_name(h, off);
    uint64_t found, parent, *link;

    return look_up(h, root, &name, &found, &parent, &link) == TN_OK &&
           found == off;
}

bool type_is_linked(const struct heap *h, uint64_t root, uint64_t off)
{
    return type_verify(h, off) && is_linked(h, &root, off);
}

void type_unref(struct heap *h, uint64_t *root, uint64_t off)
{
    if (!type_verify(h, off) || type_at(h, off)->objects == 0)
        return;
    if (--type_at(h, off)->objects > 0 || !is_linked(h, root, off))
        return;
    rb_erase(h, root, off);
    (void)heap_free(h, type_at(h, off));
}

bool type_matches(const struct heap *h, uint64_t record, const tn_type *type)
{
    const struct type_descriptor *t;

    if (type == NULL)
        return true;
    t = type_of_record(h, record);
    return same_shape(t, type) &&
           strncmp(t->name, type->name, (size_t)t->name_length + 1) == 0;
}

/* The first type whose name is greater, 0: none.  A tree in which that goes
 * round does not fool it, so walking by it ends. */
static uint64_t type_after(const struct heap *h, uint64_t root,
                           const struct name *name)
{
    uint64_t off = root, greater = 0;

    for (int depth = 0; depth < DEPTH_MAX && off != 0; depth++) {
        struct name here;

        if (!type_verify(h, off))
            return 0;
        here = type_name(h, off);
        if (name_compare(name, &here) < 0) {
            greater = off;
            off = load64(&type_at(h, off)->node.left);
        } else {
            off = load64(&type_at(h, off)->node.right);
        }
    }
    return greater;
}

size_t type_count(const struct heap *h, uint64_t root)
{
    struct name name = {"", 0};
    size_t count = 0;
    uint64_t off;

    while ((off = type_after(h, root, &name)) != 0) {
        name = type_name(h, off);
        count++;
    }
    return count;
}

/* --- Rebuilding --------------------------------------------------------- */

/* Hang the descriptor into the tree with no objects; false: it is not sound,
 * or there is one of this name. */
static bool adopt(struct heap *h, uint64_t *root, uint64_t off)
{
    uint64_t found, parent, *link;
    struct name name;

    if (!type_verify(h, off))
        return false;
    name = type_name(h, off);
    if (look_up(h, root, &name, &found, &parent, &link) != TN_OK || found != 0)
        return false;
    type_at(h, off)->objects = 0;
    rb_insert(h, root, parent, link, off);
    return true;
}

/* Descriptors that are not sound stay where they are, for no record that
 * refers to them is sound either. */
static void adopt_all(struct heap *h, uint64_t *root)
{
    struct block_walk walk = {0};

    while (block_walk_next(h, &walk)) {
        if (walk.state == BLOCK_TYPE)
            (void)adopt(h, root, heap_off(h, walk.p));
    }
}

/* The type of the object in the block that the walk is at, 0: none. */
static uint64_t type_in_block(const struct heap *h, tn_index index,
                              const struct block_walk *walk)
{
    uint64_t record = 0;

    if (walk->state == BLOCK_OBJECT || walk->state == BLOCK_BUILDING)
        record = record_in_block(h, index, walk->p);
    return record == 0 ? 0 : heap_off(h, record_type(h, record));
}

/* What a record refers to may only look like a descriptor, and lie in a block
 * of somebody else's: it is left alone. */
static void count_objects(struct heap *h, tn_index index, uint64_t *root)
{
    struct block_walk walk = {0};
    uint64_t type, last = 0; /* neighbours are often alike */

    while (block_walk_next(h, &walk)) {
        type = type_in_block(h, index, &walk);
        if (type != 0 && (type == last || is_linked(h, root, type))) {
            type_at(h, type)->objects++;
            last = type;
        }
    }
}

static void drop_unused(struct heap *h, uint64_t *root)
{
    uint64_t next;

    for (uint64_t off = rb_first(h, *root); off != 0; off = next) {
        next = rb_next(h, off);
        if (type_at(h, off)->objects == 0) {
            rb_erase(h, root, off);
            (void)heap_free(h, type_at(h, off));
        }
    }
}

void type_rebuild(struct heap *h, tn_index index, uint64_t *root)
{
    *root = 0;
    adopt_all(h, root);
    count_objects(h, index, root);
    drop_unused(h, root);
}

/* --- Checking ----------------------------------------------------------- */

/* One descriptor as the check sees it; they stand in order of offset, which is
 * the order in which the blocks are met. */
struct seen {
    uint64_t off;
    uint64_t objects; /* records met */
};

/* So many are looked at in one go; only a file that was made for it has more,
 * and gets as many walks. */
enum { SEEN_MOST = 1 << 20, SEEN_FEW = 64 };

struct type_checker {
    const struct heap *h;
    tn_index index;
    uint64_t root;
    struct report *report;
    uint64_t types; /* sound ones, on the chain */
    struct seen *seen;
    size_t room, count;
    uint64_t last;    /* met last in the tree */
    uint64_t unknown; /* records less those of the types that were noted */
};

static struct seen *find_seen(const struct type_checker *checker, uint64_t off)
{
    size_t low = 0, high = checker->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (checker->seen[middle].off < off)
            low = middle + 1;
        else
            high = middle;
    }
    return low < checker->count && checker->seen[low].off == off
               ? &checker->seen[low]
               : NULL;
}

static bool valid_node(void *arg, uint64_t off)
{
    const struct type_checker *checker = arg;

    return off % RECORD_ALIGN == 0 && type_verify(checker->h, off);
}

static void visit_node(void *arg, uint64_t off)
{
    struct type_checker *checker = arg;
    struct name last, here = type_name(checker->h, off);

    if (checker->last != 0) {
        last = type_name(checker->h, checker->last);
        if (name_compare(&last, &here) >= 0)
            report_add(checker->report, "T2", off, here.bytes,
                       "type is out of order");
    }
    checker->last = off;
}

/* T3, and how many sound ones there are. */
static void count_types(struct type_checker *checker)
{
    struct block_walk walk = {0};

    while (block_walk_next(checker->h, &walk)) {
        uint64_t off = heap_off(checker->h, walk.p);

        if (walk.state != BLOCK_TYPE)
            continue;
        if (type_verify(checker->h, off))
            checker->types++;
        else
            report_add(checker->report, "T3", off, NULL, "not a sound type");
    }
}

/* Note the sound descriptors behind this one.  There may be more than before,
 * if others are at work. */
static void note_types(struct type_checker *checker, uint64_t after)
{
    struct block_walk walk = {0};

    checker->count = 0;
    while (checker->count < checker->room &&
           block_walk_next(checker->h, &walk)) {
        uint64_t off = heap_off(checker->h, walk.p);

        if (walk.state == BLOCK_TYPE && off > after &&
            type_verify(checker->h, off))
            checker->seen[checker->count++] = (struct seen){.off = off};
    }
}

static void note_records(struct type_checker *checker, bool first)
{
    struct block_walk walk = {0};
    struct seen *seen;
    uint64_t type;

    while (block_walk_next(checker->h, &walk)) {
        type = type_in_block(checker->h, checker->index, &walk);
        seen = find_seen(checker, type);
        if (seen != NULL)
            seen->objects++;
        checker->unknown += first && type != 0;
        checker->unknown -= seen != NULL;
    }
}

/* T1 and T4 of one descriptor. */
static void check_seen(struct type_checker *checker, const struct seen *seen)
{
    const struct type_descriptor *t = type_at(checker->h, seen->off);

    if (!is_linked(checker->h, &checker->root, seen->off))
        report_add(checker->report, "T1", seen->off, t->name,
                   "type is not in the tree of types");
    if (seen->objects != t->objects)
        report_add(checker->report, "T4", seen->off, t->name,
                   "type counts %" PRIu64 " objects, and %" PRIu64 " are there",
                   t->objects, seen->objects);
}

/* Without memory it takes more walks. */
static void check_all_seen(struct type_checker *checker)
{
    struct seen few[SEEN_FEW], *many;
    uint64_t after = 0;

    checker->room = checker->types < SEEN_MOST ? checker->types : SEEN_MOST;
    many = calloc(checker->room + 1, sizeof(*many));
    checker->seen = many;
    if (many == NULL) {
        checker->seen = few;
        checker->room = SEEN_FEW;
    }
    for (uint64_t n = 0; n < checker->types && (n == 0 || checker->count > 0);
         n += checker->count) {
        note_types(checker, after);
        note_records(checker, n == 0);
        for (size_t i = 0; i < checker->count; i++)
            check_seen(checker, &checker->seen[i]);
        if (checker->count > 0)
            after = checker->seen[checker->count - 1].off;
    }
    if (checker->unknown != 0)
        report_add(checker->report, "T1", checker->root, NULL,
                   "%" PRIu64 " objects refer to types that are in no block",
                   checker->unknown);
    free(many);
}

void type_check(const struct heap *h, tn_index index, uint64_t root,
                struct report *report)
{
    struct type_checker checker = {
        .h = h, .index = index, .root = root, .report = report};
    uint64_t where = 0;
    const char *wrong;

    count_types(&checker);
    wrong = rb_check(h, root, checker.types, valid_node, visit_node, &checker,
                     &where);
    if (wrong != NULL)
        report_add(report, "T1", where, NULL, "tree of types: %s", wrong);
    check_all_seen(&checker);
}
