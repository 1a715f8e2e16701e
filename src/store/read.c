/* read.c - views of the last committed state, for any number of threads
 *
 *     V1  GATE shared   V2  RL shared   V3  release GATE
 *     V5  applied = synced: the view is R, F itself
 *         applied < synced: a private mapping of F with the records
 *         applied+1 .. synced over it (overlay.c)
 *     V6  the last view of the handle releases RL
 *
 * While any view is open RL is held shared: nobody writes F.  A view needs no
 * permission to write and no living writer.
 *
 * Views of one handle that begin at the same state share one overlay.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "base/rule.h"
#include "os/process.h"
#include "store/durable.h"
#include "store/superblock.h"

#include <stdlib.h>

/* --- RL ------------------------------------------------------------------- */

static tn_status rl_enter(tn_store *store)
{
    struct durable *d = store->durable;
    tn_status status;

    pthread_mutex_lock(&d->gate_lock);
    status = flock_wait(&store->locks, STORE_LOCK_GATE, false, NULL); /* V1 */
    if (status == TN_OK) {
        pthread_mutex_lock(&d->read_lock);
        if (d->readers == 0)
            status = flock_wait(&store->locks, STORE_LOCK_RL, false, NULL);
        if (status == TN_OK)
            d->readers++; /* V2 */
        pthread_mutex_unlock(&d->read_lock);
        flock_release(&store->locks, STORE_LOCK_GATE); /* V3 */
    }
    pthread_mutex_unlock(&d->gate_lock);
    return status;
}

/* With read_lock held. */
static void rl_leave(tn_store *store)
{
    if (--store->durable->readers == 0)
        flock_release(&store->locks, STORE_LOCK_RL);
}

/* --- V5: the journal ------------------------------------------------------ */

/* Have J open and its newest header read. */
static tn_status get_journal(tn_store *store)
{
    struct durable *d = store->durable;
    struct journal *j = &d->reader;
    tn_status status = TN_OK;
    char *path;

    if (j->file.fd < 0) {
        path = journal_path(store->path);
        if (path == NULL)
            return error_set(TN_ENOMEM, "%s: no memory for a path",
                             store->path);
        status = journal_open(j, path, false);
        free(path);
    }
    if (status == TN_OK && (j->header.generation == 0 ||
                            journal_generation(j) != j->header.generation)) {
        status = journal_read_header(j, store->superblock.uuid);
        store->durable->read_from = journal_start(j);
    } else if (status == TN_OK) {
        status = file_size(&j->file, &j->size);
    }
    if (status == TN_ENOENT)
        return error_set(TN_EJOURNAL,
                         "%s: the journal is missing or empty, and it may "
                         "hold the last commits",
                         store->path);
    return status;
}

/* Which records belong over F?  applied = through: none. */
struct pending {
    uint64_t applied, through;
};

/* O5 for a reader: records of another path are not this store's. */
static tn_status require_path(const tn_store *store, struct journal *j,
                              const struct superblock *sb)
{
    bool passes;
    tn_status status = journal_passes(
        j, (struct commit_id){sb->commit_number, sb->commit_nonce}, &passes);

    if (status != TN_OK || passes)
        return status;
    return error_set(TN_EJOURNAL,
                     "%s: the store and its journal do not belong together",
                     store->path);
}

/* A shared session leaves marks of this boot with all numbers 0. */
static bool marks_are_known(const struct durable *d, uint64_t boot)
{
    if (mark_load(&d->marks->synced) == 0 || !marks_are_whole(d->marks))
        return false;
    return (boot == d->boot && boot != STORE_BOOT_UNKNOWN) ||
           (!RULE(BOOTID) && boot != 0);
}

/* Marks of this boot tell.  Otherwise nobody who writes has looked at the store
 * in this boot yet: CLEAN says that F is all there is, and else every valid
 * record counts. */
static tn_status find_pending(tn_store *store, uint64_t boot,
                              struct pending *out)
{
    struct durable *d = store->durable;
    struct superblock sb;
    uint64_t state;
    tn_status status;

    if (marks_are_known(d, boot)) {
        out->applied = mark_load(&d->marks->applied);
        out->through = mark_load(&d->marks->synced);
        return out->applied == out->through ? TN_OK : get_journal(store);
    }
    *out = (struct pending){0};
    status = superblock_read(&store->file, false, &sb, &state);
    if (status != TN_OK || state == STORE_CLEAN)
        return status;
    status = get_journal(store);
    if (status == TN_OK)
        status = journal_find_end(&d->reader);
    if (status == TN_OK)
        status = require_path(store, &d->reader, &sb);
    if (status == TN_OK && d->reader.end.number != d->reader.header.base_number)
        out->through = d->reader.end.number;
    return status;
}

/* --- V5: views ------------------------------------------------------------ */

/* An overlay of this state that another view uses, or a new one. */
static tn_status get_overlay(tn_store *store, const struct pending *pending,
                             struct overlay **out)
{
    struct durable *d = store->durable;
    struct overlay *overlay = d->overlays;
    tn_status status;

    while (overlay != NULL && (overlay->applied != pending->applied ||
                               overlay->through.number != pending->through))
        overlay = overlay->next;
    if (overlay == NULL) {
        status = overlay_find_place(&d->reader, &d->read_from, pending->applied,
                                    &d->read_from);
        if (status == TN_OK)
            status = overlay_make(&overlay, store, &d->reader, &d->read_from,
                                  pending->applied, pending->through);
        if (status == TN_OK)
            status = region_protect(&overlay->region, 0, overlay->region.size,
                                    false);
        if (status != TN_OK) {
            overlay_free(overlay);
            return status;
        }
        overlay->next = d->overlays;
        d->overlays = overlay;
    }
    overlay->users++;
    *out = overlay;
    return TN_OK;
}

