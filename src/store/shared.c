/* shared.c - TN_SHARED: every process maps the same memory, writable
 *
 *     state word     who                             means
 *     CLEAN          -                               the file is the store
 *     SHARED         T2: the first to open           memory and file may differ
 *     CLEAN          T3: the last to close,          again
 *                    after a sync of everything
 *
 * Nobody closes in order when processes are killed or the machine goes down;
 * the first opener finds SHARED then.  In the same boot (the mark tells) the
 * page cache has every completed store, and the rest is rebuilt from the chain
 * of blocks.  In another boot, or in a copy, the file is what somebody happened
 * to write: TN_EDIRTY, unless the caller takes it over (TN_RECOVER).  Then the
 * rebuilding is tried in private memory and its result checked first, so that
 * a store that is refused is left as it was.
 *
 * Steps and locks are numbered as in docs/DESIGN.md, "Shared stores":
 *
 *     T1  INIT exclusive, so that one at a time opens or closes.  DUR: nobody
 *         has the store open durably.  SHR exclusive: this is the first.
 *     T2  first: no view of the clean store is open (GATE and RL exclusive);
 *         every byte has its block; state := SHARED, sync; make the locks anew,
 *         rebuild if need be.
 *     T3  last: SHR exclusive again; everything on disk; a new commit id;
 *         state := CLEAN, sync.
 *
 *   O1  SHR exclusive is held only together with INIT exclusive.  So whoever
 *       has INIT, and finds SHR held by others, finds the state SHARED.
 *   O2  sharers in the segment counts handles, and changes under INIT.  When
 *       the last one closes and others are still counted, they were killed:
 *       what they were building is taken back.
 *   O3  After a failed sync the mark is none, and nobody makes the state CLEAN:
 *       pages that did not reach the disk count as written, and another sync
 *       would not know of them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "base/rule.h"
#include "store/store.h"
#include "store/sums.h"
#include "store/superblock.h"

enum {
    SETTLE_ROUNDS = 3,
    MAGAZINES_FROM = 256 * 1024, /* bytes: smaller segments do without */
};

static tn_status busy(const tn_store *store, tn_status status,
                      const char *reason)
{
    if (status != TN_EBUSY && status != TN_ETIMEDOUT)
        return status;
    return error_set(TN_EBUSY, "%s: the store is %s", store->path, reason);
}

/* T1.  *first tells whether nobody else has it open shared. */
static tn_status enter(tn_store *store, const struct timespec *until,
                       bool *first)
{
    tn_status status;

    status = flock_wait(&store->locks, STORE_LOCK_INIT, true, until);
    if (status != TN_OK)
        return busy(store, status, "being opened or closed by another process");
    if (RULE(MODELOCK))
        status = flock_try(&store->locks, STORE_LOCK_DUR, true);
    if (status != TN_OK)
        return busy(store, status, "open elsewhere for durable use");
    status = flock_try(&store->locks, STORE_LOCK_SHR, true);
    *first = status == TN_OK;
    if (status == TN_EBUSY)
        status = flock_wait(&store->locks, STORE_LOCK_SHR, false, until);
    return busy(store, status, "being closed by another process");
}

/* Let others open and close.  Who did not get in gives up SHR first (O1). */
static void leave(tn_store *store, bool inside)
{
    if (!inside)
        flock_release(&store->locks, STORE_LOCK_SHR);
    flock_release(&store->locks, STORE_LOCK_RL);
    flock_release(&store->locks, STORE_LOCK_GATE);
    flock_release(&store->locks, STORE_LOCK_DUR);
    flock_release(&store->locks, STORE_LOCK_INIT);
}

/* Would rebuilding give a sound store?  Try it on a private mapping. */
static tn_status try_rebuilding(const tn_store *store)
{
    tn_store trial = {.path = store->path,
                      .access = TN_PRIVATE,
                      .file = store->file,
                      .locks = FLOCK_CLOSED,
                      .superblock = store->superblock};
    tn_status status = store_map(&trial, REGION_PRIVATE, NULL, false);

    if (status == TN_OK)
        status = view_rebuild(&trial);
    if (status == TN_OK)
        status = store_verify(&trial);
    region_unmap(&trial.region);
    return status;
}

/* Closed in order, it is the commit that its page sums are of. */
static tn_status verify_clean(tn_store *store)
{
    tn_status status;

    store->held_commit = true;
    status = store_verify(store);
    store->held_commit = false;
    return status;
}

