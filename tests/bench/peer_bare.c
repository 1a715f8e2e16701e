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
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t at;     /* behind what was written last; under lock */
static uint32_t last; /* object in the last block; under lock */
static __thread char *block;

static void commit_open(const char *path)
{
    file = open(path, O_RDWR);
    bench_require(file >= 0);
}

static void commit_close(void)
{
    bench_require(close(file) == 0);
}

static void commit_join(const char *path)
{
    (void)path;
    block = (char *)bench_memory(UNIT);
}

static void commit_leave(void)
{
    munmap(block, UNIT);
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

/* Where to write size bytes, of which the last are those of this object. */
static size_t next_place(size_t size, uint32_t object)
{
    size_t place;

    pthread_mutex_lock(&lock);
    if (at + size > LENGTH)
        at = 0;
    place = at;
    at += size;
    last = object;
    pthread_mutex_unlock(&lock);
    return place;
}

static void commit_change(const struct commit_change *change)
{
    size_t size = change->count * (size_t)UNIT;
    size_t place = next_place(size, change->which[change->count - 1]);

    for (uint32_t k = 0; k < change->count; k++)
        commit_fill((struct commit_object *)(block + k * (size_t)UNIT),
                    change->which[k], change->version);
    bench_require(pwrite(file, block, size, (off_t)place) == (ssize_t)size);
    bench_require(fdatasync(file) == 0);
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
    return commit_main(argc, argv);
}
