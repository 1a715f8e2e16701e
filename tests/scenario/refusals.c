/* refusals.c - files that are no stores, or not quite, and paths to nowhere
 *
 * Each gets the code that says what it is, and a message that names the file,
 * in every way of opening; and never a crash.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/tmpdir.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where things are in the first sector; docs/FORMAT.md, "Store". */
enum {
    OFF_MAGIC = 0,
    OFF_FORMAT = 8,
    OFF_BYTE_ORDER = 12,
    OFF_COMPAT = 16,
    OFF_RO_COMPAT = 24,
    OFF_INCOMPAT = 32,
    OFF_PAGE_SIZE = 56,
    OFF_FILE_SIZE = 64,
    OFF_SEGMENT_SIZE = 72,
    OFF_MAX_SIZE = 80,
    OFF_DIGEST = 504,
    OFF_STATE = 512,
    SECTOR = 512,
    OFF_SEGMENT = 4096,
};

static const char path[] = "store.tn";

/* Every way of opening answers so, and says which file. */
static void refused_as(const char *name, tn_status expected)
{
    static const unsigned ways[] = {TN_SHARED, TN_READ_ONLY, TN_PRIVATE,
                                    TN_SHARED | TN_CREATE};
    tn_store *store = NULL;

    for (int i = 0; i < 4; i++) {
        if (expected == TN_ENOENT && (ways[i] & TN_CREATE) != 0)
            continue;
        ANSWERS(tn_store_open(&store, name, ways[i], NULL), expected);
        CLAIM(store == NULL);
        CLAIM(strstr(tn_errmsg(), name) != NULL);
        CLAIM(strlen(tn_strerror(expected)) > 0);
    }
    ANSWERS(tn_check_file(name, NULL, NULL, NULL), expected);
    CLAIM(strstr(tn_errmsg(), name) != NULL);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *f = fopen(name, "w");

    CLAIM(f != NULL && fwrite(bytes, 1, size, f) == size && fclose(f) == 0);
}

static void make_store(void)
{
    const tn_options options = {.size = 64 * 1024};
    tn_store *store;

    remove(path);
    OK(tn_store_open(&store, path, TN_SHARED | TN_CREATE, &options));
    OK(tn_construct(tn_store_segment(store), "one", TN_TYPE(int), 1, NULL,
                    NULL));
    OK(tn_store_close(store));
}

/* --- Not even a store ----------------------------------------------------- */

static void something_else(void)
{
    static char bytes[100000];

    refused_as("nowhere.tn", TN_ENOENT);
    refused_as("no/such/directory.tn", TN_ENOENT);

    write_file("empty", "", 0);
    refused_as("empty", TN_ENOTSTORE);
    write_file("text", "Dear reader,\n", 13);
    refused_as("text", TN_ENOTSTORE);
    memset(bytes, 'x', sizeof(bytes));
    write_file("long text", bytes, sizeof(bytes));
    refused_as("long text", TN_ENOTSTORE);
    memset(bytes, 0, sizeof(bytes));
    write_file("zeros", bytes, sizeof(bytes));
    refused_as("zeros", TN_ENOTSTORE);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * i * 7919 >> 8);
    write_file("garbage", bytes, sizeof(bytes));
    refused_as("garbage", TN_ENOTSTORE);
}

static void no_file_at_all(void)
{
    tn_store *store;
    tn_status status;

    CLAIM(mkdir("directory", 0755) == 0 && mkfifo("pipe", 0644) == 0);
    CLAIM(symlink("loop", "loop") == 0);
    for (int i = 0; i < 3; i++) {
        const char *name = (const char *[]){"directory", "pipe", "loop"}[i];

        status = tn_store_open(&store, name, TN_SHARED | TN_CREATE, NULL);
        CLAIM(status != TN_OK && strstr(tn_errmsg(), name) != NULL);
        status = tn_store_open(&store, name, TN_READ_ONLY, NULL);
        CLAIM(status != TN_OK && strstr(tn_errmsg(), name) != NULL);
    }
    ANSWERS(tn_store_open(&store, "text/below.tn", TN_READ_ONLY, NULL),
            TN_ENOENT);
    ANSWERS(tn_store_open(&store, "", TN_SHARED, NULL), TN_EINVAL);
    ANSWERS(tn_store_open(&store, NULL, TN_SHARED, NULL), TN_EINVAL);
    ANSWERS(tn_store_open(NULL, path, TN_SHARED, NULL), TN_EINVAL);
    ANSWERS(tn_store_open(&store, path, TN_SHARED | 0x8000, NULL), TN_EINVAL);
}

/* --- A store once --------------------------------------------------------- */

/* Write size bytes at offset, and make the checksum right if asked to. */
static void patch(off_t offset, uint64_t value, size_t size, bool sealed)
{
    unsigned char sector[SECTOR];
    uint64_t digest;
    int fd = open(path, O_RDWR);

    CLAIM(fd >= 0 && pwrite(fd, &value, size, offset) == (ssize_t)size);
    CLAIM(pread(fd, sector, SECTOR, 0) == SECTOR);
    digest = XXH3_64bits(sector, OFF_DIGEST);
    if (sealed)
        CLAIM(pwrite(fd, &digest, sizeof(digest), OFF_DIGEST) ==
              sizeof(digest));
    CLAIM(close(fd) == 0);
}

