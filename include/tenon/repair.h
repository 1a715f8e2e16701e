/* repair.h - salvage what a damaged store holds
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_REPAIR_H
#define TENON_REPAIR_H

#include "tenon/segment.h"
#include "tenon/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_fate {
    TN_FATE_WHOLE = 0,   /* as it was, as far as anybody can tell */
    TN_FATE_DAMAGED = 1, /* it is there, but why says what is wrong with it */
    TN_FATE_LOST = 2,    /* it is not there */
} tn_fate;

/* What became of one object; valid during the call only. */
typedef struct tn_salvaged {
    tn_fate fate;
    tn_kind kind;
    const char *name; /* in the new store, or of what is lost; not terminated by
                         itself; NULL: it has none, or it is not known */
    size_t name_length;
    bool renamed;     /* the name is one of lost+found/: its own was damaged or
                         taken */
    const char *type; /* NULL: not known */
    size_t size;      /* bytes of an element */
    size_t count;     /* elements */
    tn_handle handle; /* where its elements are, in both stores; of what is
                         lost 0 if that is not known */
    const char *why;  /* a clause; NULL: whole */
} tn_salvaged;

typedef void tn_salvaged_fn(void *arg, const tn_salvaged *object);

typedef struct tn_repaired {
    size_t whole, damaged, lost; /* objects */
    size_t raw_whole;            /* raw allocations, and those that may hold */
    size_t raw_damaged;          /* something else than they did */
    size_t gaps;                 /* headers of blocks that were broken */
    size_t bad_pages;            /* pages that did not fit their sums */
    size_t journal_commits;      /* commits that came out of the journal */
    bool superblock_lost;        /* it was made anew, with defaults */
    bool sums_used;              /* there were page sums to judge by */
    bool journal_missing; /* the last commits may have been in a journal that is
                             not there, or not to be believed */
} tn_repaired;

/* Write what can be saved of the store at path into a new store at new_path.
 * The damaged file and its journal are only read.  All that is saved lies where
 * it lay, so that handles and TN_PTRs between objects hold; headers, indexes,
 * types and sums are made anew around it.  A file that is sound is copied so.
 * Where nearly all of the file is holes, sums are left to the next commit.
 *
 * fn (may be NULL) is called for each object when the new store is complete,
 * *out (may be NULL) gets the figures.  The new store passes tn_check_file().
 *
 *   TN_EEXIST    there is a file at new_path
 *   TN_ENOTSTORE nothing in the file looks like a store
 *   TN_EVERSION  it is of a version or machine that is not known here
 *   TN_EBUSY     somebody is writing to it
 *   TN_ENOSPC    no room for the new store
 *   TN_ENOMEM    no memory, for 8 bytes a page and about 40 an object
 *   else         as tn_store_open()
 *
 * On failure there is no new store. */
TN_API tn_status tn_repair(const char *path, const char *new_path,
                           tn_salvaged_fn *fn, void *arg, tn_repaired *out);

#ifdef __cplusplus
}
#endif
#endif
