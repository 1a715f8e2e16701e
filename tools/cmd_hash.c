/* cmd_hash.c - tenon hash: one number for all that a store holds
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include <stdio.h>
#include <string.h>

#include "image.h"
#include "progress.h"
#include "text.h"

static int hash(const char *path, bool json)
{
    unsigned char digest[16];
    tn_store *store;
    tn_status status;

    progress_start("reading");
    status = contents_open(&store, path);
    if (status == TN_OK) {
        status = tn_contents_digest(tn_store_segment(store), digest);
        tn_store_close(store);
    }
    progress_stop();
    if (status != TN_OK)
        return complain_snapshot(path, status) == NOT_SOUND ||
                       status == TN_ESIZE
                   ? NOT_SOUND
                   : FAILED;
    if (json) {
        printf("{");
        json_name(stdout, "file", path, strlen(path));
        printf(", \"xxh128\": \"");
        digest_print(digest);
        printf("\"}\n");
    } else {
        digest_print(digest);
        printf("  ");
        text_visible(stdout, path, strlen(path));
        putchar('\n');
    }
    return DONE;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"json", no_argument, NULL, OPTION_JSON}, COMMON_OPTIONS, {0}};
    bool json = false;

    while (option_next(&cmd_hash, argc, argv, "h", table) != -1)
        json = true;
    arguments_expect(&cmd_hash, argc, 1, 1);
    return hash(argv[optind], json);
}

const struct command cmd_hash = {
    .name = "hash",
    .args = "FILE",
    .brief = "one number for names, types and contents",
    .details =
        "FILE is a store or a snapshot.  Stores with the same objects have the "
        "same\nnumber, an XXH3-128, whatever their index, size and history; "
        "raw allocations\ndo not count, and pointers inside of objects do so "
        "as the bytes they are.\n",
    .options = "      --json             as a JSON object\n",
    .example = "tenon hash users.tn",
    .run = run,
};
