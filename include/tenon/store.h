/* store.h - a segment kept in a file, and the ways to open it
 *
 *     tn_store *store;
 *     tn_store_open(&store, "accounts.tn", TN_SHARED | TN_CREATE, NULL);
 *     tn_segment *seg = tn_store_segment(store);
 *     ...
 *     tn_store_close(store);
 *
 * A file is made complete under no name and only then gets its own, so no one
 * ever opens half a store.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_STORE_H
#define TENON_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "tenon/segment.h"
#include "tenon/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One access, ORed with what follows. */
enum {
    TN_DURABLE = 0,   /* transactions: all of a commit or nothing */
    TN_READ_ONLY = 1, /* a view that cannot be written */
    TN_PRIVATE = 2,   /* changes stay in this process: copy on write */
    TN_SHARED = 3,    /* changes are seen by every process at once */
    TN_ACCESS_MASK = 3,

    TN_CREATE = 0x10,    /* make the file if it is not there */
    TN_EXCLUSIVE = 0x20, /* with TN_CREATE: it must not be there */
    TN_VERIFY = 0x40,    /* check everything first; refuse if damaged */
    TN_RECOVER = 0x80,   /* take over a store that the machine went down
                            with, if its structure proves sound */
};

/* Open the store at path; options may be NULL, and what they say of size,
 * index and fit counts only when the file is made.
 *
 * TN_SHARED: every completed operation survives the death of a process, and
 * tn_flush() puts it on disk.  Any number of processes may have it open so.
 * TN_PRIVATE: the view is the state at this moment, and never reaches the
 * file.  TN_READ_ONLY: the view follows what shared openers do.
 *
 *   TN_ENOENT    there is no such file, and TN_CREATE is not given
 *   TN_EEXIST    there is, and TN_EXCLUSIVE is
 *   TN_EACCES    no permission for this access
 *   TN_EBUSY     others have it open in a way that excludes this one, or hold
 *                the address asked for
 *   TN_ENOTSTORE the file is something else
 *   TN_EVERSION  a newer format, another page size or byte order
 *   TN_ESIZE     the file is shorter than it says, or the size asked for is
 *                too small or too large
 *   TN_ECORRUPT  it is damaged
 *   TN_EDIRTY    it was in shared use when the machine went down, the disk
 *                failed or this copy of it was made; TN_RECOVER may help
 *   TN_EJOURNAL  it was in durable use, and its journal is missing
 *   TN_ENOSPC    no room for a new file, or for what was a hole in it
 *   TN_ENOMEM    no memory, or no addresses for it
 *   TN_EROFS     the file system may only be read
 *   TN_EIO       reading, writing or syncing failed
 *   TN_ENOTSUP   the way to find changed pages that was asked for does not work
 *                here; tn_errmsg() says why
 *   TN_EINVAL    an argument makes no sense, or path is no regular file
 *
 * A file that TN_CREATE made stays when opening it then fails: it is whole and
 * empty.  End with tn_store_close(). */
TN_API tn_status tn_store_open(tn_store **out, const char *path, unsigned flags,
                               const tn_options *options);

/* Close the store; its views and all pointers into them are gone, also when
 * the result is not TN_OK.  The last one to close a shared store marks it as
 * clean, after everything is on disk.  store may be NULL.  A forked child
 * closes only its own memory; the store stays its parent's.  TN_EIO. */
TN_API tn_status tn_store_close(tn_store *store);

/* The view of a shared, private or read-only store.  It lives as long as the
 * store is open.  Read-only views answer TN_EROFS to whatever would change
 * them. */
TN_API tn_segment *tn_store_segment(tn_store *store);

/* Shared stores: return when all that was done before is on disk.  TN_EIO: it
 * may never get there, and whoever opens the store after this session needs
 * TN_RECOVER.  TN_EINVAL: not a shared store, or the handle of a parent. */
TN_API tn_status tn_flush(tn_store *store);

/* Write the segment as it is now, a private view for instance, as a new store
 * at path.  TN_EEXIST and as tn_store_open(). */
TN_API tn_status tn_store_save(tn_store *store, const char *path,
                               const tn_options *options);

/* --- Transactions: durable stores ----------------------------------------- */

/* Start writing: wait for the turn, and put a view into *view in which the
 * program stores as it likes.  Nobody sees any of it before tn_commit(), and
 * nothing of it is left after tn_rollback(), or when the process dies.  The
 * view is that of the last commit, whoever made it; pointers into it are the
 * same in every transaction of this handle.
 *
 * One transaction of a store is open at a time, among all threads and
 * processes.  It may be continued and ended by another thread than began it.
 *
 *   TN_EBUSY      tn_try_begin(): somebody else is writing
 *   TN_ETIMEDOUT  tn_begin_timed(): until deadline, an absolute time of
 *                 CLOCK_MONOTONIC
 *   TN_EDEADLK    this thread has the transaction open itself
 *   TN_EIO        a sync failed before; open the store again
 *   TN_EJOURNAL   the journal was removed or replaced
 *   TN_EINVAL     the store is not durable, or was opened before a fork */
TN_API tn_status tn_begin(tn_store *store, tn_segment **view);
TN_API tn_status tn_try_begin(tn_store *store, tn_segment **view);
TN_API tn_status tn_begin_timed(tn_store *store,
                                const struct timespec *deadline,
                                tn_segment **view);

/* The same with flags.  TN_HINTED: the transaction promises to name each range
 * that it stores to with tn_touch(), before or after; then tn_commit() need not
 * search for what changed, which takes longer the more of the store is in
 * memory.  What the library itself stores (allocation, names) it knows, and a
 * transaction in which it did is searched all the same.  What was not named may
 * be missing in this commit, and appear in a later one: TN_DEBUG_HINTS finds
 * out. */
