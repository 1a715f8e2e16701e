/* cmd_save.c - tenon save: write objects as files below a directory
 *
 * The reverse of load.  An object's name is taken as a path below DIR, and
 * names may come from anybody, so nothing is believed of them:
 *
 *   - a name with an empty component, "." or ".." is refused, and with it
 *     names that begin or end with '/'
 *   - directories are opened one component after the other, each relative to
 *     the one before and never through a symbolic link, so that no link below
 *     DIR leads out of it, not even one that somebody makes meanwhile
 *   - files are written under a passing name and moved into place, which
 *     never follows a link at their own name
 *
 * What is refused is complained about and does not keep the others from being
 * saved, unless no other could be either, as on a full disk.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.h"
#include "source.h"
#include "target.h"
#include "text.h"

#define TRIES 3

struct save {
    const char *file, *dir, *prefix;
    tn_segment *seg;
    bool all, force, json;
    int status;
    int root;                   /* DIR */
    int parent;                 /* the directory used last, or -1 */
    char path[TN_NAME_MAX + 1]; /* its path below DIR */
    char name[TN_NAME_MAX + 1]; /* of the object being saved */
    size_t saved, unchanged, skipped, failed; /* objects */
    uint64_t bytes;
};

/* Returns whether to go on. */
static bool fail(struct save *save, const char *reason)
{
    complain_name(save->file, save->name, "%s", reason);
    save->failed++;
    save->status = FAILED;
    return true;
}

/* The same for a refusal of the system, which may hit all others too. */
static bool fail_errno(struct save *save)
{
    int number = errno;

    fail(save, strerror(number));
    return number != ENOSPC && number != EDQUOT && number != EROFS &&
           number != EIO;
}

/* --- Names as paths ------------------------------------------------------ */

/* Why the name is no path below DIR, or NULL. */
static const char *refuse_name(const char *name)
{
    const char *part = name;

    for (;;) {
        size_t n = strcspn(part, "/");

        if (n == 0)
            return "not saved: a part of the name is empty";
        if (part[0] == '.' && (n == 1 || (n == 2 && part[1] == '.')))
            return "not saved: a part of the name is '.' or '..'";
        if (part[n] == '\0')
            return NULL;
        part += n + 1;
    }
}

static void close_parent(struct save *save)
{
    if (save->parent >= 0 && save->parent != save->root)
        close(save->parent);
    save->parent = -1;
}

