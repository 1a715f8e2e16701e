/* hints.c - transactions that name what they store to
 *
 * To find changed pages costs time for every page in memory.  A transaction
 * that was begun with TN_HINTED says itself where it stores:
 *
 *     tn_touch()   pages into hints.runs      the program's own stores
 *     the library  three sequence numbers     allocation, names, types
 *
 * Whatever the library changes in a segment moves one of the numbers that the
 * heap, the names and the types have for recovery (segment/locking.c).  If all
 * three are what they are in the last commit, then the library has stored
 * nothing, and the pages named are all that there can be.  If one has moved,
 * or a name could not be noted, the transaction is searched like any other: the
 * promise can make a commit faster, and never wrong.
 *
 * A promise that is broken leaves a page in the view that is in no commit.  It
 * is found by the next search, or lost.  TN_DEBUG_HINTS compares all pages and
 * refuses the commit.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "base/rule.h"
#include "store/durable.h"

#include <inttypes.h>
#include <string.h>

/* --- Naming --------------------------------------------------------------- */

void hints_begin(struct durable *d, bool hinted)
{
    d->hints.on = hinted;
    d->hints.lost = false;
    d->hints.pages.count = 0;
}

static void note(struct hints *hints, uint64_t first, uint64_t end)
{
    const struct page_list *pages = &hints->pages;
    const struct page_run *last =
        pages->count > 0 ? &pages->runs[pages->count - 1] : NULL;

    if (last != NULL && first >= last->first &&
        end <= last->first + last->count)
        return;
    if (!page_list_add(&hints->pages, first, end - first))
        hints->lost = true;
}

TN_API tn_status tn_touch(tn_segment *view, const void *p, size_t size)
{
    const char *base = (const char *)view->base, *start = p;
    uint64_t offset;
    tn_store *store;

    if (start < base || (size_t)(start - base) > tn_segment_size(view) ||
        size > tn_segment_size(view) - (size_t)(start - base))
        return error_set(TN_EINVAL, "%zu bytes at %p are not in the segment",
                         size, p);
    store = durable_store_of(view);
    if (store == NULL || size == 0 || !store->durable->hints.on)
        return TN_OK;
    offset = STORE_SEGMENT_OFF + (uint64_t)(start - base);
    note(&store->durable->hints, offset / STORE_PAGE,
         (offset + size - 1) / STORE_PAGE + 1);
    return TN_OK;
}

/* --- The library's own stores --------------------------------------------- */

static bool has_moved(const struct segment *now, const struct segment *before)
{
    return heap_sequence(&now->heap) != heap_sequence(&before->heap) ||
           now->names_sequence != before->names_sequence ||
           now->types_sequence != before->types_sequence;
}

bool hints_suffice(const tn_store *store, const struct region *commit)
{
    const struct hints *hints = &store->durable->hints;

    return hints->on && !hints->lost &&
           !(RULE(HINTED) &&
             has_moved(
                 store->segment.base,
                 (const struct segment *)(commit->base + STORE_SEGMENT_OFF)));
}

/* --- The promise ---------------------------------------------------------- */

/* The first byte from offset on in which the view is not the last commit. */
static uint64_t first_difference(const tn_store *store,
                                 const struct region *commit, uint64_t offset)
{
    while (store->region.base[offset] == commit->base[offset])
        offset++;
    return offset;
}

/* In which object is it? */
static bool find_object(tn_segment *seg, const char *p, tn_object *out)
{
    static const tn_kind kinds[] = {TN_KIND_NAMED, TN_KIND_UNIQUE,
                                    TN_KIND_ANONYMOUS};
    bool found = false;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !found; i++) {
        tn_iter *iter;

        if (tn_iter_open(seg, kinds[i], NULL, &iter) != TN_OK)
            continue;
        while (!found && tn_iter_next(iter, out))
            found = p >= (char *)out->address &&
                    (size_t)(p - (char *)out->address) < out->count * out->size;
        tn_iter_close(iter);
    }
    return found;
}

static tn_status complain(tn_store *store, uint64_t offset)
{
    const char *p = store->region.base + offset;
    tn_object object;

    offset -= STORE_SEGMENT_OFF;
    if (!find_object(&store->segment, p, &object))
        return error_set(TN_EINVAL,
                         "%s: the byte at %#" PRIx64 " of the segment, in no "
                         "object, was stored to and not named by tn_touch()",
                         store->path, offset);
    return error_set(TN_EINVAL,
                     "%s: byte %td of object \"%.*s\", at %#" PRIx64
                     " of the segment, was stored to and not named by "
                     "tn_touch()",
                     store->path, p - (char *)object.address,
                     (int)object.name_length,
                     object.name != NULL ? object.name : "", offset);
}

tn_status hints_check(tn_store *store, uint64_t pages,
                      const struct region *commit)
{
    const struct durable *d = store->durable;

    for (uint64_t page = STORE_SEGMENT_OFF / STORE_PAGE; page < pages; page++) {
        uint64_t offset = page * STORE_PAGE;

        if (!page_list_has(&d->hints.pages, page) &&
            !d->dirty.aside(d->dirty.aside_arg, page) &&
            memcmp(store->region.base + offset, commit->base + offset,
                   STORE_PAGE) != 0)
            return complain(store, first_difference(store, commit, offset));
    }
    return TN_OK;
}
