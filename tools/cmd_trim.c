/* cmd_trim.c - tenon trim: give free memory back to the disk
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "progress.h"
#include "text.h"
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print(const char *file, uint64_t given_back, bool json)
{
    if (json) {
        printf("{");
        json_name(stdout, "file", file, strlen(file));
        printf(",\n \"given_back_bytes\": %" PRIu64 "}\n", given_back);
        return;
    }
    printf("given back: ");
    text_bytes(stdout, given_back);
    printf("\n");
}

/* Readers that hold the file still are waited for, like other writers. */
static tn_status trim(const struct opened *opened, uint64_t *given_back)
{
    tn_status status;

    progress_start("trimming");
    status = tn_trim(opened->store, given_back);
    if (status == TN_EBUSY)
        progress_change("waiting for readers");
    while (status == TN_EBUSY)
        status = tn_trim(opened->store, given_back);
    progress_stop();
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"json", no_argument, NULL, OPTION_JSON}, COMMON_OPTIONS, {0}};
    uint64_t given_back = 0;
    struct opened opened;
    bool json = false;
    const char *file;
    tn_status trimmed;
    int status;

    while (option_next(&cmd_trim, argc, argv, "h", table) != -1)
        json = true;
    arguments_expect(&cmd_trim, argc, 1, 1);
    file = argv[optind];
    status = store_open_to_write(&opened, file, NULL);
    if (status != DONE)
        return status;
    trimmed = trim(&opened, &given_back);
    if (trimmed != TN_OK)
        status = complain_status(file, trimmed);
    status = store_close_written(&opened, file, status);
    if (status == DONE)
        print(file, given_back, json);
    return status;
}

const struct command cmd_trim = {
    .name = "trim",
    .args = "FILE",
    .brief = "give free memory back to the disk",
    .details = "Makes free memory zero, and whole free pages of the file "
               "holes; later changes\nfill them again where they need them. "
               "Others may be using the store, but not\nshared.\n",
    .options = "      --json             as one JSON object\n",
    .example = "tenon trim users.tn",
    .run = run,
};
