/* cmd_put.c - tenon put: make an object of a file's bytes
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "source.h"

static int complain_source(const char *path, const struct source *source)
{
    complain(path == NULL ? "standard input" : path, "%s", source->why);
    return FAILED;
}

static int store_named(struct source *source, tn_segment *seg, const char *file,
                       const char *name, const char *path, bool replace)
{
    tn_status stored = source_store(source, seg, name, replace);

    if (stored == TN_OK)
        return DONE;
    if (stored == TN_ECANCELED)
        return complain_source(path, source);
    if (stored != TN_EEXIST)
        return complain_name_status(file, name, stored);
    complain_name(file, name,
                  "there is an object of this name already; "
                  "--replace replaces it");
    return FAILED;
}

static int store_source(struct source *source, const char *file,
                        const char *name, const char *path, bool replace)
{
    struct opened opened;
    int status = store_open_to_write(&opened, file, NULL);

    if (status != DONE)
        return status;
    status = store_begin(&opened, file);
    if (status == DONE) {
        status = store_named(source, opened.seg, file, name, path, replace);
        status = store_end(&opened, file, status);
    }
    return store_close_written(&opened, file, status);
}

/* A pipe may take its time, so it is read before the store is opened; but not
 * in vain if there is no store. */
static int put(const char *file, const char *name, const char *path,
               bool replace)
{
    struct source source;
    int status;

    if (path != NULL && strcmp(path, "-") == 0)
        path = NULL;
    if (!name_is_valid(file, name))
        return FAILED;
    progress_start("reading");
    if (!source_open(&source, AT_FDCWD, path, 0) ||
        (access(file, F_OK) == 0 && !source_wait(&source)))
        status = complain_source(path, &source);
    else
        status = store_source(&source, file, name, path, replace);
    progress_stop();
    source_close(&source);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"replace", no_argument, NULL, 'r'}, COMMON_OPTIONS, {0}};
    bool replace = false;

    while (option_next(&cmd_put, argc, argv, "rh", table) != -1)
        replace = true;
    arguments_expect(&cmd_put, argc, 2, 3);
    return put(argv[optind], argv[optind + 1], argv[optind + 2], replace);
}

const struct command cmd_put = {
    .name = "put",
    .args = "FILE NAME [PATH]",
    .brief = "make an object of the bytes of a file",
    .details = "Reads PATH, or standard input if there is no PATH or it is "
               "'-'.\n",
    .options = "  -r, --replace          if there is an object of this name, "
               "replace it\n",
    .example = "tenon put site.tn motd /etc/motd",
    .run = run,
};
