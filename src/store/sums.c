/* sums.c - a checksum of every page of a store, kept in the store
 *
 *     page of the file     0     1     2     3     4     5    6
 *                       +-----+-----+-----+-----+-----+-----+----
 *                       | sb  |     |     | sums ... |     |
 *                       +-----+-----+-----+-----+-----+-----+----
 *                               ^     ^                  ^
 *     sums[]            sb | sum | sum |  -   |  -   |  sum | ...
 *
 * The sums are words in a block of the heap (BLOCK_INDEX, named by the
 * segment's header) that begins and ends on pages, so that no page is partly
 * theirs.  The word of a page is XXH3-64 of its 4096 bytes.
 *
 *   P1  Each covered page has the sum that stands for it.
 *   P2  Words that stand for no covered page are 0, but the first.
 *   P3  The first word is the XXH3-64 of the superblock, so that an old one is
 *       not taken for the one of this commit.
 *
 * Commits renew the sums of the pages they change, in the same record.  A store
 * in shared use changes without them; the last one to close it computes all of
 * them again.  A flipped bit in the sums shows as a page that does not fit.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "store/sums.h"
#include "base/digest.h"
#include "base/error.h"
#include "os/thread.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECE_PAGES = 256,   /* that a thread looks at in one go */
    THREADS_FROM = 4096, /* pages that are worth starting threads for */
};

bool sums_find(const tn_segment *view, uint64_t *first, uint64_t *pages)
{
    const struct heap *h = segment_heap(view);
    uint64_t off = view->base->sums;

    if (off == 0 || off % STORE_PAGE != 0 || off >= heap_size(h) ||
        !heap_owns(h, heap_at(h, off)) ||
        heap_state(h, heap_at(h, off)) != BLOCK_INDEX)
        return false;
    *first = (off + STORE_SEGMENT_OFF) / STORE_PAGE;
    *pages = heap_usable_size(h, heap_at(h, off)) / STORE_PAGE;
    return *pages != 0;
}

bool sums_are_on(const tn_segment *view, uint64_t page)
{
    uint64_t first, pages;

    return sums_find(view, &first, &pages) && page >= first &&
           page - first < pages;
}

bool sums_cover(const tn_segment *view, uint64_t page)
{
    return page > 0 && !sums_are_on(view, page);
}

uint64_t sums_of(const void *page)
{
    return digest64(page, STORE_PAGE);
}

uint64_t sums_of_zeros(void)
{
    static const char zeros[STORE_PAGE];
    static uint64_t known; /* 0: not yet; threads find the same */
    uint64_t sum = __atomic_load_n(&known, __ATOMIC_RELAXED);

    if (sum == 0) {
        sum = sums_of(zeros);
        __atomic_store_n(&known, sum, __ATOMIC_RELAXED);
    }
    return sum;
}

uint64_t sums_of_superblock(const struct superblock *sb)
{
    return digest64(sb, sizeof(*sb));
}

uint64_t sums_place(const tn_segment *view, uint64_t page)
{
    return STORE_SEGMENT_OFF + view->base->sums + page * sizeof(uint64_t);
}

static size_t words_for(uint64_t block_pages)
{
    return block_pages * (STORE_PAGE / sizeof(uint64_t));
}

bool sums_suffice(const tn_segment *view, uint64_t pages)
{
    uint64_t first, block_pages;

    return sums_find(view, &first, &block_pages) &&
           words_for(block_pages) >= pages;
}

/* A transaction's view may be behind with the words, which commits put into the
 * record past it.  From now on its pages count like all others, so they have to
 * be found and compared: storing to them does it. */
void sums_drop(tn_segment *view)
{
    uint64_t first, pages;
    struct heap *h = segment_heap(view);

    if (sums_find(view, &first, &pages)) {
        memset(heap_at(h, view->base->sums), 0, pages * STORE_PAGE);
        heap_free(h, heap_at(h, view->base->sums));
    }
    view->base->sums = 0;
}

