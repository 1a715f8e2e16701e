/* durable.h - what a handle of a durable store has beside its file
 *
 * Names of steps (B1, C5 ...), locks (L1 ...) and invariants (P1 ...) are those
 * of docs/CRASH.md.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef STORE_DURABLE_H
#define STORE_DURABLE_H

#include "store/dirty.h"
#include "store/journal.h"
#include "store/store.h"

#include <pthread.h>

/* In marks->applied: what F holds is not known; lay every record over it. */
#define APPLIED_NONE UINT64_C(0)

/* A private mapping of F with the runs of records laid over it. */
struct overlay {
    struct region region;
    struct journal_place through; /* behind the last record laid over it */
    uint64_t generation;
    uint64_t applied; /* the mark when it was made */
    tn_segment segment;
    unsigned users;
    struct overlay *next;
};

/* What the open transaction has named (hints.c). */
struct hints {
    bool on;   /* it was begun with TN_HINTED */
    bool lost; /* there was no memory for a name */
    struct page_list pages;
};

/* What this handle knows of holes in F, by windows of it: holes.c. */
struct holes {
    uint64_t generation; /* the mark, as far as it has been taken note of */
    uint8_t *windows;    /* enum in holes.c */
    size_t count;        /* of them that have a byte; the others are unknown */
    size_t first, end;   /* wanted ones lie here */
    bool looked;         /* for any hole at all */
    bool possible;       /* there is one */
    bool unsynced;       /* there is none, perhaps not so on disk */
};

/* Threads that wait, in order of coming: turn.c. */
struct waiter_queue {
    struct waiter *first;
    unsigned count;
};

struct durable {
    /* L1: who may write, among the threads of this handle; in front of WL.
     * has_wl and kept_wl are the turn's owner's, or nobody has the turn. */
    pthread_mutex_t turn_lock;
    struct waiter_queue turn_queue, sync_queue;
    bool turn_taken, syncing;
    bool has_wl, kept_wl; /* it had been kept when the turn was taken */
    pthread_t turn_owner;
    unsigned promises;          /* threads that wait for the disk only */
    uint64_t written, promised; /* last record written; and waited for */

    /* L1: in front of GATE, and of RL and everything about read views. */
    pthread_mutex_t gate_lock;
    pthread_mutex_t read_lock;
    unsigned readers;      /* open views of this handle; > 0: RL is held */
    struct journal reader; /* for laying records over views */
    struct journal_place read_from; /* where the last ones were laid from */
    struct overlay *overlays;       /* in use by views */
    struct region read;             /* R */
    tn_segment read_segment;        /* of R */

    struct region marks_region; /* M: the first page, shared and writable */
    struct marks *marks;        /* in M, or in R of a handle that only reads */
    uint64_t boot;              /* this boot; 0: not to be found out */
    uint64_t self;              /* what no other handle has in the marks */
    const tn_segment *pinned;   /* read-only handles: the view of the opening */

    /* Under the turn and WL. */
    struct journal journal;
    struct journal_place settled; /* a place to look for others from */
    struct dirty dirty;
    struct hints hints;
    struct page_list blank; /* that this commit makes zero past W (holes.c) */
    uint64_t *changed;      /* pages whose sums the commit must renew */
    size_t changed_count, changed_capacity;
    struct commit_id stands_for; /* which commit W is; number 0: none */
    struct superblock committed; /* the superblock of that commit */
    struct overlay *image;       /* F with the pending records; NULL: R is it */
    uint64_t joined; /* generation found at open; 0: this handle saw all */
    uint64_t journal_size;  /* bytes that J has when it is left behind */
    uint64_t journal_limit; /* bytes that J may be extended to */
    int patience_ms;        /* how long to wait for readers when J is full */
    struct holes holes;
    bool no_sums;    /* an option */
    unsigned debug;  /* another: TN_DEBUG_... */
    bool fresh_sums; /* W has a block for them that was never written */
    uint64_t zeroed; /* the heap's sequence when its free memory was zero */
    bool open;       /* a transaction is */
    bool live;       /* this handle synced LIVE itself (C2) */
    bool own_tail;   /* records beyond synced are this handle's (TN_NO_SYNC) */
    unsigned piled;  /* commits since the turn was kept through a sync */
    unsigned alone;  /* commits in a row that nobody else had to do with */
    bool poisoned;   /* a sync failed: nothing is written any more */
};

static inline bool is_poisoned(const struct durable *d)
{
    return __atomic_load_n(&d->poisoned, __ATOMIC_RELAXED);
}

/* The marks, one word at a time. */
static inline uint64_t mark_load(const uint64_t *mark)
{
    return mark_value(__atomic_load_n(mark, __ATOMIC_ACQUIRE));
}

static inline void mark_store(uint64_t *mark, uint64_t value)
{
    __atomic_store_n(mark, mark_seal(value), __ATOMIC_RELEASE);
}

static inline bool marks_are_whole(const struct marks *marks)
{
    const uint64_t *words = (const uint64_t *)marks;

    for (size_t i = 0; i < sizeof(*marks) / sizeof(*words); i++)
        if (!mark_is_whole(__atomic_load_n(&words[i], __ATOMIC_ACQUIRE)))
            return false;
    return true;
}

/* --- overlay.c ------------------------------------------------------------ */

/* The place behind record number of j's generation; before the first one if
 * the number is less than the base's.  *hint is a place of the same generation
 * to go on from if it is not too far. */
tn_status overlay_find_place(struct journal *j,
                             const struct journal_place *hint, uint64_t number,
                             struct journal_place *out);

/* Lay the records behind place up to number through over memory that maps F
 * from its start; place moves along.  TN_ECORRUPT: one reaches behind F's end.
 */
