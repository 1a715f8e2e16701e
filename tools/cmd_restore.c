/* cmd_restore.c - tenon restore: a store from a snapshot
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include <string.h>
#include <unistd.h>

#include "image.h"
#include "progress.h"

static int restore(const char *path, const char *file,
                   tn_snapshot_options *options, bool json)
{
    tn_snapshot_info info;
    uint64_t shown = 0;
    tn_status status;

    options->progress = snapshot_progress;
    options->arg = &shown;
    progress_start("restoring");
    status = strcmp(path, "-") == 0
                 ? tn_snapshot_restore_fd(STDIN_FILENO, file, options, &info)
                 : tn_snapshot_restore(path, file, options, &info);
    progress_stop();
    if (status != TN_OK)
        return complain_snapshot(path, status);
    snapshot_print(path, &info, json);
    return DONE;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"base", required_argument, NULL, OPTION_BASE},
        {"threads", required_argument, NULL, 't'},
        {"force", no_argument, NULL, 'f'},
        {"json", no_argument, NULL, OPTION_JSON},
        COMMON_OPTIONS,
        {0},
    };
    tn_snapshot_options options = {0};
    bool json = false;
    int option;

    while ((option = option_next(&cmd_restore, argc, argv, "t:fh", table)) !=
           -1) {
        if (option == 't' && (options.threads = count_parse(optarg, 32)) == 0)
            return usage_error(&cmd_restore, "'%s': threads are 1 to 32",
                               optarg);
        if (option == OPTION_BASE)
            options.base = optarg;
        options.force |= option == 'f';
        json |= option == OPTION_JSON;
    }
    arguments_expect(&cmd_restore, argc, 2, 2);
    return restore(argv[optind], argv[optind + 1], &options, json);
}

const struct command cmd_restore = {
    .name = "restore",
    .args = "SNAPSHOT FILE",
    .brief = "make a store of a snapshot",
    .details =
        "FILE appears when every checksum was verified and all of it is on "
        "disk, with\nholes for what is zero.  SNAPSHOT - is standard input.\n",
    .options =
        "      --base=BASE        the snapshot that SNAPSHOT was made since\n"
        "  -t, --threads=N        default: one a processor\n"
        "  -f, --force            replace FILE if it is there and not open, "
        "and remove\n                         its journal\n"
        "      --json             what was restored, as a JSON object\n",
    .example = "tenon restore monday.lz4 again.tn",
    .run = run,
};
