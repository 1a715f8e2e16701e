/* hash_list.c - a hash read as a whole: names in order, and the checker
 *
 * A hash has no order, so a walk collects all names from the one sought on and
 * sorts them first, outside the segment; it costs memory and time accordingly.
 * The invariants that are checked stand in hash.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "index/hash.h"

#include <inttypes.h>
#include <stdlib.h>

/* --- Walking ------------------------------------------------------------- */

/* A walk sorts first: cursor.sorted holds, for each name from the one sought
 * on, its key and its record. */
struct entry {
    uint64_t key, record;
};

enum { PLACE }; /* word of a cursor: entries done */

struct collection {
    const struct scope *s;
    const struct name *from;
    bool after;
    struct entry *entries;
    size_t count, room;
    size_t skip; /* bytes alike in all, and not in the keys */
};

static bool collect(struct collection *c, uint64_t record)
{
    struct name name;
    struct entry *more;
    int order;

    if (!name_read(c->s, record, &name))
        return true; /* damaged */
    order = name_compare(&name, c->from);
    if (order < 0 || (order == 0 && c->after))
        return true;
    if (c->count == c->room) {
        c->room = c->room < 64 ? 64 : c->room * 2;
        more = realloc(c->entries, c->room * sizeof(*more));
        if (more == NULL)
            return false;
        c->entries = more;
    }
    c->entries[c->count++] = (struct entry){0, record};
    return true;
}

static bool collect_page(struct collection *c, uint64_t page,
                         const struct directory *d)
{
    uint32_t slots = (uint32_t)LINE_SLOTS << d->lines_log2;

    for (int i = 0; i < CHAIN_MAX && page_valid(c->s, page, d->lines_log2);
         i++) {
        for (uint32_t j = 0; j < slots; j++) {
            uint64_t slot = load64(&page_at(c->s, page)->slots[j]);

            if (slot != 0 && c->count < c->s->size / RECORD_MIN_BLOCK &&
                !collect(c, slot & SLOT_OFF))
                return false;
        }
        page = load64(&page_at(c->s, page)->next);
    }
    return true;
}

/* Every page once, where its entry of the directory is the least. */
static bool collect_all(struct collection *c, const struct directory *d)
{
    for (uint64_t i = 0; i <= d->mask; i++) {
        uint64_t page = load64(&d->pages[i]);

        if (page_valid(c->s, page, d->lines_log2) &&
            i >> (page_at(c->s, page)->depth & 63) == 0 &&
            !collect_page(c, page, d))
            return false;
    }
    return true;
}

static int compare_entries(const void *a, const void *b, void *arg)
{
    const struct entry *x = a, *y = b;
    const struct collection *c = arg;
    struct name n, m;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (!name_read(c->s, x->record, &n) || !name_read(c->s, y->record, &m))
        return 0;
    return name_compare(&n, &m);
}

/* Names such as "user/0000a17" sort by what comes after what all share. */
static void sort(struct collection *c)
{
    struct name first = {"", 0}, name;

    c->skip = TN_NAME_MAX;
    for (size_t i = 0; i < c->count; i++) {
        if (!name_read(c->s, c->entries[i].record, &name))
            continue;
        if (first.length == 0)
            first = name;
        if (name_common(&first, &name) < c->skip)
            c->skip = name_common(&first, &name);
    }
    for (size_t i = 0; i < c->count; i++) {
        if (name_read(c->s, c->entries[i].record, &name))
            c->entries[i].key = name_slice(&name, c->skip);
    }
    qsort_r(c->entries, c->count, sizeof(*c->entries), compare_entries, c);
}

tn_status hash_seek(const struct scope *s, const struct index *ix,
                    struct index_cursor *cursor, const struct name *name,
                    bool after)
{
    struct collection c = {.s = s, .from = name, .after = after};
    struct directory d;

    if (!directory_read(s, ix, &d))
        return TN_OK; /* empty, or damaged */
    if (!collect_all(&c, &d)) {
        free(c.entries);
        return TN_ENOMEM;
    }
    if (c.count == 0) {
        free(c.entries);
        return TN_OK;
    }
    sort(&c);
    cursor->sorted = (uint64_t *)c.entries;
    cursor->sorted_count = c.count;
    cursor->record = c.entries[0].record;
    return TN_OK;
}

uint64_t hash_next(const struct scope *s, const struct index *ix,
                   struct index_cursor *cursor)
{
    const struct entry *entries = (const struct entry *)cursor->sorted;

    (void)s, (void)ix;
    if (++cursor->words[PLACE] >= cursor->sorted_count)
        return 0;
    return entries[cursor->words[PLACE]].record;
}

