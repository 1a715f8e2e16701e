/* check.c - every layer's checker over a store
 *
 * The file is opened like any reader would, so that the answer is about what a
 * reader would get; what keeps it from being opened is the first finding.  Then
 * come, from the outside in:
 *
 *     first page        page_check.c       always
 *     journal           journal_pair.c     always
 *     chain of blocks   heap_check()       always
 *     types, indexes,   type_check(),      unless quick
 *     objects           index_check()
 *     page sums         sums_audit         unless quick, if the view is of a
 *                                          commit; in threads beside the above
 *     free memory,      check_idle()       full
 *     end of file       page_check_tail()
 *
 * Each layer checks with what stands beside it; here findings are counted,
 * named and handed on.  A store at work is checked under its locks, if this
 * process may write to it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "check/check.h"
#include "base/bytes.h"
#include "base/error.h"
#include "os/thread.h"
#include "segment/segment.h"
#include "store/durable.h"
#include "store/sums.h"
#include "store/superblock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_FINDINGS = 1000,
    MOST_WALKS = 20,     /* over the chain of blocks, to name what is damaged */
    THREADS_FROM = 4096, /* pages that are worth starting threads for */
};

/* --- Findings ------------------------------------------------------------ */

/* The object at the place of a finding.  Findings mostly come in ascending
 * order; each that does not costs a walk, and so many are worth it. */
static const char *name_of_place(struct check *c, uint64_t off, char *name)
{
    size_t others;

    if (c->view == NULL || off < sizeof(struct segment))
        return NULL;
    if (off < c->last || c->last == 0) {
        if (c->walks++ == MOST_WALKS)
            c->view = NULL;
        c->block = 0;
    }
    c->last = off;
    return c->view != NULL && segment_name_at(c->view, off, off + 1, &c->block,
                                              name, TN_NAME_MAX + 1, &others)
               ? name
               : NULL;
}

static void hand_on(void *arg, const tn_finding *finding)
{
    struct check *c = arg;
    char name[TN_NAME_MAX + 1];
    tn_finding whole = *finding;

    if (c->first[0] == '\0')
        snprintf(c->first, sizeof(c->first), "%s at %llu: %s", finding->rule,
                 (unsigned long long)finding->offset, finding->what);
    if (c->fn == NULL || c->reported == c->options.max_findings)
        return;
    c->reported++;
    if (whole.object == NULL && strcmp(whole.layer, "page sums") != 0)
        whole.object = name_of_place(c, whole.offset, name);
    advice_add(&whole);
    c->fn(c->arg, &whole);
}

static tn_status prepare(struct check *c, const tn_check_options *options,
                         tn_report_fn *fn, void *arg)
{
    *c = (struct check){.fn = fn, .arg = arg};
    c->report = (struct report){.fn = hand_on, .arg = c};
    if (options != NULL)
        c->options = *options;
    if (c->options.depth > TN_CHECK_FULL)
        return error_set(TN_EINVAL, "there is no such depth of a check");
    if (c->options.max_findings == 0)
        c->options.max_findings = DEFAULT_FINDINGS;
    if (c->options.threads == 0)
        c->options.threads = thread_processors();
    return TN_OK;
}

/* What the call answers: the first thing that kept it from going on, or else
 * whether anything was found. */
static tn_status conclude(const struct check *c, const char *path,
                          tn_status status)
{
    size_t n = c->report.findings;

    if (status != TN_OK || n == 0)
        return status;
    return error_set(TN_ECORRUPT, "%s: %zu thing%s wrong, the first %s", path,
                     n, n == 1 ? " is" : "s are", c->first);
}

/* --- Page sums ----------------------------------------------------------- */

static bool tell_progress(const struct check *c, const struct sums_audit *audit)
{
    uint64_t done = __atomic_load_n(&audit->done, __ATOMIC_RELAXED);

    return c->options.progress == NULL ||
           c->options.progress(c->options.progress_arg, done * STORE_PAGE,
                               audit->pages * STORE_PAGE);
}

/* Take pieces until none is left, and tell how it goes: once at least, for the
 * others may be done already. */
