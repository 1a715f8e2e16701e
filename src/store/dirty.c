/* dirty.c - which pages of a private mapping may have been stored to
 *
 *                what is asked                    cost a commit
 *     track      which were written since?        3 ns a page in the mapping
 *     scan       which pages are copies now?      24 ns a page in the mapping
 *     pagemap    the same                         8 bytes a page of the file
 *     compare    which differ from the commit?    two bytes read a byte of file
 *
 * A page of w is in one of these states; what is not settled is in the file
 * only in part, or not at all:
 *
 *                 store                 dirty_find()
 *     the file's ------> written, not ------------> in runs
 *         ^              looked at                     |
 *         |                  ^          dirty_settle() |
 *         |                  +---------- kept, a  <----+  (track)
 *         |                     store    copy          |
 *         +--------------------------------+-----------+
 *            given back: too many are kept, dirty_settle(), dirty_reset()
 *
 *   D1  After dirty_find(), every page below the limit that differs from the
 *       last commit is in runs.  That it differs from the file would not do: a
 *       transaction may bring back what the file still has, while a record that
 *       is pending says otherwise.
 *   D2  runs are ascending and disjoint, and do not touch each other.
 *   D3  A kept page that was not stored to since is what the file was when it
 *       was settled.  Whoever learns that somebody else has changed the file
 *       calls dirty_reset(), which drops kept pages with all others.
 *
 * Scan, pagemap and compare need no state: what was not settled is found again,
 * so nothing can be lost when a commit fails.  Track clears the kernel's notes
 * as it reads them.  What it found is therefore in runs until it is settled;
 * room for it is made before the kernel is asked; and when the kernel refuses
 * in the middle, the next search also takes every page that is a copy.
 *
 * With track, copies can stay, and to write to one again costs a third of a
 * new copy.  So that memory is not filled with them, no more than kept_limit
 * stay; which one goes is a matter of whose turn it is by address.
 *
 * With scan, what costs is what is in memory, written or not.  A page that was
 * given back costs about as much to bring in again as to be scanned a few
 * times, so all are given back whenever the searches since the last time have
 * cost some multiple of one search: never much worse than to know beforehand
 * which pages are still wanted, and soon very good for a large store of which
 * a transaction touches little.
 *
 * A page that was named is given back together with those of the next
 * transactions, which costs a third of giving back each: nobody searches for it
 * meanwhile.  A search finds it once more, and that is all; D3 is true of it.
 *
 * Why scan is taken where nobody chose: with a gigabyte in memory, commits of
 * one page cost 19 microseconds with scan, faults included, and 730 with track,
 * which cannot forget pages; only commits of a thousand pages over and over
 * again in the same few megabytes cost half as much with track.  It also makes
 * the kernel bring in pages one by one, and is forbidden in many containers.
 *
 * Which ways work depends on the kernel and on what a container allows, so each
 * is tried on a page of its own before it is believed: a page must be found if
 * it was stored to, and only then, and once more after it was given back.
 *
 * In a build with TN_DEEP_CHECK each answer is checked against compare's.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "store/dirty.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/pagemap.h"
#include "os/uffd.h"
#include "store/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RANGES = 256,       /* asked of the kernel at a time */
    GAP = 8,            /* pages not found, given back with their neighbours */
    KEPT_LIMIT = 16384, /* 64 MiB */
    WORD = 64,          /* bits */
    PATIENCE = 4,       /* searches that a page in memory is worth */
    HELD_LIMIT = 32,    /* pages that were named and not given back yet */
};
#define CHEAP_NS UINT64_C(10000) /* a search that is not worth saving */

static const char *const names[] = {"auto", "scan", "pagemap", "compare",
                                    "track"};
enum { WAYS = sizeof(names) / sizeof(names[0]) };

const char *dirty_name(tn_tracker way)
{
    return (size_t)way < WAYS ? names[way] : "?";
}

/* --- The list ------------------------------------------------------------- */

static tn_status reserve(struct dirty *d, size_t more)
{
    size_t capacity = d->capacity == 0 ? RANGES : d->capacity;
    struct page_run *runs;

    if (more <= d->capacity - d->count)
        return TN_OK;
    while (capacity - d->count < more)
        capacity *= 2;
    runs = realloc(d->runs, capacity * sizeof(*runs));
    if (runs == NULL)
        return error_set(TN_ENOMEM, "no memory for a list of pages");
    d->runs = runs;
    d->capacity = capacity;
    return TN_OK;
}

