/* open.c - open and close: what all ways of opening have in common
 *
 *     tn_store_open()
 *       file there?      open_existing()
 *                          superblock: is it a store, one of ours, whole?
 *                          shared_open()   shared.c
 *                          view_open()     view.c: read-only, private
 *       not there        store_create(), then the same; whoever loses the race
 *                        to create opens what the winner made
 *
 * The locks (layout.h) lie on a descriptor of their own, which is never mapped:
 * a mapping would keep them alive after close.  Both descriptors are opened by
 * name, which may become another file's in between; so they are compared.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "os/clock.h"
#include "os/process.h"
#include "store/durable.h"
#include "store/store.h"
#include "store/superblock.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_LOCK_TIMEOUT_MS = 10000,
    RACES = 100, /* creations and removals that may come between */
};

static const unsigned known_flags =
    TN_ACCESS_MASK | TN_CREATE | TN_EXCLUSIVE | TN_VERIFY | TN_RECOVER;

static tn_status check_arguments(tn_store **out, const char *path,
                                 unsigned flags, const tn_options *options)
{
    unsigned access = flags & TN_ACCESS_MASK;

    if (out == NULL || path == NULL || path[0] == 0)
        return error_set(TN_EINVAL, "a store needs a path and a place for the "
                                    "result");
    if ((flags & ~known_flags) != 0)
        return error_set(TN_EINVAL, "%s: flags %#x are not known", path,
                         flags & ~known_flags);
    if ((flags & TN_EXCLUSIVE) != 0 && (flags & TN_CREATE) == 0)
        return error_set(TN_EINVAL, "%s: TN_EXCLUSIVE goes with TN_CREATE",
                         path);
    if ((flags & TN_CREATE) != 0 && access != TN_SHARED && access != TN_DURABLE)
        return error_set(TN_EINVAL,
                         "%s: only a store that is opened for writing to the "
                         "file can be created",
                         path);
    if (options != NULL && (uintptr_t)options->address % region_page_size())
        return error_set(TN_EINVAL, "%s: the address is no multiple of a page",
                         path);
    return TN_OK;
}

tn_status store_judge_state(const tn_store *store, uint64_t state,
                            unsigned flags, bool *doubtful)
{
    enum store_mark mark;
    tn_status status;

    *doubtful = false;
    if (state == STORE_CLEAN)
        return TN_OK;
    if (state == STORE_LIVE)
        return error_set(TN_EJOURNAL, "%s: the store is in durable use",
                         store->path);
    status = superblock_read_mark(&store->file, &mark);
    if (status != TN_OK || mark == STORE_MARK_HERE)
        return status;
    *doubtful = (flags & TN_RECOVER) != 0;
    if (*doubtful)
        return TN_OK;
    return error_set(TN_EDIRTY,
                     "%s: the store was in shared use when the machine went "
                     "down, the disk failed or this copy was made, so its "
                     "objects may mix old and new bytes; TN_RECOVER takes it "
                     "over if its structure is sound",
                     store->path);
}

/* --- Opening ------------------------------------------------------------- */

/* Does this access change the file? */
static bool is_writing(const tn_store *store)
{
    return store->access == TN_SHARED || store->access == TN_DURABLE;
}

static tn_status open_files(tn_store *store)
{
    tn_status status = TN_EBUSY;

    for (int i = 0; i < RACES; i++) {
        status = file_open(&store->file, store->path, is_writing(store));
        if (status != TN_OK)
            return status;
        status = flock_open(&store->locks, store->path);
        if (status == TN_OK && store->locks.device == store->file.device &&
            store->locks.inode == store->file.inode)
            return TN_OK;
        flock_close(&store->locks);
        file_close(&store->file);
        if (status != TN_OK)
            return status;
    }
    return error_set(TN_EBUSY, "%s: the file is replaced all the time",
                     store->path);
}

static void release(tn_store *store)
{
    durable_free_handle(store);
    region_unmap(&store->region);
    flock_close(&store->locks);
    file_close(&store->file);
    free(store->journal_path);
    free(store->path);
    free(store);
}