/* Before anything is changed: may the store be used? */
static tn_status examine(tn_store *store, uint64_t state, unsigned flags,
                         bool doubtful)
{
    bool verify = (flags & TN_VERIFY) != 0;
    tn_status status = TN_OK;

    if (state == STORE_CLEAN)
        status = store_compare(store);
    if (status == TN_OK && verify && state == STORE_CLEAN)
        status = verify_clean(store);
    if (status == TN_OK && state != STORE_CLEAN && (verify || doubtful))
        status = try_rebuilding(store);
    return status;
}

/* Copies are often made with holes, into which one could not store when the
 * disk is full.  Something may have been added behind the last page. */
static tn_status fill_holes(tn_store *store)
{
    uint64_t size;
    tn_status status = file_size(&store->file, &size);

    return status == TN_OK
               ? file_extend(&store->file, round_up(size, region_page_size()))
               : status;
}

static tn_status set_shared(tn_store *store, uint64_t state)
{
    tn_status status = superblock_mark_boot(&store->file);

    if (status == TN_OK)
        status = superblock_set_state(&store->file, STORE_SHARED);
    if (status == TN_OK)
        status = segment_reset_locks(store->segment.base);
    if (status == TN_OK && state != STORE_CLEAN)
        status = segment_rebuild(&store->segment);
    if (status == TN_OK)
        store->segment.base->sharers = 0;
    else if (state == STORE_CLEAN) /* and nothing that counts was changed */
        superblock_set_state(&store->file, STORE_CLEAN);
    return status;
}

/* T2, from CLEAN or from what killed processes left. */
static tn_status begin_sharing(tn_store *store, uint64_t state, unsigned flags,
                               const tn_options *options,
                               const struct timespec *until)
{
    bool doubtful;
    tn_status status = store_judge_state(store, state, flags, &doubtful);

    if (status == TN_OK)
        status = store_map(store, REGION_SHARED, options, false);
    if (status == TN_OK)
        status = examine(store, state, flags, doubtful);
    if (status != TN_OK)
        return status;
    status = flock_wait(&store->locks, STORE_LOCK_GATE, true, until);
    if (status == TN_OK)
        status = flock_wait(&store->locks, STORE_LOCK_RL, true, until);
    if (status != TN_OK)
        return busy(store, status, "open elsewhere for reading");
    status = fill_holes(store);
    return status == TN_OK ? set_shared(store, state) : status;
}

/* The others have done T2. */
static tn_status join(tn_store *store, uint64_t state,
                      const tn_options *options)
{
    enum store_mark mark;
    tn_status status = superblock_read_mark(&store->file, &mark);

    if (status == TN_OK && state != STORE_SHARED)
        return error_set(TN_ECORRUPT,
                         "%s: the store is in shared use, but its state word "
                         "has been overwritten",
                         store->path);
    if (status == TN_OK && mark == STORE_MARK_NONE)
        return error_set(TN_EIO,
                         "%s: the disk failed while the store was in shared "
                         "use; all who have it open must close it",
                         store->path);
    return status == TN_OK ? store_map(store, REGION_SHARED, options, true)
                           : status;
}

/* A page that was read is mapped for reading, and the first store to it is
 * another fault, of which there are fewer where nothing was read before.  So
 * what is zero already is looked for in a mapping of its own.  It is not kept:
 * its page tables are as large as those of the free memory. */
static void wipe(void *arg)
{
    tn_store *store = arg;
    struct heap *h = segment_heap(&store->segment);
    size_t start = (size_t)((char *)h - store->region.base);
    struct heap_helper helper = {.next = NULL};
    struct region sight = {.base = NULL, .size = 0};

    if (region_map(&sight, &store->file, REGION_READ, start + heap_size(h),
                   NULL) == TN_OK)
        helper.sight = sight.base + start;
    heap_zero_some(h, 0, SIZE_MAX, &helper);
    region_unmap(&sight);
}

