/* cmd_snapshot.c - tenon snapshot: a committed state in one compressed stream
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include <string.h>
#include <unistd.h>

#include "image.h"
#include "progress.h"

struct snapshot {
    const char *file, *out;
    bool json;
    tn_snapshot_options options;
    tn_snapshot_info info;
};

static bool is_standard_output(const char *out)
{
    return strcmp(out, "-") == 0;
}

static tn_status write_of(struct snapshot *s, tn_store *store)
{
    return is_standard_output(s->out)
               ? tn_snapshot_write_fd(store, STDOUT_FILENO, &s->options,
                                      &s->info)
               : tn_snapshot_write(store, s->out, &s->options, &s->info);
}

/* A store at shared work can be held still only by one of those who share
 * it. */
static tn_status write_shared(struct snapshot *s)
{
    tn_store *store;
    tn_status status = tn_store_open(&store, s->file, TN_SHARED, NULL), closed;

    if (status != TN_OK)
        return status;
    status = write_of(s, store);
    closed = tn_store_close(store);
    return status != TN_OK ? status : closed;
}

static int write_snapshot(struct snapshot *s)
{
    struct opened opened;
    uint64_t shown = 0;
    tn_status written;
    int status = store_open_to_read(&opened, s->file);

    if (status != DONE)
        return status;
    s->options.progress = snapshot_progress;
    s->options.arg = &shown;
    progress_start("writing the snapshot");
    written = write_of(s, opened.store);
    store_close(&opened);
    if (written == TN_EBUSY)
        written = write_shared(s);
    progress_stop();
    if (written != TN_OK)
        return complain_snapshot(s->file, written);
    if (!is_standard_output(s->out))
        snapshot_print(s->out, &s->info, s->json);
    return DONE;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"level", required_argument, NULL, 'l'},
        {"threads", required_argument, NULL, 't'},
        {"since", required_argument, NULL, OPTION_SINCE},
        {"force", no_argument, NULL, 'f'},
        {"json", no_argument, NULL, OPTION_JSON},
        COMMON_OPTIONS,
        {0},
    };
    struct snapshot s = {0};
    int option;

    while ((option = option_next(&cmd_snapshot, argc, argv, "l:t:fh", table)) !=
           -1) {
        if (option == 'l' &&
            (s.options.level = (int)count_parse(optarg, 12)) == 0)
            return usage_error(&cmd_snapshot, "'%s': levels are 1 to 12",
                               optarg);
        if (option == 't' && (s.options.threads = count_parse(optarg, 32)) == 0)
            return usage_error(&cmd_snapshot, "'%s': threads are 1 to 32",
                               optarg);
        if (option == OPTION_SINCE)
            s.options.base = optarg;
        s.options.force |= option == 'f';
        s.json |= option == OPTION_JSON;
    }
    arguments_expect(&cmd_snapshot, argc, 2, 2);
    s.file = argv[optind];
    s.out = argv[optind + 1];
    if (is_standard_output(s.out) && s.json)
        return usage_error(&cmd_snapshot,
                           "the snapshot itself goes to standard output");
    if (is_standard_output(s.out) && isatty(STDOUT_FILENO))
        return usage_error(&cmd_snapshot,
                           "a snapshot is not for a terminal to show");
    return write_snapshot(&s);
}

const struct command cmd_snapshot = {
    .name = "snapshot",
    .args = "FILE OUT",
    .brief = "write the last commit as one compressed file",
    .details =
        "OUT is a series of LZ4 frames: 'lz4 -dc OUT' gives the store's file "
        "back,\n'tenon restore' does so verified.  Free memory costs next to "
        "nothing.  The\nstore may be in use, also by writers.  OUT - is "
        "standard output.\n",
    .options =
        "  -l, --level=N          from 1, the fastest and default, to 12\n"
        "  -t, --threads=N        default: one a processor\n"
        "      --since=BASE       only what differs from the snapshot BASE; "
        "restoring\n                         it takes both\n"
        "  -f, --force            replace OUT if it is there\n"
        "      --json             the summary as a JSON object\n",
    .example = "tenon snapshot users.tn monday.lz4",
    .run = run,
};
