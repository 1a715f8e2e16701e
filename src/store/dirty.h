/* dirty.h - which pages of a private mapping may have been stored to
 *
 * A store through a private mapping makes the kernel copy the page.  This
 * module finds the copies, one of four ways, all behind one interface:
 *
 *     track    userfaultfd write protection: pages written since last asked
 *     scan     the PAGEMAP_SCAN ioctl (Linux 6.7): pages that are private now
 *     pagemap  /proc/self/pagemap, any Linux: the same answer
 *     compare  every page with that of the last commit; works anywhere
 *
 * The last commit is the file, or what will be the file when the records that
 * are still pending are written to it.  The answer may name pages that do not
 * differ from it, never miss one that does.
 *
 *     dirty_open(&d, w, r, TN_TRACKER_AUTO);
 *     dirty_reset(&d, pages)         w shows the file
 *     ... stores through w ...
 *     dirty_find(&d, pages, commit)  d.runs: the pages to compare
 *     ... what differs is put into the file ...
 *     dirty_settle(&d)               nothing differs; d.runs is empty
 *
 * One thread at a time, and nobody stores through w during a call.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef STORE_DIRTY_H
#define STORE_DIRTY_H

#include "os/region.h"
#include "store/page_list.h"
#include "tenon/segment.h"

#include <stdbool.h>

struct dirty {
    tn_tracker way;         /* never TN_TRACKER_AUTO once open */
    char reason[256];       /* why a better way was refused; "" if none was */
    struct region *w;       /* the private mapping */
    const struct region *r; /* a shared mapping of the same file */
    int pagemap;            /* descriptor, -1: none */
    int uffd;               /* descriptor, -1: none */
    struct page_run *runs;  /* what dirty_find() found, ascending, disjoint */
    size_t count, capacity;
    uint64_t pages; /* that the last search was told to look at */
    bool named;     /* the last ones were named and not searched for */
    bool doubt;     /* track: a search failed and may have lost pages */

    /* Is this a page that commits change in the file and not through w, as they
     * do page 0?  Set after dirty_open(); NULL: there are no others. */
    bool (*aside)(const void *arg, uint64_t page);
    const void *aside_arg;

    /* track: pages that were settled and stay private, a bit each. */
    uint64_t *kept;
    size_t kept_words;
    uint64_t kept_pages, kept_limit;
    uint64_t hand; /* where to look for the next to give back */

    /* Pages that were named and settled, in no order; they may be copies. */
    struct page_list held;
    uint64_t held_pages;

    /* scan: what was spent since all pages were given back. */
    uint64_t spent_ns, last_ns;
};

/* Start finding pages of w.  AUTO takes the way that the environment names in
 * TENON_TRACKER, or else the best one that works here, tried out on a page;
 * another one that does not work here is TN_ENOTSUP, an unknown name TN_EINVAL;
 * TN_ENOMEM, TN_EIO.  Call
 * dirty_reset() before the first dirty_find(). */
tn_status dirty_open(struct dirty *d, struct region *w, const struct region *r,
                     tn_tracker wanted);
void dirty_close(struct dirty *d);

/* Put all pages below pages that may differ from the last commit, which commit
 * maps, into d->runs: those found now and those of earlier calls that were
 * neither settled nor reset since.  TN_ENOMEM, TN_EIO ...: nothing is lost, and
 * the call can be made again. */
tn_status dirty_find(struct dirty *d, uint64_t pages,
                     const struct region *commit);

/* The same without a search: the caller knows that no others than these, and
 * those that were not settled yet, can differ. */
tn_status dirty_take_named(struct dirty *d, uint64_t pages,
                           const struct page_list *named);

/* Put these into d->runs as well: the record has for them what w has not.  They
 * must be dropped with dirty_reset(), and not settled. */
tn_status dirty_add(struct dirty *d, const struct page_list *pages);

/* The file has caught up: it and w agree about every page, those aside
 * excepted, which show the file after this if they were found.  d->runs is
 * empty then, and a page is found when it is stored to again.  Any page of w
 * may show the file's bytes from now on, or its own that are the same.  After a
 * failure, dirty_reset() before anything else. */
tn_status dirty_settle(struct dirty *d);

/* All pages of w below pages shall show the file: whatever was stored in them
 * is dropped.  After a failure, dirty_reset() again. */
tn_status dirty_reset(struct dirty *d, uint64_t pages);

/* "scan", "pagemap", "compare" or "track". */
const char *dirty_name(tn_tracker way);

#endif
