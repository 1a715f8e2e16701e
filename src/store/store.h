/* store.h - an open store, for the files of this layer
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "os/file.h"
#include "os/flock.h"
#include "os/region.h"
#include "segment/segment.h"
#include "store/layout.h"
#include "tenon/store.h"

struct tn_store {
    char *path;
    char *journal_path; /* as it was when opening; NULL: not to be found out */
    unsigned access;    /* one of TN_ACCESS_MASK */
    uint64_t opener;    /* process_generation() of the opening process */
    struct file file;
    struct flock_handle locks;
    struct region region;
    size_t backed; /* private: bytes of the region with memory behind them */
    struct superblock superblock; /* as of the opening */
    bool held_commit;             /* views are of commits: page sums count */
    bool attached;                /* shared: counted in the segment's sharers */
    bool doubtful;                /* shared: a sync has failed */
    struct durable *durable;      /* views of commits: durable.h */
    tn_segment segment;           /* durable: W */
};

enum { STORE_DEFAULT_MODE = 0644 };

/* A new file at path, complete before it has that name.  TN_EEXIST. */
tn_status store_create(const char *path, const tn_options *options);

/* Write the bytes from start to end of the segment that are not zero into the
 * new file f; then superblock, state CLEAN, sync and name. */
tn_status store_write_range(struct file *f, const char *segment, size_t start,
                            size_t end);
tn_status store_complete(struct file *f, struct superblock *sb);

/* Map the file and make the handle of its segment.  at_work: others may be
 * changing the segment. */
tn_status store_map(tn_store *store, enum region_access access,
                    const tn_options *options, bool at_work);

/* The two steps of it: the first with no more addresses than most bytes, but
 * for all of the file; the second believes no byte of view's header. */
tn_status store_map_only(tn_store *store, enum region_access access,
                         const tn_options *options, uint64_t most);
tn_status store_check_header(tn_store *store, const tn_segment *view);

/* A copy of the segment of store as it is now, in a file without a name in the
 * directory of path: a committed state of its own, mapped for reading only.  It
 * is the same store, one commit further. */
tn_status store_copy(tn_store **out, tn_store *store, const char *path);
void store_copy_close(tn_store *copy);

/* TN_EINVAL: no handle, or one of the parent of this process. */
tn_status store_usable(const tn_store *store);

/* How an open store gets more bytes: a segment_extend_fn. */
tn_status store_extend_file(void *store, size_t size);

/* shared.c */
tn_status shared_open(tn_store *store, unsigned flags,
                      const tn_options *options, const struct timespec *until);
tn_status shared_close(tn_store *store);

/* Put on disk what is mapped.  After TN_EIO nobody can mark it as clean. */
tn_status shared_sync(tn_store *store);

/* view.c: for reading only, or private */
tn_status view_open(tn_store *store, unsigned flags, const tn_options *options,
                    const struct timespec *until);

/* Put right in the private memory of a mapped store what processes that were
 * killed left; it may grow there. */
tn_status view_rebuild(tn_store *store);

/* What a state means for whoever finds nobody using the store.  TN_OK: all of
 * it is here, or (*doubtful) TN_RECOVER is given.  TN_EDIRTY, TN_EJOURNAL. */
tn_status store_judge_state(const tn_store *store, uint64_t state,
                            unsigned flags, bool *doubtful);

/* Does the segment's header agree with the superblock of a clean store? */
tn_status store_compare(const tn_store *store);

/* Report a view of a commit whose own superblock is damaged, or not that of the
 * segment's header (B6). */
void store_check_superblock(const tn_segment *view, struct report *report);

/* Run the checker over a view, which nobody changes. */
tn_status store_verify(const tn_store *store);
tn_status store_verify_view(const tn_store *store, const tn_segment *view);

#endif
