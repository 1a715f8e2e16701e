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

/* How much is looked at. */
typedef enum tn_check_depth {
    TN_CHECK_NORMAL = 0, /* first page, journal, chain of blocks and its caches,
                            objects, types, both directions of each index, and
                            every page against its sum */
    TN_CHECK_QUICK = 1, /* the first page, the journal, the chain of blocks, its
                            caches and counts: no object, no page's contents */
    TN_CHECK_FULL = 2,  /* as normal, and what nobody uses: free memory that
                            was made zero, and what lies behind the store's end
                            in its file */
} tn_check_depth;

/* A zero member means its default. */
typedef struct tn_check_options {
    tn_check_depth depth;
    unsigned threads;         /* that read pages; 0: one for each processor */
    size_t max_findings;      /* report no more than these, though all count;
                                 0: 1000 */
    tn_progress_fn *progress; /* NULL: nobody wants to know */
    void *progress_arg;
} tn_check_options;

/* Check the file at path, whatever its bytes are, without changing it.  report
 * (may be NULL) is called for each thing wrong, in this thread; so many of
 * them are counted in tn_errmsg().  options may be NULL.
 *
 *   TN_ECORRUPT, TN_ENOTSTORE, TN_EVERSION, TN_ESIZE  it is not sound
 *   TN_EDIRTY, TN_EJOURNAL  it was left in use, and what is there is not to be
 *                           relied on; see tn_store_open()
 *   TN_ECANCELED            progress asked for it
 *   TN_EINVAL               no path, or options that make no sense
 *   other                   it could not be read, as tn_store_open(); a store
 *                           in shared use takes permission to write (TN_EACCES)
 *
 * Memory does not depend on the size of the store, but for the records in its
 * journal that the file does not hold yet, and a few bytes for each type. */
TN_API tn_status tn_check_file(const char *path,
                               const tn_check_options *options,
                               tn_report_fn *report, void *arg);

/* The same for a store that is open: its last committed state, what a private
 * view holds now (its page sums do not count any more), or a shared store under
 * its locks.  Any thread; a durable handle may have a transaction open. */
TN_API tn_status tn_check_store(tn_store *store,
                                const tn_check_options *options,
                                tn_report_fn *report, void *arg);

#ifdef __cplusplus
}
#endif
#endif
