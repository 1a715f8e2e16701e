/* journal_pair.c - a store and the journal beside it
 *
 *   O3  A live store has its journal: one with a valid header, and its uuid.
 *   O5  The commit that the file shows lies on the journal's path: it is the
 *       base of its records or one of them.  A store closed in order has no
 *       record; its journal may be older than it (after shared use), or an
 *       empty one of another store.
 *   O8  Marks of this boot say of a live store's journal what it is: which
 *       generation, and no more commits on disk than it has; and of the file no
 *       more commits than it shows.
 *
 * The journal's own rules, J1 to J6, stand in store/journal.c.  Numbers of the
 * others are those of the opener's steps in docs/CRASH.md, who refuses for the
 * same reasons.
 *
 * A writer may be at work.  So while there is one, nothing is reported that is
 * not found again and again after he had time to go on.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "check/check.h"
#include "os/clock.h"
#include "store/journal.h"
#include "store/superblock.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    LOOKS = 10,
    BETWEEN_LOOKS = 5 * 1000 * 1000, /* nanoseconds */
};

/* What the file says of itself. */
struct half {
    struct superblock sb;
    uint64_t state;
    struct marks marks;
    bool here; /* the marks are of this boot and file */
};

static tn_status read_half(const struct file *f, struct half *half)
{
    uint64_t boot = superblock_boot(f);
    uint64_t *words = (uint64_t *)&half->marks;
    tn_status status = superblock_read(f, false, &half->sb, &half->state);

    if (status == TN_OK)
        status =
            file_read(f, &half->marks, sizeof(half->marks), STORE_MARKS_OFF);
    half->here = half->marks.synced != 0 &&
                 half->marks.boot == mark_seal(boot) &&
                 boot != STORE_BOOT_UNKNOWN;
    for (size_t i = 0; i < sizeof(half->marks) / sizeof(*words); i++)
        words[i] = mark_value(words[i]);
    return status;
}

/* --- O3 ------------------------------------------------------------------ */

static tn_status miss(const char *path, const char *wrong,
                      struct report *report)
{
    report->layer = "journal";
    report_add(report, "O3", 0, NULL,
               "the store is live, and its journal %s: the last commits may "
               "have been in there",
               wrong);
    return error_set(TN_EJOURNAL, "%s: the journal %s", path, wrong);
}

/* Of a store that was closed in order: it has no commits to lose in there. */
static tn_status judge_spare(struct journal *j, const char *path,
                             struct report *report)
{
    tn_status status = journal_read_header(j, NULL);

    if (status == TN_OK)
        status = journal_find_end(j);
    if (status == TN_ENOENT) /* the next durable opener makes one anew */
        return TN_OK;
    if (status != TN_OK && status != TN_ECORRUPT)
        return status;
    if (status == TN_OK && j->end.number == j->header.base_number)
        return TN_OK;
    report->layer = "journal";
    report_add(report, "O5", 0, NULL,
               "the journal belongs to another store, whose last commits it "
               "may hold");
    return error_set(TN_EJOURNAL, "%s: the journal is of another store", path);
}

/* --- O5 ------------------------------------------------------------------ */

static tn_status check_path(struct journal *j, const char *path,
                            const struct half *half, struct report *report)
{
    bool records = j->end.number != j->header.base_number, found;
    tn_status status;

    if (half->state == STORE_CLEAN && !records)
        return TN_OK;
    status = journal_passes(
        j, (struct commit_id){half->sb.commit_number, half->sb.commit_nonce},
        &found);
    if (status == TN_ECORRUPT) { /* has been reported as such */
        report_add(report, "J3", j->end.off, NULL,
                   "a record of the journal is damaged");
        return TN_OK;
    }
    if (status != TN_OK || (found && half->state != STORE_CLEAN))
        return status;
    report->layer = "journal";
    if (half->state == STORE_CLEAN)
        report_add(report, "O5", JOURNAL_RECORDS_OFF, NULL,
                   "the store was closed in order, but its journal has "
                   "commits: one of the two was replaced");
    else
        report_add(report, "O5", 0, NULL,
                   "the store is at commit %" PRIu64
                   ", and its journal goes from %" PRIu64 " to %" PRIu64,
                   half->sb.commit_number, j->header.base_number,
                   j->end.number);
    return error_set(TN_EJOURNAL, "%s: store and journal do not fit", path);
}

