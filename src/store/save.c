/* save.c - a segment as it is now, written as a new store
 *
 *     unnamed file of the segment's size
 *     its bytes                       under both locks, if others use it
 *     what they were caught in        put right in the new file
 *     superblock, CLEAN, sync, name
 *
 * Among the bytes of a store at work are locks that are taken (by us, for one)
 * and objects that somebody is making or destroying.  Nobody will complete them
 * in the copy, so they are taken back there, as if their makers were dead.  The
 * locks are given back before anything waits for the disk.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "store/data_map.h"
#include "store/store.h"
#include "store/sums.h"
#include "store/superblock.h"

#include <stdlib.h>
#include <string.h>

static void note_sizes(struct superblock *sb, const struct segment *base)
{
    sb->segment_size = heap_size(&base->heap);
    sb->file_size =
        round_up(STORE_SEGMENT_OFF + sb->segment_size, region_page_size());
}

/* A copy that is being made, of a view that shows this file or, NULL, something
 * else. */
struct saving {
    tn_store *made;
    const tn_segment *seg;
    const struct file *file;
};

/* Other views may have private pages over the file's. */
static const struct file *file_of_view(const tn_store *store)
{
    return store->access == TN_SHARED ? &store->file : NULL;
}

/* What is not in the file is not read. */
static tn_status write_bytes(const struct saving *s, const struct segment *base)
{
    enum { AT_ONCE = 1 << 20 };
    uint64_t end = s->made->superblock.segment_size, at = 0, next;
    struct data_map map;
    tn_status status = TN_OK;

    data_map_start(&map, s->file);
    while (status == TN_OK && at < end) {
        next = data_map_next(&map, STORE_SEGMENT_OFF + at) - STORE_SEGMENT_OFF;
        at = next < end ? next : end;
        next = end - at < AT_ONCE ? end : at + AT_ONCE;
        status =
            store_write_range(&s->made->file, (const char *)base, at, next);
        at = next;
    }
    return status;
}

/* The caller holds the locks of base, if others use it. */
static tn_status write_segment(const struct saving *s)
{
    const struct segment *base = s->seg->base;
    struct superblock *sb = &s->made->superblock;
    tn_status status;

    note_sizes(sb, base);
    status = file_extend(&s->made->file, sb->file_size);
    return status == TN_OK ? write_bytes(s, base) : status;
}

static tn_status write_locked(const struct saving *s)
{
    const tn_segment *seg = s->seg;
    tn_status status = segment_lock_names(seg);

    if (status != TN_OK)
        return status;
    status = segment_stop(seg);
    if (status == TN_OK) {
        status = write_segment(s);
        segment_go(seg);
    }
    segment_unlock_names(seg);
    return status;
}

/* Is something under way that nobody will end in the copy? */
static bool needs_settling(const tn_segment *seg)
{
    enum block_state state;
    uint64_t block = 0;
    size_t usable;
    void *payload;

    if (seg->locking || segment_is_torn(seg->base))
        return true;
    while ((block = heap_next_block(segment_heap(seg), block, &payload, &state,
                                    &usable)) != 0)
        if (state == BLOCK_BUILDING)
            return true;
    return false;
}

/* It may take more room than there was: an index built anew can be larger. */
static tn_status settle(tn_store *made)
{
    struct segment *base;
    tn_status status = store_map(made, REGION_SHARED, NULL, false);

    if (status == TN_OK) {
        base = made->segment.base;
        memset(&base->names_lock, 0, sizeof(base->names_lock));
        memset(&base->heap_lock, 0, sizeof(base->heap_lock));
        base->sharers = 0;
        made->segment.extend = store_extend_file;
        made->segment.extend_arg = made;
        status = segment_rebuild(&made->segment);
        note_sizes(&made->superblock, base);
    }
    region_unmap(&made->region);
    return status;
}

/* Page sums of a view that may have changed without commits. */
static tn_status seal(tn_store *made)
{
    tn_status status = store_map(made, REGION_SHARED, NULL, false);

    if (status == TN_OK) {
        sums_seal(&made->segment, &made->file,
                  made->superblock.file_size / STORE_PAGE);
        superblock_seal(&made->superblock);
        sums_note_superblock(&made->segment, &made->superblock);
    }
    region_unmap(&made->region);
    return status;
}

/* The new file, complete but for superblock, state and name. */
static tn_status write_copy(const struct saving *s, mode_t mode)
{
    tn_store *made = s->made;
    struct superblock *sb = &made->superblock;
    tn_status status = superblock_new_commit(sb);

    if (status == TN_OK)
        status = file_create_unnamed(&made->file, made->path,
                                     mode != 0 ? mode : STORE_DEFAULT_MODE);
    if (status == TN_OK)
        status = write_locked(s);
    if (status == TN_OK && needs_settling(s->seg))
        status = settle(made);
    if (status == TN_OK && s->seg->base->sums != 0)
        status = seal(made);
    return status;
}

static tn_status save(tn_store *made, const tn_store *store,
                      const tn_segment *seg, mode_t mode)
{
    struct saving s = {made, seg, file_of_view(store)};
    tn_status status = superblock_new_uuid(&made->superblock);

    if (status == TN_OK)
        status = write_copy(&s, mode);
    if (status == TN_OK)
        status = store_complete(&made->file, &made->superblock);
    file_close(&made->file);
    return status;
}

/* Of a durable store, the last commit. */
static tn_status save_commit(tn_store *made, tn_store *store, mode_t mode)
{
    const tn_segment *view;
    tn_status status = tn_read_begin(store, &view);

    if (status != TN_OK)
        return status;
    status = save(made, store, view, mode);
    tn_read_end(store, view);
    return status;
}

TN_API tn_status tn_store_save(tn_store *store, const char *path,
                               const tn_options *options)
{
    tn_store made = {.path = (char *)path,
                     .access = TN_SHARED,
                     .file = FILE_CLOSED,
                     .locks = FLOCK_CLOSED};
    mode_t mode = options != NULL ? options->mode : 0;
    tn_status status = store_usable(store);

    if (status != TN_OK)
        return status;
    if (path == NULL || path[0] == 0)
        return error_set(TN_EINVAL, "a store needs a path");
    if (store->segment.live)
        return error_set(TN_EBUSY,
                         "%s: the store is in shared use, and a view for "
                         "reading only cannot hold it still",
                         store->path);
    made.superblock = store->superblock;
    if (store->access == TN_DURABLE)
        return save_commit(&made, store, mode);
    return save(&made, store, &store->segment, mode);
}

/* --- A copy without a name ------------------------------------------------ */

tn_status store_copy(tn_store **out, tn_store *store, const char *path)
{
    tn_store *made = calloc(1, sizeof(*made));
    struct saving s = {made, &store->segment, file_of_view(store)};
    tn_status status;

    if (made == NULL)
        return error_set(TN_ENOMEM, "%s: no memory for a handle", path);
    made->path = (char *)path;
    made->access = TN_READ_ONLY;
    made->file = (struct file)FILE_CLOSED;
    made->superblock = store->superblock;
    status = write_copy(&s, 0600);
    if (status == TN_OK)
        status = superblock_write(&made->file, &made->superblock);
    if (status == TN_OK)
        status = store_map(made, REGION_READ, NULL, false);
    if (status == TN_OK)
        *out = made;
    else
        store_copy_close(made);
    return status;
}

void store_copy_close(tn_store *copy)
{
    region_unmap(&copy->region);
    file_close(&copy->file);
    free(copy);
}