static bool help_with_sums(struct check *c, struct sums_audit *audit)
{
    bool go_on = tell_progress(c, audit);

    while (go_on && sums_audit_piece(audit))
        go_on = tell_progress(c, audit);
    if (!go_on)
        __atomic_store_n(&audit->stop, true, __ATOMIC_RELAXED);
    return go_on;
}

static void report_pages(struct check *c, const tn_segment *view,
                         const struct sums_audit *audit)
{
    char name[TN_NAME_MAX + 1];
    uint64_t block = 0;
    size_t others;

    for (size_t i = 0; i < audit->bad_count && i < SUMS_BAD_MOST; i++) {
        uint64_t off = audit->bad[i] * STORE_PAGE - STORE_SEGMENT_OFF;
        bool found;

        others = 0;
        found = segment_name_at(view, off, off + STORE_PAGE, &block, name,
                                sizeof(name), &others);
        sums_report_page(audit->bad[i], found ? name : NULL, others,
                         &c->report);
    }
    if (audit->bad_count > SUMS_BAD_MOST)
        c->report.findings += audit->bad_count - SUMS_BAD_MOST;
}

/* The view holds still by itself.  Its structure is this thread's to check,
 * while others begin with the pages. */
static tn_status check_commit(struct check *c, const tn_segment *view)
{
    struct sums_audit *audit = malloc(sizeof(*audit));
    struct crew crew = {.count = 0};
    bool sums, go_on = true;

    if (audit == NULL)
        return error_set(TN_ENOMEM, "no memory to check page sums");
    c->view = view;
    sums = sums_audit_prepare(audit, view, &c->report);
    if (sums && audit->pages > THREADS_FROM)
        crew_start(&crew, c->options.threads - 1, sums_audit_work, audit);
    segment_check(view, &c->report);
    if (sums)
        go_on = help_with_sums(c, audit);
    crew_join(&crew);
    if (sums && go_on) {
        sums_audit_finish(audit, &c->report);
        report_pages(c, view, audit);
    }
    c->view = NULL;
    free(audit);
    return go_on ? TN_OK : error_set(TN_ECANCELED, "the check was canceled");
}

/* --- Views --------------------------------------------------------------- */

/* The superblock of the view's own commit. */
static const struct superblock *superblock_of(const tn_segment *view)
{
    return (const struct superblock *)((const char *)view->base -
                                       STORE_SEGMENT_OFF);
}

/* Z1: free memory is zero if the commit says so, that is if nothing was
 * allocated or freed since the store was trimmed. */
static void check_idle(struct check *c, const tn_segment *view)
{
    const struct superblock *sb = superblock_of(view);
    const struct heap *h = segment_heap(view);
    uint64_t off = 0, start, size;

    if (sb->zeroed == 0 || sb->zeroed != sb->commit_number)
        return;
    c->report.layer = "heap";
    do {
        off = heap_next_idle(h, off, &start, &size);
        if (off != HEAP_BROKEN && !bytes_are_zero(heap_at(h, start), size))
            report_add(&c->report, "Z1", start, NULL,
                       "the %" PRIu64 " free bytes from here on are not all "
                       "zero, though they were trimmed",
                       size);
    } while (off != 0 && off != HEAP_BROKEN);
}

static tn_status check_view(struct check *c, const tn_store *store,
                            const tn_segment *view, bool is_commit)
{
    segment_check_fn *check = c->options.depth == TN_CHECK_QUICK
                                  ? segment_check_chain
                                  : segment_check;
    tn_status status;

    if (!is_commit || c->options.depth == TN_CHECK_QUICK) {
        c->view = view;
        status = segment_check_still(view, check, &c->report);
        c->view = NULL;
        if (status == TN_OK || status == TN_ECORRUPT)
            return TN_OK;
        return error_prefix(status, "%s", store->path);
    }
    store_check_superblock(view, &c->report);
    status = check_commit(c, view);
    if (status != TN_OK || c->options.depth != TN_CHECK_FULL)
        return status;
    check_idle(c, view);
    return page_check_tail(&store->file, superblock_of(view)->file_size,
                           &c->report);
}

