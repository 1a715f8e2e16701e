/* restore.c - make a store of a snapshot, or see whether one could
 *
 *     look at the place     what is there now?
 *     read the snapshot     into a file without a name; every checksum counts
 *     sync
 *     lock what is there    all locks of openers, so that nobody has it open
 *     name                  in its place
 *     remove its journal
 *
 * What is replaced is still whole, with its journal, until the new file has its
 * name.  A crash between the last two steps leaves the journal of the old store
 * beside the new one, which is CLEAN: if it has commits of the old store, the
 * next opener refuses (TN_EJOURNAL) and says to remove it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "image/image.h"
#include "image/reader.h"
#include "store/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- The place ------------------------------------------------------------ */

/* The place where a store is to be. */
struct place {
    const char *name; /* as the caller gave it, for messages */
    char *path;       /* resolved, if there is something; owned */
    char *journal;    /* owned */
    bool taken;       /* there is a file */
    struct flock_handle locks;
};

static void place_close(struct place *place)
{
    flock_close(&place->locks);
    free(place->journal);
    free(place->path);
}

static tn_status place_name(struct place *place, const char *path)
{
    place->name = path;
    place->path = realpath(path, NULL);
    if (place->path == NULL)
        place->path = strdup(path);
    if (place->path != NULL)
        place->journal = malloc(strlen(place->path) + sizeof("-journal"));
    if (place->journal == NULL)
        return error_set(TN_ENOMEM, "%s: no memory for a path", path);
    strcat(strcpy(place->journal, place->path), "-journal");
    return TN_OK;
}

/* A journal without its store: could it hold commits that are nowhere else? */
static tn_status check_journal(const struct place *place)
{
    struct journal j = JOURNAL_CLOSED;
    tn_status status = journal_open(&j, place->journal, false);

    if (status != TN_OK)
        return status == TN_ENOENT ? TN_OK : status;
    status = journal_read_header(&j, NULL);
    if (status == TN_OK)
        status = journal_find_end(&j);
    if (status == TN_ECORRUPT ||
        (status == TN_OK && j.end.number != j.header.base_number))
        status = error_set(TN_EEXIST,
                           "%s: there is no such store, but a journal with "
                           "commits of one, %s; remove or rename it first",
                           place->name, place->journal);
    else if (status == TN_ENOENT) /* nothing that could be believed */
        status = TN_OK;
    journal_close(&j);
    return status;
}

/* Each opener of a store has one of these, or is about to. */
static tn_status lock_all(struct place *place)
{
    static const uint64_t locks[] = {STORE_LOCK_INIT, STORE_LOCK_DUR,
                                     STORE_LOCK_SHR, STORE_LOCK_RL,
                                     STORE_LOCK_VIEW};
    tn_status status = flock_open(&place->locks, place->path);

    for (size_t i = 0; i < sizeof(locks) / sizeof(*locks); i++)
        if (status == TN_OK)
            status = flock_try(&place->locks, locks[i], true);
    if (status == TN_EBUSY)
        return error_set(TN_EBUSY,
                         "%s: the store is open elsewhere, and is not replaced "
                         "while it is",
                         place->name);
    return status;
}

/* May there be a new store?  Nothing is changed, and nothing locked. */
static tn_status look_at_place(struct place *place, const struct stream *in,
                               bool force)
{
    struct file found = FILE_CLOSED;
    tn_status status = file_open(&found, place->name, false);
    bool same = status == TN_OK && in->file != NULL &&
                in->file->device == found.device &&
                in->file->inode == found.inode;

    file_close(&found);
    if (same)
        return error_set(TN_EINVAL, "%s: it is the snapshot itself",
                         place->name);
    place->taken = status == TN_OK;
    if (status == TN_ENOENT)
        return force ? TN_OK : check_journal(place);
    if (status != TN_OK)
        return status;
    if (!force)
        return error_set(TN_EEXIST, "%s: the file is there already",
                         place->name);
    status = lock_all(place);
    flock_close(&place->locks);
    return status;
}

