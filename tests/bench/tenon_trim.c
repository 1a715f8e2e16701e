/* tenon_trim.c - free memory made zero, and given back to the disk
 *
 *     tenon_trim tenon|memset MB
 *
 * MB megabytes are allocated, filled with text and freed again; everything is
 * in the page cache.  "zero" is tn_zero_free() of memory that is mapped from a
 * file, or memset() of as much; "trim" is all of tn_trim() of a durable store,
 * whose zeros and holes are on disk when it returns, or memset() and a sync of
 * a mapped file.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <fcntl.h>
#include <tenon.h>

#include "bench.h"

#define MB ((size_t)1 << 20)

static size_t size;
static char path[4096], journal[4200];

static void succeed(tn_status status)
{
    if (status == TN_OK)
        return;
    fprintf(stderr, "tenon: %s: %s\n", tn_strerror(status), tn_errmsg());
    exit(2);
}

static void fill(char *p, size_t n)
{
    uint64_t random = 7;

    for (size_t i = 0; i < n; i++)
        p[i] = "etaoinshrdlu "[bench_random(&random) % 13];
}

/* A store with so much free memory that is not zero, on disk. */
static void make_store(void)
{
    tn_options options = {.size = size + 2 * MB};
    tn_segment *seg;
    tn_store *store;
    char *p;

    succeed(tn_store_open(&store, path, TN_SHARED | TN_CREATE, &options));
    seg = tn_store_segment(store);
    p = tn_alloc(seg, size);
    bench_require(p != NULL);
    fill(p, size);
    succeed(tn_free(seg, p));
    succeed(tn_store_close(store));
}

static double zero(void)
{
    double start, took;
    tn_store *store;

    make_store();
    succeed(tn_store_open(&store, path, TN_SHARED, NULL));
    start = bench_now();
    succeed(tn_zero_free(tn_store_segment(store)));
    took = bench_now() - start;
    succeed(tn_store_close(store));
    unlink(path);
    return took;
}

static double trim(void)
{
    double start, took;
    tn_store *store;
    uint64_t given;

    make_store();
    succeed(tn_store_open(&store, path, TN_DURABLE, NULL));
    start = bench_now();
    succeed(tn_trim(store, &given));
    took = bench_now() - start;
    bench_require(given >= size);
    succeed(tn_store_close(store));
    unlink(path);
    unlink(journal);
    return took;
}

/* Memory that is mapped and clean, as it is after opening a store. */
static void set_memory(double *set, double *synced)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    double start;
    char *p;

    bench_require(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    bench_require(p != MAP_FAILED);
    fill(p, size);
    bench_require(fdatasync(fd) == 0 && munmap(p, size) == 0);
    p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    bench_require(p != MAP_FAILED);
    start = bench_now();
    memset(p, 0, size);
    *set = bench_now() - start;
    bench_require(fdatasync(fd) == 0);
    *synced = bench_now() - start;
    munmap(p, size);
    close(fd);
    unlink(path);
}

int main(int argc, char **argv)
{
    double set, synced;

    size = (argc == 3 ? strtoul(argv[2], NULL, 10) : 0) * MB;
    if (size == 0)
        return BENCH_NOT_OFFERED;
    snprintf(path, sizeof(path), "%s", bench_path("store"));
    snprintf(journal, sizeof(journal), "%s-journal", path);
    if (strcmp(argv[1], "memset") == 0) {
        set_memory(&set, &synced);
        bench_print("zero", set);
        bench_print("trim", synced);
        return 0;
    }
    bench_print("zero", zero());
    bench_print("trim", trim());
    return 0;
}
