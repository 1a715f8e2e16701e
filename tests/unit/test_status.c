/* test_status.c - the texts of the status codes, and the detail of a failure
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/report.h"

TestSuite(status, .timeout = 10);

Test(status, every_code_has_a_text_of_its_own)
{
    for (int a = TN_ECANCELED; a <= TN_OK; a++) {
        cr_expect(ne(str, (char *)tn_strerror(a), "unknown status"));
        for (int b = TN_ECANCELED; b < a; b++)
            cr_expect(ne(str, (char *)tn_strerror(a), (char *)tn_strerror(b)),
                      "codes %d and %d", a, b);
    }
}

Test(status, a_code_that_is_none_has_a_text_too)
{
    cr_expect(eq(str, (char *)tn_strerror(1), "unknown status"));
    cr_expect(eq(str, (char *)tn_strerror(TN_ECANCELED - 1), "unknown status"));
    cr_expect(eq(str, (char *)tn_strerror(-2147483647), "unknown status"));
}

Test(status, the_detail_names_what_the_caller_wrote)
{
    cr_assert(eq(int, error_set(TN_ESIZE, "%s: %d bytes", "f", 3), TN_ESIZE));
    cr_expect(eq(str, (char *)tn_errmsg(), "f: 3 bytes"));
}

Test(status, a_refusal_of_the_system_keeps_its_reason)
{
    tn_status status = error_from_errno(ENOENT, "open %s", "x.tn");

    cr_expect(eq(int, status, TN_ENOENT));
    cr_expect(
        eq(str, (char *)tn_errmsg(), "open x.tn: No such file or directory"));
    cr_expect(eq(int, error_from_errno(EDQUOT, "x"), TN_ENOSPC));
    cr_expect(eq(int, error_from_errno(EROFS, "x"), TN_EROFS));
    cr_expect(eq(int, error_from_errno(ENOTTY, "x"), TN_ESYS));
}

Test(status, a_detail_that_is_too_long_is_cut_not_spilt)
{
    char text[5000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    error_from_errno(EIO, "%s", text);
    cr_expect(lt(sz, strlen(tn_errmsg()), 1024));
    error_set(TN_EIO, "%s", text);
    cr_expect(eq(sz, strlen(tn_errmsg()), 1023));
}

static void *fail_elsewhere(void *arg)
{
    error_set(TN_EIO, "another thread");
    return arg;
}

Test(status, the_detail_belongs_to_one_thread)
{
    pthread_t thread;

    error_set(TN_EIO, "mine");
    cr_assert(eq(int, pthread_create(&thread, NULL, fail_elsewhere, NULL), 0));
    cr_assert(eq(int, pthread_join(thread, NULL), 0));
    cr_expect(eq(str, (char *)tn_errmsg(), "mine"));
}

static void keep(void *arg, const tn_finding *finding)
{
    char *text = arg;

    snprintf(text, 100, "%s %s %d %s: %s", finding->layer, finding->rule,
             (int)finding->offset, finding->object, finding->what);
}

Test(report, hands_a_finding_on_and_counts_it)
{
    char text[100] = "";
    struct report report = {.fn = keep, .arg = text, .layer = "heap"};

    cr_expect(eq(int, report_status(&report), TN_OK));
    report_add(&report, "H2", 64, "alice", "%d bytes", 7);
    cr_expect(eq(str, text, "heap H2 64 alice: 7 bytes"));
    cr_expect(eq(sz, report.findings, 1));
    cr_expect(eq(int, report_status(&report), TN_ECORRUPT));
}

Test(report, counts_without_anyone_to_tell)
{
    struct report report = {.layer = "heap"};

    report_add(&report, "H2", 64, NULL, "lost");
    report_add(&report, "H2", 80, NULL, "lost");
    cr_expect(eq(sz, report.findings, 2));
}