/* --- Into it -------------------------------------------------------------- */

static tn_status remove_journal(const struct place *place)
{
    tn_status status = file_unlink(place->journal);

    return status == TN_ENOENT ? TN_OK : status;
}

/* Nobody has the old store open, nor can open it, until the locks go. */
static tn_status publish(struct file *made, struct place *place, bool force)
{
    tn_status status = TN_OK;

    place->taken = false;
    if (force) {
        status = lock_all(place);
        if (status == TN_ENOENT)
            status = TN_OK; /* it was taken away meanwhile, or never there */
        else
            place->taken = true;
    }
    if (status == TN_OK)
        status = file_publish(made, place->taken);
    return status == TN_OK && force ? remove_journal(place) : status;
}

static tn_status require_base(const struct reader *reader)
{
    if (reader->options->base != NULL ||
        (reader->header.flags & IMAGE_SINCE) == 0)
        return TN_OK;
    return error_set(TN_EINVAL,
                     "%s: it holds what has changed since commit %" PRIu64
                     ", and is restored together with the snapshot of that, "
                     "its base",
                     reader->in->name, reader->header.base_number);
}

static tn_status restore_to(struct reader *reader, struct place *place,
                            tn_snapshot_info *info)
{
    const tn_snapshot_options *options = reader->options;
    mode_t mode = options->mode;
    struct file made = FILE_CLOSED;
    tn_status status = reader_open(reader);

    if (status == TN_OK)
        status = require_base(reader);
    if (status == TN_OK && mode == 0)
        mode = (mode_t)reader->header.mode;
    if (status == TN_OK)
        status = file_create_unnamed(&made, place->path, mode);
    if (status == TN_OK)
        status = reader_run(reader, &made, info);
    if (status == TN_OK)
        status = file_sync(&made);
    if (status == TN_OK)
        status = publish(&made, place, options->force);
    file_close(&made);
    return status;
}

static tn_status restore(struct stream *in, const char *path,
                         const tn_snapshot_options *given,
                         tn_snapshot_info *info)
{
    struct place place = {.locks = FLOCK_CLOSED};
    tn_snapshot_options options;
    struct reader reader = {.in = in, .options = &options};
    tn_snapshot_info made;
    tn_status status = image_options(given, &options);

    if (status == TN_OK && (path == NULL || path[0] == 0))
        status = error_set(TN_EINVAL, "a store needs a path");
    if (status == TN_OK)
        status = place_name(&place, path);
    if (status == TN_OK)
        status = look_at_place(&place, in, options.force);
    if (status == TN_OK) {
        status = restore_to(&reader, &place, &made);
        reader_close(&reader);
    }
    place_close(&place);
    if (status == TN_OK && info != NULL)
        *info = made;
    return status;
}

static tn_status verify(struct stream *in, const tn_snapshot_options *given,
                        tn_snapshot_info *info)
{
    tn_snapshot_options options;
    struct reader reader = {.in = in, .options = &options};
    tn_snapshot_info found;
    tn_status status = image_options(given, &options);

    if (status != TN_OK)
        return status;
    status = reader_open(&reader);
    if (status == TN_OK)
        status = reader_run(&reader, NULL, &found);
    reader_close(&reader);
    if (status == TN_OK && info != NULL)
        *info = found;
    return status;
}

static tn_status open_path(struct file *file, const char *path)
{
    if (path == NULL || path[0] == 0)
        return error_set(TN_EINVAL, "a snapshot needs a path");
    return file_open(file, path, false);
}

/* --- Without a name ------------------------------------------------------- */

/* A file without a name, which file_open() can open again. */
static tn_status open_again(tn_store **out, const struct file *made)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", made->fd);
    return tn_store_open(out, path, TN_PRIVATE | TN_VERIFY, NULL);
}