static tn_status open_inside(tn_store *store, bool first, unsigned flags,
                             const tn_options *options,
                             const struct timespec *until)
{
    tn_segment *seg = &store->segment;
    uint64_t state;
    tn_status status;

    status = superblock_read(&store->file, true, &store->superblock, &state);
    if (status != TN_OK)
        return status;
    seg->extend = store_extend_file;
    seg->extend_arg = store;
    seg->wipe = wipe;
    seg->wipe_arg = store;
    status = first ? begin_sharing(store, state, flags, options, until)
                   : join(store, state, options);
    seg->locking = true;
    if (status == TN_OK && !first)
        magazines_join(seg);
    else if (status == TN_OK && tn_segment_size(seg) >= MAGAZINES_FROM)
        magazines_make(seg);
    if (status == TN_OK && first)
        status = flock_try(&store->locks, STORE_LOCK_SHR, false);
    if (status == TN_OK && !first && (flags & TN_VERIFY) != 0) {
        status = tn_segment_check(seg, NULL, NULL);
        if (status != TN_OK)
            error_prefix(status, "%s", store->path);
    }
    return status;
}

/* What durable handles left in the journal is theirs to put into the file
 * (T1).  The locks are given up for that, so others may come between. */
static tn_status settle_durable(tn_store *store)
{
    tn_store *durable;
    tn_status status;

    leave(store, false);
    status = tn_store_open(&durable, store->path, TN_DURABLE, NULL);
    return status == TN_OK ? tn_store_close(durable) : status;
}

/* T1, until the state is one that can be shared. */
static tn_status enter_settled(tn_store *store, const struct timespec *until,
                               bool *first)
{
    tn_status status = TN_OK;
    uint64_t state;

    for (int round = 0; status == TN_OK && round < SETTLE_ROUNDS; round++) {
        status = enter(store, until, first);
        if (status == TN_OK)
            status = superblock_read_state(&store->file, &state);
        if (status != TN_OK || !*first || state != STORE_LIVE ||
            !RULE(SHAREDREC))
            return status;
        status = settle_durable(store);
    }
    return status != TN_OK
               ? status
               : error_set(TN_EBUSY,
                           "%s: the last commits are still in the journal, "
                           "and a reader keeps them there",
                           store->path);
}

tn_status shared_open(tn_store *store, unsigned flags,
                      const tn_options *options, const struct timespec *until)
{
    bool first = false;
    tn_status status = enter_settled(store, until, &first);

    if (status == TN_OK)
        status = open_inside(store, first, flags, options, until);
    if (status == TN_OK) {
        store->segment.base->sharers++;
        store->attached = true;
    }
    leave(store, status == TN_OK);
    return status;
}

/* --- To disk -------------------------------------------------------------- */

/* O3.  The mark is tried only: who cannot write it can make nothing CLEAN. */
static tn_status doubt(tn_store *store, tn_status status)
{
    __atomic_store_n(&store->doubtful, true, __ATOMIC_RELAXED);
    superblock_doubt(&store->file);
    return status;
}

static tn_status require_trust(const tn_store *store)
{
    enum store_mark mark = STORE_MARK_NONE;
    tn_status status = TN_OK;

    if (!__atomic_load_n(&store->doubtful, __ATOMIC_RELAXED))
        status = superblock_read_mark(&store->file, &mark);
    if (status == TN_OK && mark == STORE_MARK_NONE)
        status = error_set(TN_EIO,
                           "%s: an earlier sync failed, so that parts of the "
                           "store may not be on disk",
                           store->path);
    return status;
}

tn_status shared_sync(tn_store *store)
{
    uint64_t size;
    tn_status status = require_trust(store);

    if (status == TN_OK)
        status = file_size(&store->file, &size);
    if (status != TN_OK)
        return status;
    if (size > store->region.size) /* grown beyond our addresses */
        size = store->region.size;
    status = region_flush(&store->region, 0, size);
    if (status != TN_OK)
        error_prefix(status, "%s", store->path);
    if (status == TN_OK)
        status = file_sync(&store->file);
    return status == TN_OK ? TN_OK : doubt(store, status);
}

/* --- Closing -------------------------------------------------------------- */

/* Take back what those who were killed left half done. */
static tn_status settle(tn_store *store)
{
    tn_segment *seg = &store->segment;
    struct segment *base = seg->base;
    tn_status status;

    /* What waits may lie where this process has no addresses. */
    if (base->sharers == 0 &&
        (heap_size(&base->heap) <= seg->reach || magazines_waiting(seg) == 0))
        magazines_drop(seg);
    if (base->sharers == 0 && !segment_is_torn(base))
        return TN_OK;
    if (heap_size(&base->heap) > seg->reach)
        return error_set(TN_ENOMEM,
                         "%s: other processes were killed, and this one has "
                         "no addresses for all of the store; the next to open "
                         "it puts it right",
                         store->path);
    seg->locking = false;
    status = segment_rebuild(seg);
    if (status != TN_OK)
        return error_prefix(status, "%s", store->path);
    base->sharers = 0;
    return TN_OK;
}

