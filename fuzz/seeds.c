/* seeds.c - make the inputs that the fuzzers of files begin with
 *
 * usage: seeds DIRECTORY
 *
 * Writes DIRECTORY/open, DIRECTORY/journal and DIRECTORY/snapshot: small stores
 * of every kind of index and both algorithms, closed in order, copied while
 * they were in use, and durable ones beside their journals; and snapshots.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/model.h"
#include "packed.h"
#include "place.h"
#include "use.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 8 };

static uint8_t bytes[PACKED_LARGEST], input[2 * PACKED_LARGEST];

static struct image load(const char *name)
{
    int fd = open(place_path(name), O_RDONLY | O_CLOEXEC);
    struct image image = {.bytes = bytes};
    ssize_t n = read(fd, bytes, sizeof(bytes));

    REQUIRE(fd >= 0 && n >= 0);
    close(fd);
    image.size = (size_t)n;
    return image;
}

static void write_input(const char *target, const char *name, size_t size)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", target, name);
    mkdir(target, 0777);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    REQUIRE(fd >= 0 && write(fd, input, size) == (ssize_t)size);
    close(fd);
}

/* The store as an input for fuzz_open. */
static void keep_store(const char *name, unsigned access)
{
    struct image image = load("store");

    input[0] = (uint8_t)(access << 1);
    write_input("open", name,
                1 + packed_write(&image, input + 1, sizeof(input) - 1));
}

/* The store and its journal as an input for fuzz_journal. */
static void keep_journal(const char *name, unsigned access)
{
    struct image image = load("store");
    size_t size = packed_write(&image, input + HEAD, sizeof(input) - HEAD);
    uint32_t store = (uint32_t)size;

    memset(input, 0, HEAD);
    input[0] = (uint8_t)(access << 1);
    memcpy(input + 4, &store, sizeof(store));
    image = load("store-journal");
    size +=
        packed_write(&image, input + HEAD + size, sizeof(input) - HEAD - size);
    write_input("journal", name, HEAD + size);
}

static void steps(tn_segment *seg, uint64_t seed, int n, struct model *m)
{
    if (m->seg == NULL)
        model_init(m, seg, seed, 600);
    m->seg = seg;
    while (n-- > 0)
        REQUIRE(model_step(m));
    REQUIRE(model_holds(m));
}

static void make(tn_index index, tn_fit fit, size_t size, int n)
{
    tn_options options = use_options;
    struct model m = {.seg = NULL};
    char name[64];
    tn_store *store;

    options.index = index;
    options.fit = fit;
    options.size = size;
    options.max_size = 1 << 20;
    snprintf(name, sizeof(name), "shared-%d%d-%zu-%d", index, fit, size, n);
    place_remove("live");
    REQUIRE(tn_store_open(&store, place_path("live"), TN_SHARED | TN_CREATE,
                          &options) == TN_OK);
    steps(tn_store_segment(store), index * 100 + n, n, &m);
    place_copy("live", "store");
    if (n % 3 == 1) {
        keep_store(name, TN_SHARED);
        REQUIRE(tn_store_close(store) == TN_OK);
        return;
    }
    REQUIRE(tn_store_close(store) == TN_OK);
    place_copy("live", "store");
    keep_store(name, n % 3 == 0 ? TN_READ_ONLY : TN_PRIVATE);
}

static void keep_both(const char *name, unsigned access)
{
    place_copy("live", "store");
    place_copy("live-journal", "store-journal");
    keep_journal(name, access);
}

static void make_durable(tn_index index, int n)
{
    tn_options options = use_options;
    struct model m = {.seg = NULL};
    char name[64];
    tn_segment *seg;
    tn_store *store;
    const tn_segment *view;

    options.index = index;
    options.size = 16384;
    options.max_size = 1 << 20;
    options.page_sums = n % 2 == 0 ? TN_SUMS_DEFAULT : TN_SUMS_OFF;
    place_remove("live");
    REQUIRE(tn_store_open(&store, place_path("live"), TN_DURABLE | TN_CREATE,
                          &options) == TN_OK);
    REQUIRE(tn_read_begin(store, &view) == TN_OK);
    for (int i = 0; i < 3; i++) {
        REQUIRE(tn_begin(store, &seg) == TN_OK);
        steps(seg, index + 7, n, &m);
        REQUIRE(tn_commit(store) == TN_OK);
        snprintf(name, sizeof(name), "pending-%d-%d-%d", index, n, i);
        if (i > 0)
            keep_both(name, TN_DURABLE);
    }
    REQUIRE(tn_read_end(store, view) == TN_OK);
    REQUIRE(tn_checkpoint(store) == TN_OK);
    snprintf(name, sizeof(name), "checkpoint-%d-%d", index, n);
    keep_both(name, TN_READ_ONLY);
    REQUIRE(tn_store_close(store) == TN_OK);
    place_copy("live", "store");
    snprintf(name, sizeof(name), "durable-%d-%d", index, n);
    keep_store(name, TN_DURABLE);
}

/* --- Snapshots ------------------------------------------------------------ */

/* The snapshot, behind its base if it has one, as an input. */
static void keep_snapshot(const char *name, const char *base, unsigned flags)
{
    struct image image = {.bytes = bytes};
    uint32_t n;

    if (base != NULL)
        image = load(base);
    n = (uint32_t)image.size;
    memset(input, 0, HEAD);
    input[0] = (uint8_t)flags;
    memcpy(input + 4, &n, sizeof(n));
    memcpy(input + HEAD, bytes, n);
    image = load("snapshot");
    memcpy(input + HEAD + n, bytes, image.size);
    write_input("snapshot", name, HEAD + n + image.size);
}

static void make_snapshot(tn_index index, size_t size, unsigned flags)
{
    tn_options options = use_options;
    tn_snapshot_options how = {.threads = 1, .force = true};
    struct model m = {.seg = NULL};
    char name[64];
    tn_store *store;

    options.index = index;
    options.size = size;
    options.max_size = 1 << 22;
    place_remove("live");
    REQUIRE(tn_store_open(&store, place_path("live"), TN_SHARED | TN_CREATE,
                          &options) == TN_OK);
    steps(tn_store_segment(store), index, 20, &m);
    REQUIRE(tn_snapshot_write(store, place_path("snapshot"), &how, NULL) ==
            TN_OK);
    snprintf(name, sizeof(name), "whole-%d-%zu", index, size);
    keep_snapshot(name, NULL, flags);
    place_copy("snapshot", "base");
    steps(tn_store_segment(store), index, 10, &m);
    how.base = place_path("base");
    REQUIRE(tn_snapshot_write(store, place_path("snapshot"), &how, NULL) ==
            TN_OK);
    snprintf(name, sizeof(name), "since-%d-%zu", index, size);
    keep_snapshot(name, "base", flags);
    REQUIRE(tn_store_close(store) == TN_OK);
}

int main(int argc, char **argv)
{
    if (argc != 2 || chdir(argv[1]) != 0) {
        fprintf(stderr, "usage: seeds DIRECTORY\n");
        return 2;
    }
    for (tn_index index = TN_INDEX_ISET; index <= TN_INDEX_NULL; index++) {
        make(index, TN_FIT_BEST, 8192, 0);
        make(index, TN_FIT_BEST, 32768, 30);
        make(index, TN_FIT_BEST, 65536, 301);
        make(index, TN_FIT_SEQ, 16384, 40);
        make(index, TN_FIT_SEQ, 32768, 152);
        make_durable(index, 5);
        make_durable(index, 30);
        make_snapshot(index, 16384, 2 * index);
        make_snapshot(index, 700000, 16 * index);
    }
    return 0;
}
