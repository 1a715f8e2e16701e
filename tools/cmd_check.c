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

enum { WIDTH = 74 }; /* of explanations, which are indented by 4 */

struct check {
    const char *file;
    tn_check_depth depth;
    bool json;
    size_t findings;
    uint64_t done; /* bytes, as progress was told */
};

/* What the checker answers about the file itself; anything else says that it
 * could not be read. */
static bool is_verdict(tn_status status)
{
    return status == TN_ESIZE || exit_of(status) != FAILED;
}

static bool tell_progress(void *arg, uint64_t done, uint64_t total)
{
    struct check *check = arg;

    (void)total;
    progress_add(0, done - check->done);
    check->done = done;
    return true;
}

static void member_json(const char *key, const char *text)
{
    printf(", \"%s\": ", key);
    if (text == NULL)
        printf("null");
    else
        json_text(stdout, text);
}

static void report_json(struct check *check, const tn_finding *finding)
{
    printf("%s\n  {\"rule\": ", check->findings++ == 0 ? "" : ",");
    json_text(stdout, finding->rule);
    member_json("layer", finding->layer);
    printf(", \"offset\": %" PRIu64 ", ", finding->offset);
    if (finding->object == NULL)
        printf("\"object\": null");
    else
        json_name(stdout, "object", finding->object, strlen(finding->object));
    member_json("what", without_subject(finding->what, check->file));
    member_json("meaning", finding->meaning);
    member_json("help", finding->help);
    putchar('}');
}

/* A paragraph below a finding, in lines of a terminal's width. */
static void explain(const char *text)
{
    while (text != NULL && *text != '\0') {
        size_t n = strlen(text);

        if (n > WIDTH) {
            for (n = WIDTH; n > 0 && text[n] != ' '; n--)
                ;
            n = n > 0 ? n : WIDTH;
        }
        printf("    %.*s\n", (int)n, text);
        text += n;
        text += strspn(text, " ");
    }
}

static void report_text(struct check *check, const tn_finding *finding)
{
    const char *what = without_subject(finding->what, check->file);

    check->findings++;
    text_visible(stdout, check->file, strlen(check->file));
    printf(": %s %s at %" PRIu64 ": ", finding->layer, finding->rule,
           finding->offset);
    if (finding->object != NULL) {
        text_visible(stdout, finding->object, strlen(finding->object));
        printf(": ");
    }
    text_visible(stdout, what, strlen(what));
    putchar('\n');
    explain(finding->meaning);
    explain(finding->help);
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
    tn_check_options options = {.depth = check->depth,
                                .max_findings = SIZE_MAX,
                                .progress = tell_progress,
                                .progress_arg = check};
    tn_status status;

    if (check->json) {
        putchar('{');
        json_name(stdout, "file", check->file, strlen(check->file));
        printf(",\n \"findings\": [");
    }
    progress_start("checking");
    status = tn_check_file(check->file, &options, report, check);
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
        {"json", no_argument, NULL, OPTION_JSON},
        {"quick", no_argument, NULL, OPTION_QUICK},
        {"full", no_argument, NULL, OPTION_FULL},
        COMMON_OPTIONS,
        {0}};
    struct check check = {.depth = TN_CHECK_NORMAL};
    int option;

    while ((option = option_next(&cmd_check, argc, argv, "h", table)) != -1) {
        if (option == OPTION_QUICK)
            check.depth = TN_CHECK_QUICK;
        else if (option == OPTION_FULL)
            check.depth = TN_CHECK_FULL;
        else
            check.json = true;
    }
    arguments_expect(&cmd_check, argc, 1, 1);
    check.file = argv[optind];
    return run_check(&check);
}

const struct command cmd_check = {
    .name = "check",
    .args = "FILE",
    .brief = "verify a store, without changing it",
    .details =
        "Prints for each thing wrong the layer, the broken rule, the offset "
        "in the\nsegment or journal, the object concerned, what it means and "
        "what to do.\n",
    .options =
        "      --quick            first page, journal and chain of blocks "
        "only\n"
        "      --full             also free memory and the end of the file\n"
        "      --json             as one JSON object\n",
    .example = "tenon check users.tn && echo all is well",
    .run = run,
};