/* Write the superblock with these sizes, and sync. */
static tn_status write_sizes(tn_store *store, uint64_t file_bytes,
                             uint64_t segment_bytes)
{
    struct superblock *sb = &store->superblock;
    tn_status status;

    sb->file_size = file_bytes;
    sb->segment_size = segment_bytes;
    superblock_seal(sb);
    sums_note_superblock(&store->segment, sb);
    status = superblock_write(&store->file, sb);
    if (status != TN_OK)
        return status;
    status = file_sync(&store->file);
    return status == TN_OK ? TN_OK : doubt(store, status);
}

/* T3.  SHR is exclusive, so no one else is inside. */
static tn_status seal(tn_store *store)
{
    uint64_t size;
    tn_status status = settle(store);

    if (status == TN_OK)
        status = file_size(&store->file, &size);
    if (status == TN_OK && size > store->superblock.max_size)
        size = store->superblock.max_size; /* the rest is not the store's */
    if (status == TN_OK) {
        sums_seal(&store->segment, &store->file, size / STORE_PAGE);
        status = shared_sync(store);
    }
    if (status == TN_OK)
        status = superblock_new_commit(&store->superblock);
    if (status == TN_OK)
        status =
            write_sizes(store, size, heap_size(segment_heap(&store->segment)));
    return status == TN_OK ? superblock_set_state(&store->file, STORE_CLEAN)
                           : status;
}

tn_status shared_close(tn_store *store)
{
    tn_status status;

    if (!store->attached)
        return TN_OK;
    status = flock_wait(&store->locks, STORE_LOCK_INIT, true, NULL);
    if (status != TN_OK)
        return status;
    store->segment.base->sharers--;
    status = flock_try(&store->locks, STORE_LOCK_SHR, true);
    if (status == TN_OK)
        status = seal(store);
    else if (status == TN_EBUSY) /* others remain */
        status = TN_OK;
    flock_release(&store->locks, STORE_LOCK_SHR);
    flock_release(&store->locks, STORE_LOCK_INIT);
    return status;
}

/* --- Off line ------------------------------------------------------------- */

TN_API tn_status tn_store_grow(const char *path, size_t extra)
{
    tn_store *store;
    tn_status status = tn_store_open(&store, path, TN_SHARED, NULL), closed;

    if (status != TN_OK)
        return status;
    if (!bytes_add(extra, region_page_size() - 1, &extra))
        status = error_set(TN_ESIZE, "%zu bytes more are too many", extra);
    else
        status = tn_segment_grow(&store->segment,
                                 round_down(extra, region_page_size()));
    if (status != TN_OK)
        error_prefix(status, "%s", path);
    closed = tn_store_close(store);
    return status != TN_OK ? status : closed;
}

/* INIT keeps others from opening it, SHR and VIEW tell that nobody has it.  The
 * superblock comes before the file's end, which it must never lie beyond. */
static tn_status shrink_alone(tn_store *store)
{
    tn_segment *seg = &store->segment;
    tn_status status = flock_wait(&store->locks, STORE_LOCK_INIT, true, NULL);
    size_t size, end;

    if (status == TN_OK)
        status = flock_try(&store->locks, STORE_LOCK_SHR, true);
    if (status == TN_OK)
        status = flock_try(&store->locks, STORE_LOCK_VIEW, true);
    if (status != TN_OK)
        return busy(store, status, "open elsewhere");
    magazines_drop(seg);
    sums_drop(seg); /* the next commit makes a block of the right size */
    status = tn_shrink_indexes(seg);
    if (status != TN_OK)
        return status;
    size = heap_shrink(segment_heap(seg));
    end = round_up(STORE_SEGMENT_OFF + size, region_page_size());
    status = write_sizes(store, end, size);
    return status == TN_OK ? file_truncate(&store->file, end) : status;
}

TN_API tn_status tn_store_shrink(const char *path)
{
    tn_store *store;
    tn_status status = tn_store_open(&store, path, TN_SHARED, NULL), closed;

    if (status != TN_OK)
        return status;
    status = shrink_alone(store);
    flock_release(&store->locks, STORE_LOCK_VIEW);
    closed = tn_store_close(store);
    return status != TN_OK ? status : closed;
}
