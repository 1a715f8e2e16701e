/* tenon_memory.c - what memory Tenon needs, in a segment without a file
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <tenon.h>

#include "bench.h"

static tn_segment *segment;

static void *memory_alloc(size_t size)
{
    return tn_alloc(segment, size);
}

static void *memory_realloc(void *p, size_t size)
{
    return tn_realloc(segment, p, size);
}

static void memory_free(void *p)
{
    bench_require(tn_free(segment, p) == TN_OK);
}

static void memory_report(double live)
{
    tn_stats stats;

    bench_require(tn_segment_shrink(segment) == TN_OK);
    bench_require(tn_segment_stats(segment, &stats) == TN_OK);
    bench_print_in("ratio", "file", (double)stats.size / live);
    bench_print_in("ratio", "split",
                   (double)stats.free_bytes / (double)stats.largest_free);
}

#include "memory.h"

int main(int argc, char **argv)
{
    size_t size = (size_t)1 << 30;

    setenv("BENCH_FAULT_IN", "1", 1);
    bench_require(tn_segment_create(&segment, bench_memory(size), size, NULL) ==
                  TN_OK);
    return memory_run(argc, argv);
}