/* --- O8 ------------------------------------------------------------------ */

/* Whoever begins a generation may die before the mark follows (K4); all is in
 * the file then. */
static bool is_between(const struct journal *j, const struct marks *m)
{
    return m->generation + 1 == j->header.generation &&
           m->applied == m->synced && j->end.number == j->header.base_number;
}

static void check_marks(const struct journal *j, const struct half *half,
                        struct report *report)
{
    const struct marks *m = &half->marks;

    if (!half->here || half->state != STORE_LIVE)
        return;
    report->layer = "journal";
    if (m->generation != j->header.generation && !is_between(j, m))
        report_add(report, "O8", 0, NULL,
                   "the store is in use with generation %" PRIu64
                   " of the journal, whose newest is %" PRIu64,
                   m->generation, j->header.generation);
    else if (m->synced > j->end.number)
        report_add(report, "J3", j->end.off, NULL,
                   "commit %" PRIu64 " had been on disk, and the journal ends "
                   "with commit %" PRIu64,
                   m->synced, j->end.number);
    else if (m->synced < j->header.base_number)
        report_add(
            report, "O8", STORE_MARKS_OFF, NULL,
            "commit %" PRIu64
            " is said to be the last, and the journal goes on from %" PRIu64,
            m->synced, j->header.base_number);
    if (m->applied > half->sb.commit_number)
        report_add(report, "O8", STORE_MARKS_OFF, NULL,
                   "the file is said to hold commit %" PRIu64
                   ", and is at %" PRIu64,
                   m->applied, half->sb.commit_number);
}

/* --- All ----------------------------------------------------------------- */

static tn_status check_open(struct journal *j, const char *path,
                            const struct half *half, struct report *report)
{
    bool live = half->state == STORE_LIVE;
    tn_status status = journal_check(j, half->sb.uuid, report);

    if (status == TN_EJOURNAL || status == TN_ENOENT || status == TN_ESIZE) {
        if (!live)
            return judge_spare(j, path, report);
        return miss(path,
                    status == TN_EJOURNAL ? "belongs to another store"
                                          : "has no header that is valid",
                    report);
    }
    if (status == TN_OK)
        status = check_path(j, path, half, report);
    if (status == TN_OK)
        check_marks(j, half, report);
    return status;
}

static tn_status look(const struct file *f, const char *path,
                      struct report *report)
{
    struct journal j = JOURNAL_CLOSED;
    struct half half;
    char *name = journal_path(path);
    tn_status status = name != NULL
                           ? read_half(f, &half)
                           : error_set(TN_ENOMEM, "%s: no memory", path);

    if (status == TN_OK && half.state != STORE_SHARED) {
        status = journal_open(&j, name, false);
        if (status == TN_OK)
            status = check_open(&j, path, &half, report);
        else if (status == TN_ENOENT)
            status = half.state == STORE_LIVE ? miss(path, "is missing", report)
                                              : TN_OK;
        else if (status == TN_EACCES) /* as for any reader */
            status = TN_OK;
    }
    journal_close(&j);
    free(name);
    return status;
}

tn_status pair_check(const struct file *f, const struct flock_handle *locks,
                     const char *path, struct report *report)
{
    struct report quiet;
    tn_status status = TN_OK;

    for (int i = 0; i < LOOKS; i++) {
        if (!flock_taken(locks, STORE_LOCK_DUR, true))
            break;
        quiet = (struct report){0};
        status = look(f, path, &quiet);
        if (status == TN_OK && quiet.findings == 0)
            return TN_OK;
        clock_sleep(BETWEEN_LOOKS, NULL);
    }
    return look(f, path, report);
}
