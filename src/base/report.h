/* report.h - what a checker hands its findings to
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BASE_REPORT_H
#define BASE_REPORT_H

#include "tenon/status.h"

/* A running check.  A checker counts every finding; fn may be NULL. */
struct report {
    tn_report_fn *fn;
    void *arg;
    const char *layer;
    size_t findings;
};

/* Count a finding and hand it on.  rule is the number of the invariant, object
 * the name of the object concerned or NULL. */
void report_add(struct report *report, const char *rule, uint64_t offset,
                const char *object, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* TN_OK, or TN_ECORRUPT if there was any finding. */
static inline tn_status report_status(const struct report *report)
{
    return report->findings == 0 ? TN_OK : TN_ECORRUPT;
}

#endif
