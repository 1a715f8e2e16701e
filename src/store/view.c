/* view.c - TN_READ_ONLY and TN_PRIVATE: look at a store, change nothing
 *
 * What a view is made of depends on who has the store open:
 *
 *     state     others          read-only                private
 *     CLEAN     -               the file, held still     the file, held still,
 *                               by RL                    copied where written
 *     SHARED    at work         the file, changing: a    a copy of all of it,
 *                               live view                taken under the locks
 *     SHARED    all killed,     a private mapping, rebuilt in memory from the
 *               same boot       chain of blocks, held still by RL
 *     SHARED    another boot,   TN_EDIRTY, or with TN_RECOVER as the line above
 *               or a copy       if what comes out is sound
 *
 * INIT (shared) keeps openers and closers away while we find out which it is:
 * none of them is half through.  RL (shared) keeps shared openers away for as
 * long as the view is open: to them it looks like a committed state that must
 * not change.  VIEW keeps the file from being made shorter.  Nothing of this
 * needs write permission, except the copy of a store at work, whose locks lie
 * in the file.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "store/durable.h"
#include "store/store.h"
#include "store/superblock.h"

#include <string.h>

/* A private segment grows in memory that no file is behind. */
static tn_status extend_private(void *arg, size_t size)
{
    tn_store *store = arg;
    size_t end = round_up(STORE_SEGMENT_OFF + size, region_page_size());
    tn_status status;

    if (end <= store->backed)
        return TN_OK;
    status =
        region_map_zero(&store->region, store->backed, end - store->backed);
    if (status == TN_OK)
        store->backed = end;
    return status;
}

static void make_private(tn_store *store)
{
    store->backed = round_up(store->backed, region_page_size());
    store->segment.extend = extend_private;
    store->segment.extend_arg = store;
}

static tn_status rebuild(tn_store *store)
{
    tn_status status = segment_rebuild(&store->segment);

    return status == TN_OK ? TN_OK : error_prefix(status, "%s", store->path);
}

tn_status view_rebuild(tn_store *store)
{
    make_private(store);
    return rebuild(store);
}

/* GATE lets a shared opener who waits for RL go first. */
static tn_status hold_still(tn_store *store, const struct timespec *until)
{
    tn_status status;

    status = flock_wait(&store->locks, STORE_LOCK_INIT, false, until);
    if (status == TN_OK)
        status = flock_wait(&store->locks, STORE_LOCK_GATE, false, until);
    if (status == TN_OK)
        status = flock_wait(&store->locks, STORE_LOCK_RL, false, until);
    flock_release(&store->locks, STORE_LOCK_GATE);
    if (status == TN_OK)
        status = flock_wait(&store->locks, STORE_LOCK_VIEW, false, until);
    if (status == TN_EBUSY || status == TN_ETIMEDOUT)
        return error_set(TN_EBUSY,
                         "%s: the store is being opened or closed by a process "
                         "that does not go on",
                         store->path);
    return status;
}

/* --- A store that holds still -------------------------------------------- */

/* From now on a write faults, also where memory is private. */
static tn_status make_read_only(tn_store *store)
{
    store->segment.read_only = true;
    store->segment.extend = NULL;
    return region_protect(&store->region, 0, store->backed, false);
}

/* What processes that were all killed left is put right in private memory. */
static tn_status open_left_behind(tn_store *store, uint64_t state,
                                  unsigned flags, const tn_options *options)
{
    bool doubtful;
    tn_status status = store_judge_state(store, state, flags, &doubtful);

    if (status == TN_OK)
        status = store_map(store, REGION_PRIVATE, options, false);
    if (status == TN_OK)
        status = view_rebuild(store);
    if (status == TN_OK && doubtful)
        status = store_verify(store);
    if (status == TN_OK && store->access == TN_READ_ONLY)
        status = make_read_only(store);
    return status;
}

/* The last commit, in memory of this process's own: pending records lie over
 * it. */
static tn_status open_private_commit(tn_store *store, const tn_options *options)
{
    tn_status status = durable_make_handle(store, options);

    if (status == TN_OK)
        status = store_map_only(store, REGION_PRIVATE, options, UINT64_MAX);
    if (status == TN_OK)
        status = read_lay_pending(store);
    if (status == TN_OK)
        make_private(store);
    durable_free_handle(store);
    return status;
}

