/* apply.c - from the journal into the file: apply, adopt, checkpoint
 *
 * Everything here runs with WL held.  The marks say how far F and J are:
 *
 *     applied        <=        synced        <=        last
 *     F holds this commit      on disk, shown          in J
 *                A2, A3 move ->       B2, C8 move ->        C5 moves ->
 *
 *   A1  RL exclusive, and synced = last: nothing unsynced ever reaches F
 *   A2  pwrite the runs of records applied+1 .. synced, the same set that views
 *       lay over F
 *   A3  applied := synced       A4  release RL
 *
 *   K1  a handle that joined this generation may have missed an error of F:
 *       it writes all bytes of the generation again, each with its last value
 *   K2  fdatasync F             K3  the next header into the other slot
 *   K4  fdatasync J, then gen := g + 1
 *
 * Killed in A2: applied < synced, so the next one lays or writes the same set
 * again.  Killed between K2 and K4: the old header and all its records are
 * whole, or the new one is.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "base/rule.h"
#include "os/clock.h"
#include "store/durable.h"

#include <inttypes.h>

enum { PIECES = 64 }; /* written with one look at the limit for files */

bool apply_is_pending(const tn_store *store)
{
    const struct durable *d = store->durable;

    return mark_load(&d->marks->applied) != d->journal.end.number;
}

/* --- RL ------------------------------------------------------------------- */

/* Get RL exclusive (L2, L3), with read_lock held until rl_release(): a handle
 * with views of its own does not apply.  GATE makes readers that come later
 * wait, so that patience is not in vain. */
static tn_status rl_try(tn_store *store)
{
    struct durable *d = store->durable;
    tn_status status = TN_EBUSY;

    pthread_mutex_lock(&d->read_lock);
    if (d->readers == 0 || !RULE(LOCALCOUNT))
        status = flock_try(&store->locks, STORE_LOCK_RL, true);
    if (status != TN_OK)
        pthread_mutex_unlock(&d->read_lock);
    return status;
}

static void rl_release(tn_store *store)
{
    flock_release(&store->locks, STORE_LOCK_RL);
    pthread_mutex_unlock(&store->durable->read_lock);
}

static tn_status rl_wait(tn_store *store, int patience_ms)
{
    struct durable *d = store->durable;
    struct timespec until = clock_after(patience_ms);
    tn_status status;

    pthread_mutex_lock(&d->gate_lock);
    status = flock_wait(&store->locks, STORE_LOCK_GATE, true, &until);
    if (status == TN_OK)
        do {
            status = rl_try(store);
            if (status == TN_EBUSY)
                clock_sleep(1000000, &until);
        } while (status == TN_EBUSY &&
                 (!clock_passed(&until) || !RULE(BOUNDED)));
    if (RULE(GATESHORT))
        flock_release(&store->locks, STORE_LOCK_GATE);
    pthread_mutex_unlock(&d->gate_lock);
    return status == TN_ETIMEDOUT ? TN_EBUSY : status;
}

/* --- A2 ------------------------------------------------------------------- */

/* The last runs of the last record: its superblock and the sum of that, which
 * each record before has in the same places. */
struct finals {
    struct file_piece runs[2];
};

static struct finals finals_of(const struct journal *j)
{
    struct finals finals = {0};
    struct file_piece run;
    size_t at = 0;

    if (!journal_holds(j, j->end.number))
        return finals; /* it would have to be read: not worth it */
    while (journal_next_run(j, &at, &run.offset, &run.bytes, &run.size)) {
        finals.runs[0] = finals.runs[1];
        finals.runs[1] = run;
    }
    return finals;
}

/* Will all of this run be written once more? */
static bool is_overruled(const struct finals *finals,
                         const struct file_piece *run)
{
    for (size_t i = 0; i < 2; i++)
        if (run->offset == finals->runs[i].offset &&
            run->size == finals->runs[i].size)
            return true;
    return false;
}

/* Pieces of F on their way there, in this order. */
struct writing {
    struct file *file;
    struct file_piece pieces[PIECES];
    size_t count;
};

static tn_status flush(struct writing *w)
{
    tn_status status = TN_OK;

    if (w->count > 0)
        status = file_write_pieces(w->file, w->pieces, w->count);
    w->count = 0;
    return status;
}

static tn_status put(struct writing *w, const struct file_piece *piece)
{
    tn_status status = w->count == PIECES ? flush(w) : TN_OK;

    w->pieces[w->count++] = *piece;
    return status;
}