/* Open the directory part, of dir, and make it if it is not there. */
static int open_part(int dir, const char *part)
{
    if (mkdirat(dir, part, 0777) != 0 && errno != EEXIST)
        return -1;
    return openat(dir, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Open the directory whose path below DIR is the n bytes at path. */
static int open_directory(const struct save *save, const char *path, size_t n)
{
    char part[NAME_MAX + 1];
    int dir = save->root;

    for (size_t i = 0; i < n;) {
        size_t length = strcspn(path + i, "/");
        int next = -1;

        if (length <= NAME_MAX) {
            memcpy(part, path + i, length);
            part[length] = '\0';
            next = open_part(dir, part);
        } else {
            errno = ENAMETOOLONG;
        }
        if (dir != save->root)
            close(dir);
        if (next < 0)
            return -1;
        dir = next;
        i += length + 1;
    }
    return dir;
}

/* Have the directory of the name in save->parent.  Names come in order, so it
 * is mostly the one of the name before. */
static bool enter_parent(struct save *save, const char *name)
{
    const char *slash = strrchr(name, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - name);

    if (save->parent >= 0 && strlen(save->path) == n &&
        memcmp(save->path, name, n) == 0)
        return true;
    close_parent(save);
    save->parent = open_directory(save, name, n);
    memcpy(save->path, name, n);
    save->path[n] = '\0';
    return save->parent >= 0;
}

/* --- One object ---------------------------------------------------------- */

enum there { THERE_NOT, THERE_SAME, THERE_OTHER };

/* What is in the place of the file. */
static enum there look(const struct save *save, const char *base,
                       const tn_object *object)
{
    struct source source;
    enum there there = THERE_OTHER;

    if (!source_open(&source, save->parent, base, O_NOFOLLOW | O_NONBLOCK)) {
        if (faccessat(save->parent, base, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
            errno == ENOENT)
            there = THERE_NOT;
    } else if (S_ISREG(source.stat.st_mode) &&
               source_is_same(&source, object->address, object_bytes(object))) {
        there = THERE_SAME;
    }
    source_close(&source);
    return there;
}

static const char in_the_way[] =
    "not saved: another file of this name is there; --force replaces it";

/* Write the object as the file base; *again: others have changed it. */
static bool write_file(struct save *save, const char *base,
                       const tn_object *object, bool *again)
{
    struct target target;

    *again = false;
    if (!target_begin(&target, save->parent, 0666))
        return fail_errno(save);
    if (!write_all(target.fd, object->address, object_bytes(object))) {
        target_drop(&target);
        return fail_errno(save);
    }
    if (!object_is_there(save->seg, save->name, object)) {
        target_drop(&target);
        *again = true;
        return true;
    }
    if (!target_place(&target, base, save->force))
        return errno == EEXIST ? fail(save, in_the_way) : fail_errno(save);
    save->saved++;
    save->bytes += object_bytes(object);
    progress_add(1, 0);
    return true;
}

/* Save the object under its name.  False: no other can be saved. */
static bool save_file(struct save *save, const char *base)
{
    bool again = true, go_on = true;

    for (int i = 0; again && i < TRIES; i++) {
        tn_object object;
        enum there there;

        if (object_find(save->seg, save->name, &object) != TN_OK)
            return true; /* destroyed a moment ago, so it is not one to save */
        there = look(save, base, &object);
        if (there == THERE_SAME) {
            save->unchanged++;
            progress_add(1, 0);
            return true;
        }
        if (there == THERE_OTHER && !save->force)
            return fail(save, in_the_way);
        go_on = write_file(save, base, &object, &again);
    }
    return again ? fail(save, "it keeps changing while it is read") : go_on;
}

/* The directory of the name cannot be had; errno says why. */
static bool fail_parent(struct save *save)
{
    if (errno == ENOTDIR || errno == ELOOP)
        return fail(save, "not saved: a part of the name is there and is not "
                          "a directory");
    return fail_errno(save);
}

static bool save_object(struct save *save, const tn_object *object)
{
    const char *refused, *slash;
    size_t n = object->name_length;

    if (n == 0 || n > TN_NAME_MAX)
        return true; /* overtaken by a change: there is no such name */
    memcpy(save->name, object->name, n);
    save->name[n] = '\0';
    if (!save->all && !object_is_bytes(object)) {
        save->skipped++;
        return true;
    }
    refused = refuse_name(save->name);
    if (refused != NULL)
        return fail(save, refused);
    if (!enter_parent(save, save->name))
        return fail_parent(save);
    slash = strrchr(save->name, '/');
    return save_file(save, slash == NULL ? save->name : slash + 1);
}

/* --- All of them --------------------------------------------------------- */

static void save_objects(struct save *save)
{
    tn_iter *iter;
    tn_object object;
    tn_status status =
        tn_iter_open(save->seg, TN_KIND_NAMED, save->prefix, &iter);

    if (status != TN_OK) {
        save->status = complain_status(save->file, status);
        return;
    }
    while (tn_iter_next(iter, &object)) {
        if (!save_object(save, &object)) {
            complain(save->dir, "the rest is not saved");
            break;
        }
    }
    tn_iter_close(iter);
}

static void print_summary(const struct save *save)
{
    if (save->json) {
        printf("{\"saved\": %zu, \"bytes\": %" PRIu64 ", \"unchanged\": %zu, "
               "\"skipped\": %zu, \"failed\": %zu}\n",
               save->saved, save->bytes, save->unchanged, save->skipped,
               save->failed);
        return;
    }
    printf("%zu file%s, %" PRIu64 " bytes saved, %zu unchanged, %zu skipped",
           save->saved, text_plural(save->saved), save->bytes, save->unchanged,
           save->skipped);
    if (save->failed != 0)
        printf(", %zu failed", save->failed);
    putchar('\n');
}

static int save_below(struct save *save)
{
    if (mkdir(save->dir, 0777) != 0 && errno != EEXIST) {
        complain(save->dir, "%s", strerror(errno));
        return FAILED;
    }
    save->root = open(save->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (save->root < 0) {
        complain(save->dir, "%s", strerror(errno));
        return FAILED;
    }
    progress_start("saving");
    save_objects(save);
    progress_stop();
    close_parent(save);
    close(save->root);
    if (save->skipped != 0)
        complain(save->file,
                 "skipped %zu objects that are not bytes; --all "
                 "saves them too",
                 save->skipped);
    print_summary(save);
    return save->status;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"all", no_argument, NULL, 'a'},
        {"force", no_argument, NULL, 'f'},
        {"prefix", required_argument, NULL, OPTION_PREFIX},
        {"json", no_argument, NULL, OPTION_JSON},
        COMMON_OPTIONS,
        {0},
    };
    struct save save = {.parent = -1};
    struct opened opened;
    int option, status;

    while ((option = option_next(&cmd_save, argc, argv, "afh", table)) != -1) {
        save.all |= option == 'a';
        save.force |= option == 'f';
        save.json |= option == OPTION_JSON;
        if (option == OPTION_PREFIX)
            save.prefix = optarg;
    }
    arguments_expect(&cmd_save, argc, 2, 2);
    save.file = argv[optind];
    save.dir = argv[optind + 1];
    status = store_open_to_read(&opened, save.file);
    if (status != DONE)
        return status;
    save.seg = opened.seg;
    status = save_below(&save);
    store_close(&opened);
    return status;
}

const struct command cmd_save = {
    .name = "save",
    .args = "FILE DIR",
    .brief = "write objects as files below a directory",
    .details =
        "Each named byte object becomes a file whose path below DIR is the "
        "object's\nname.  Nothing is ever written outside DIR: names with "
        "empty parts, '.' or\n'..', and those that lead through a symbolic "
        "link, are refused.  A file that\nis there is left alone if it has the "
        "same bytes.\n",
    .options =
        "  -a, --all              objects of other types too, as their bytes\n"
        "  -f, --force            replace files that are there and differ\n"
        "      --prefix=PREFIX    only objects whose names begin with PREFIX\n"
        "      --json             the summary as a JSON object\n",
    .example = "tenon save headers.tn /tmp/copy --prefix=include/sys/",
    .run = run,
};
