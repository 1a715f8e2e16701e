/* cmd_verify.c - tenon verify: is a snapshot whole?
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include <string.h>
#include <unistd.h>

#include "image.h"
#include "progress.h"

static int verify(const char *path, tn_snapshot_options *options, bool json)
{
    tn_snapshot_info info;
    uint64_t shown = 0;
    tn_status status;

    options->progress = snapshot_progress;
    options->arg = &shown;
    progress_start("verifying");
    status = strcmp(path, "-") == 0
                 ? tn_snapshot_verify_fd(STDIN_FILENO, options, &info)
                 : tn_snapshot_verify(path, options, &info);
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
        {"json", no_argument, NULL, OPTION_JSON},
        COMMON_OPTIONS,
        {0},
    };
    tn_snapshot_options options = {0};
    bool json = false;
    int option;

    while ((option = option_next(&cmd_verify, argc, argv, "t:h", table)) !=
           -1) {
        if (option == 't' && (options.threads = count_parse(optarg, 32)) == 0)
            return usage_error(&cmd_verify, "'%s': threads are 1 to 32",
                               optarg);
        if (option == OPTION_BASE)
            options.base = optarg;
        json |= option == OPTION_JSON;
    }
    arguments_expect(&cmd_verify, argc, 1, 1);
    return verify(argv[optind], &options, json);
}

const struct command cmd_verify = {
    .name = "verify",
    .args = "SNAPSHOT",
    .brief = "verify every checksum of a snapshot",
    .details = "SNAPSHOT - is standard input.  The digest shown is that of the "
               "store's file,\nas xxh128sum prints it.\n",
    .options =
        "      --base=BASE        together with the snapshot that it was made "
        "since;\n                         without, the sum of the whole is not "
        "verified\n"
        "  -t, --threads=N        default: one a processor\n"
        "      --json             as one JSON object\n",
    .example = "tenon verify monday.lz4",
    .run = run,
};