/* Many zeros need not be written, where the file system can do without. */
static tn_status put_zeros(struct writing *w, const struct file_piece *run)
{
    static char zeros[64 * 1024]; /* never written to */
    struct file_piece piece = {.bytes = zeros, .offset = run->offset};
    size_t left = run->size;
    tn_status status = TN_OK;

    if (left >= sizeof(zeros)) {
        status = flush(w);
        if (status != TN_OK ||
            file_zero(w->file, run->offset, run->size) == TN_OK)
            return status;
    }
    for (; status == TN_OK && left > 0; left -= piece.size) {
        piece.size = left < sizeof(zeros) ? left : sizeof(zeros);
        status = put(w, &piece);
        piece.offset += piece.size;
    }
    return status;
}

/* finals NULL: all of them. */
static tn_status write_runs(tn_store *store, const struct journal *j,
                            const struct finals *finals)
{
    struct writing w = {.file = &store->file};
    struct file_piece run;
    size_t at = 0;
    tn_status status = TN_OK;

    while (status == TN_OK &&
           journal_next_run(j, &at, &run.offset, &run.bytes, &run.size)) {
        if (finals != NULL && is_overruled(finals, &run))
            continue;
        status = run.bytes != NULL ? put(&w, &run) : put_zeros(&w, &run);
    }
    return status == TN_OK ? flush(&w) : status;
}

/* A record never goes beyond the file (P12); one that was not ours may. */
static tn_status require_length(const tn_store *store, const struct journal *j)
{
    uint64_t size;
    tn_status status = file_size(&store->file, &size);

    if (status != TN_OK || journal_file_size(j) <= size)
        return status;
    return error_set(TN_ECORRUPT,
                     "%s: the journal is of a longer store, one of %" PRIu64
                     " bytes",
                     j->file.path, journal_file_size(j));
}

/* The record that was just written is still in the buffer. */
static tn_status write_pending(tn_store *store, uint64_t applied)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;
    struct finals finals = finals_of(j);
    struct journal_place place;
    tn_status status;

    if (applied + 1 == j->end.number && journal_holds(j, j->end.number))
        return write_runs(store, j, NULL);
    status = overlay_find_place(j, &d->settled, applied, &place);
    while (status == TN_OK && place.number < j->end.number) {
        status = journal_read(j, &place);
        if (status == TN_OK)
            status = require_length(store, j);
        if (status == TN_OK)
            status = write_runs(store, j,
                                place.number < j->end.number ? &finals : NULL);
    }
    return status;
}

tn_status apply_pending(tn_store *store, int patience_ms)
{
    struct durable *d = store->durable;
    uint64_t applied = mark_load(&d->marks->applied);
    tn_status status;

    status = patience_ms < 0 ? rl_try(store) : rl_wait(store, patience_ms);
    if (status != TN_OK)
        return status;
    if (!RULE(SYNCFIRST))
        mark_store(&d->marks->applied, d->journal.end.number);
    status = write_pending(store, RULE(SAMESET) ? applied : APPLIED_NONE);
    if (status == TN_OK)
        mark_store(&d->marks->applied, d->journal.end.number);
    rl_release(store);
    if (status == TN_OK)
        d->settled = d->journal.end;
    return status;
}

/* Is there an image, and one that can go on? */
static tn_status has_image(const tn_store *store, uint64_t applied, bool *has)
{
    const struct overlay *image = store->durable->image;
    uint64_t size = 0;
    tn_status status = TN_OK;

    if (image != NULL)
        status = file_size(&store->file, &size);
    *has = image != NULL && applied != APPLIED_NONE &&
           image->generation == store->durable->journal.header.generation &&
           image->region.size >= size;
    return status;
}

tn_status apply_follow_image(tn_store *store)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;
    uint64_t applied = mark_load(&d->marks->applied);
    bool has = false;
    tn_status status = TN_OK;

    if (applied != j->end.number)
        status = has_image(store, applied, &has);
    if (status != TN_OK)
        return status;
    if (!has) {
        overlay_free(d->image);
        d->image = NULL;
    }
    if (applied == j->end.number)
        return TN_OK;
    if (d->image == NULL)
        return overlay_make(&d->image, store, j, &d->settled, applied,
                            j->end.number);
    return overlay_lay(store, &d->image->region, j, &d->image->through,
                       j->end.number);
}

/* --- Failure -------------------------------------------------------------- */

/* All marks are written again, so that their page is one of those that will be
 * written back.  Another thread's sync of J may be about to move one. */
