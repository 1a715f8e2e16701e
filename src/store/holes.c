/* holes.c - free memory given back to the disk, and taken again
 *
 *     tn_trim                                         every commit
 *     1  transactions make free memory zero: runs     a page that was zero is
 *        of zeros in records, sums, all of it         stored to: its window of
 *     2  checkpoint: no record is left that stores    F gets blocks, and F is
 *        there, so no replay will                     synced, before the record
 *     3  whole pages of zeros in free blocks          is written: as in growth
 *        become holes                                 (C1)
 *
 * Whole pages are not stored to in step 1.  Each would be copied for W,
 * compared with what it was and given back again; so they are listed (blank),
 * and the record makes them zero past W.  After that W stands for no commit,
 * and the next transaction makes it anew.
 *
 * A hole reads as what was there, so no order is needed between it and
 * anything else, and no reader has to be kept away (K5).  What matters is the
 * other way round: replaying a record must never need room on the disk.  So a
 * hole is made only when the journal is empty, and it is filled before a record
 * stores there.
 *
 * Which pages lie in holes is not kept anywhere.  A page that was not all zeros
 * has blocks; one that was may have none.  So the commit has blocks allocated
 * around every such page that it changes, a window at a time, and remembers the
 * windows:
 *
 *     UNKNOWN  ---- a page in it was zero ---->  WANTED  ---- allocated and
 *        ^                                          |          synced
 *        +---- the record was not written ----------+             v
 *        +<--- another handle may have trimmed ----------------  FILLED
 *
 * Who trims begins a new generation first.  So one that another handle began is
 * what tells that there may be holes again.
 *
 * A file without any hole, as the file system sees it when the store is opened,
 * needs none of this; if it has blocks that were never written to, it is synced
 * once.
 *
 * Killed anywhere: 1 is commits, 2 a checkpoint; of 3 there are some holes or
 * all.  A window that was allocated and not used is just that.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "base/rule.h"
#include "os/extents.h"
#include "os/process.h"
#include "store/data_map.h"
#include "store/durable.h"
#include "store/sums.h"

#include <stdlib.h>
#include <string.h>

enum { UNKNOWN, WANTED, FILLED };

enum {
    WINDOW = 1 << 20,     /* bytes of F that get their blocks together */
    BATCH = 64 * 1 << 20, /* bytes that one transaction makes zero */
};

/* --- What is known -------------------------------------------------------- */

void holes_close(struct durable *d)
{
    free(d->holes.windows);
    d->holes = (struct holes){0};
}

void holes_open(tn_store *store)
{
    struct durable *d = store->durable;

    holes_close(d);
    d->holes.generation = mark_load(&d->marks->generation);
}

/* Blocks that were never written to look like holes to file_find_data(), and
 * who allocated them may have been killed before they were on disk. */
static void look_for_holes(const tn_store *store)
{
    struct holes *holes = &store->durable->holes;
    uint64_t size, start, end;

    holes->looked = holes->possible = true;
    if (file_size(&store->file, &size) != TN_OK ||
        file_find_data(&store->file, 0, &start, &end) != TN_OK)
        return;
    if (start != 0 || end < size)
        holes->unsynced = extents_cover(&store->file, size);
    else
        holes->possible = false;
    holes->possible = holes->possible && !holes->unsynced;
}

/* Has F any hole?  Looking takes long in a large file, so it is put off until
 * somebody stores into memory that was zero. */
static bool may_have_holes(const tn_store *store)
{
    if (!store->durable->holes.looked)
        look_for_holes(store);
    return store->durable->holes.possible;
}

void holes_forget_wanted(tn_store *store)
{
    struct holes *holes = &store->durable->holes;

    if (mark_load(&store->durable->marks->generation) != holes->generation)
        holes_open(store);
    for (size_t i = holes->first; i < holes->end; i++)
        if (holes->windows[i] == WANTED)
            holes->windows[i] = UNKNOWN;
    holes->first = holes->end = 0;
}

static tn_status reach(struct holes *holes, size_t window)
{
    size_t count = holes->count == 0 ? 64 : holes->count;
    uint8_t *windows;

    if (window < holes->count)
        return TN_OK;
    while (count <= window)
        count *= 2;
    windows = realloc(holes->windows, count);
    if (windows == NULL)
        return error_set(TN_ENOMEM, "no memory for a map of the file");
    memset(windows + holes->count, UNKNOWN, count - holes->count);
    holes->windows = windows;
    holes->count = count;
    return TN_OK;
}