/* --- Checking ------------------------------------------------------------ */

/* I6 and I9 of one slot. */
static void check_slot(struct index_checker *checker, const struct directory *d,
                       unsigned depth, uint64_t where, uint32_t line,
                       uint64_t slot)
{
    uint32_t mask = ((uint32_t)1 << d->lines_log2) - 1;
    uint64_t record = slot & SLOT_OFF, hash;
    struct name name;

    index_check_record(checker, record);
    if (!name_read(&checker->s, record, &name))
        return;
    hash = hash_of(&name);
    if (((hash ^ where) & ((UINT64_C(1) << depth) - 1)) != 0 ||
        (slot & SLOT_TAG) != tag_of(hash) ||
        ((home_of(hash, d->lines_log2) + (slot & SLOT_DISTANCE)) & mask) !=
            line)
        report_add(checker->report, "I6", record, name.bytes,
                   "name is not where its hash says");
    if (hash_find(checker->s.h, checker->ix, name.bytes, name.length) != record)
        report_add(checker->report, "I9", record, name.bytes,
                   "looking for the name finds another record");
}

/* I7 of one slot. */
static void check_lines(struct index_checker *checker,
                        const struct index_page *page, uint32_t line,
                        uint64_t slot)
{
    uint32_t mask = ((uint32_t)1 << page->lines_log2) - 1;

    for (uint32_t i = 1; i <= (slot & SLOT_DISTANCE); i++) {
        if (empties(page->slots + ((line - i) & mask) * LINE_SLOTS) != 0) {
            report_add(checker->report, "I7", slot & SLOT_OFF, NULL,
                       "there was room in an earlier line");
            return;
        }
    }
}

static void check_page(struct index_checker *checker, const struct directory *d,
                       uint64_t off, uint64_t where)
{
    const struct index_page *page = page_at(&checker->s, off);
    uint32_t slots = (uint32_t)LINE_SLOTS << d->lines_log2, count = 0;

    for (uint32_t i = 0; i < slots; i++) {
        if (page->slots[i] == 0)
            continue;
        count++;
        check_slot(checker, d, page->depth, where, i / LINE_SLOTS,
                   page->slots[i]);
        check_lines(checker, page, i / LINE_SLOTS, page->slots[i]);
    }
    if (count != page->count)
        report_add(checker->report, "I8", off, NULL,
                   "page counts %" PRIu32 " names, and %" PRIu32 " are there",
                   page->count, count);
}

/* A page and those behind it; every one can be met once only, which ends the
 * walk when they go in circles. */
static void check_pages(struct index_checker *checker,
                        const struct directory *d, uint64_t off, uint64_t where)
{
    unsigned depth = page_at(&checker->s, off)->depth;

    while (off != 0) {
        const struct index_page *page = page_at(&checker->s, off);

        if (!index_check_block(checker, off, page_bytes(d->lines_log2)))
            return;
        if (page->depth != depth || page->lines_log2 != d->lines_log2 ||
            checker->blocks > checker->s.size / RECORD_MIN_BLOCK) {
            report_add(checker->report, "I5", off, NULL,
                       "page does not belong here");
            return;
        }
        check_page(checker, d, off, where);
        off = page->next;
    }
}

/* I5 of one entry of the directory. */
static void check_entry(struct index_checker *checker,
                        const struct directory *d, uint64_t i)
{
    uint64_t off = d->pages[i], first;
    unsigned depth;

    if (off == 0)
        return;
    if (!page_valid(&checker->s, off, d->lines_log2)) {
        report_add(checker->report, "I5", off, NULL, "there is no page");
        return;
    }
    depth = page_at(&checker->s, off)->depth;
    first = depth >= d->bits ? i : i & ((UINT64_C(1) << depth) - 1);
    if (depth > d->bits || d->pages[first] != off)
        report_add(checker->report, "I5", off, NULL,
                   "directory does not lead to the page as it says");
    else if (first == i)
        check_pages(checker, d, off, i);
}

void hash_check(struct index_checker *checker)
{
    struct directory d;

    checker->sorted = false;
    if (checker->ix->words[DIRECTORY] == 0)
        return;
    if (!directory_read(&checker->s, checker->ix, &d)) {
        report_add(checker->report, "I5", 0, NULL, "there is no directory");
        return;
    }
    if (!index_check_block(checker, checker->ix->words[DIRECTORY],
                           sizeof(uint64_t) << d.bits))
        return;
    for (uint64_t i = 0; i <= d.mask; i++)
        check_entry(checker, &d, i);
}