static tn_status open_still(tn_store *store, uint64_t state, unsigned flags,
                            const tn_options *options)
{
    tn_status status;

    if (state == STORE_SHARED)
        status = open_left_behind(store, state, flags, options);
    else if (store->access == TN_PRIVATE)
        status = open_private_commit(store, options);
    else
        status = read_open(store, options);
    if (status == TN_OK && state == STORE_CLEAN)
        status = store_compare(store);
    if (status == TN_OK && (flags & TN_VERIFY) != 0)
        status = store_verify(store);
    return status;
}

/* --- A store at work ----------------------------------------------------- */

/* Be one of those who work on it: only they may lock it. */
static tn_status join_others(tn_store *store, unsigned flags,
                             const tn_options *options, tn_store **source)
{
    tn_options mine = {.lock_timeout_ms =
                           options != NULL ? options->lock_timeout_ms : 0};
    tn_status status = tn_store_open(source, store->path,
                                     TN_SHARED | (flags & TN_VERIFY), &mine);

    if (status == TN_EACCES || status == TN_EROFS)
        return error_prefix(status, "the store is in shared use, and holding "
                                    "it still takes write permission");
    if (status != TN_OK)
        return status;
    if ((*source)->file.device == store->file.device &&
        (*source)->file.inode == store->file.inode)
        return TN_OK;
    tn_store_close(*source);
    return error_set(TN_EBUSY, "%s: the file was replaced by another",
                     store->path);
}

static tn_status open_live(tn_store *store, unsigned flags,
                           const tn_options *options)
{
    tn_segment *seg = &store->segment;
    tn_store *source;
    tn_status status = TN_OK;

    seg->read_only = seg->live = true;
    if ((flags & TN_VERIFY) != 0) {
        status = join_others(store, flags, options, &source);
        if (status == TN_OK)
            status = tn_store_close(source);
    }
    return status == TN_OK ? store_map(store, REGION_READ, options, true)
                           : status;
}

/* Copy the segment of source, whose locks are held, over the private view. */
static tn_status copy_segment(tn_store *store, const tn_segment *source)
{
    size_t size = heap_size(segment_heap(source));
    size_t end = round_up(STORE_SEGMENT_OFF + size, region_page_size());
    tn_status status;

    if (end > store->region.size)
        return error_set(TN_ENOMEM,
                         "%s: the store has grown to %zu bytes, but there are "
                         "addresses for %zu only",
                         store->path, end, store->region.size);
    status = region_map_zero(&store->region, 0, end);
    if (status != TN_OK)
        return error_prefix(status, "%s", store->path);
    memcpy(store->segment.base, source->base, size);
    store->backed = end;
    return TN_OK;
}

static tn_status copy_under_locks(tn_store *store, tn_store *source)
{
    const tn_segment *seg = &source->segment;
    tn_status status = segment_lock_names(seg);

    if (status != TN_OK)
        return status;
    status = segment_stop(seg);
    if (status == TN_OK) {
        status = copy_segment(store, seg);
        segment_go(seg);
    }
    segment_unlock_names(seg);
    return status;
}

/* The makers of objects that were half made are dead, for this copy. */
static tn_status copy_live(tn_store *store, unsigned flags,
                           const tn_options *options)
{
    tn_store *source;
    tn_status status = join_others(store, 0, options, &source), closed;

    if (status != TN_OK)
        return status;
    status = store_map(store, REGION_PRIVATE, options, true);
    if (status == TN_OK)
        status = copy_under_locks(store, source);
    closed = tn_store_close(source);
    if (status == TN_OK)
        status = closed;
    if (status != TN_OK)
        return status;
    make_private(store);
    status = rebuild(store);
    if (status == TN_OK && (flags & TN_VERIFY) != 0)
        status = store_verify(store);
    return status;
}

tn_status view_open(tn_store *store, unsigned flags, const tn_options *options,
                    const struct timespec *until)
{
    uint64_t state;
    bool at_work;
    tn_status status = hold_still(store, until);

    if (status == TN_OK)
        status =
            superblock_read(&store->file, false, &store->superblock, &state);
    if (status != TN_OK)
        return status;
    at_work = flock_taken(&store->locks, STORE_LOCK_SHR, true);
    if (at_work)
        flock_release(&store->locks, STORE_LOCK_RL);
    flock_release(&store->locks, STORE_LOCK_INIT);
    if (!at_work)
        return open_still(store, state, flags, options);
    if (store->access == TN_PRIVATE)
        return copy_live(store, flags, options);
    return open_live(store, flags, options);
}
