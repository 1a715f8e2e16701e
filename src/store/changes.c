/* changes.c - what a transaction changed, as the runs of a record (C3)
 *
 *     pages that are private now        dirty.c; with those that a trim makes
 *                                       zero without storing to them: holes.c
 *       compared with the image of the last commit
 *         runs of words that differ     first in the record
 *     sums of these pages               second: they overrule
 *     the superblock of the new commit  last
 *
 * The pages of the sums are never compared: their words are known better from
 * the pages they stand for, and a private copy of them may be older than what
 * other commits have put there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "base/rule.h"
#include "store/durable.h"
#include "store/sums.h"
#include "store/superblock.h"

#include <stdlib.h>
#include <string.h>

enum {
    JOIN = 16,  /* equal bytes between two runs: cheaper than a run */
    ZEROS = 32, /* this many are worth a run of their own */
    SUMS_A_RUN = STORE_PAGE / sizeof(uint64_t),
    SUMS_JOIN = 64, /* sums that are as they were: cheaper than a pwrite() */
};

/* --- Pages ---------------------------------------------------------------- */

static bool words_differ(const char *a, const char *b, size_t at)
{
    uint64_t x, y;

    memcpy(&x, a + at, sizeof(x));
    memcpy(&y, b + at, sizeof(y));
    return x != y;
}

/* Add the runs of words in which two pages differ. */
static tn_status add_differences(struct journal *j, uint64_t offset,
                                 const char *now, const char *before)
{
    tn_status status = TN_OK;
    size_t at = 0;

    if (bytes_are_zero(now, STORE_PAGE)) /* joins with those beside it */
        return journal_add_zeros(j, offset, STORE_PAGE);
    while (status == TN_OK) {
        size_t start, end;

        while (at < STORE_PAGE && !words_differ(now, before, at))
            at += 8;
        if (at == STORE_PAGE)
            break;
        start = at;
        end = at += 8;
        for (; at < STORE_PAGE && at < end + JOIN + 8; at += 8)
            if (words_differ(now, before, at))
                end = at + 8;
        at = end;
        if (end - start >= ZEROS && bytes_are_zero(now + start, end - start))
            status = journal_add_zeros(j, offset + start, end - start);
        else if (RULE(RUN) || start != 0)
            status = journal_add(j, offset + start, now + start, end - start);
    }
    return status;
}

/* Remember a page whose sum must be renewed. */
static tn_status note_change(struct durable *d, uint64_t page)
{
    if (d->changed_count == d->changed_capacity) {
        size_t capacity =
            d->changed_capacity == 0 ? 256 : 2 * d->changed_capacity;
        uint64_t *changed = realloc(d->changed, capacity * sizeof(*changed));

        if (changed == NULL)
            return error_set(TN_ENOMEM, "no memory for a list of pages");
        d->changed = changed;
        d->changed_capacity = capacity;
    }
    d->changed[d->changed_count++] = page;
    return TN_OK;
}

/* What shows the last commit, and what that has at this offset of the file. */
static const struct region *last_commit(const struct durable *d)
{
    return d->image != NULL && RULE(DIFFBASE) ? &d->image->region : &d->read;
}

static const char *committed_at(const struct durable *d, uint64_t offset)
{
    return last_commit(d)->base + offset;
}

/* Does the transaction make this page zero, whatever W has there? */
static bool is_blank(const tn_store *store, uint64_t page)
{
    return page_list_finds(&store->durable->blank, page);
}

static tn_status compare_page(tn_store *store, uint64_t page)
{
    struct durable *d = store->durable;
    uint64_t offset = page * STORE_PAGE;
    const char *now = store->region.base + offset;
    const char *before = committed_at(d, offset);
    bool blank = is_blank(store, page);
    tn_status status;

    if (offset < STORE_SEGMENT_OFF || sums_are_on(&store->segment, page) ||
        (!RULE(COMPARE) && page % 2 != 0) ||
        (blank ? bytes_are_zero(before, STORE_PAGE)
               : memcmp(now, before, STORE_PAGE) == 0))
        return TN_OK;
    status = note_change(d, page);
    if (status == TN_OK && blank)
        return journal_add_zeros(&d->journal, offset, STORE_PAGE);
    if (status == TN_OK && bytes_are_zero(before, STORE_PAGE))
        status = holes_note(store, page);
    return status == TN_OK ? add_differences(&d->journal, offset, now, before)
                           : status;
}

