/* cmd_load.c - tenon load: make an object of every file below a directory
 *
 *     DIR/                          objects
 *       index.html     ---------->  "index.html"
 *       img/a.png      ---------->  "img/a.png"
 *       img/b -> a.png              (symbolic links, pipes, devices: skipped)
 *       empty/                      (directories are not objects)
 *
 * Loading a second time brings the store up to date: what has the same bytes
 * is left alone, what differs is replaced.  Objects whose files are gone stay.
 *
 * Files are collected while the tree is walked and loaded in batches, each of
 * them one transaction: what the summary counts as loaded is on disk, whatever
 * happens after, and a load that was killed left whole batches.
 *
 *     walk ---> batch of files ---> begin, store each, commit ---> counted
 *                                     |
 *                                     | no room for file number n
 *                                     v
 *                                   roll back, again with the n - 1 before it,
 *                                   and that is all
 *
 * A file that cannot be loaded is complained about and does not keep the
 * others from it, unless the reason is the store: then nothing else would
 * succeed either.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "options.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.h"
#include "source.h"
#include "text.h"

/* Measured with the headers of a machine, 22,545 files of 251 MB: in batches of
 * 10 files 4.1 s, of 100 2.2 s, of 1000 1.7 s, of 10,000 1.6 s.
 * Smaller batches lose less when killed, and let other writers in sooner. */
#define BATCH_OBJECTS 1000
#define BATCH_MOST    ((size_t)1 << 20)
#define BATCH_BYTES   ((uint64_t)16 << 20) /* they are in memory twice */

enum outcome {
    WAITING,
    LOADED,
    UNCHANGED,
    KEPT,
    SKIPPED, /* no regular file any more, or the store itself */
    REFUSED, /* and that has been said */
};

struct entry {
    char *path, *name;
    enum outcome outcome;
    size_t size; /* bytes, if LOADED */
};

struct batch {
    struct entry *entries;
    size_t count, most;
    uint64_t bytes; /* of the files, when the walk met them */
};

struct load {
    const char *file, *dir, *prefix;
    struct opened opened;
    struct stat own[2]; /* the store and its journal, which are not loaded */
    struct batch batch;
    bool keep, json;
    int status;
    size_t loaded, unchanged, kept, failed; /* files */
    size_t links, others;                   /* skipped */
    uint64_t bytes;
};

static void fail(struct load *load, const char *path, const char *reason)
{
    complain(path, "%s", reason);
    load->failed++;
    load->status = FAILED;
}

/* --- One file ------------------------------------------------------------- */

/* Whether what went wrong lies with the store rather than with one file.  A
 * replacement that fails may have lost the old object, and is no better. */
static bool is_fatal(tn_status status, bool replacing)
{
    switch (status) {
    case TN_OK:
    case TN_ECANCELED:
        return false;
    case TN_EEXIST:
    case TN_ETYPE:
    case TN_EINVAL:
        return replacing;
    default:
        return true;
    }
}

static void refuse(struct load *load, struct entry *entry, const char *reason)
{
    fail(load, entry->path, reason);
    entry->outcome = REFUSED;
}

/* Store the file, which is open.  False: the store cannot take it. */
static bool store_file(struct load *load, struct entry *entry,
                       struct source *source, bool replacing)
{
    tn_status status =
        source_store(source, load->opened.seg, entry->name, replacing);

    if (status == TN_OK) {
        entry->outcome = LOADED;
        entry->size = source->size;
    } else if (status == TN_ECANCELED) {
        refuse(load, entry, source->why);
    } else {
        load->failed++;
        load->status = complain_name_status(load->file, entry->name, status);
        entry->outcome = REFUSED;
    }
    return !is_fatal(status, replacing);
}

/* Load the file, which is open, unless the object is there and good. */
static bool load_source(struct load *load, struct entry *entry,
                        struct source *source)
{
    tn_object object;
    tn_status found = object_find(load->opened.seg, entry->name, &object);

    if (found != TN_OK)
        return store_file(load, entry, source, false);
    if (load->keep) {
        entry->outcome = KEPT;
    } else if (!object_is_bytes(&object)) {
        refuse(load, entry,
               "an object of this name and of another type is there");
    } else if (source_is_same(source, object.address, object_bytes(&object))) {
        entry->outcome = UNCHANGED;
        progress_add(1, 0);
    } else {
        return store_file(load, entry, source, true);
    }
    return true;
}

static bool is_own(const struct load *load, const struct stat *stat)
{
    for (size_t i = 0; i < 2; i++)
        if (stat->st_dev == load->own[i].st_dev &&
            stat->st_ino == load->own[i].st_ino)
            return true;
    return false;
}

/* The type is looked at again, since the file may have become something else
 * after the walk met it. */