/* Add pages behind those added since the list had old runs.  There is room. */
static void add(struct dirty *d, size_t old, uint64_t first, uint64_t count)
{
    struct page_run *last = d->count > old ? &d->runs[d->count - 1] : NULL;

    if (last != NULL && last->first + last->count == first)
        last->count += count;
    else
        d->runs[d->count++] = (struct page_run){first, count};
}

static int by_place(const void *a, const void *b)
{
    uint64_t x = ((const struct page_run *)a)->first;
    uint64_t y = ((const struct page_run *)b)->first;

    return x < y ? -1 : x > y;
}

/* D2 for a list that several searches have added to. */
static void unite(struct dirty *d)
{
    size_t n = 0;

    if (d->count > 1)
        qsort(d->runs, d->count, sizeof(d->runs[0]), by_place);
    for (size_t i = 0; i < d->count; i++) {
        struct page_run *last = n > 0 ? &d->runs[n - 1] : NULL;
        uint64_t end = d->runs[i].first + d->runs[i].count;

        if (last == NULL || d->runs[i].first > last->first + last->count)
            d->runs[n++] = d->runs[i];
        else if (end > last->first + last->count)
            last->count = end - last->first;
    }
    d->count = n;
}

/* --- Ways ----------------------------------------------------------------- */

typedef tn_status way_fn(int fd, uint64_t start, uint64_t end,
                         struct pagemap_range *ranges, size_t count,
                         size_t *found, uint64_t *next);

static tn_status ask_kernel(struct dirty *d, way_fn *way)
{
    struct pagemap_range ranges[RANGES];
    uint64_t base = (uint64_t)(uintptr_t)d->w->base, start = base;
    uint64_t end = base + round_up(d->pages * STORE_PAGE, region_page_size());
    tn_status status = TN_OK;
    size_t old = d->count, found;

    while (status == TN_OK && start < end) {
        status = reserve(d, RANGES);
        if (status == TN_OK)
            status =
                way(d->pagemap, start, end, ranges, RANGES, &found, &start);
        for (size_t i = 0; status == TN_OK && i < found; i++)
            add(d, old, (ranges[i].start - base) / STORE_PAGE,
                (ranges[i].end - ranges[i].start) / STORE_PAGE);
    }
    return status;
}

static bool differs(const struct dirty *d, const struct region *from,
                    uint64_t page)
{
    return memcmp(d->w->base + page * STORE_PAGE,
                  from->base + page * STORE_PAGE, STORE_PAGE) != 0;
}

static tn_status find_differences(struct dirty *d, const struct region *from)
{
    tn_status status = TN_OK;

    for (uint64_t page = 0; page < d->pages; page++)
        if (differs(d, from, page)) {
            status = reserve(d, 1);
            if (status != TN_OK)
                break;
            add(d, 0, page, 1);
        }
    return status;
}

static tn_status find_written(struct dirty *d)
{
    size_t old = d->count;
    bool doubt = d->doubt;
    tn_status status;

    d->doubt = true;
    status = ask_kernel(d, pagemap_take);
    if (status == TN_OK && doubt)
        status = ask_kernel(d, pagemap_scan);
    d->doubt = status != TN_OK;
    if (old > 0 || doubt || status != TN_OK)
        unite(d);
    return status;
}