/* By search, unless they were named. */
static tn_status find_pages(tn_store *store, uint64_t pages)
{
    struct durable *d = store->durable;
    tn_status status = TN_OK;

    if (!hints_suffice(store, last_commit(d)))
        return dirty_find(&d->dirty, pages, last_commit(d));
    if ((d->debug & TN_DEBUG_HINTS) != 0)
        status = hints_check(store, pages, last_commit(d));
    return status == TN_OK ? dirty_take_named(&d->dirty, pages, &d->hints.pages)
                           : status;
}

static tn_status add_pages(tn_store *store)
{
    struct durable *d = store->durable;
    uint64_t pages;
    tn_status status = transaction_pages(store, &pages);

    d->changed_count = 0;
    if (status == TN_OK)
        status = find_pages(store, pages);
    if (status == TN_OK && d->blank.count > 0)
        status = dirty_add(&d->dirty, &d->blank);
    for (size_t i = 0; status == TN_OK && i < d->dirty.count; i++) {
        const struct page_run *run = &d->dirty.runs[i];

        for (uint64_t k = 0; status == TN_OK && k < run->count; k++)
            status = compare_page(store, run->first + k);
    }
    return status;
}

/* --- Sums ----------------------------------------------------------------- */

/* The sum of a page, ascending from one call to the next.  *next is the first
 * of the changed pages that was not asked for: what the file has there does not
 * count. */
static uint64_t fresh_sum(const tn_store *store, struct sums_scan *scan,
                          uint64_t page, size_t *next)
{
    const struct durable *d = store->durable;

    while (*next < d->changed_count && d->changed[*next] < page)
        ++*next;
    if (*next < d->changed_count && d->changed[*next] == page)
        return sums_of(store->region.base + page * STORE_PAGE);
    return sums_scan_page(scan, page);
}

/* Of a block that no commit has.  Where it lies, most may be right. */
static tn_status add_all_sums(tn_store *store, uint64_t pages)
{
    struct durable *d = store->durable;
    struct sums_scan scan;
    uint64_t sums[SUMS_A_RUN];
    size_t next = 0;
    tn_status status = TN_OK;

    if (!sums_scan_start(&scan, &store->segment,
                         apply_is_pending(store) ? NULL : &store->file))
        return TN_OK;
    for (uint64_t page = 0; status == TN_OK && page < sums_scan_words(&scan);
         page += SUMS_A_RUN) {
        uint64_t place = sums_place(&store->segment, page);

        for (size_t i = 0; i < SUMS_A_RUN; i++)
            sums[i] =
                page + i < pages ? fresh_sum(store, &scan, page + i, &next) : 0;
        if (memcmp(committed_at(d, place), sums, sizeof(sums)) != 0)
            status = journal_add(&d->journal, place, sums, sizeof(sums));
    }
    return status;
}

static tn_status add_some_sums(tn_store *store, uint64_t first,
                               const uint64_t *sums, size_t count)
{
    if (count == 0)
        return TN_OK;
    return journal_add(&store->durable->journal,
                       sums_place(&store->segment, first), sums,
                       count * sizeof(*sums));
}

/* Pages that the file has only now are zero unless they were changed, and those
 * come later and overrule. */
static tn_status add_new_sums(tn_store *store, uint64_t pages)
{
    uint64_t sums[SUMS_A_RUN], sum = sums_of_zeros();
    uint64_t page = store->durable->committed.file_size / STORE_PAGE;
    tn_status status = TN_OK;

    for (size_t i = 0; i < SUMS_A_RUN; i++)
        sums[i] = sum;
    for (size_t n; status == TN_OK && page < pages; page += n) {
        n = pages - page < SUMS_A_RUN ? (size_t)(pages - page) : SUMS_A_RUN;
        status = add_some_sums(store, page, sums, n);
    }
    return status;
}

/* Sums that make one run of the record. */
struct sums_run {
    uint64_t first;
    size_t count;
    uint64_t sums[SUMS_A_RUN];
};

/* Can the run go on with this page?  Pages that the file has only now have no
 * sums yet that could stand between. */
