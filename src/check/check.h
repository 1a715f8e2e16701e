/* check.h - a check under way, and its parts
 *
 *     check.c          opens the store, asks every layer, counts
 *     page_check.c     the first page (B..)
 *     journal_pair.c   the store and its journal (O..), the journal itself
 *     advice.c         what each rule means for the user
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "base/report.h"
#include "store/store.h"
#include "tenon/check.h"

struct check {
    tn_check_options options; /* defaults filled in */
    tn_report_fn *fn;         /* the caller's */
    void *arg;
    size_t reported;
    struct report report;   /* what layers report to; hands on to fn */
    char first[256];        /* the first finding, in short */
    const tn_segment *view; /* in which findings without a name may get one */
    uint64_t last, block;   /* where the last such was, for segment_name_at() */
    unsigned walks;         /* from the start, for that */
};

/* Fill in what is static: meaning and help of the finding's rule. */
void advice_add(tn_finding *finding);

/* --- page_check.c -------------------------------------------------------- */

/* B2 to B4 on the first page of the file; locks tell whether somebody has it
 * open. */
tn_status page_check(const struct file *f, const struct flock_handle *locks,
                     struct report *report);

/* B5: what lies behind size bytes, where the store ends. */
tn_status page_check_tail(const struct file *f, uint64_t size,
                          struct report *report);

/* --- journal_pair.c ------------------------------------------------------- */

/* J1 to J6, O3, O5 and O8 for the store in file f at path; locks tell whether
 * somebody has it open.  TN_EJOURNAL, with a finding of O3 or O5: without the
 * right journal the store's last commits are not to be had. */
tn_status pair_check(const struct file *f, const struct flock_handle *locks,
                     const char *path, struct report *report);

#endif
