/* repair.c - salvage what a damaged store holds
 *
 *     file, journal --copy--> new file without a name        repair_image.c
 *                              |  chain of blocks mended      heap/salvage.c
 *                              |  states, records, types,     salvage.c
 *                              |  names judged and mended
 *                              |  indexes and sums anew       segment/rebuild.c
 *                              v
 *                             superblock, sync, name
 *
 * The old file is opened for reading only.  The new one is a copy of it in
 * which only what can be derived is made anew: nothing moves, since handles
 * lead from object to object, and nobody but the program knows where.
 *
 * Killed anywhere: there is no new store, and the old one is as it was.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "check/repair.h"
#include "base/bytes.h"
#include "base/error.h"
#include "os/clock.h"
#include "store/sums.h"
#include "store/superblock.h"

#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 10000 };

bool repair_is_bad(const struct repair *r, uint64_t off, uint64_t size)
{
    uint64_t page = (STORE_SEGMENT_OFF + off) / STORE_PAGE;
    uint64_t last =
        (STORE_SEGMENT_OFF + off + (size != 0 ? size - 1 : 0)) / STORE_PAGE;

    for (; page <= last; page++)
        if (page_is_bad(r, page))
            return true;
    return false;
}

void repair_note_bad(struct repair *r, uint64_t page)
{
    if (page >= r->pages || page_is_bad(r, page))
        return;
    r->bad[page / 8] |= (uint8_t)(1 << page % 8);
    r->result.bad_pages++;
}

uint64_t repair_digest(const struct repair *r, uint64_t page)
{
    return r->digests[page] != 0 ? r->digests[page] : sums_of_zeros();
}

tn_status repair_reserve(void **array, size_t count, size_t *capacity,
                         size_t element)
{
    size_t wanted = *capacity == 0 ? 64 : 2 * *capacity;
    void *larger;

    if (count < *capacity)
        return TN_OK;
    larger = realloc(*array, wanted * element);
    if (larger == NULL)
        return error_set(TN_ENOMEM, "no memory for a list of objects");
    *array = larger;
    *capacity = wanted;
    return TN_OK;
}

/* --- Opening -------------------------------------------------------------- */

/* Nobody writes to the file while RL is held; who has it open shared would. */
static tn_status hold_still(struct repair *r)
{
    struct timespec until = clock_after(PATIENCE_MS);
    tn_status status = flock_open(&r->locks, r->path);

    if (status == TN_OK)
        status = flock_wait(&r->locks, STORE_LOCK_INIT, false, &until);
    if (status == TN_OK)
        status = flock_wait(&r->locks, STORE_LOCK_RL, false, &until);
    if (status == TN_OK)
        status = flock_wait(&r->locks, STORE_LOCK_VIEW, false, &until);
    if (status == TN_OK && (flock_taken(&r->locks, STORE_LOCK_SHR, true) ||
                            flock_taken(&r->locks, STORE_LOCK_DUR, true)))
        status = TN_EBUSY;
    if (status == TN_EBUSY || status == TN_ETIMEDOUT)
        return error_set(TN_EBUSY, "%s: the store is in use", r->path);
    return status;
}

/* --- The new store -------------------------------------------------------- */

/* Sums, and a superblock that fits all of it.  The sums of holes would be more
 * than all the rest; the next commit makes some. */
static tn_status complete(struct repair *r)
{
    tn_store *made = &r->made;
    struct superblock *sb = &made->superblock;
    const struct heap *h = segment_heap(&made->segment);
    tn_status status;

    do {
        sb->segment_size = heap_size(h);
        sb->file_size =
            round_up(STORE_SEGMENT_OFF + sb->segment_size, region_page_size());
        status = r->sparse
                     ? TN_OK
                     : sums_make(&made->segment, sb->file_size / STORE_PAGE);
    } while (status == TN_OK && heap_size(h) != sb->segment_size);
    if (status != TN_OK && status != TN_ENOMEM)
        return status;
    if (sb->max_size < sb->file_size)
        sb->max_size = sb->file_size;
    memset((char *)made->segment.base + heap_size(h), 0,
           sb->file_size - STORE_SEGMENT_OFF - heap_size(h));
    status = file_truncate(&made->file, sb->file_size);
    if (status != TN_OK)
        return status;
    sums_seal(&made->segment, &made->file, sb->file_size / STORE_PAGE);
    superblock_seal(sb);
    sums_note_superblock(&made->segment, sb);
    return store_complete(&made->file, sb);
}

static void count(void *arg, const tn_salvaged *object)
{
    tn_repaired *result = arg;

    result->whole += object->fate == TN_FATE_WHOLE;
    result->damaged += object->fate == TN_FATE_DAMAGED;
    result->lost += object->fate == TN_FATE_LOST;
}

static void close_all(struct repair *r)
{
    region_unmap(&r->made.region);
    file_close(&r->made.file);
    file_close(&r->in);
    flock_close(&r->locks);
    free(r->digests);
    free(r->bad);
    free(r->saved);
    free(r->missing);
    free(r->gaps);
}

TN_API tn_status tn_repair(const char *path, const char *new_path,
                           tn_salvaged_fn *fn, void *arg, tn_repaired *out)
{
    struct repair r = {.path = path,
                       .in = FILE_CLOSED,
                       .locks = FLOCK_CLOSED,
                       .made = {.file = FILE_CLOSED, .locks = FLOCK_CLOSED}};
    tn_status status = TN_OK;

    if (path == NULL || path[0] == 0 || new_path == NULL || new_path[0] == 0)
        return error_set(TN_EINVAL, "a repair needs two paths");
    status = file_open(&r.in, path, false);
    if (status == TN_OK)
        status = hold_still(&r);
    if (status == TN_OK)
        status = repair_copy(&r, new_path);
    if (status == TN_OK)
        status = repair_salvage(&r);
    if (status == TN_OK)
        status = complete(&r);
    if (status == TN_OK) {
        repair_report(&r, count, &r.result);
        if (fn != NULL)
            repair_report(&r, fn, arg);
        if (out != NULL)
            *out = r.result;
    }
    close_all(&r);
    return status;
}
