/* cmd_info.c - tenon info: what a store is and how full
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "progress.h"
#include "text.h"

static void print_uuid(const unsigned char uuid[16])
{
    for (int i = 0; i < 16; i++)
        printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
               uuid[i]);
}

static const char *explain_state(tn_state state)
{
    switch (state) {
    case TN_STATE_CLEAN:
        return "closed in order";
    case TN_STATE_LIVE:
        return "in durable use, or was when something died";
    case TN_STATE_SHARED:
        return "in shared use, or was when something died";
    }
    return "not known to this version";
}

static const char *explain_journal(tn_journal journal)
{
    switch (journal) {
    case TN_JOURNAL_NONE:
        return "none";
    case TN_JOURNAL_OURS:
        return "of this store";
    case TN_JOURNAL_FOREIGN:
        return "of another store";
    case TN_JOURNAL_DAMAGED:
        return "damaged";
    case TN_JOURNAL_CLOSED:
        return "may not be read";
    }
    return "not known to this version";
}

static void print_size(const char *what, uint64_t bytes)
{
    printf("%-14s ", what);
    text_bytes(stdout, bytes);
    putchar('\n');
}

static void print_journal_content(const tn_store_info *info)
{
    print_size("journal size", info->journal_size);
    printf("%-14s ", "journal holds");
    if (info->journal_commits == 0) {
        printf("nothing\n");
        return;
    }
    printf("%" PRIu64 " commit%s, ", info->journal_commits,
           text_plural(info->journal_commits));
    if (info->journal_pending == 0)
        printf("in the file too\n");
    else
        printf("%" PRIu64 " not in the file yet\n", info->journal_pending);
}

static void print_journal(const tn_store_info *info)
{
    printf("%-14s ", "journal");
    if (info->journal != TN_JOURNAL_NONE && info->journal_path != NULL) {
        text_visible(stdout, info->journal_path, strlen(info->journal_path));
        printf(": ");
    }
    printf("%s\n", explain_journal(info->journal));
    if (info->journal == TN_JOURNAL_OURS)
        print_journal_content(info);
}

static void print_tracker(const tn_store_info *info)
{
    printf("%-14s %s", "tracker", text_of_tracker(info->tracker));
    if (info->tracker_reason[0] != '\0') {
        printf(": ");
        text_visible(stdout, info->tracker_reason,
                     strlen(info->tracker_reason));
    }
    putchar('\n');
}

static void print_text(const char *file, const tn_store_info *info,
                       const tn_stats *stats)
{
    printf("%-14s ", "file");
    text_visible(stdout, file, strlen(file));
    printf("\n%-14s %" PRIu32 "\n", "format", info->format);
    printf("%-14s ", "uuid");
    print_uuid(info->uuid);
    printf("\n%-14s %s: %s\n", "state", text_of_state(info->state),
           explain_state(info->state));
    printf("%-14s %" PRIu64 "\n", "commit", info->commit);
    print_journal(info);
    print_tracker(info);
    printf("%-14s %s\n", "index", text_of_index(info->index));
    printf("%-14s %s\n", "fit", text_of_fit(info->fit));
    print_size("page size", info->page_size);
    print_size("file size", info->file_size);
    print_size("segment size", info->segment_size);
    print_size("maximum size", info->max_size);
    print_size("used", stats->used_bytes);
    print_size("free", stats->free_bytes);
    print_size("largest free", stats->largest_free);
    print_size("overhead", stats->overhead_bytes);
    print_size("index memory", stats->index_bytes);
    printf("%-14s %zu named, %zu unique, %zu anonymous; %zu raw allocations\n",
           "objects", stats->named, stats->unique, stats->anonymous,
           stats->raw);
    printf("%-14s %zu\n", "types", stats->types);
    printf("%-14s %#" PRIx64 " compatible, %#" PRIx64
           " read-only compatible, %#" PRIx64 " incompatible\n",
           "features", info->compat, info->ro_compat, info->incompat);
}

static void print_journal_json(const tn_store_info *info)
{
    const char *path = info->journal_path == NULL ? "" : info->journal_path;

    printf(" \"journal\": {");
    json_name(stdout, "path", path, strlen(path));
    printf(", \"state\": \"%s\",\n", text_of_journal(info->journal));
    printf("  \"bytes\": %" PRIu64 ", \"commits\": %" PRIu64
           ", \"pending\": %" PRIu64 "},\n",
           info->journal_size, info->journal_commits, info->journal_pending);
    printf(" \"tracker\": {\"name\": \"%s\", \"reason\": ",
           text_of_tracker(info->tracker));
    json_text(stdout, info->tracker_reason);
    printf("},\n");
}

static void print_json(const char *file, const tn_store_info *info,
                       const tn_stats *stats)
{
    printf("{");
    json_name(stdout, "file", file, strlen(file));
    printf(",\n \"format\": %" PRIu32 ", \"uuid\": \"", info->format);
    print_uuid(info->uuid);
    printf("\", \"state\": \"%s\",\n", text_of_state(info->state));
    printf(" \"index\": \"%s\", \"fit\": \"%s\",\n", text_of_index(info->index),
           text_of_fit(info->fit));
    printf(" \"page_bytes\": %zu, \"file_bytes\": %zu,\n", info->page_size,
           info->file_size);
    printf(" \"segment_bytes\": %zu, \"max_bytes\": %zu,\n", info->segment_size,
           info->max_size);
    printf(" \"used_bytes\": %zu, \"free_bytes\": %zu,\n", stats->used_bytes,
           stats->free_bytes);
    printf(" \"largest_free_bytes\": %zu, \"overhead_bytes\": %zu,\n",
           stats->largest_free, stats->overhead_bytes);
    printf(" \"index_bytes\": %zu,\n", stats->index_bytes);
    printf(" \"objects\": {\"named\": %zu, \"unique\": %zu, "
           "\"anonymous\": %zu, \"raw\": %zu},\n",
           stats->named, stats->unique, stats->anonymous, stats->raw);
    printf(" \"types\": %zu, \"commit\": %" PRIu64 ",\n", stats->types,
           info->commit);
    print_journal_json(info);
    printf(" \"features\": {\"compat\": %" PRIu64 ", \"ro_compat\": %" PRIu64
           ", \"incompat\": %" PRIu64 "}}\n",
           info->compat, info->ro_compat, info->incompat);
}

static tn_status collect(const struct opened *opened, tn_store_info *info,
                         tn_stats *stats)
{
    tn_status status = tn_store_describe(opened->store, info);

    return status != TN_OK ? status : tn_segment_stats(opened->seg, stats);
}

static int describe(const char *file, bool json)
{
    struct opened opened;
    tn_store_info info;
    tn_stats stats;
    tn_status found;
    int status = store_open_to_read(&opened, file);

    if (status != DONE)
        return status;
    progress_start("counting");
    found = collect(&opened, &info, &stats);
    progress_stop();
    if (found != TN_OK)
        status = complain_status(file, found);
    else if (json)
        print_json(file, &info, &stats);
    else
        print_text(file, &info, &stats);
    store_close(&opened);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"json", no_argument, NULL, OPTION_JSON}, COMMON_OPTIONS, {0}};
    bool json = false;

    while (option_next(&cmd_info, argc, argv, "h", table) != -1)
        json = true;
    arguments_expect(&cmd_info, argc, 1, 1);
    return describe(argv[optind], json);
}

const struct command cmd_info = {
    .name = "info",
    .args = "FILE",
    .brief = "show what a store is and how full",
    .options = "      --json             as one JSON object\n",
    .example = "tenon info users.tn",
    .run = run,
};