static tn_status allocate(tn_store **out, const char *path, unsigned flags)
{
    tn_store *store = calloc(1, sizeof(*store));

    if (store != NULL)
        store->path = strdup(path);
    if (store == NULL || store->path == NULL) {
        free(store);
        return error_set(TN_ENOMEM, "%s: no memory for a handle", path);
    }
    store->access = flags & TN_ACCESS_MASK;
    store->opener = process_generation();
    store->file = (struct file)FILE_CLOSED;
    store->locks = (struct flock_handle)FLOCK_CLOSED;
    *out = store;
    return TN_OK;
}

static tn_status open_existing(tn_store **out, const char *path, unsigned flags,
                               const tn_options *options)
{
    int timeout = options != NULL && options->lock_timeout_ms != 0
                      ? options->lock_timeout_ms
                      : DEFAULT_LOCK_TIMEOUT_MS;
    struct timespec deadline = clock_after(timeout);
    const struct timespec *until = timeout < 0 ? NULL : &deadline;
    tn_store *store = NULL;
    tn_status status = allocate(&store, path, flags);

    if (status != TN_OK)
        return status;
    status = open_files(store);
    if (status == TN_OK) /* what is no store is not even locked */
        status = superblock_recognise(&store->file);
    if (status == TN_OK && store->access == TN_DURABLE)
        status = durable_open(store, flags, options, until);
    else if (status == TN_OK && store->access == TN_SHARED)
        status = shared_open(store, flags, options, until);
    else if (status == TN_OK)
        status = view_open(store, flags, options, until);
    if (status == TN_OK) {
        store->journal_path = journal_path(store->path);
        *out = store;
        return TN_OK;
    }
    if (store->durable != NULL) /* of a view that is not to be had */
        read_close(store);
    release(store);
    return status;
}

/* Others may make the file, or take it away, between our looks. */
static tn_status open_or_create(tn_store **out, const char *path,
                                unsigned flags, const tn_options *options)
{
    tn_status status;

    for (int i = 0; i < RACES; i++) {
        status = open_existing(out, path, flags, options);
        if (status != TN_ENOENT)
            return status;
        status = store_create(path, options);
        if (status != TN_OK && status != TN_EEXIST)
            return status;
    }
    return error_set(TN_EBUSY,
                     "%s: the file is made and removed all the time, or the "
                     "name is a link to nothing",
                     path);
}

TN_API tn_status tn_store_open(tn_store **out, const char *path, unsigned flags,
                               const tn_options *options)
{
    tn_status status = check_arguments(out, path, flags, options);

    if (status != TN_OK)
        return status;
    if ((flags & TN_CREATE) != 0 && (flags & TN_EXCLUSIVE) == 0)
        return open_or_create(out, path, flags, options);
    if ((flags & TN_EXCLUSIVE) != 0)
        status = store_create(path, options);
    return status == TN_OK ? open_existing(out, path, flags, options) : status;
}

TN_API tn_status tn_store_close(tn_store *store)
{
    tn_status status = TN_OK;

    if (store == NULL)
        return TN_OK;
    /* A forked child has only the memory: the locks stayed with its parent. */
    if (store->opener == process_generation()) {
        if (durable_has_views(store)) /* L5 */
            return error_set(TN_EBUSY, "%s: a transaction or a view is open",
                             store->path);
        if (store->access == TN_SHARED)
            status = shared_close(store);
        else if (store->access == TN_DURABLE)
            status = durable_close(store);
        else if (store->durable != NULL)
            read_close(store);
    }
    release(store);
    return status;
}

/* --- The open store ------------------------------------------------------ */

tn_status store_usable(const tn_store *store)
{
    if (store == NULL)
        return error_set(TN_EINVAL, "there is no store");
    if (store->opener == process_generation())
        return TN_OK;
    return error_set(TN_EINVAL,
                     "%s: the store was opened by the parent of this process; "
                     "open it again",
                     store->path);
}

TN_API tn_segment *tn_store_segment(tn_store *store)
{
    if (store == NULL || store->access != TN_DURABLE)
        return store != NULL ? &store->segment : NULL;
    error_set(TN_EINVAL,
              "%s: a durable store has views in a transaction (tn_begin) and "
              "while reading (tn_read_begin)",
              store->path);
    return NULL;
}

TN_API tn_status tn_flush(tn_store *store)
{
    tn_status status = store_usable(store);

    if (status == TN_OK && store->access != TN_SHARED)
        status = error_set(TN_EINVAL, "%s: only a shared store can be flushed",
                           store->path);
    return status == TN_OK ? shared_sync(store) : status;
}