/* What the file has only now was allocated when it was extended. */
tn_status holes_note(tn_store *store, uint64_t page)
{
    struct durable *d = store->durable;
    struct holes *holes = &d->holes;
    size_t window = page * STORE_PAGE / WINDOW;
    tn_status status;

    if (page >= d->committed.file_size / STORE_PAGE || !may_have_holes(store))
        return TN_OK;
    status = reach(holes, window);
    if (status != TN_OK || holes->windows[window] != UNKNOWN)
        return status;
    holes->windows[window] = WANTED;
    if (holes->first == holes->end)
        holes->first = window;
    holes->first = window < holes->first ? window : holes->first;
    holes->end = window + 1 > holes->end ? window + 1 : holes->end;
    return TN_OK;
}

tn_status holes_note_sums(tn_store *store)
{
    uint64_t first, pages;
    tn_status status = TN_OK;

    if (!sums_find(&store->segment, &first, &pages))
        return TN_OK;
    for (uint64_t i = 0; status == TN_OK && i < pages; i++)
        status = holes_note(store, first + i);
    return status;
}

/* --- Filling -------------------------------------------------------------- */

static tn_status fill_window(tn_store *store, size_t window)
{
    uint64_t start = (uint64_t)window * WINDOW, size;
    tn_status status = file_size(&store->file, &size);

    if (status != TN_OK || start >= size)
        return status;
    return file_fill(&store->file, start,
                     size - start < WINDOW ? size - start : WINDOW);
}

/* The disk has no room for all of the window; has it for what is needed? */
static tn_status fill_pages(tn_store *store, size_t window)
{
    struct durable *d = store->durable;
    uint64_t first, pages, per = WINDOW / STORE_PAGE;
    tn_status status = TN_OK;

    for (size_t i = 0; status == TN_OK && i < d->changed_count; i++)
        if (d->changed[i] / per == window)
            status =
                file_fill(&store->file, d->changed[i] * STORE_PAGE, STORE_PAGE);
    if (status == TN_OK && d->fresh_sums &&
        sums_find(&store->segment, &first, &pages) && first / per <= window &&
        (first + pages - 1) / per >= window)
        status =
            file_fill(&store->file, first * STORE_PAGE, pages * STORE_PAGE);
    return status;
}

tn_status holes_fill(tn_store *store)
{
    struct holes *holes = &store->durable->holes;
    tn_status status = TN_OK;
    bool any = holes->unsynced;

    for (size_t i = holes->first; status == TN_OK && i < holes->end; i++) {
        if (holes->windows[i] != WANTED)
            continue;
        any = true;
        status = fill_window(store, i);
        if (status == TN_OK)
            holes->windows[i] = FILLED;
        else if (status == TN_ENOSPC)
            status = fill_pages(store, i);
    }
    if (status != TN_OK || !any || !RULE(HOLESYNC))
        return status;
    holes->unsynced = false;
    status = file_sync(&store->file);
    return status == TN_OK ? TN_OK : apply_poison(store, true, status);
}

/* --- Making them ---------------------------------------------------------- */

/* The next place that lies in a page in which something may be.  A hole may
 * begin or end inside a page. */
static uint64_t next_page(struct data_map *map, uint64_t at)
{
    uint64_t next = data_map_next(map, at);

    if (next == UINT64_MAX)
        return next;
    next = round_down(next, STORE_PAGE);
    return next > at ? next : at;
}

static tn_status punch(tn_store *store, uint64_t start, uint64_t end)
{
    return start < end ? file_punch(&store->file, start, end - start) : TN_OK;
}

/* Make holes of the pages from offset start to end that are zero in F, which
 * nobody writes.  Where there are holes already, memory is not looked at: that
 * could bring pages back. */
static tn_status punch_zeros(tn_store *store, struct data_map *map,
                             uint64_t start, uint64_t end)
{
    const char *file = store->durable->read.base;
    uint64_t at = next_page(map, start), hole = start;
    tn_status status = TN_OK;

    for (; status == TN_OK && at < end; at = next_page(map, at + STORE_PAGE)) {
        if (bytes_are_zero(file + at, STORE_PAGE) || !RULE(TRIMREC))
            continue;
        status = punch(store, hole, at);
        hole = at + STORE_PAGE;
    }
    return status == TN_OK ? punch(store, hole, end) : status;
}

static tn_status punch_free_blocks(tn_store *store)
{
    const struct heap *h = segment_heap(&store->durable->read_segment);
    enum block_state state;
    struct data_map map;
    uint64_t block = 0, start, end;
    size_t usable;
    void *payload;
    tn_status status = TN_OK;

    data_map_start(&map, &store->file);
    while (status == TN_OK && (block = heap_next_block(h, block, &payload,
                                                       &state, &usable)) != 0) {
        start = round_up(STORE_SEGMENT_OFF + block, STORE_PAGE);
        end = round_down(STORE_SEGMENT_OFF + block + usable, STORE_PAGE);
        if (state == BLOCK_FREE && start < end)
            status = punch_zeros(store, &map, start, end);
    }
    return status;
}