static void distrust(struct durable *d)
{
    struct marks marks;

    pthread_mutex_lock(&d->turn_lock);
    marks = *d->marks;
    mark_store(&d->marks->applied, APPLIED_NONE);
    mark_store(&d->marks->synced, marks.synced);
    mark_store(&d->marks->generation, marks.generation);
    mark_store(&d->marks->journal, marks.journal);
    mark_store(&d->marks->writer, marks.writer);
    mark_store(&d->marks->boot, marks.boot);
    pthread_mutex_unlock(&d->turn_lock);
}

tn_status apply_poison(tn_store *store, bool file_failed, tn_status status)
{
    struct durable *d = store->durable;

    __atomic_store_n(&d->poisoned, true, __ATOMIC_RELAXED);
    if (file_failed && RULE(DISTRUST))
        distrust(d);
    return status == TN_EIO
               ? status
               : error_prefix(TN_EIO, "%s: a commit was cut off", store->path);
}

/* --- Adopting ------------------------------------------------------------- */

tn_status apply_adopt(tn_store *store, const struct journal_place *from)
{
    struct durable *d = store->durable;
    tn_status status = TN_OK;

    if (RULE(TAILREWRITE))
        status = journal_rewrite(&d->journal, *from);
    if (status == TN_OK && RULE(TAILSYNC))
        status = journal_sync(&d->journal);
    return status == TN_OK ? TN_OK : apply_poison(store, false, status);
}

/* Read on from where this handle stood: others may have added records, or begun
 * a new generation. */
static tn_status catch_up(tn_store *store)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;
    uint64_t generation = journal_generation(j);
    tn_status status = TN_OK;

    if (generation != j->header.generation) {
        status = journal_read_header(j, store->superblock.uuid);
        d->settled = journal_start(j);
    } else {
        status = file_size(&j->file, &j->size);
    }
    return status == TN_OK ? journal_advance(j) : status;
}

tn_status apply_settle(tn_store *store)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;
    uint64_t before = j->end.number, synced;
    struct journal_place from;
    tn_status status = catch_up(store);

    if (status != TN_OK)
        return status;
    synced = mark_load(&d->marks->synced);
    if (!RULE(MARKSYNC))
        synced = j->end.number;
    if (j->end.number != before || synced >= j->end.number)
        d->own_tail = false;
    if ((mark_load(&d->marks->generation) == j->header.generation ||
         !RULE(HDRADOPT)) &&
        (synced >= j->end.number || d->own_tail))
        return TN_OK;
    status = overlay_find_place(j, &d->settled, synced, &from);
    if (status == TN_OK)
        status = apply_adopt(store, &from);
    if (status != TN_OK)
        return status;
    mark_store(&d->marks->generation, j->header.generation);
    mark_store(&d->marks->synced, j->end.number);
    return TN_OK;
}

/* --- Checkpoint ----------------------------------------------------------- */

/* K1: every byte that the generation has written, with its last value. */
static tn_status rewrite_generation(tn_store *store)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;
    struct journal_place place = journal_start(j);
    struct overlay *all = NULL;
    uint64_t offset;
    const void *bytes;
    size_t length, at;
    tn_status status;

    status = overlay_make(&all, store, j, NULL, APPLIED_NONE, j->end.number);
    if (status == TN_OK)
        status = rl_try(store);
    if (status != TN_OK) {
        overlay_free(all);
        return status;
    }
    while (status == TN_OK && place.number < j->end.number) {
        status = journal_read(j, &place);
        for (at = 0; status == TN_OK &&
                     journal_next_run(j, &at, &offset, &bytes, &length);)
            status = file_write(&store->file, all->region.base + offset, length,
                                offset);
    }
    rl_release(store);
    overlay_free(all);
    return status;
}

tn_status apply_checkpoint(tn_store *store)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;
    struct commit_id base = {j->end.number, j->end.nonce};
    tn_status status = TN_OK;

    if (d->joined == j->header.generation && RULE(REAPPLY))
        status = rewrite_generation(store);
    if (status != TN_OK)
        return status;
    if (RULE(FSYNCF))
        status = file_sync(&store->file);
    if (status != TN_OK)
        return apply_poison(store, true, status);
    status = journal_next_generation(j, base);
    if (status == TN_OK && RULE(HDRSYNC))
        status = journal_sync(j);
    if (status != TN_OK)
        return apply_poison(store, false, status);
    mark_store(&d->marks->generation, j->header.generation);
    if (d->holes.generation == j->header.generation - 1)
        d->holes.generation++; /* no other handle began this one */
    d->joined = 0;
    d->settled = journal_start(j);
    return TN_OK;
}
