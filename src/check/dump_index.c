/* dump_index.c - the two name indexes in words
 *
 * Each kind as it is built: the nodes of a map, level by level down; directory
 * and chunks of a flat_map; directory and pages of a hash; the tree of an iset.
 * What the bytes say is followed only where something can lie, and no further
 * than there can be nodes in a segment of this size: damaged links may lead in
 * circles.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "check/dump.h"
#include "index/hash.h"
#include "index/node.h"

#include <inttypes.h>

/* A walk through one index. */
struct walk {
    struct dump *d;
    struct scope s;
    const struct index *ix;
    uint64_t budget; /* nodes that can still be */
};

enum {
    ISET_DEPTH_MAX = 96, /* as in iset.c */
    NAME_SHOWN = 64,     /* bytes of a name; the list of blocks has all */
};

static bool spend(struct walk *w)
{
    if (w->budget == 0)
        return false;
    if (--w->budget == 0)
        dump_wrong(w->d, "there are more parts than the segment has room for: "
                         "the links lead in circles");
    return w->budget != 0;
}

static void print_record_name(struct dump *d, const struct scope *s,
                              uint64_t record)
{
    struct name name;

    if (name_read(s, record, &name)) {
        dump_name(d, name.bytes,
                  name.length < NAME_SHOWN ? name.length : NAME_SHOWN);
        fputs(name.length > NAME_SHOWN ? "..." : "", d->out);
        return;
    }
    fprintf(d->out, "(no name at %" PRIu64 ")", record);
}

/* --- Maps and flat_maps --------------------------------------------------- */

static void print_node(struct walk *w, const struct node *n, uint64_t off,
                       unsigned depth)
{
    fprintf(w->d->out,
            "  %*s%s at %" PRIu64 ", level %u: %" PRIu32 " of %" PRIu32
            " entries, %u bytes in common, ",
            (int)(2 * depth), "",
            n->level > 0                      ? "node"
            : w->s.index == TN_INDEX_FLAT_MAP ? "chunk"
                                              : "leaf",
            off, n->level, n->count, n->capacity, n->skip);
    print_record_name(w->d, &w->s, load64(&n->records[0]));
    if (n->count > 1) {
        fprintf(w->d->out, " to ");
        print_record_name(w->d, &w->s, load64(&n->records[n->count - 1]));
    }
    if (n->level == 0)
        fprintf(w->d->out, "; before %" PRIu64 ", behind %" PRIu64,
                load64(&n->at->prev), load64(&n->at->next));
    fputc('\n', w->d->out);
}

static void walk_nodes(struct walk *w, uint64_t off, int level, unsigned depth)
{
    struct node n;

    if (!spend(w))
        return;
    if (!node_read(&w->s, off, &n) || (level >= 0 && n.level != level)) {
        dump_wrong(w->d, "there is no node of the next level at %" PRIu64, off);
        return;
    }
    print_node(w, &n, off, depth);
    for (uint32_t i = 0; n.level > 0 && i < n.count && w->budget > 0; i++)
        walk_nodes(w, load64(&n.children[i]), n.level - 1, depth + 1);
}

/* --- Hashes --------------------------------------------------------------- */

static void print_page(struct walk *w, const struct directory *dir,
                       uint64_t off, uint64_t entry, bool behind)
{
    const struct index_page *page = page_at(&w->s, off);
    uint32_t slots = (uint32_t)LINE_SLOTS << dir->lines_log2, used = 0;

    for (uint32_t i = 0; i < slots; i++)
        used += load64(&page->slots[i]) != 0;
    fprintf(w->d->out,
            "    %spage at %" PRIu64 ", entry %" PRIu64 ", depth %u: %" PRIu32
            " of %" PRIu32 " slots",
            behind ? "  behind it a " : "", off, entry, page->depth, used,
            slots);
    if (page->count != used) {
        fprintf(w->d->out, "; wrong: it counts %" PRIu32, page->count);
        w->d->wrong++;
    }
    fputc('\n', w->d->out);
}

/* A page hangs at every entry that agrees in its low depth bits; it is printed
 * at the first of them. */
static void walk_entry(struct walk *w, const struct directory *dir, uint64_t i)
{
    uint64_t off = load64(&dir->pages[i]), first = i;
    bool behind = false;
    unsigned depth;

    if (off == 0)
        return;
    while (off != 0) {
        if (!page_valid(&w->s, off, dir->lines_log2)) {
            dump_wrong(w->d,
                       "entry %" PRIu64 " leads to %" PRIu64
                       ", where no page can be",
                       i, off);
            return;
        }
        depth = page_at(&w->s, off)->depth;
        if (!behind && depth < dir->bits)
            first = i & ((UINT64_C(1) << depth) - 1);
        if (first != i && load64(&dir->pages[first]) == off)
            return;
        if (!spend(w))
            return;
        print_page(w, dir, off, i, behind);
        off = load64(&page_at(&w->s, off)->next);
        behind = true;
    }
}

