/* peer_bare.c - what the disk takes: 4 KiB of pwrite, then fdatasync
 *
 * The file has its final length, and all of it was written before, so that a
 * sync writes data alone.  Each transaction writes 4 KiB for every object it is
 * told to rewrite, behind those of the one before it, and again from the start
 * when the end is reached.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <fcntl.h>

#include "commit.h"

enum { UNIT = 4096 };
#define LENGTH ((size_t)64 << 20)

static int file = -1;
static size_t at;     /* behind what was written last */
static uint32_t last; /* object in the last block */
static char *block;

static void commit_open(const char *path)
{
    file = open(path, O_RDWR);
    bench_require(file >= 0);
}

static void commit_close(void)
{
    bench_require(close(file) == 0);
}

static void commit_remove(const char *path)
{
    unlink(path);
}

static void commit_make(const char *path, uint32_t n)
{
    (void)n;
    block = (char *)bench_memory(LENGTH);
    memset(block, 1, LENGTH);
    file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    bench_require(file >= 0 && posix_fallocate(file, 0, LENGTH) == 0);
    bench_require(pwrite(file, block, LENGTH, 0) == (ssize_t)LENGTH);
    bench_require(fsync(file) == 0);
    commit_close();
}

static void commit_change(const struct commit_change *change)
{
    size_t size = change->count * (size_t)UNIT;

    if (at + size > LENGTH)
        at = 0;
    for (uint32_t k = 0; k < change->count; k++) {
        last = change->which[k];
        commit_fill((struct commit_object *)(block + k * (size_t)UNIT), last,
                    change->version);
    }
    bench_require(pwrite(file, block, size, (off_t)at) == (ssize_t)size);
    bench_require(fdatasync(file) == 0);
    at += size;
}

static bool commit_read(uint32_t i, struct commit_object *out)
{
    if (at == 0 || i != last)
        return false;
    bench_require(pread(file, out, sizeof(*out), (off_t)(at - UNIT)) ==
                  (ssize_t)sizeof(*out));
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 5 || strcmp(argv[1], "commit") != 0)
        return BENCH_NOT_OFFERED;
    commit_run(bench_number(argv[2]), bench_number(argv[3]),
               bench_number(argv[4]));
    return 0;
}
