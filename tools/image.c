/* image.c - what the commands about snapshots share
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "text.h"
#include "tool.h"

unsigned count_parse(const char *text, unsigned most)
{
    char *end;
    unsigned long n;

    errno = 0;
    n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || n > most)
        return 0;
    return (unsigned)n;
}

void digest_print(const unsigned char digest[16])
{
    for (int i = 0; i < 16; i++)
        printf("%02x", digest[i]);
}

static void print_json(const char *path, const tn_snapshot_info *info)
{
    printf("{");
    json_name(stdout, "snapshot", path, strlen(path));
    printf(", \"uuid\": \"");
    for (int i = 0; i < 16; i++)
        printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
               info->uuid[i]);
    printf("\", \"commit\": %" PRIu64 ",\n \"image_bytes\": %" PRIu64
           ", \"snapshot_bytes\": %" PRIu64 ", \"chunks\": %" PRIu64
           ", \"chunks_held\": %" PRIu64 ",\n \"digest\": \"",
           info->commit, info->image_size, info->snapshot_size, info->chunks,
           info->chunks_held);
    digest_print(info->digest);
    if (info->incremental) {
        printf("\",\n \"base\": {\"commit\": %" PRIu64 ", \"digest\": \"",
               info->base_commit);
        digest_print(info->base_digest);
        printf("\"}}\n");
    } else {
        printf("\", \"base\": null}\n");
    }
}

void snapshot_print(const char *path, const tn_snapshot_info *info, bool json)
{
    char image[TEXT_SHORT], size[TEXT_SHORT];

    if (json) {
        print_json(path, info);
        return;
    }
    text_visible(stdout, path, strlen(path));
    printf(": commit %" PRIu64 ", %s in %s", info->commit,
           text_short_bytes(image, info->image_size),
           text_short_bytes(size, info->snapshot_size));
    if (info->incremental)
        printf(", %" PRIu64 " of %" PRIu64 " chunks, since commit %" PRIu64,
               info->chunks_held, info->chunks, info->base_commit);
    printf(", xxh128 ");
    digest_print(info->digest);
    putchar('\n');
}

bool snapshot_progress(void *arg, uint64_t done, uint64_t total)
{
    uint64_t *shown = arg;

    (void)total;
    progress_add(0, done - *shown);
    *shown = done;
    return false;
}

/* By its first bytes, which lz4 would skip as well. */
static bool is_snapshot(const char *path)
{
    static const char magic[] = "\x54\x2a\x4d\x18";
    char found[sizeof(magic) - 1];
    FILE *f = fopen(path, "rb");
    bool is = f != NULL && fread(found, sizeof(found), 1, f) == 1 &&
              memcmp(found, magic, sizeof(found)) == 0;

    if (f != NULL)
        fclose(f);
    return is;
}

tn_status contents_open(tn_store **out, const char *path)
{
    const char *directory = getenv("TMPDIR");

    if (!is_snapshot(path))
        return tn_store_open(out, path, TN_PRIVATE | TN_VERIFY, NULL);
    if (directory == NULL || *directory == '\0')
        directory = "/tmp";
    return tn_snapshot_open(out, path, directory, NULL);
}

int complain_snapshot(const char *path, tn_status status)
{
    const char *text = tn_errmsg();
    size_t n = strlen(path);

    /* The library's words may be about the base or the store. */
    if (*text != '\0' &&
        !(strncmp(text, path, n) == 0 && strncmp(text + n, ": ", 2) == 0)) {
        fprintf(stderr, "tenon: ");
        text_visible(stderr, text, strlen(text));
        fputc('\n', stderr);
        return exit_of(status);
    }
    return complain_status(path, status);
}
