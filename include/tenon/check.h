/* check.h - verify a store
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_CHECK_H
#define TENON_CHECK_H

#include "tenon/status.h"
#include "tenon/store.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_check_options {
    int reserved; /* zero */
} tn_check_options;

/* Check the file at path, whatever its bytes are, without changing it.  report
 * (may be NULL) is called for each thing wrong.
 *
 *   TN_ECORRUPT, TN_ENOTSTORE, TN_EVERSION, TN_ESIZE  it is not sound
 *   TN_EDIRTY, TN_EJOURNAL  it was left in use, and what is there is not to be
 *                           relied on; see tn_store_open()
 *   other                   it could not be read, as tn_store_open(); a store
 *                           in shared use takes permission to write (TN_EACCES)
 */
TN_API tn_status tn_check_file(const char *path,
                               const tn_check_options *options,
                               tn_report_fn *report, void *arg);

#ifdef __cplusplus
}
#endif
#endif