static bool can_reach(const tn_store *store, const struct sums_run *run,
                      uint64_t page)
{
    uint64_t next = run->first + run->count;
    uint64_t known = store->durable->committed.file_size / STORE_PAGE;

    if (run->count == 0 || page - run->first >= SUMS_A_RUN)
        return false;
    return page == next || (page - next <= SUMS_JOIN && page <= known);
}

static void put_sum(const tn_store *store, struct sums_run *run, uint64_t page)
{
    uint64_t next = run->first + run->count;

    memcpy(&run->sums[run->count],
           committed_at(store->durable, sums_place(&store->segment, next)),
           (page - next) * sizeof(run->sums[0]));
    run->count = page - run->first;
    run->sums[run->count++] =
        is_blank(store, page) ? sums_of_zeros()
                              : sums_of(store->region.base + page * STORE_PAGE);
}

static tn_status add_changed_sums(tn_store *store)
{
    struct durable *d = store->durable;
    struct sums_run run;
    tn_status status = TN_OK;

    run.first = run.count = 0; /* 4 KiB of sums are not worth zeroing */
    for (size_t i = 0; status == TN_OK && i < d->changed_count; i++) {
        uint64_t page = d->changed[i];

        if (!sums_cover(&store->segment, page))
            continue;
        if (!can_reach(store, &run, page)) {
            status = add_some_sums(store, run.first, run.sums, run.count);
            run.first = page;
            run.count = 0;
        }
        put_sum(store, &run, page);
    }
    return status == TN_OK
               ? add_some_sums(store, run.first, run.sums, run.count)
               : status;
}

static tn_status add_sums(tn_store *store, uint64_t size)
{
    tn_status status = TN_OK;

    if (store->segment.base->sums == 0 || !RULE(SUM))
        return TN_OK;
    if (store->durable->fresh_sums) {
        status = holes_note_sums(store);
        return status == TN_OK ? add_all_sums(store, size / STORE_PAGE)
                               : status;
    }
    if (size > store->durable->committed.file_size)
        status = add_new_sums(store, size / STORE_PAGE);
    return status == TN_OK ? add_changed_sums(store) : status;
}

/* --- The superblock ------------------------------------------------------- */

static tn_status next_superblock(const tn_store *store, uint64_t size,
                                 struct superblock *sb)
{
    tn_status status;

    *sb = store->durable->committed;
    sb->commit_number = store->durable->journal.end.number;
    sb->file_size = size;
    sb->segment_size = tn_segment_size(&store->segment);
    status = superblock_new_commit(sb);
    if (heap_sequence(segment_heap(&store->segment)) == store->durable->zeroed)
        sb->zeroed = sb->commit_number; /* and nothing was freed since */
    if (status == TN_OK)
        superblock_seal(sb);
    return status;
}

/* One run, so that one pwrite() moves F's from one valid superblock to the
 * next. */
static tn_status add_superblock(tn_store *store, const struct superblock *sb)
{
    size_t start = offsetof(struct superblock, file_size);

    return journal_add(&store->durable->journal, start,
                       (const char *)sb + start, sizeof(*sb) - start);
}

static tn_status add_superblock_sum(tn_store *store,
                                    const struct superblock *sb)
{
    uint64_t sum = sums_of_superblock(sb);

    if (store->segment.base->sums == 0 || !RULE(SUM))
        return TN_OK;
    return add_some_sums(store, 0, &sum, 1);
}

/* --- All of it ------------------------------------------------------------ */

tn_status changes_any(tn_store *store, bool *any)
{
    tn_status status = apply_follow_image(store);

    holes_forget_wanted(store);
    if (status == TN_OK)
        status = journal_begin(&store->durable->journal);
    if (status == TN_OK)
        status = add_pages(store);
    *any = store->durable->changed_count != 0;
    return status;
}

tn_status changes_add(tn_store *store, uint64_t size, struct superblock *sb,
                      bool *any)
{
    tn_status status = changes_any(store, any);

    *any = *any || size != store->durable->committed.file_size;
    if (status != TN_OK || !*any)
        return status;
    status = add_sums(store, size);
    if (status == TN_OK)
        status = next_superblock(store, size, sb);
    if (status == TN_OK)
        status = add_superblock(store, sb);
    return status == TN_OK ? add_superblock_sum(store, sb) : status;
}