static bool load_file(struct load *load, struct entry *entry)
{
    struct source source;
    bool go_on = true;

    if (!source_open(&source, AT_FDCWD, entry->path, O_NOFOLLOW | O_NONBLOCK))
        refuse(load, entry, source.why);
    else if (!S_ISREG(source.stat.st_mode)) {
        load->others++;
        entry->outcome = SKIPPED;
    } else if (is_own(load, &source.stat))
        entry->outcome = SKIPPED;
    else
        go_on = load_source(load, entry, &source);
    source_close(&source);
    return go_on;
}

/* --- A batch -------------------------------------------------------------- */

static void count(struct load *load, const struct entry *entry, bool committed)
{
    switch (entry->outcome) {
    case LOADED:
        load->loaded += committed;
        load->failed += !committed;
        load->bytes += committed ? entry->size : 0;
        break;
    case UNCHANGED:
        load->unchanged++;
        break;
    case KEPT:
        load->kept++;
        break;
    default:
        break;
    }
}

static bool has_loaded(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->entries[i].outcome == LOADED)
            return true;
    return false;
}

/* Load the entries, in a transaction that has begun, up to the first one that
 * the store cannot take; returns how many are before it. */
static size_t load_entries(struct load *load, size_t most)
{
    for (size_t i = 0; i < most; i++) {
        struct entry *entry = &load->batch.entries[i];

        if (entry->outcome != WAITING && entry->outcome != LOADED)
            continue;
        if (!load_file(load, entry))
            return i;
    }
    return most;
}

/* Load all of the batch, or in further transactions as much of it as there is
 * room for.  False: there is no room, or the store does not work. */
static bool load_batch(struct load *load)
{
    struct batch *batch = &load->batch;
    size_t most = batch->count, done = 0;
    int status = store_begin(&load->opened, load->file);

    while (status == DONE && (done = load_entries(load, most)) < most) {
        store_rollback(&load->opened);
        most = done;
        status = store_begin(&load->opened, load->file);
    }
    if (status == DONE && has_loaded(batch))
        status = store_commit(&load->opened, load->file);
    else if (status == DONE)
        store_rollback(&load->opened);
    for (size_t i = 0; i < most; i++)
        count(load, &batch->entries[i], status == DONE);
    if (status != DONE)
        load->status = status;
    return status == DONE && most == batch->count;
}

static void batch_clear(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->entries[i].path);
        free(batch->entries[i].name);
    }
    batch->count = 0;
    batch->bytes = 0;
}

static bool flush_batch(struct load *load)
{
    bool go_on = load->batch.count == 0 || load_batch(load);

    batch_clear(&load->batch);
    return go_on;
}

/* --- The tree ------------------------------------------------------------- */

/* The name of the object: the prefix and the path below DIR. */
static char *name_of(const struct load *load, const char *path)
{
    const char *below = path + strlen(load->dir);
    char *name;

    while (*below == '/')
        below++;
    return asprintf(&name, "%s%s", load->prefix, below) < 0 ? NULL : name;
}

/* Put the file into the batch, and load that when it is full. */
static bool add_file(struct load *load, const FTSENT *found)
{
    struct batch *batch = &load->batch;
    struct entry *entry = &batch->entries[batch->count];

    *entry = (struct entry){.path = strdup(found->fts_path),
                            .name = name_of(load, found->fts_path)};
    if (entry->path == NULL || entry->name == NULL) {
        fail(load, found->fts_path, strerror(ENOMEM));
        free(entry->path);
        free(entry->name);
        return false;
    }
    batch->count++;
    batch->bytes += (uint64_t)found->fts_statp->st_size;
    if (strlen(entry->name) > TN_NAME_MAX)
        refuse(load, entry, "its name is too long for an object");
    return (batch->count < batch->most && batch->bytes < BATCH_BYTES) ||
           flush_batch(load);
}

static bool load_entry(struct load *load, const FTSENT *entry)
{
    switch (entry->fts_info) {
    case FTS_F:
        return add_file(load, entry);
    case FTS_SL:
    case FTS_SLNONE:
        load->links++;
        return true;
    case FTS_DEFAULT:
        load->others++;
        return true;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        fail(load, entry->fts_path, strerror(entry->fts_errno));
        return true;
    case FTS_DC:
        fail(load, entry->fts_path, "the directory contains itself");
        return true;
    default: /* a directory, before or after its files */
        return true;
    }
}

