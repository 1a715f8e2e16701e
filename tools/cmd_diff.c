/* cmd_diff.c - tenon diff: in what do two stores differ?
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include <stdio.h>
#include <string.h>

#include "image.h"
#include "progress.h"
#include "text.h"

enum { ADDED, REMOVED, CHANGED, WAYS };

static const char *const words[WAYS] = {"added", "removed", "changed"};

struct diff {
    bool json;
    size_t counts[WAYS];
};

static size_t count_of(const struct diff *diff)
{
    return diff->counts[ADDED] + diff->counts[REMOVED] + diff->counts[CHANGED];
}

/* Without a name, the type and how it is found. */
static void print_name(const tn_object *object)
{
    if (object->kind != TN_KIND_NAMED) {
        printf("[%s ", text_of_kind(object->kind));
        text_escaped(stdout, object->type, strlen(object->type));
        putchar(']');
    } else {
        text_escaped(stdout, object->name, object->name_length);
    }
}

static void print_text(int way, const tn_difference *difference)
{
    const tn_object *a = difference->before, *b = difference->after;

    printf("%-7s  ", words[way]);
    print_name(b != NULL ? b : a);
    if (way == CHANGED)
        printf("  %zu -> %zu bytes", object_bytes(a), object_bytes(b));
    else
        printf("  %zu bytes", object_bytes(b != NULL ? b : a));
    if (way == CHANGED && strcmp(a->type, b->type) != 0) {
        printf(", ");
        text_escaped(stdout, a->type, strlen(a->type));
        printf(" -> ");
        text_escaped(stdout, b->type, strlen(b->type));
    }
    putchar('\n');
}

static void print_object(const char *key, const tn_object *object)
{
    if (object == NULL) {
        printf(", \"%s\": null", key);
        return;
    }
    printf(", \"%s\": {\"type\": ", key);
    json_text(stdout, object->type);
    printf(", \"count\": %zu, \"bytes\": %zu}", object->count,
           object_bytes(object));
}

static void print_json(const struct diff *diff, int way,
                       const tn_difference *difference)
{
    const tn_object *shown =
        difference->after != NULL ? difference->after : difference->before;

    printf("%s\n  {\"what\": \"%s\", \"kind\": \"%s\", ",
           count_of(diff) == 0 ? "" : ",", words[way],
           text_of_kind(shown->kind));
    if (shown->kind == TN_KIND_NAMED)
        json_name(stdout, "name", shown->name, shown->name_length);
    else
        printf("\"name\": null");
    print_object("before", difference->before);
    print_object("after", difference->after);
    putchar('}');
}

static bool print_difference(void *arg, const tn_difference *difference)
{
    struct diff *diff = arg;
    int way = difference->before == NULL  ? ADDED
              : difference->after == NULL ? REMOVED
                                          : CHANGED;

    if (diff->json) {
        print_json(diff, way, difference);
    } else {
        progress_hide();
        print_text(way, difference);
    }
    diff->counts[way]++;
    return false;
}

static void end_json(const struct diff *diff)
{
    printf("%s],\n \"added\": %zu, \"removed\": %zu, \"changed\": %zu}\n",
           count_of(diff) == 0 ? "" : "\n ", diff->counts[ADDED],
           diff->counts[REMOVED], diff->counts[CHANGED]);
}

/* Whatever is wrong, the answer is not that they differ. */
static int trouble(const char *path, tn_status status)
{
    complain_snapshot(path, status);
    return FAILED;
}

static int compare(struct diff *diff, const char *a, const char *b)
{
    tn_store *before, *after;
    tn_status status = contents_open(&before, a);

    if (status != TN_OK)
        return trouble(a, status);
    status = contents_open(&after, b);
    if (status != TN_OK) {
        tn_store_close(before);
        return trouble(b, status);
    }
    if (diff->json)
        printf("{\"differences\": [");
    status =
        tn_contents_compare(tn_store_segment(before), tn_store_segment(after),
                            print_difference, diff);
    if (diff->json)
        end_json(diff);
    tn_store_close(before);
    tn_store_close(after);
    if (status != TN_OK)
        return trouble(b, status);
    return count_of(diff) != 0 ? NOT_SOUND : DONE;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"json", no_argument, NULL, OPTION_JSON}, COMMON_OPTIONS, {0}};
    struct diff diff = {0};
    int status;

    while (option_next(&cmd_diff, argc, argv, "h", table) != -1)
        diff.json = true;
    arguments_expect(&cmd_diff, argc, 2, 2);
    progress_start("comparing");
    status = compare(&diff, argv[optind], argv[optind + 1]);
    progress_stop();
    return status;
}

const struct command cmd_diff = {
    .name = "diff",
    .args = "A B",
    .brief = "show which objects of two stores differ",
    .details =
        "A and B are stores or snapshots.  Prints a line for each object that "
        "only one\nof them has, or that has another type or other bytes.  "
        "Unlike that of other\ncommands, exit status 1 says that there is any "
        "difference, and 2 that they\ncould not be compared.\n",
    .options = "      --json             as one JSON object\n",
    .example = "tenon diff monday.lz4 users.tn",
    .run = run,
};