/* Half as much again as is needed: a growing store seldom comes back. */
tn_status sums_make(tn_segment *view, uint64_t pages)
{
    struct heap *h = segment_heap(view);
    size_t bytes = (pages + pages / 2) * sizeof(uint64_t);
    void *block;

    bytes = (bytes + STORE_PAGE) / STORE_PAGE * STORE_PAGE;
    sums_drop(view);
    block = heap_alloc_aligned(h, bytes, STORE_PAGE, 0, BLOCK_INDEX);
    if (block == NULL && segment_make_room(view, bytes + STORE_PAGE) == TN_OK)
        block = heap_alloc_aligned(h, bytes, STORE_PAGE, 0, BLOCK_INDEX);
    if (block == NULL)
        return error_set(TN_ENOMEM,
                         "there is no room for %zu bytes of page "
                         "sums",
                         bytes);
    view->base->sums = heap_off(h, block);
    return TN_OK;
}

/* The page of the file that the view shows there. */
static const char *page_at(const tn_segment *view, uint64_t page)
{
    return (const char *)view->base - STORE_SEGMENT_OFF + page * STORE_PAGE;
}

bool sums_scan_start(struct sums_scan *scan, const tn_segment *view,
                     const struct file *file)
{
    scan->view = view;
    data_map_start(&scan->map, file);
    return sums_find(view, &scan->first, &scan->block_pages);
}

uint64_t sums_scan_words(const struct sums_scan *scan)
{
    return words_for(scan->block_pages);
}

uint64_t sums_scan_page(struct sums_scan *scan, uint64_t page)
{
    uint64_t offset = page * STORE_PAGE;

    if (page == 0 || page - scan->first < scan->block_pages)
        return 0;
    return data_map_next(&scan->map, offset) >= offset + STORE_PAGE
               ? sums_of_zeros()
               : sums_of(page_at(scan->view, page));
}

void sums_note_superblock(tn_segment *view, const struct superblock *sb)
{
    uint64_t *sums;

    if (!sums_suffice(view, 1))
        return;
    sums = heap_at(segment_heap(view), view->base->sums);
    sums[0] = sums_of_superblock(sb);
}

/* What is right already is not stored to. */
void sums_seal(tn_segment *seg, const struct file *file, uint64_t pages)
{
    struct sums_scan scan;
    uint64_t *sums, words;

    if (seg->base->sums == 0)
        return;
    if (!sums_suffice(seg, pages) || !sums_scan_start(&scan, seg, file)) {
        sums_drop(seg);
        return;
    }
    sums = heap_at(segment_heap(seg), seg->base->sums);
    words = sums_scan_words(&scan);
    for (uint64_t page = 0; page < words; page++) {
        uint64_t sum = page < pages ? sums_scan_page(&scan, page) : 0;

        if (sums[page] != sum)
            sums[page] = sum;
    }
}

static const struct superblock *superblock_of(const tn_segment *view)
{
    return (const struct superblock *)page_at(view, 0);
}

/* By the superblock of the view itself. */
static uint64_t pages_of(const tn_segment *view)
{
    uint64_t bytes = superblock_of(view)->file_size;

    if (bytes > view->reach + STORE_SEGMENT_OFF)
        bytes = view->reach + STORE_SEGMENT_OFF;
    return bytes / STORE_PAGE;
}

/* --- Checking ------------------------------------------------------------ */

static const uint64_t *sums_at(const tn_segment *view)
{
    return heap_at(segment_heap(view), view->base->sums);
}

static bool is_covered(const struct sums_audit *audit, uint64_t page)
{
    return page > 0 && page < audit->pages &&
           (page < audit->first || page - audit->first >= audit->block_pages);
}

bool sums_audit_prepare(struct sums_audit *audit, const tn_segment *view,
                        struct report *report)
{
    if (view->base->sums == 0)
        return false;
    memset(audit, 0, offsetof(struct sums_audit, bad));
    audit->view = view;
    audit->pages = pages_of(view);
    pthread_mutex_init(&audit->lock, NULL);
    if (sums_find(view, &audit->first, &audit->block_pages) &&
        words_for(audit->block_pages) >= audit->pages)
        return true;
    report->layer = "page sums";
    report_add(report, "P1", view->base->sums, NULL,
               "there is no block of page sums where there should be");
    return false;
}

/* Pieces are taken in ascending order but not finished so, and the least bad
 * pages are kept: a later one makes room. */