static tn_status restore_unnamed(tn_store **out, struct reader *reader,
                                 const char *directory)
{
    struct file made = FILE_CLOSED;
    tn_snapshot_info info;
    char *path = NULL;
    tn_status status = reader_open(reader);

    if (status == TN_OK)
        status = require_base(reader);
    if (status == TN_OK && asprintf(&path, "%s/unnamed", directory) < 0)
        status = error_set(TN_ENOMEM, "%s: no memory for a path", directory);
    if (status == TN_OK)
        status = file_create_unnamed(&made, path, 0600);
    if (status == TN_OK)
        status = reader_run(reader, &made, &info);
    if (status == TN_OK)
        status = open_again(out, &made);
    file_close(&made);
    free(path);
    return status;
}

TN_API tn_status tn_snapshot_open(tn_store **out, const char *snapshot,
                                  const char *directory,
                                  const tn_snapshot_options *given)
{
    struct file file = FILE_CLOSED;
    struct stream in = {.file = &file, .name = snapshot};
    tn_snapshot_options options;
    struct reader reader = {.in = &in, .options = &options};
    tn_status status = image_options(given, &options);

    if (status == TN_OK && (out == NULL || directory == NULL))
        status = error_set(TN_EINVAL, "a snapshot is opened by way of a "
                                      "directory, into a place for the result");
    if (status == TN_OK)
        status = open_path(&file, snapshot);
    if (status == TN_OK) {
        status = restore_unnamed(out, &reader, directory);
        reader_close(&reader);
    }
    file_close(&file);
    return status;
}

/* --- From wherever -------------------------------------------------------- */

static tn_status require_function(tn_read_fn *read)
{
    return read != NULL
               ? TN_OK
               : error_set(TN_EINVAL, "there is no function to read with");
}

TN_API tn_status tn_snapshot_restore(const char *snapshot, const char *path,
                                     const tn_snapshot_options *options,
                                     tn_snapshot_info *info)
{
    struct file file = FILE_CLOSED;
    struct stream in = {.file = &file, .name = snapshot};
    tn_status status = open_path(&file, snapshot);

    if (status == TN_OK)
        status = restore(&in, path, options, info);
    file_close(&file);
    return status;
}

TN_API tn_status tn_snapshot_restore_fd(int fd, const char *path,
                                        const tn_snapshot_options *options,
                                        tn_snapshot_info *info)
{
    struct stream in = {.fd = fd, .name = "the snapshot"};

    return restore(&in, path, options, info);
}

TN_API tn_status tn_snapshot_restore_from(tn_read_fn *read, void *arg,
                                          const char *path,
                                          const tn_snapshot_options *options,
                                          tn_snapshot_info *info)
{
    struct stream in = {.read = read, .arg = arg, .name = "the snapshot"};
    tn_status status = require_function(read);

    return status == TN_OK ? restore(&in, path, options, info) : status;
}

TN_API tn_status tn_snapshot_verify(const char *snapshot,
                                    const tn_snapshot_options *options,
                                    tn_snapshot_info *info)
{
    struct file file = FILE_CLOSED;
    struct stream in = {.file = &file, .name = snapshot};
    tn_status status = open_path(&file, snapshot);

    if (status == TN_OK)
        status = verify(&in, options, info);
    file_close(&file);
    return status;
}

TN_API tn_status tn_snapshot_verify_fd(int fd,
                                       const tn_snapshot_options *options,
                                       tn_snapshot_info *info)
{
    struct stream in = {.fd = fd, .name = "the snapshot"};

    return verify(&in, options, info);
}

TN_API tn_status tn_snapshot_verify_from(tn_read_fn *read, void *arg,
                                         const tn_snapshot_options *options,
                                         tn_snapshot_info *info)
{
    struct stream in = {.read = read, .arg = arg, .name = "the snapshot"};
    tn_status status = require_function(read);

    return status == TN_OK ? verify(&in, options, info) : status;
}