static int compare_names(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void load_tree(struct load *load)
{
    char *roots[] = {(char *)load->dir, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR,
                         compare_names);
    const FTSENT *entry;

    if (tree == NULL) {
        fail(load, load->dir, strerror(errno));
        return;
    }
    errno = 0;
    while ((entry = fts_read(tree)) != NULL && load_entry(load, entry))
        errno = 0;
    if (entry == NULL && errno != 0)
        fail(load, load->dir, strerror(errno));
    if (entry != NULL || !flush_batch(load))
        complain(load->dir, "the rest is not loaded");
    fts_close(tree);
}

static void print_summary(const struct load *load)
{
    size_t skipped = load->links + load->others;

    if (load->json) {
        printf("{\"loaded\": %zu, \"bytes\": %" PRIu64 ", \"unchanged\": %zu, "
               "\"kept\": %zu, \"skipped\": %zu, \"failed\": %zu}\n",
               load->loaded, load->bytes, load->unchanged, load->kept, skipped,
               load->failed);
        return;
    }
    printf("%zu file%s, %" PRIu64 " bytes loaded, %zu unchanged, ",
           load->loaded, text_plural(load->loaded), load->bytes,
           load->unchanged);
    if (load->keep)
        printf("%zu kept, ", load->kept);
    printf("%zu skipped", skipped);
    if (load->failed != 0)
        printf(", %zu failed", load->failed);
    putchar('\n');
}

static void tell_skipped(const struct load *load)
{
    if (load->links != 0)
        complain(load->dir, "skipped %zu symbolic link%s", load->links,
                 text_plural(load->links));
    if (load->others != 0)
        complain(load->dir, "skipped %zu special file%s", load->others,
                 text_plural(load->others));
}

static bool note_own_files(struct load *load)
{
    tn_store_info info;
    tn_status status = tn_store_describe(load->opened.store, &info);

    if (status != TN_OK) {
        complain_status(load->file, status);
        return false;
    }
    if (stat(load->file, &load->own[0]) == 0 && info.journal_path != NULL &&
        stat(info.journal_path, &load->own[1]) == 0)
        return true;
    complain(load->file, "%s", strerror(errno));
    return false;
}

static int load_into_open(struct load *load)
{
    if (!note_own_files(load))
        return FAILED;
    load->batch.entries =
        calloc(load->batch.most, sizeof(*load->batch.entries));
    if (load->batch.entries == NULL) {
        complain(load->file, "%s", strerror(ENOMEM));
        return FAILED;
    }
    progress_start("loading");
    load_tree(load);
    progress_stop();
    tell_skipped(load);
    print_summary(load);
    batch_clear(&load->batch);
    free(load->batch.entries);
    return load->status;
}

static int load_into(struct load *load, const tn_options *options)
{
    int status = store_open_to_write(&load->opened, load->file, options);

    if (status != DONE)
        return status;
    status = load_into_open(load);
    return store_close_written(&load->opened, load->file, status);
}

/* Looked at before the store is made, so that a wrong name makes none. */
static bool is_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        complain(path, "%s", strerror(errno));
        return false;
    }
    close(fd);
    return true;
}

static bool parse_batch(const char *text, size_t *out)
{
    const char *wrong = size_parse(text, out);

    if (wrong == NULL && (*out == 0 || *out > BATCH_MOST))
        wrong = "a batch is 1 to 1M objects";
    if (wrong != NULL)
        usage_error(&cmd_load, "'%s': %s", text, wrong);
    return wrong == NULL;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"keep", no_argument, NULL, OPTION_KEEP},
        {"prefix", required_argument, NULL, OPTION_PREFIX},
        {"batch", required_argument, NULL, OPTION_BATCH},
        {"json", no_argument, NULL, OPTION_JSON},
        CREATE_OPTIONS,
        COMMON_OPTIONS,
        {0},
    };
    struct load load = {.prefix = "", .batch.most = BATCH_OBJECTS};
    tn_options options = {0};
    int option;

    while ((option = option_next(&cmd_load, argc, argv, "h", table)) != -1) {
        if (option == OPTION_KEEP)
            load.keep = true;
        else if (option == OPTION_PREFIX)
            load.prefix = optarg;
        else if (option == OPTION_JSON)
            load.json = true;
        else if (option == OPTION_BATCH) {
            if (!parse_batch(optarg, &load.batch.most))
                return FAILED;
        } else if (!create_option(&cmd_load, option, optarg, &options))
            return FAILED;
    }
    arguments_expect(&cmd_load, argc, 2, 2);
    load.file = argv[optind];
    load.dir = argv[optind + 1];
    return is_directory(load.dir) ? load_into(&load, &options) : FAILED;
}

const struct command cmd_load = {
    .name = "load",
    .args = "FILE DIR",
    .brief = "make an object of every file below a directory",
    .details =
        "Each regular file below DIR becomes an object named by its path "
        "relative to\nDIR.  Objects that are there and differ are replaced; "
        "the same bytes are left\nalone.  Symbolic links and special files are "
        "skipped and counted.  FILE is\nmade if it is not there.  What is "
        "counted as loaded is on disk; a load that was\nkilled left whole "
        "files, and is finished by another one.\n" SIZE_HELP,
    .options =
        "      --keep             leave objects that are there as they are\n"
        "      --prefix=PREFIX    begin each name with PREFIX\n"
        "      --batch=N          load N files a transaction; default 1000\n"
        "      --json             the summary as a JSON object\n"
        "If FILE is made, as for create:\n" CREATE_HELP,
    .example = "tenon load --prefix=include/ headers.tn /usr/include",
    .run = run,
};
