/* open.h - the workload open: open a store, find one name in it
 *
 *     PROGRAM open MB [more, for the program]
 *
 * A store of so many megabytes holds 1,000 names; the last of its memory is in
 * use too.  "open" is the median time from the call that opens it until the
 * object has been read, "close" that of closing.  The file's first pages are in
 * the page cache.
 *
 * A program defines, before including this,
 *     static void open_make(const char *path, size_t size);
 *     static uint64_t open_find(const char *path, const char *name);
 *     static void open_close(void);
 *     static void open_remove(const char *path);
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BENCH_OPEN_H
#define BENCH_OPEN_H

#include "bench.h"

enum { OPEN_NAMES = 1000, OPEN_TIMES = 25 };

static inline void open_name(char name[16], uint32_t i)
{
    snprintf(name, 16, "user/%08x", (unsigned)(i * 2654435761u));
}

static inline int open_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static inline int open_run(const char *megabytes)
{
    const char *path = bench_path("open");
    double opening[OPEN_TIMES], closing[OPEN_TIMES];
    char name[16];

    open_make(path, (size_t)bench_number(megabytes) << 20);
    for (uint32_t k = 0; k < OPEN_TIMES; k++) {
        uint32_t i = k * 37 % OPEN_NAMES;
        double start, opened;

        open_name(name, i);
        start = bench_now();
        bench_require(open_find(path, name) == i);
        opened = bench_now();
        open_close();
        opening[k] = opened - start;
        closing[k] = bench_now() - opened;
    }
    open_remove(path);
    qsort(opening, OPEN_TIMES, sizeof(double), open_compare);
    qsort(closing, OPEN_TIMES, sizeof(double), open_compare);
    bench_print("open", opening[OPEN_TIMES / 2]);
    bench_print("close", closing[OPEN_TIMES / 2]);
    return 0;
}

#endif