enum { TN_HINTED = 1 };
TN_API tn_status tn_begin_with(tn_store *store, unsigned flags,
                               tn_segment **view);

/* Name size bytes at p in a write view; elsewhere, and in a transaction without
 * TN_HINTED, it does nothing.  TN_EINVAL: they are not in the segment. */
TN_API tn_status tn_touch(tn_segment *view, const void *p, size_t size);

/* Make everything that was stored since tn_begin() part of the store, at once
 * and on disk, and end the transaction.  Nobody may store through the view
 * meanwhile.
 *
 *   TN_ENOSPC  the disk is full: nothing happened, the transaction is still
 *              open; free space, or roll back
 *   TN_EBUSY   the journal is full and readers keep it from being emptied; the
 *              same
 *   TN_ENOMEM  no memory, or the store is as large as it may get and has no
 *              room for page sums; the same
 *   TN_EIO     a write or sync failed.  Whether the commit took place is known
 *              when the store has been opened again; until then this handle
 *              only reads
 *   TN_EINVAL  no transaction is open; or with TN_DEBUG_HINTS, something was
 *              stored to that was not named, which is still open then */
TN_API tn_status tn_commit(tn_store *store);

/* The same with flags.  TN_NO_SYNC: do not wait for the disk; the commit can
 * still be lost by a power cut, and others see it, only after tn_sync() or the
 * next commit without this flag. */
enum { TN_NO_SYNC = 1 };
TN_API tn_status tn_commit_with(tn_store *store, unsigned flags);

/* Return when all commits are on disk.  TN_EIO as for tn_commit(). */
TN_API tn_status tn_sync(tn_store *store);

/* Forget everything that was stored since tn_begin() and end the transaction.
 * TN_EINVAL: none is open. */
TN_API tn_status tn_rollback(tn_store *store);

/* Start reading: put a view of the last committed state into *view.  It stays
 * as it is until tn_read_end(), whatever is committed meanwhile, and cannot be
 * written.  Any number of views, any threads; durable and read-only stores. */
TN_API tn_status tn_read_begin(tn_store *store, const tn_segment **view);
TN_API tn_status tn_read_end(tn_store *store, const tn_segment *view);

/* Put all commits into the file itself and empty the journal.  TN_EBUSY:
 * readers hold the file still. */
TN_API tn_status tn_checkpoint(tn_store *store);

/* Give back to the disk what the store does not use: zero its free memory and
 * make whole free pages of the file holes, which later commits fill again where
 * they store.  *given_back (may be NULL) gets the bytes of disk space that are
 * free now; 0 where the file system makes no holes.
 *
 * Durable stores: others may be using the store.  The free memory becomes zero
 * in transactions of its own, and the holes are made when the journal is empty.
 * Shared stores: every process stores straight into the file, so that it keeps
 * its blocks: its free memory is zeroed, and *given_back is 0.
 *
 *   TN_EBUSY   readers hold the file still; the memory is zero, but there are
 *              no holes yet
 *   TN_EROFS   the store was opened only for reading
 *   TN_EINVAL  it was opened private, or before a fork
 *   else       as tn_begin() and tn_commit() */
TN_API tn_status tn_trim(tn_store *store, uint64_t *given_back);

/* --- Files ---------------------------------------------------------------- */

/* Make the file extra bytes larger, in whole pages; others may have it open
 * shared.  Or make it as small as its objects allow (they do not move; what is
 * left is full), nobody else having it open: TN_EBUSY.  And as
 * tn_store_open(). */
TN_API tn_status tn_store_grow(const char *path, size_t extra);
TN_API tn_status tn_store_shrink(const char *path);

typedef enum tn_state {
    TN_STATE_CLEAN = 0,  /* closed in order */
    TN_STATE_LIVE = 1,   /* in durable use, or was when something died */
    TN_STATE_SHARED = 2, /* in shared use, or was when something died */
} tn_state;

/* The journal that lies beside a store, FILE-journal. */
typedef enum tn_journal {
    TN_JOURNAL_NONE = 0,    /* there is none */
    TN_JOURNAL_OURS = 1,    /* it belongs to the store */
    TN_JOURNAL_FOREIGN = 2, /* it belongs to another store */
    TN_JOURNAL_DAMAGED = 3, /* it has no header that could be believed */
    TN_JOURNAL_CLOSED = 4,  /* this process may not read it */
} tn_journal;

typedef struct tn_store_info {
    uint32_t format;                      /* version of the file format */
    uint64_t compat, ro_compat, incompat; /* feature bits */
    unsigned char uuid[16];
    size_t page_size;
    size_t file_size, segment_size, max_size; /* bytes */
    uint64_t commit;                          /* number of the last commit */
    tn_state state;
    tn_index index;
    tn_fit fit;

    const char *journal_path; /* as long as the store is open; may be NULL */
    tn_journal journal;
    uint64_t journal_size;    /* bytes */
    uint64_t journal_commits; /* that it holds */
    uint64_t journal_pending; /* of these, not in the file itself yet */

    tn_tracker tracker;       /* how this process finds changed pages, or would
                                 if it opened the store durable */
    char tracker_reason[256]; /* why a better way cannot be had; may be "" */
} tn_store_info;

/* Describe the store.  Commit and sizes are those of a read-only handle's view,
 * or of the last commit; the rest is as it is now, and others may be changing
 * it. */
TN_API tn_status tn_store_describe(const tn_store *store, tn_store_info *out);

#ifdef __cplusplus
}
#endif
#endif
