/* check.c - every layer's checker over a file
 *
 * The file is opened like any reader would, so that the answer is about what a
 * reader would get; what keeps it from being opened is the first finding.  A
 * store at work is checked under its locks, if this process may write to it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "base/report.h"
#include "segment/segment.h"
#include "store/journal.h"
#include "store/store.h"
#include "store/sums.h"
#include "store/superblock.h"
#include "tenon/check.h"

#include <stdio.h>
#include <stdlib.h>

/* Is this a verdict on the file, or did something else go wrong? */
static bool is_verdict(tn_status status)
{
    return status == TN_ECORRUPT || status == TN_ENOTSTORE ||
           status == TN_EVERSION || status == TN_ESIZE || status == TN_EDIRTY ||
           status == TN_EJOURNAL;
}

/* What a reader sees in this boot may be whole, and still nobody could go on
 * writing to a store whose journal is not there. */
static tn_status report_journal(const char *path, tn_journal journal,
                                struct report *report)
{
    static const char *const wrong[] = {
        [TN_JOURNAL_NONE] = "is missing",
        [TN_JOURNAL_FOREIGN] = "belongs to another store",
        [TN_JOURNAL_DAMAGED] = "has no header that is valid",
    };

    if (journal == TN_JOURNAL_OURS || journal == TN_JOURNAL_CLOSED)
        return TN_OK;
    report->layer = "journal";
    report_add(report, "O3", 0, NULL,
               "the store is live, and its journal %s: the last commits may "
               "have been in there",
               wrong[journal]);
    return error_set(TN_EJOURNAL, "%s: the journal %s", path, wrong[journal]);
}

static tn_status check_journal(const tn_store *store, struct report *report)
{
    tn_store_info info;
    tn_status status = tn_store_describe(store, &info);

    if (status != TN_OK || info.state != TN_STATE_LIVE)
        return status;
    return report_journal(store->path, info.journal, report);
}

/* --- A file that cannot be opened ----------------------------------------- */

static tn_status look_at_journal(const char *path, const uint8_t uuid[16],
                                 tn_journal *out)
{
    struct journal j = JOURNAL_CLOSED;
    char *name = journal_path(path);
    tn_status status = name != NULL
                           ? journal_open(&j, name, false)
                           : error_set(TN_ENOMEM, "%s: no memory", path);

    *out = status == TN_ENOENT   ? TN_JOURNAL_NONE
           : status == TN_EACCES ? TN_JOURNAL_CLOSED
                                 : TN_JOURNAL_OURS;
    if (status == TN_OK) {
        status = journal_read_header(&j, uuid);
        if (status == TN_ENOENT)
            *out = TN_JOURNAL_DAMAGED;
        if (status == TN_EJOURNAL)
            *out = TN_JOURNAL_FOREIGN;
    }
    journal_close(&j);
    free(name);
    return *out != TN_JOURNAL_OURS ? TN_OK : status;
}

/* Which pages of it hold the last commit was not to be found out: is that for
 * want of a journal?  The answer is the one that opening it would have given at
 * a luckier moment. */
static tn_status judge_live(const char *path, struct report *report)
{
    struct file f;
    struct superblock sb;
    uint64_t state = STORE_CLEAN;
    tn_journal journal = TN_JOURNAL_OURS;
    tn_status status = file_open(&f, path, false);

    if (status != TN_OK)
        return status;
    status = superblock_read(&f, false, &sb, &state);
    file_close(&f);
    if (status == TN_OK && state == STORE_LIVE)
        status = look_at_journal(path, sb.uuid, &journal);
    return status == TN_OK ? report_journal(path, journal, report) : status;
}

static tn_status refuse(const char *path, tn_status status,
                        struct report *report)
{
    char why[1024];
    tn_status judged;

    if (!is_verdict(status))
        return status;
    snprintf(why, sizeof(why), "%s", tn_errmsg());
    judged = status == TN_EJOURNAL || status == TN_ECORRUPT
                 ? judge_live(path, report)
                 : TN_OK;
    if (report->findings != 0)
        return judged;
    report->layer = "superblock";
    report_add(report, "B1", 0, NULL, "%s", why);
    return error_set(status, "%s", why);
}

/* --- One that can --------------------------------------------------------- */

static tn_status check_view(const tn_segment *seg, const char *path,
                            const struct report *report)
{
    tn_status status = tn_segment_check(seg, report->fn, report->arg);

    return status == TN_OK ? TN_OK : error_prefix(status, "%s", path);
}

/* A store that holds still; page sums count if it shows a commit. */
static tn_status check_commit(const tn_store *store, const char *path,
                              struct report *report)
{
    tn_status status = check_view(&store->segment, path, report);

    if (store->held_commit && (status == TN_OK || status == TN_ECORRUPT))
        sums_check(&store->segment, report);
    if (status == TN_OK && report->findings != 0)
        status =
            error_set(TN_ECORRUPT, "%s: %zu pages are not what their sums say",
                      path, report->findings);
    return status;
}

static tn_status check_open(tn_store *store, const char *path,
                            struct report *report)
{
    tn_store *shared;
    tn_status status, closed;

    if (!store->segment.live)
        return check_commit(store, path, report);
    status = tn_store_open(&shared, path, TN_SHARED, NULL);
    if (status != TN_OK)
        return status;
    status = check_view(&shared->segment, path, report);
    closed = tn_store_close(shared);
    return status != TN_OK ? status : closed;
}

TN_API tn_status tn_check_file(const char *path,
                               const tn_check_options *options,
                               tn_report_fn *fn, void *arg)
{
    struct report report = {.fn = fn, .arg = arg};
    tn_store *store;
    tn_status status;

    (void)options;
    status = tn_store_open(&store, path, TN_READ_ONLY, NULL);
    if (status != TN_OK)
        return refuse(path, status, &report);
    status = check_journal(store, &report);
    if (status == TN_OK)
        status = check_open(store, path, &report);
    tn_store_close(store);
    return status;
}