static void walk_hash(struct walk *w)
{
    struct directory dir;

    if (w->ix->words[DIRECTORY] == 0)
        return;
    if (!directory_read(&w->s, w->ix, &dir)) {
        dump_wrong(w->d, "there is no directory at %" PRIu64,
                   w->ix->words[DIRECTORY]);
        return;
    }
    fprintf(w->d->out,
            "  directory at %" PRIu64 ": %" PRIu64
            " entries, pages of %u lines of %d slots\n",
            w->ix->words[DIRECTORY], dir.mask + 1, 1u << dir.lines_log2,
            LINE_SLOTS);
    w->budget = w->s.size / page_bytes(dir.lines_log2) + 1;
    for (uint64_t i = 0; i <= dir.mask && w->budget > 0; i++)
        walk_entry(w, &dir, i);
}

/* --- Isets ---------------------------------------------------------------- */

static void walk_tree(struct walk *w, uint64_t off, unsigned depth)
{
    const struct record_link *link = heap_at(w->s.h, off);
    uint64_t parent;

    if (off == 0 || !spend(w))
        return;
    if (depth == ISET_DEPTH_MAX ||
        !scope_has(&w->s, off, sizeof(*link) + sizeof(struct record))) {
        dump_wrong(w->d, "no node of the tree can be at %" PRIu64, off);
        return;
    }
    parent = load64(&link->node.parent);
    walk_tree(w, load64(&link->node.left), depth + 1);
    fprintf(w->d->out, "  %12" PRIu64 "  depth %2u  %-5s  ", off, depth,
            (parent & 1) != 0 ? "black" : "red");
    print_record_name(w->d, &w->s, off + sizeof(*link));
    fputc('\n', w->d->out);
    if (w->budget > 0)
        walk_tree(w, load64(&link->node.right), depth + 1);
}

/* --- All kinds ------------------------------------------------------------ */

void dump_index(struct dump *d, const struct index *ix, const char *what)
{
    static const char *const words[] = {"?",   "iset", "flat_map",
                                        "map", "hash", "null"};
    struct walk w = {.d = d, .s = scope_of(d->h, d->index), .ix = ix};

    w.budget = w.s.size / RECORD_MIN_BLOCK + 1;
    if (d->index == TN_INDEX_MAP || d->index == TN_INDEX_FLAT_MAP)
        w.budget = w.s.size / node_bytes(0, NODE_MIN_CAPACITY_LOG2) + 1;
    dump_heading(d, "index of %s objects: %s, %" PRIu64 " names", what,
                 words[d->index], ix->count);
    if (d->index == TN_INDEX_HASH)
        walk_hash(&w);
    else if (d->index == TN_INDEX_ISET)
        walk_tree(&w, load64(&ix->words[0]), 0);
    else if (d->index != TN_INDEX_NULL && ix->words[0] != 0)
        walk_nodes(&w, load64(&ix->words[0]), -1, 0);
}

/* --- One block of an index ------------------------------------------------ */

static const char *index_of_record(const struct dump *d, const struct scope *s,
                                   uint64_t record)
{
    struct name name;

    if (!name_read(s, record, &name))
        return "objects";
    return record_kind(d->h, record) == TN_KIND_UNIQUE ? "unique objects"
                                                       : "named objects";
}

static void print_hash_memory(struct dump *d, const struct scope *s,
                              uint64_t off)
{
    const struct index *indexes[] = {&d->base->named, &d->base->unique};
    static const char *const names[] = {"named", "unique"};
    const struct index_page *page = page_at(s, off);
    uint64_t slot = 0;

    for (int i = 0; i < 2; i++)
        if (indexes[i]->words[DIRECTORY] == off) {
            fprintf(d->out, "index of %s objects: directory", names[i]);
            return;
        }
    for (uint32_t i = 0; i < LINE_SLOTS << LINES_LOG2_MAX && slot == 0 &&
                         scope_has(s, off, sizeof(*page) + 8 * (i + 1));
         i++)
        slot = load64(&page->slots[i]);
    fprintf(d->out, "index of %s: page of %" PRIu32,
            index_of_record(d, s, slot & SLOT_OFF), page->count);
}

void dump_index_memory(struct dump *d, uint64_t off)
{
    struct scope s = scope_of(d->h, d->index);
    struct node n;

    if (d->index == TN_INDEX_HASH && scope_has(&s, off, page_bytes(0)))
        print_hash_memory(d, &s, off);
    else if (d->index != TN_INDEX_HASH && node_read(&s, off, &n))
        fprintf(d->out,
                "index of %s: level %u, %" PRIu32 " of %" PRIu32 " entries",
                index_of_record(d, &s, load64(&n.records[0])), n.level, n.count,
                n.capacity);
    else
        fprintf(d->out, "no part of an index that is known");
}