static void put_overlay(struct durable *d, struct overlay *overlay)
{
    struct overlay **link = &d->overlays;

    if (--overlay->users > 0)
        return;
    while (*link != overlay)
        link = &(*link)->next;
    *link = overlay->next;
    overlay_free(overlay);
}

/* One look at the marks.  *again: a writer came meanwhile and made marks of
 * this boot, so the records that were taken may not all be on disk. */
static tn_status try_view(tn_store *store, const tn_segment **view, bool *again)
{
    struct durable *d = store->durable;
    uint64_t boot = mark_load(&d->marks->boot);
    struct overlay *overlay = NULL;
    struct pending pending;
    tn_status status = find_pending(store, boot, &pending);

    if (status == TN_OK && pending.applied != pending.through && RULE(ROVERLAY))
        status = get_overlay(store, &pending, &overlay);
    *again = mark_load(&d->marks->boot) != boot && RULE(RESCAN);
    if (overlay != NULL && (*again || status != TN_OK))
        put_overlay(d, overlay);
    else if (status == TN_OK)
        *view = overlay != NULL ? &overlay->segment : &d->read_segment;
    return *again ? TN_OK : status;
}

/* Is it one of ours?  An overlay loses a user, the last one drops it. */
static bool drop_view(struct durable *d, const tn_segment *view)
{
    struct overlay *overlay = d->overlays;

    if (view == &d->read_segment)
        return d->readers > 0;
    while (overlay != NULL && &overlay->segment != view)
        overlay = overlay->next;
    if (overlay != NULL)
        put_overlay(d, overlay);
    return overlay != NULL;
}

static tn_status choose_view(tn_store *store, const tn_segment **out)
{
    const tn_segment *view = NULL;
    bool again = true;
    tn_status status = TN_OK;

    while (status == TN_OK && again)
        status = try_view(store, &view, &again);
    if (status == TN_OK)
        status = store_check_header(store, view);
    if (status == TN_OK)
        *out = view;
    else if (view != NULL)
        drop_view(store->durable, view);
    return status;
}

TN_API tn_status tn_read_begin(tn_store *store, const tn_segment **view)
{
    struct durable *d = store->durable;
    tn_status status;

    if (d == NULL || store->opener != process_generation())
        return error_set(TN_EINVAL,
                         "%s: views are of stores that were opened durable or "
                         "read-only, by this process",
                         store->path);
    status = rl_enter(store);
    if (status != TN_OK)
        return status;
    pthread_mutex_lock(&d->read_lock);
    status = choose_view(store, view);
    if (status != TN_OK)
        rl_leave(store);
    pthread_mutex_unlock(&d->read_lock);
    return status;
}

/* --- V6 ------------------------------------------------------------------- */

TN_API tn_status tn_read_end(tn_store *store, const tn_segment *view)
{
    struct durable *d = store->durable;
    bool found;

    if (d == NULL || store->opener != process_generation())
        return error_set(TN_EINVAL, "%s: the store has no views", store->path);
    pthread_mutex_lock(&d->read_lock);
    found = drop_view(d, view);
    if (found)
        rl_leave(store);
    pthread_mutex_unlock(&d->read_lock);
    return found ? TN_OK
                 : error_set(TN_EINVAL, "%s: this is no open view of it",
                             store->path);
}

/* --- Handles that only read ----------------------------------------------- */

static tn_status map_for_reading(tn_store *store, const tn_options *options)
{
    struct durable *d = store->durable;
    tn_status status = store_map_only(store, REGION_READ, options, UINT64_MAX);

    if (status != TN_OK)
        return status;
    d->marks = (struct marks *)(store->region.base + STORE_MARKS_OFF);
    d->read_segment = store->segment;
    d->read_segment.read_only = true;
    return TN_OK;
}

tn_status read_open(tn_store *store, const tn_options *options)
{
    struct durable *d;
    tn_status status = durable_make_handle(store, options);

    if (status != TN_OK)
        return status;
    d = store->durable;
    d->readers = 1; /* RL is held by the opening, until the handle is closed */
    status = map_for_reading(store, options);
    if (status == TN_OK)
        status = choose_view(store, &d->pinned);
    if (status == TN_OK)
        store->segment = *d->pinned;
    return status;
}

void read_close(tn_store *store)
{
    drop_view(store->durable, store->durable->pinned);
    durable_free_handle(store);
}

tn_status read_lay_pending(tn_store *store)
{
    struct durable *d = store->durable;
    uint64_t boot;
    struct journal_place place;
    struct pending pending;
    tn_status status;

    d->marks = (struct marks *)(store->region.base + STORE_MARKS_OFF);
    boot = mark_load(&d->marks->boot);
    status = find_pending(store, boot, &pending);
    if (status == TN_OK && pending.applied != pending.through) {
        status = overlay_find_place(&d->reader, NULL, pending.applied, &place);
        if (status == TN_OK)
            status = overlay_lay(store, &store->region, &d->reader, &place,
                                 pending.through);
    }
    if (mark_load(&d->marks->boot) != boot)
        return read_lay_pending(store);
    return status == TN_OK ? store_check_header(store, &store->segment)
                           : status;
}