/* With WL, and F the last commit. */
static tn_status make_holes(tn_store *store)
{
    tn_status status = store_check_header(store, &store->durable->read_segment);

    if (status != TN_OK)
        return status;
    status = punch_free_blocks(store);
    holes_open(store);
    return status == TN_ENOTSUP ? TN_OK : status;
}

/* --- Trimming ------------------------------------------------------------- */

struct zeroing {
    tn_store *store;
    struct data_map map;
    bool by_record; /* whole pages become zero past W */
};

static uint64_t next_data(void *arg, uint64_t off)
{
    struct zeroing *z = arg;
    uint64_t next = next_page(&z->map, STORE_SEGMENT_OFF + off);

    return next == UINT64_MAX ? next : next - STORE_SEGMENT_OFF;
}

/* Page off of the segment shall be zero in the record, and W is not stored to:
 * that would copy the page, only to compare it and give it back. */
static bool take_page(void *arg, uint64_t off)
{
    struct zeroing *z = arg;

    return z->by_record &&
           page_list_add(&z->store->durable->blank,
                         (STORE_SEGMENT_OFF + off) / STORE_PAGE, 1);
}

/* Will the commit leave free memory alone?  Not if it makes a block of sums. */
static bool can_pass_by(const tn_store *store)
{
    return store->durable->no_sums ||
           sums_suffice(&store->segment, commit_file_size(store) / STORE_PAGE);
}

/* F shows the last commit if nothing is pending, and where that has holes W has
 * zeros. */
static uint64_t zero_in_view(tn_store *store, uint64_t from)
{
    struct zeroing z = {.store = store, .by_record = can_pass_by(store)};
    struct heap_helper helper = {next_data, take_page, &z, NULL};

    data_map_start(&z.map, apply_is_pending(store) ? NULL : &store->file);
    return heap_zero_some(segment_heap(&store->segment), from, BATCH, &helper);
}

/* A transaction of at most BATCH bytes, so that it needs no more memory than
 * that and lets others write in between.  If none of them touched the heap, the
 * last one may say in the superblock that all free memory is zero; *sequence is
 * how it finds out. */
static tn_status zero_some(tn_store *store, uint64_t *from, uint64_t *sequence)
{
    tn_segment *w;
    uint64_t next;
    bool unbroken;
    tn_status status = tn_begin(store, &w), ended;

    if (status != TN_OK)
        return status;
    unbroken = *from == 0 || heap_sequence(segment_heap(w)) == *sequence;
    next = zero_in_view(store, *from);
    *sequence = unbroken ? heap_sequence(segment_heap(w)) : 0;
    store->durable->zeroed = next == 0 ? *sequence : 0;
    status = tn_commit(store);
    if (status == TN_OK) {
        *from = next;
        return TN_OK;
    }
    store->durable->zeroed = 0;
    if (store->durable->open) {
        ended = tn_rollback(store);
        status = ended == TN_OK ? status : ended;
    }
    return status;
}

static tn_status zero_all(tn_store *store)
{
    uint64_t from = 0, sequence = 0;
    tn_status status;

    if (!RULE(TRIMREC))
        return TN_OK;
    do
        status = zero_some(store, &from, &sequence);
    while (status == TN_OK && from != 0);
    return status;
}

static tn_status trim_durable(tn_store *store, uint64_t *given_back)
{
    uint64_t before, after;
    tn_status status = durable_usable(store);

    if (status == TN_OK)
        status = file_disk_bytes(&store->file, &before);
    if (status == TN_OK)
        status = zero_all(store);
    if (status == TN_OK)
        status = turn_take(store, true, NULL);
    if (status != TN_OK)
        return status;
    status = transaction_settle(store);
    if (status == TN_OK && RULE(TRIMCKPT))
        status = commit_empty_journal(store);
    if (status == TN_OK)
        status = make_holes(store);
    if (status == TN_OK)
        status = file_disk_bytes(&store->file, &after);
    if (status == TN_OK)
        *given_back = before > after ? before - after : 0;
    turn_give(store);
    return status == TN_EBUSY
               ? error_set(TN_EBUSY, "%s: readers hold the file still",
                           store->path)
               : status;
}

TN_API tn_status tn_trim(tn_store *store, uint64_t *given_back)
{
    uint64_t bytes = 0;
    tn_status status = store_usable(store);

    if (status != TN_OK)
        return status;
    if (store->access == TN_SHARED)
        status = tn_zero_free(&store->segment);
    else if (store->access == TN_READ_ONLY)
        status = error_set(TN_EROFS,
                           "%s: the store was opened only for "
                           "reading",
                           store->path);
    else
        status = trim_durable(store, &bytes);
    if (status == TN_OK && given_back != NULL)
        *given_back = bytes;
    return status;
}
