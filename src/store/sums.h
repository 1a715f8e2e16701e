/* sums.h - a checksum of every page of a store, kept in the store
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef STORE_SUMS_H
#define STORE_SUMS_H

#include "base/report.h"
#include "store/data_map.h"
#include "store/store.h"

#include <pthread.h>

/* Which pages of the file the sums lie on, and how many; false: there are none,
 * or nothing that could be some. */
bool sums_find(const tn_segment *view, uint64_t *first, uint64_t *pages);

/* Is there a sum for this page of the file?  Not for the first page, whose
 * sectors have other guards, nor for the pages of the sums themselves. */
bool sums_cover(const tn_segment *view, uint64_t page);

/* Is this one of the pages of the sums? */
bool sums_are_on(const tn_segment *view, uint64_t page);

/* The sum of a page, and where in the file it is kept.  Of the first page it is
 * the superblock's, which says nothing of the sectors beside it. */
uint64_t sums_of(const void *page);
uint64_t sums_of_zeros(void);
uint64_t sums_of_superblock(const struct superblock *sb);
uint64_t sums_place(const tn_segment *view, uint64_t page);

/* Has the view a block with a sum for each page below pages? */
bool sums_suffice(const tn_segment *view, uint64_t pages);

/* Get such a block for a view that is being written, instead of the one it has
 * if any; what it holds is the caller's to write.  TN_ENOMEM. */
tn_status sums_make(tn_segment *view, uint64_t pages);

/* Give the block back. */
void sums_drop(tn_segment *view);

/* Computes the sums of a view's pages one after the other, pages ascending. */
struct sums_scan {
    const tn_segment *view;
    uint64_t first, block_pages; /* where the sums are */
    struct data_map map;
};

/* file is what the view maps, all of it: where that has a hole, the pages are
 * not looked at.  NULL: the view has more than a file.  false: it keeps no
 * sums. */
bool sums_scan_start(struct sums_scan *scan, const tn_segment *view,
                     const struct file *file);

/* Words that the block has; and the one that should stand for a page: 0 for the
 * first, and for those of the sums. */
uint64_t sums_scan_words(const struct sums_scan *scan);
uint64_t sums_scan_page(struct sums_scan *scan, uint64_t page);

/* Keep the sum of this sealed superblock in a view that has sums. */
void sums_note_superblock(tn_segment *view, const struct superblock *sb);

/* Put all sums but the superblock's right in memory, where they lie; without
 * room for all pages they are dropped.  The segment is mapped from the file,
 * stores and all, and nobody else uses it. */
void sums_seal(tn_segment *seg, const struct file *file, uint64_t pages);

/* Report each page of a store's view that is not what its sum says (P1), words
 * behind the last sum that are not zero (P2), and a superblock that is not the
 * one of this commit (P3).  The view is of a commit: a store in shared use has
 * no sums that count.  TN_ENOMEM: nothing was looked at. */
tn_status sums_check(const tn_segment *view, struct report *report);

/* The same in steps, so that threads can share the work and somebody else can
 * report: prepare, then any number of threads in sums_audit_work(), which takes
 * pieces until none is left; when all have returned, what is in bad stands in
 * ascending order. */
enum {
    SUMS_BAD_MOST = 4096,
    SUMS_BAD_ENOUGH = 1 << 16, /* nobody looks at more */
};
struct sums_audit {
    const tn_segment *view;
    uint64_t first, block_pages; /* where the sums are */
    uint64_t pages;              /* of the store */
    uint64_t next;               /* piece that nobody has taken */
    uint64_t done;               /* pages that were looked at */
    bool stop;                   /* take no more pieces */
    pthread_mutex_t lock;        /* of what follows */
    uint64_t bad_count;
    uint64_t bad[SUMS_BAD_MOST]; /* pages that do not fit, the least of them */
};

/* false: the store keeps no sums, or (reported) what should be them is not. */
bool sums_audit_prepare(struct sums_audit *audit, const tn_segment *view,
                        struct report *report);
bool sums_audit_piece(struct sums_audit *audit);
void *sums_audit_work(void *audit);

/* P2 and P3, and sort bad. */
void sums_audit_finish(struct sums_audit *audit, struct report *report);

/* Report P1 of one page, in which the object of this name (or NULL) lies, and
 * so many others. */
void sums_report_page(uint64_t page, const char *object, size_t others,
                      struct report *report);

#endif