static uint64_t nanoseconds(void)
{
    struct timespec now = clock_after(0);

    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static tn_status find_copies(struct dirty *d)
{
    uint64_t start = nanoseconds();
    tn_status status = ask_kernel(d, pagemap_scan);

    d->last_ns = nanoseconds() - start;
    d->spent_ns += d->last_ns;
    return status;
}

/* The search itself; from is for compare. */
static tn_status find(struct dirty *d, uint64_t pages,
                      const struct region *from)
{
    d->pages = pages;
    d->named = false;
    if (d->way == TN_TRACKER_TRACK)
        return find_written(d);
    d->count = 0;
    if (d->way == TN_TRACKER_COMPARE)
        return find_differences(d, from);
    return d->way == TN_TRACKER_SCAN ? find_copies(d)
                                     : ask_kernel(d, pagemap_read);
}

/* Page 0 has the superblock. */
static bool is_aside(const struct dirty *d, uint64_t page)
{
    return page < region_page_size() / STORE_PAGE ||
           (d->aside != NULL && d->aside(d->aside_arg, page));
}

/* --- Checks --------------------------------------------------------------- */

#ifdef TN_DEEP_CHECK
static void check_equal(const struct dirty *d, const struct region *to,
                        uint64_t from, uint64_t end)
{
    for (uint64_t page = from; page < end && page < d->pages; page++)
        TN_ASSERT(is_aside(d, page) || !differs(d, to, page));
}

/* D1 and D2. */
static void check_found(const struct dirty *d, const struct region *commit)
{
    uint64_t page = 0;

    for (size_t i = 0; i < d->count; i++) {
        TN_ASSERT(d->runs[i].count > 0 && (i == 0 || d->runs[i].first > page));
        check_equal(d, commit, page, d->runs[i].first);
        page = d->runs[i].first + d->runs[i].count;
    }
    check_equal(d, commit, page, d->pages);
}

static void check_settled(const struct dirty *d)
{
    if (!d->named)
        check_equal(d, d->r, 0, d->pages);
}
#else
static void check_found(const struct dirty *d, const struct region *commit)
{
    (void)d;
    (void)commit;
}

static void check_settled(const struct dirty *d)
{
    (void)d;
}
#endif

tn_status dirty_find(struct dirty *d, uint64_t pages,
                     const struct region *commit)
{
    tn_status status = find(d, pages, commit);

    if (status == TN_OK)
        check_found(d, commit);
    return status;
}

tn_status dirty_add(struct dirty *d, const struct page_list *pages)
{
    tn_status status = reserve(d, pages->count);

    if (status != TN_OK)
        return status;
    for (size_t i = 0; i < pages->count; i++)
        d->runs[d->count++] = pages->runs[i];
    if (d->count > 1)
        unite(d);
    return TN_OK;
}

tn_status dirty_take_named(struct dirty *d, uint64_t pages,
                           const struct page_list *named)
{
    tn_status status = dirty_add(d, named);

    if (status != TN_OK)
        return status;
    d->pages = pages;
    d->named = true;
    return TN_OK;
}

/* --- Giving back ---------------------------------------------------------- */

/* A batch of pieces on their way to the kernel. */
struct batch {
    const struct region *w;
    struct region_piece pieces[RANGES];
    size_t count;
};

static tn_status flush(struct batch *b)
{
    tn_status status = region_discard_all(b->w, b->pieces, b->count);

    b->count = 0;
    return status;
}

/* Pages come in ascending order.  A few pages between two pieces go with them:
 * they are the file's, or equal to it. */
static tn_status give_back(struct batch *b, uint64_t first, uint64_t count)
{
    size_t unit = region_page_size();
    size_t offset = round_down(first * STORE_PAGE, unit);
    size_t end = round_up((first + count) * STORE_PAGE, unit);
    struct region_piece *last = b->count > 0 ? &b->pieces[b->count - 1] : NULL;
    tn_status status = TN_OK;

    if (last != NULL && offset <= last->offset + last->size + GAP * unit) {
        last->size = end - last->offset;
        return TN_OK;
    }
    if (b->count == RANGES)
        status = flush(b);
    b->pieces[b->count++] = (struct region_piece){offset, end - offset};
    return status;
}

static tn_status give_back_found(struct dirty *d)
{
    struct batch b = {.w = d->w};
    tn_status status = TN_OK;

    for (size_t i = 0; status == TN_OK && i < d->count; i++)
        status = give_back(&b, d->runs[i].first, d->runs[i].count);
    if (status == TN_OK)
        status = flush(&b);
    if (status == TN_OK)
        d->count = 0;
    return status;
}

static tn_status give_back_held(struct dirty *d)
{
    tn_status status = dirty_add(d, &d->held);

    if (status == TN_OK)
        status = give_back_found(d);
    if (status == TN_OK)
        d->held.count = d->held_pages = 0;
    return status;
}

/* What was found stays for a while, if it is little and may. */
static bool hold(struct dirty *d)
{
    for (size_t i = 0; i < d->count; i++) {
        const struct page_run *run = &d->runs[i];

        d->held_pages += run->count;
        if (d->held_pages > HELD_LIMIT)
            return false;
        for (uint64_t k = 0; k < run->count; k++)
            if (is_aside(d, run->first + k))
                return false;
        if (!page_list_add(&d->held, run->first, run->count))
            return false;
    }
    d->count = 0;
    return true;
}

/* All pages that were in the last search, written or not. */
static tn_status give_back_all(struct dirty *d)
{
    tn_status status = region_discard(
        d->w, 0, round_up(d->pages * STORE_PAGE, region_page_size()));

    if (status == TN_OK) {
        d->count = 0;
        d->spent_ns = 0;
    }
    return status;
}

/* --- Keeping -------------------------------------------------------------- */

static bool make_room_to_keep(struct dirty *d)
{
    const struct page_run *last = &d->runs[d->count - 1];
    size_t words = (size_t)((last->first + last->count) / WORD + 1);
    uint64_t *kept;

    if (words <= d->kept_words)
        return true;
    words += words / 4;
    kept = realloc(d->kept, words * sizeof(*kept));
    if (kept == NULL)
        return false;
    memset(kept + d->kept_words, 0, (words - d->kept_words) * sizeof(*kept));
    d->kept = kept;
    d->kept_words = words;
    return true;
}

static void keep(struct dirty *d, const struct page_run *run)
{
    for (uint64_t page = run->first; page < run->first + run->count; page++) {
        uint64_t bit = UINT64_C(1) << (page % WORD);

        d->kept_pages += (d->kept[page / WORD] & bit) == 0;
        d->kept[page / WORD] |= bit;
    }
}

/* Give back kept pages from the hand on until no more than limit are left.
 * After a failure, the next search finds every copy. */
static tn_status give_back_kept(struct dirty *d, uint64_t limit)
{
    struct batch b = {.w = d->w};
    tn_status status = TN_OK;

    while (status == TN_OK && d->kept_pages > limit) {
        uint64_t word, page;

        if (d->hand / WORD >= d->kept_words) {
            d->hand = 0;
            status = flush(&b); /* pieces ascend */
        }
        word = d->kept[d->hand / WORD] >> (d->hand % WORD);
        if (word == 0) {
            d->hand = (d->hand / WORD + 1) * WORD;
            continue;
        }
        page = d->hand + (uint64_t)__builtin_ctzll(word);
        d->kept[page / WORD] &= ~(UINT64_C(1) << (page % WORD));
        d->kept_pages--;
        d->hand = page + 1;
        if (status == TN_OK)
            status = give_back(&b, page, 1);
    }
    if (status == TN_OK)
        status = flush(&b);
    d->doubt = d->doubt || status != TN_OK; /* D3: nobody else knows them */
    return status;
}

/* Pages that are kept would not show what commits change in the file alone. */
static tn_status settle_tracked(struct dirty *d)
{
    struct batch b = {.w = d->w};
    tn_status status = TN_OK;

    if (d->count == 0)
        return TN_OK;
    if (!make_room_to_keep(d))
        return give_back_found(d);
    for (size_t i = 0; i < d->count; i++) {
        keep(d, &d->runs[i]);
        for (uint64_t k = 0; status == TN_OK && k < d->runs[i].count; k++)
            if (is_aside(d, d->runs[i].first + k))
                status = give_back(&b, d->runs[i].first + k, 1);
    }
    d->count = 0;
    if (status == TN_OK)
        status = flush(&b);
    return status == TN_OK ? give_back_kept(d, d->kept_limit) : status;
}

tn_status dirty_settle(struct dirty *d)
{
    check_settled(d);
    if (d->way == TN_TRACKER_TRACK)
        return settle_tracked(d);
    if (d->named)
        return hold(d) ? TN_OK : give_back_held(d);
    if (d->way == TN_TRACKER_SCAN && d->last_ns > CHEAP_NS &&
        d->spent_ns > PATIENCE * d->last_ns)
        return give_back_all(d);
    return give_back_found(d);
}

tn_status dirty_reset(struct dirty *d, uint64_t pages)
{
    tn_status status = find(d, pages, d->r);

    if (status == TN_OK)
        status = give_back_held(d);
    if (status == TN_OK && d->kept_pages > 0) {
        d->hand = 0;
        status = give_back_kept(d, 0);
    }
    return status;
}

/* --- Choosing ------------------------------------------------------------- */

/* Is just the second page of the mapping found, or none? */
static tn_status expect(struct dirty *d, bool written)
{
    uint64_t pages = region_page_size() / STORE_PAGE;
    tn_status status = find(d, 2 * pages, d->r);

    if (status != TN_OK)
        return status;
    if (written ? d->count != 1 || d->runs[0].first != pages ||
                      d->runs[0].count != pages
                : d->count != 0)
        return error_set(TN_ENOTSUP, "it gives wrong answers");
    return TN_OK;
}

/* Does the way that d has now tell a page that was stored to from one that was
 * only read?  Tried on the second page of the mapping, twice, because a page
 * that was given back has another past than a fresh one. */
static tn_status try_out(struct dirty *d)
{
    volatile char *byte = d->w->base + region_page_size();
    tn_status status = TN_OK, given = TN_OK;

    for (int round = 0; status == TN_OK && round < 2; round++) {
        char before = *byte;

        status = find(d, 2 * region_page_size() / STORE_PAGE, d->r);
        d->count = 0; /* reading may count */
        if (status == TN_OK)
            status = expect(d, false);
        if (status != TN_OK)
            break;
        *byte = before; /* the same value: written all the same */
        status = expect(d, true);
        if (status == TN_OK) /* what is not settled stays */
            status = expect(d, true);
        given = region_discard(d->w, region_page_size(), region_page_size());
        d->count = 0;
        if (given != TN_OK)
            break;
    }
    d->spent_ns = 0;
    return status == TN_OK ? given : status;
}

static void stop(struct dirty *d)
{
    uffd_close(d->uffd);
    d->uffd = -1;
    d->count = 0;
    d->doubt = false;
}

static tn_status start(struct dirty *d, tn_tracker way)
{
    tn_status status = TN_OK;

    d->way = way;
    if (way == TN_TRACKER_COMPARE) {
        pagemap_close(d->pagemap);
        d->pagemap = -1;
        return TN_OK;
    }
    if (d->pagemap < 0)
        status = pagemap_open(&d->pagemap);
    if (status == TN_OK && way == TN_TRACKER_TRACK)
        status = uffd_open(&d->uffd, d->w);
    if (status == TN_OK)
        status = try_out(d);
    if (status != TN_OK)
        stop(d);
    return status;
}

static void remember_reason(struct dirty *d, tn_tracker way)
{
    size_t used = strlen(d->reason);

    snprintf(d->reason + used, sizeof(d->reason) - used, "%sno %s: %s",
             used > 0 ? "; " : "", dirty_name(way), tn_errmsg());
}

/* Would the way work another time? */
static bool is_trouble(tn_status status)
{
    return status == TN_ENOMEM || status == TN_EIO;
}

/* Who did not choose leaves it to the environment, and that leaves it to us. */
static tn_status choose(tn_tracker *wanted)
{
    const char *name = secure_getenv("TENON_TRACKER");
    size_t way = 0;

    if (*wanted != TN_TRACKER_AUTO || name == NULL || *name == '\0')
        return TN_OK;
    while (way < WAYS && strcmp(name, names[way]) != 0)
        way++;
    if (way == WAYS)
        return error_set(TN_EINVAL,
                         "TENON_TRACKER is \"%s\", which is no way to find "
                         "changed pages",
                         name);
    *wanted = (tn_tracker)way;
    return TN_OK;
}

tn_status dirty_open(struct dirty *d, struct region *w, const struct region *r,
                     tn_tracker wanted)
{
    static const tn_tracker best_first[] = {TN_TRACKER_SCAN, TN_TRACKER_PAGEMAP,
                                            TN_TRACKER_COMPARE};
    tn_status status;

    *d = (struct dirty){
        .w = w, .r = r, .pagemap = -1, .uffd = -1, .kept_limit = KEPT_LIMIT};
    status = choose(&wanted);
    if (status != TN_OK)
        return status;
    status = TN_ENOTSUP;
    if (wanted != TN_TRACKER_AUTO) {
        status = start(d, wanted);
        if (status == TN_OK)
            return TN_OK;
        remember_reason(d, wanted);
        return error_set(is_trouble(status) ? status : TN_ENOTSUP, "%s",
                         d->reason);
    }
    for (size_t i = 0; status != TN_OK; i++) {
        status = start(d, best_first[i]);
        if (status != TN_OK)
            remember_reason(d, best_first[i]);
    }
    return TN_OK;
}

void dirty_close(struct dirty *d)
{
    if (d->w != NULL) {
        uffd_close(d->uffd);
        pagemap_close(d->pagemap);
    }
    free(d->runs);
    free(d->kept);
    page_list_free(&d->held);
    *d = (struct dirty){.pagemap = -1, .uffd = -1};
}