static void patched(off_t offset, uint64_t value, size_t size, bool sealed,
                    tn_status expected)
{
    make_store();
    patch(offset, value, size, sealed);
    refused_as(path, expected);
}

static void strange_superblocks(void)
{
    patched(OFF_MAGIC, 'T', 8, true, TN_ENOTSTORE);
    patched(OFF_FORMAT, 2, 4, false, TN_EVERSION); /* whatever it checks */
    patched(OFF_FORMAT, 2, 4, true, TN_EVERSION);
    patched(OFF_BYTE_ORDER, 0x04030201, 4, false, TN_EVERSION);
    patched(OFF_INCOMPAT, 1, 8, true, TN_EVERSION);
    patched(OFF_PAGE_SIZE, 65536, 8, true, TN_EVERSION);
    patched(OFF_PAGE_SIZE, 65536, 8, false, TN_ECORRUPT);
    patched(OFF_FILE_SIZE, 1 << 20, 8, true, TN_ESIZE);
    patched(OFF_FILE_SIZE, 0, 8, true, TN_ECORRUPT);
    patched(OFF_SEGMENT_SIZE, UINT64_MAX, 8, true, TN_ECORRUPT);
    patched(OFF_MAX_SIZE, 0, 8, true, TN_ECORRUPT);
    patched(OFF_SEGMENT, UINT64_MAX, 8, false, TN_ESIZE);
    patched(OFF_STATE, 0, 8, false, TN_EJOURNAL); /* in durable use */
}

/* Features that may be ignored, or by readers. */
static void unknown_features(void)
{
    tn_store *store;

    make_store();
    patch(OFF_COMPAT, 1, 8, true);
    OK(tn_store_open(&store, path, TN_SHARED | TN_VERIFY, NULL));
    OK(tn_store_close(store));

    make_store();
    patch(OFF_RO_COMPAT, 1, 8, true);
    ANSWERS(tn_store_open(&store, path, TN_SHARED, NULL), TN_EVERSION);
    OK(tn_store_open(&store, path, TN_READ_ONLY, NULL));
    OK(tn_find(tn_store_segment(store), "one", NULL, NULL, NULL));
    OK(tn_store_close(store));
}

/* A byte of the superblock is another one: whichever, it is seen. */
static void flipped_bytes(void)
{
    for (off_t at = 0; at < SECTOR; at++) {
        tn_store *store;
        unsigned char byte;
        tn_status status;
        int fd;

        if (at % 64 == 0)
            make_store();
        fd = open(path, O_RDWR);
        CLAIM(fd >= 0 && pread(fd, &byte, 1, at) == 1);
        byte ^= 0x10;
        CLAIM(pwrite(fd, &byte, 1, at) == 1);
        status = tn_store_open(&store, path, TN_READ_ONLY, NULL);
        CLAIM(status == TN_ENOTSTORE || status == TN_EVERSION ||
              status == TN_ECORRUPT);
        CLAIM(strstr(tn_errmsg(), path) != NULL);
        byte ^= 0x10;
        CLAIM(pwrite(fd, &byte, 1, at) == 1 && close(fd) == 0);
    }
}

static void cut_off(void)
{
    static const off_t sizes[] = {65535, 40000, 4096, 4095, 512};
    tn_store *store;

    for (int i = 0; i < 5; i++) {
        make_store();
        CLAIM(truncate(path, sizes[i]) == 0);
        refused_as(path, TN_ESIZE);
    }
    CLAIM(truncate(path, 511) == 0);
    refused_as(path, TN_ENOTSTORE);

    /* More than it says is no harm: so it is after a growth was cut short. */
    make_store();
    CLAIM(truncate(path, 200000) == 0);
    OK(tn_store_open(&store, path, TN_SHARED | TN_VERIFY, NULL));
    OK(tn_store_close(store));
}

/* Sizes that cannot be. */
static void impossible_sizes(void)
{
    tn_options huge = {.size = SIZE_MAX / 2};
    tn_options contradiction = {.size = 1 << 20, .max_size = 1 << 16};
    tn_store *store;

    remove(path);
    ANSWERS(tn_store_open(&store, path, TN_SHARED | TN_CREATE, &huge),
            TN_ESIZE);
    ANSWERS(tn_store_open(&store, path, TN_SHARED | TN_CREATE, &contradiction),
            TN_ESIZE);
    ANSWERS(tn_store_open(&store, path, TN_SHARED | TN_EXCLUSIVE, NULL),
            TN_EINVAL);
    ANSWERS(tn_store_open(&store, path, TN_READ_ONLY | TN_CREATE, NULL),
            TN_EINVAL);
    CLAIM(access(path, F_OK) != 0); /* none of them left a file */
}

int main(void)
{
    tmpdir_enter();
    something_else();
    no_file_at_all();
    strange_superblocks();
    unknown_features();
    flipped_bytes();
    cut_off();
    impossible_sizes();
    tmpdir_leave();
    return 0;
}
