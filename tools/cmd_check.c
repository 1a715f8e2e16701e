/* cmd_check.c - tenon check: verify a store
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "progress.h"
#include "text.h"

struct check {
    const char *file;
    bool json;
    size_t findings;
};

/* What the checker answers about the file itself; anything else says that it
 * could not be read. */
static bool is_verdict(tn_status status)
{
    return status == TN_ESIZE || exit_of(status) != FAILED;
}

static void report_json(struct check *check, const tn_finding *finding)
{
    printf("%s\n  {\"rule\": ", check->findings++ == 0 ? "" : ",");
    json_text(stdout, finding->rule);
    printf(", \"layer\": ");
    json_text(stdout, finding->layer);
    printf(", \"offset\": %" PRIu64 ", ", finding->offset);
    if (finding->object == NULL)
        printf("\"object\": null");
    else
        json_name(stdout, "object", finding->object, strlen(finding->object));
    printf(", \"what\": ");
    json_text(stdout, finding->what);
    putchar('}');
}

static void report_text(struct check *check, const tn_finding *finding)
{
    check->findings++;
    text_visible(stdout, check->file, strlen(check->file));
    printf(": %s %s at %" PRIu64 ": ", finding->layer, finding->rule,
           finding->offset);
    if (finding->object != NULL) {
        text_visible(stdout, finding->object, strlen(finding->object));
        printf(": ");
    }
    text_visible(stdout, finding->what, strlen(finding->what));
    putchar('\n');
}

static void report(void *arg, const tn_finding *finding)
{
    struct check *check = arg;

    if (check->json)
        report_json(check, finding);
    else
        report_text(check, finding);
}

static void end_json(const struct check *check, tn_status status)
{
    printf(
        "%s],\n \"sound\": %s, \"status\": ", check->findings == 0 ? "" : "\n ",
        status == TN_OK      ? "true"
        : is_verdict(status) ? "false"
                             : "null");
    json_text(stdout, tn_strerror(status));
    printf("}\n");
}

static void end_text(const struct check *check, tn_status status)
{
    if (!is_verdict(status))
        return;
    text_visible(stdout, check->file, strlen(check->file));
    if (status == TN_OK)
        printf(": sound\n");
    else
        printf(": not sound, %zu finding%s\n", check->findings,
               text_plural(check->findings));
}

static int run_check(struct check *check)
{
    tn_status status;

    if (check->json) {
        putchar('{');
        json_name(stdout, "file", check->file, strlen(check->file));
        printf(",\n \"findings\": [");
    }
    progress_start("checking");
    status = tn_check_file(check->file, NULL, report, check);
    progress_stop();
    if (status != TN_OK && check->findings == 0)
        complain_status(check->file, status);
    if (check->json)
        end_json(check, status);
    else
        end_text(check, status);
    if (status == TN_OK)
        return DONE;
    return is_verdict(status) ? NOT_SOUND : FAILED;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"json", no_argument, NULL, OPTION_JSON}, COMMON_OPTIONS, {0}};
    struct check check = {0};

    while (option_next(&cmd_check, argc, argv, "h", table) != -1)
        check.json = true;
    arguments_expect(&cmd_check, argc, 1, 1);
    check.file = argv[optind];
    return run_check(&check);
}

const struct command cmd_check = {
    .name = "check",
    .args = "FILE",
    .brief = "verify a store, without changing it",
    .details =
        "Prints a line for each thing wrong: the layer, the broken rule, "
        "the offset\nin the segment, the object concerned and what it "
        "means.\n",
    .options = "      --json             as one JSON object\n",
    .example = "tenon check users.tn && echo all is well",
    .run = run,
};
