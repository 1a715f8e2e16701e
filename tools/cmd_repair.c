/* cmd_repair.c - tenon repair: salvage what a damaged store holds
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "progress.h"
#include "text.h"
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct manifest {
    bool json, all;
    size_t printed;
};

static const char *text_of_fate(tn_fate fate)
{
    switch (fate) {
    case TN_FATE_WHOLE:
        return "whole";
    case TN_FATE_DAMAGED:
        return "damaged";
    default:
        return "lost";
    }
}

static void print_object(const tn_salvaged *object)
{
    printf("%-8s", text_of_fate(object->fate));
    if (object->name != NULL)
        text_escaped(stdout, object->name, object->name_length);
    else if (object->handle == 0)
        printf("(an object that was counted)");
    else if (object->fate == TN_FATE_LOST)
        printf("(an object at %" PRIu64 ")", object->handle);
    else
        printf("(%s, at %" PRIu64 ")", text_of_kind(object->kind),
               object->handle);
    if (object->type != NULL) {
        printf("  ");
        text_visible(stdout, object->type, strlen(object->type));
        printf("[%zu]", object->count);
    }
    if (object->why != NULL)
        printf(": %s", object->why);
    printf("\n");
}

static void print_object_json(const tn_salvaged *object, bool first)
{
    printf("%s\n  {\"fate\": \"%s\"", first ? "" : ",",
           text_of_fate(object->fate));
    if (object->type != NULL)
        printf(", \"kind\": \"%s\"", text_of_kind(object->kind));
    if (object->name != NULL) {
        printf(", ");
        json_name(stdout, "name", object->name, object->name_length);
    }
    if (object->type != NULL) {
        printf(", ");
        json_name(stdout, "type", object->type, strlen(object->type));
        printf(", \"size\": %zu, \"count\": %zu", object->size, object->count);
    }
    printf(", \"handle\": %" PRIu64 ", \"renamed\": %s", object->handle,
           object->renamed ? "true" : "false");
    if (object->why != NULL) {
        printf(", \"why\": ");
        json_text(stdout, object->why);
    }
    printf("}");
}

static void note(void *arg, const tn_salvaged *object)
{
    struct manifest *manifest = arg;

    if (manifest->json)
        print_object_json(object, manifest->printed == 0);
    else
        print_object(object);
    manifest->printed++;
}

static void print_end(const char *new_path, const tn_repaired *result)
{
    printf("%zu whole, %zu damaged, %zu lost; %zu raw allocations, %zu of them "
           "doubtful\n",
           result->whole, result->damaged, result->lost,
           result->raw_whole + result->raw_damaged, result->raw_damaged);
    if (result->superblock_lost)
        printf("the superblock was damaged: the maximum size is the default\n");
    if (result->journal_commits != 0)
        printf("%zu commit%s from the journal\n", result->journal_commits,
               text_plural(result->journal_commits));
    if (result->journal_missing)
        printf("the journal is missing, damaged or another store's: the last "
               "commits may be lost\n");
    if (!result->sums_used)
        printf("there are no page sums that count: damage inside an object "
               "cannot be seen\n");
    printf("written: ");
    text_visible(stdout, new_path, strlen(new_path));
    printf("\n");
}

static void print_end_json(const tn_repaired *result)
{
    printf("],\n \"whole\": %zu, \"damaged\": %zu, \"lost\": %zu,\n",
           result->whole, result->damaged, result->lost);
    printf(" \"raw_whole\": %zu, \"raw_damaged\": %zu, \"gaps\": %zu, "
           "\"bad_pages\": %zu,\n",
           result->raw_whole, result->raw_damaged, result->gaps,
           result->bad_pages);
    printf(" \"journal_commits\": %zu, \"journal_missing\": %s,\n",
           result->journal_commits, result->journal_missing ? "true" : "false");
    printf(" \"superblock_lost\": %s, \"sums_used\": %s}\n",
           result->superblock_lost ? "true" : "false",
           result->sums_used ? "true" : "false");
}

static bool is_whole(const tn_repaired *result)
{
    return result->damaged == 0 && result->lost == 0 &&
           result->raw_damaged == 0 && !result->journal_missing;
}

static int repair(const char *path, const char *new_path, bool json)
{
    struct manifest manifest = {.json = json};
    tn_repaired result;
    tn_status status;

    if (json) {
        printf("{");
        json_name(stdout, "file", path, strlen(path));
        printf(", ");
        json_name(stdout, "new", new_path, strlen(new_path));
        printf(",\n \"objects\": [");
    }
    progress_start("repairing");
    status = tn_repair(path, new_path, note, &manifest, &result);
    progress_stop();
    if (status != TN_OK) {
        complain_status(status == TN_EEXIST ? new_path : path, status);
        if (json)
            printf("], \"error\": true}\n");
        return FAILED;
    }
    if (json)
        print_end_json(&result);
    else
        print_end(new_path, &result);
    return is_whole(&result) ? DONE : NOT_SOUND;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"json", no_argument, NULL, OPTION_JSON}, COMMON_OPTIONS, {0}};
    bool json = false;

    while (option_next(&cmd_repair, argc, argv, "h", table) != -1)
        json = true;
    arguments_expect(&cmd_repair, argc, 2, 2);
    return repair(argv[optind], argv[optind + 1], json);
}

const struct command cmd_repair = {
    .name = "repair",
    .args = "FILE NEW",
    .brief = "save what a damaged store holds in a new one",
    .details =
        "FILE and its journal are only read.  All that is saved lies in NEW "
        "where it lay,\nso that references between objects hold.  Prints what "
        "became of each object:\nwhole, damaged or lost; one without a name "
        "of its own is called lost+found/...\nExit status 1: something is "
        "damaged or lost; NEW is written all the same.\n",
    .options = "      --json             as one JSON object\n",
    .example = "tenon repair users.tn saved.tn",
    .run = run,
};
