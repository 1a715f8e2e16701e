/* cmd_rm.c - tenon rm: destroy objects
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include "progress.h"

/* Whatever cannot be removed does not keep the others from it; the others go
 * together, in one transaction. */
static int remove_objects(tn_segment *seg, const char *file, char **names,
                          bool force)
{
    int status = DONE;

    for (; *names != NULL; names++) {
        tn_status destroyed;

        if (!name_is_valid(file, *names)) {
            status = FAILED;
            continue;
        }
        destroyed = tn_destroy(seg, *names, NULL);
        if (destroyed != TN_OK && !(destroyed == TN_ENOENT && force))
            status = complain_name_status(file, *names, destroyed);
    }
    return status;
}

static int remove_from(const char *file, char **names, bool force)
{
    struct opened opened;
    int status = store_open_to_write(&opened, file, NULL), committed;

    if (status != DONE)
        return status;
    progress_start("removing");
    status = store_begin(&opened, file);
    if (status == DONE) {
        status = remove_objects(opened.seg, file, names, force);
        committed = store_commit(&opened, file);
        status = committed != DONE ? committed : status;
    }
    progress_stop();
    return store_close_written(&opened, file, status);
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"force", no_argument, NULL, 'f'}, COMMON_OPTIONS, {0}};
    bool force = false;
    const char *file;

    while (option_next(&cmd_rm, argc, argv, "fh", table) != -1)
        force = true;
    arguments_expect(&cmd_rm, argc, 2, argc);
    file = argv[optind];
    return remove_from(file, argv + optind + 1, force);
}

const struct command cmd_rm = {
    .name = "rm",
    .args = "FILE NAME...",
    .brief = "destroy objects",
    .details =
        "Objects of any type: a program's object that owns memory elsewhere in "
        "the\nstore leaves that behind.\n",
    .options = "  -f, --force            names that are not there are no "
               "failure\n",
    .example = "tenon rm site.tn motd",
    .run = run,
};