static void note_bad(struct sums_audit *audit, uint64_t page)
{
    uint64_t *most = audit->bad;

    pthread_mutex_lock(&audit->lock);
    if (audit->bad_count + 1 == SUMS_BAD_ENOUGH)
        __atomic_store_n(&audit->stop, true, __ATOMIC_RELAXED);
    if (audit->bad_count++ < SUMS_BAD_MOST) {
        audit->bad[audit->bad_count - 1] = page;
    } else {
        for (size_t i = 1; i < SUMS_BAD_MOST; i++)
            if (audit->bad[i] > *most)
                most = &audit->bad[i];
        if (*most > page)
            *most = page;
    }
    pthread_mutex_unlock(&audit->lock);
}

bool sums_audit_piece(struct sums_audit *audit)
{
    const uint64_t *sums = sums_at(audit->view);
    uint64_t page, end;

    if (__atomic_load_n(&audit->stop, __ATOMIC_RELAXED))
        return false;
    page = __atomic_fetch_add(&audit->next, PIECE_PAGES, __ATOMIC_RELAXED);
    if (page >= audit->pages)
        return false;
    end = audit->pages - page < PIECE_PAGES ? audit->pages : page + PIECE_PAGES;
    __atomic_fetch_add(&audit->done, end - page, __ATOMIC_RELAXED);
    for (; page < end; page++)
        if (is_covered(audit, page) &&
            sums[page] != sums_of(page_at(audit->view, page)))
            note_bad(audit, page);
    return true;
}

void *sums_audit_work(void *audit)
{
    while (sums_audit_piece(audit))
        ;
    return NULL;
}

static int compare_pages(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* P2.  A store that was shrunk may have a block for far more pages; of what is
 * behind twice those that it has nobody will ever look at anything. */
static void check_rest(const struct sums_audit *audit, struct report *report)
{
    const uint64_t *sums = sums_at(audit->view);
    uint64_t words = words_for(audit->block_pages);

    if (words > 2 * audit->pages + STORE_PAGE)
        words = 2 * audit->pages + STORE_PAGE;
    for (uint64_t page = 1; page < words; page++)
        if (!is_covered(audit, page) && sums[page] != 0)
            report_add(report, "P2",
                       audit->view->base->sums + page * sizeof(*sums), NULL,
                       "there is a sum of no page here");
}

void sums_audit_finish(struct sums_audit *audit, struct report *report)
{
    const uint64_t *sums = sums_at(audit->view);
    size_t kept = audit->bad_count < SUMS_BAD_MOST ? (size_t)audit->bad_count
                                                   : SUMS_BAD_MOST;

    qsort(audit->bad, kept, sizeof(audit->bad[0]), compare_pages);
    report->layer = "page sums";
    if (audit->bad_count >= SUMS_BAD_ENOUGH)
        report_add(report, "P1", audit->view->base->sums, NULL,
                   "there are so many more that the rest were not looked at");
    if (sums[0] != sums_of_superblock(superblock_of(audit->view)))
        report_add(report, "P3", audit->view->base->sums, NULL,
                   "the superblock is not the one of this commit, or its sum "
                   "has changed");
    if (audit->bad_count < SUMS_BAD_ENOUGH)
        check_rest(audit, report);
    pthread_mutex_destroy(&audit->lock);
}

void sums_report_page(uint64_t page, const char *object, size_t others,
                      struct report *report)
{
    uint64_t off = page * STORE_PAGE - STORE_SEGMENT_OFF;
    char more[64] = "";

    if (others != 0)
        snprintf(more, sizeof(more), ", in which %zu more objects lie", others);
    report->layer = "page sums";
    report_add(
        report, "P1", off, object,
        "the %d bytes from here on%s, or their sum, have changed without "
        "a commit",
        STORE_PAGE, more);
}

tn_status sums_check(const tn_segment *view, struct report *report)
{
    struct sums_audit *audit = malloc(sizeof(*audit));
    struct crew crew = {.count = 0};

    if (audit == NULL)
        return error_set(TN_ENOMEM, "no memory to check page sums");
    if (sums_audit_prepare(audit, view, report)) {
        if (audit->pages > THREADS_FROM)
            crew_start(&crew, thread_processors() - 1, sums_audit_work, audit);
        sums_audit_work(audit);
        crew_join(&crew);
        sums_audit_finish(audit, report);
        for (size_t i = 0; i < audit->bad_count && i < SUMS_BAD_MOST; i++)
            sums_report_page(audit->bad[i], NULL, 0, report);
    }
    free(audit);
    return TN_OK;
}
