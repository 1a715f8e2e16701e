/* repair.h - what the files that repair a store share
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef CHECK_REPAIR_H
#define CHECK_REPAIR_H

#include "store/journal.h"
#include "store/store.h"
#include "tenon/repair.h"

/* An object that was found. */
struct saved {
    uint64_t record;
    uint16_t why; /* enum in salvage.c */
    bool renamed;
    bool typeless; /* there is no descriptor of its type that can be its */
};

/* An object that is nowhere, and where it was. */
struct missing {
    uint64_t handle;
    uint64_t end; /* of the block that was judged, or 0 */
};

struct repair {
    const char *path;
    struct file in;
    struct flock_handle locks;
    tn_store made; /* the new store; its region is mapped from prepare on */
    tn_index index;
    uint64_t *digests; /* of every page, as it was found; 0: a hole's */
    uint64_t pages;
    uint8_t *bad; /* a bit for each page that cannot be as it was */
    struct saved *saved;
    size_t saved_count, saved_capacity;
    struct missing *missing;
    size_t missing_count, missing_capacity;
    size_t judged;  /* of them, with their blocks, ascending */
    uint64_t *gaps; /* blocks whose headers were broken, ascending */
    size_t gap_count, gap_capacity;
    size_t renamed;   /* names of lost+found/ that were given */
    bool unknown;     /* nothing in its first pages is a store's */
    bool sparse;      /* almost all of the file is holes */
    tn_status failed; /* no memory, found out inside a walk */
    tn_repaired result;
};

static inline bool page_is_bad(const struct repair *r, uint64_t page)
{
    return page < r->pages && (r->bad[page / 8] >> page % 8 & 1) != 0;
}

/* Is any of these bytes of the segment on a page that is bad? */
bool repair_is_bad(const struct repair *r, uint64_t off, uint64_t size);
void repair_note_bad(struct repair *r, uint64_t page);

/* The digest of a page as it was found. */
uint64_t repair_digest(const struct repair *r, uint64_t page);

/* Make room for one more in an array. */
tn_status repair_reserve(void **array, size_t count, size_t *capacity,
                         size_t element);

/* --- image.c: the bytes --------------------------------------------------- */

/* Copy the file into the new one, which is then mapped, lay the journal over
 * it, and decide on its superblock. */
tn_status repair_copy(struct repair *r, const char *new_path);

/* --- salvage.c: the structure --------------------------------------------- */

/* Make the segment in the new file a sound one. */
tn_status repair_salvage(struct repair *r);

/* What was found out of one object, in words. */
void repair_report(const struct repair *r, tn_salvaged_fn *fn, void *arg);

#endif