tn_status overlay_lay(const tn_store *store, const struct region *target,
                      struct journal *j, struct journal_place *place,
                      uint64_t through);

/* Make one of F with the records after applied up to through over it. */
tn_status overlay_make(struct overlay **out, tn_store *store, struct journal *j,
                       const struct journal_place *hint, uint64_t applied,
                       uint64_t through);
void overlay_free(struct overlay *overlay);

/* --- apply.c -------------------------------------------------------------- */

/* A1 to A4, if RL can be had at once, or with patience_ms >= 0 within that
 * time.  TN_EBUSY: deferred. */
tn_status apply_pending(tn_store *store, int patience_ms);

/* B2: adopt what somebody else left unsynced.  4.6: start a new generation. */
tn_status apply_settle(tn_store *store);
tn_status apply_checkpoint(tn_store *store);

/* Rewrite both header slots and all records behind place, and sync (O7, B2). */
tn_status apply_adopt(tn_store *store, const struct journal_place *from);

/* 4.8: nothing is written any more through this handle; file_failed: it was F
 * and not J.  Returns status. */
tn_status apply_poison(tn_store *store, bool file_failed, tn_status status);

/* Are there records that F does not hold? */
bool apply_is_pending(const tn_store *store);

/* Make d->image show F with all records up to the last, or drop it when F
 * shows them itself. */
tn_status apply_follow_image(tn_store *store);

/* --- commit.c ------------------------------------------------------------- */

/* Bytes that the file has with the open transaction. */
uint64_t commit_file_size(const tn_store *store);

/* Put all records into F and begin a new generation, waiting for readers within
 * the handle's patience.  TN_EBUSY. */
tn_status commit_empty_journal(tn_store *store);

/* C9 to C11, if anything is pending and nobody reads: W shows the last commit,
 * and its private pages are given back too. */
void commit_apply(tn_store *store);

/* --- changes.c ------------------------------------------------------------ */

/* Begin a record with the runs of bytes in which W differs from the image of
 * the last commit. */
tn_status changes_any(tn_store *store, bool *any);

/* The same, then the sums of these pages and the superblock sb of the new
 * commit, for a file of size bytes.  *any: is there anything to commit;
 * if not the record is of no use.  TN_ENOMEM. */
tn_status changes_add(tn_store *store, uint64_t size, struct superblock *sb,
                      bool *any);

/* --- hints.c -------------------------------------------------------------- */

void hints_begin(struct durable *d, bool hinted);

/* Are the pages named all that can differ from this, the last commit? */
bool hints_suffice(const tn_store *store, const struct region *commit);

/* TN_EINVAL: one differs that was not named. */
tn_status hints_check(tn_store *store, uint64_t pages,
                      const struct region *commit);

/* --- holes.c -------------------------------------------------------------- */

/* Find out whether F has holes; and forget what was found. */
void holes_open(tn_store *store);
void holes_close(struct durable *d);

/* For a record that is being built: this page of F, or all of the new block of
 * sums, is stored to for the first time since it was zero.  TN_ENOMEM. */
tn_status holes_note(tn_store *store, uint64_t page);
tn_status holes_note_sums(tn_store *store);
void holes_forget_wanted(tn_store *store);

/* Have blocks under all that was noted, on disk.  TN_ENOSPC: nothing has
 * happened. */
tn_status holes_fill(tn_store *store);

/* --- turn.c --------------------------------------------------------------- */

/* L1 and WL.  until NULL: wait for ever. */
tn_status turn_take(tn_store *store, bool wait, const struct timespec *until);
void turn_give(tn_store *store);

/* C7 and C8 for all records, keeping the turn.  TN_EIO: poisoned. */
tn_status turn_sync(tn_store *store);

/* The same for the last one, giving the turn on before.  *again: this thread
 * has it once more, since nobody else wants it. */
tn_status turn_give_and_sync(tn_store *store, bool *again);

/* C8 alone: all records are on disk. */
void turn_note_synced(tn_store *store);

/* Does a thread wait for the turn, or for a sync without having the turn?  Or
 * just the second? */
bool turn_has_company(tn_store *store);
bool turn_has_promises(tn_store *store);

/* --- transaction.c -------------------------------------------------------- */

/* B2: what others left is settled. */
tn_status transaction_settle(tn_store *store);

/* Fork, access, poison. */
tn_status durable_usable(const tn_store *store);

/* Make W the image of the last commit, whatever it held (B4, R1). */
tn_status transaction_refresh(tn_store *store);

/* TN_DEBUG_GUARD: may the program store through W? */
tn_status transaction_guard(tn_store *store, bool writable);

/* Pages of W that may have been stored to: those that the file has. */
tn_status transaction_pages(const tn_store *store, uint64_t *pages);

/* --- durable.c ------------------------------------------------------------ */

tn_status durable_open(tn_store *store, unsigned flags,
                       const tn_options *options, const struct timespec *until);
tn_status durable_close(tn_store *store);

/* The store whose write view this is, or NULL. */
tn_store *durable_store_of(const tn_segment *view);

/* Is a transaction open or being synced, or a view open that tn_read_begin()
 * gave? */
bool durable_has_views(tn_store *store);

/* What every handle has that reads committed states.  TN_ENOMEM. */
tn_status durable_make_handle(tn_store *store, const tn_options *options);
void durable_free_handle(tn_store *store);

/* --- read.c --------------------------------------------------------------- */

/* The view of a read-only handle, which holds RL already; and its end. */
tn_status read_open(tn_store *store, const tn_options *options);
void read_close(tn_store *store);

/* Lay the pending records over the private mapping of a handle that holds RL,
 * V5 with all of memory as its target. */
tn_status read_lay_pending(tn_store *store);

#endif