/* Of a store at work a handle that only reads cannot hold the locks. */
static tn_status check_live(struct check *c, const tn_store *store)
{
    tn_store *shared;
    tn_status status, closed;

    status = tn_store_open(&shared, store->path, TN_SHARED, NULL);
    if (status != TN_OK)
        return status;
    status = check_view(c, shared, &shared->segment, false);
    closed = tn_store_close(shared);
    return status != TN_OK ? status : closed;
}

static tn_status check_durable(struct check *c, tn_store *store)
{
    const tn_segment *view;
    tn_status status = tn_read_begin(store, &view);

    if (status != TN_OK)
        return status;
    status = check_view(c, store, view, true);
    tn_read_end(store, view);
    return status;
}

static tn_status check_store(struct check *c, tn_store *store)
{
    tn_status status = page_check(&store->file, &store->locks, &c->report);

    if (status == TN_OK)
        status =
            pair_check(&store->file, &store->locks, store->path, &c->report);
    if (status != TN_OK)
        return status;
    if (store->access == TN_DURABLE)
        return check_durable(c, store);
    if (store->segment.live)
        return check_live(c, store);
    return check_view(c, store, &store->segment,
                      store->held_commit && store->access == TN_READ_ONLY);
}

/* --- A file that cannot be opened ---------------------------------------- */

/* Is this a verdict on the file, or did something else go wrong? */
static bool is_verdict(tn_status status)
{
    return status == TN_ECORRUPT || status == TN_ENOTSTORE ||
           status == TN_EVERSION || status == TN_ESIZE || status == TN_EDIRTY ||
           status == TN_EJOURNAL;
}

/* What is behind the refusal: parts of the file that can be looked at without
 * opening the store.  A refusal for want of a journal depends on how far the
 * last writer came; here the journal is judged by itself. */
static tn_status check_parts(struct check *c, const char *path)
{
    struct file f = FILE_CLOSED;
    struct flock_handle locks = FLOCK_CLOSED;
    tn_status status = file_open(&f, path, false);

    if (status == TN_OK)
        status = superblock_recognise(&f);
    if (status == TN_OK)
        status = flock_open(&locks, path);
    if (status == TN_OK)
        status = page_check(&f, &locks, &c->report);
    if (status == TN_OK)
        status = pair_check(&f, &locks, path, &c->report);
    flock_close(&locks);
    file_close(&f);
    return status;
}

static tn_status refuse(struct check *c, const char *path, tn_status status)
{
    char why[1024];
    tn_status parts;

    if (!is_verdict(status))
        return status;
    snprintf(why, sizeof(why), "%s", tn_errmsg());
    parts = check_parts(c, path);
    if (parts == TN_EJOURNAL) /* O3 or O5 says it all */
        return parts;
    if (parts == TN_OK && status == TN_ECORRUPT && c->report.findings != 0)
        return error_set(status, "%s", why); /* and so does this */
    c->report.layer = "superblock";
    report_add(&c->report, "B1", 0, NULL, "%s", why);
    return error_set(status, "%s", why);
}

/* ------------------------------------------------------------------------ */

TN_API tn_status tn_check_file(const char *path,
                               const tn_check_options *options,
                               tn_report_fn *fn, void *arg)
{
    struct check c;
    tn_store *store;
    tn_status status = prepare(&c, options, fn, arg);

    if (status != TN_OK)
        return status;
    status = tn_store_open(&store, path, TN_READ_ONLY, NULL);
    if (status != TN_OK)
        return refuse(&c, path, status);
    status = conclude(&c, path, check_store(&c, store));
    tn_store_close(store);
    return status;
}

TN_API tn_status tn_check_store(tn_store *store,
                                const tn_check_options *options,
                                tn_report_fn *fn, void *arg)
{
    struct check c;
    tn_status status = store_usable(store);

    if (status == TN_OK)
        status = prepare(&c, options, fn, arg);
    return status == TN_OK ? conclude(&c, store->path, check_store(&c, store))
                           : status;
}
