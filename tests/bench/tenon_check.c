/* tenon_check.c - a store checked, in time and memory
 *
 *     tenon_check MB
 *
 * The store is MB megabytes large and full of texts of 1 to 60 KiB, every other
 * one of which has been destroyed.  Everything is in the page cache.  "normal",
 * "quick" and "full" are the depths of the check; "speed" is that of the normal
 * one over the whole file, and "memory" what it takes beside the page cache.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <tenon.h>

#include "bench.h"

enum { ROUNDS = 5, LONGEST = 60 * 1024 };
#define MB ((size_t)1 << 20)

static const tn_type text_type = {"text", 1, 1, NULL, NULL};
static char text[LONGEST];

static void succeed(tn_status status)
{
    if (status == TN_OK)
        return;
    fprintf(stderr, "tenon: %s: %s\n", tn_strerror(status), tn_errmsg());
    exit(2);
}

static const char *name_of(unsigned i)
{
    static char name[32];

    snprintf(name, sizeof(name), "text/%08x", i);
    return name;
}

static void make_text(void)
{
    uint64_t random = 7;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = "etaoinshrdlu "[bench_random(&random) % 13];
}

static void fill(tn_segment *seg)
{
    uint64_t random = 1;
    size_t size;
    unsigned count = 0;
    void *p;

    for (;; count++) {
        size = 1024 + bench_random(&random) % (LONGEST - 1024);
        if (tn_free_bytes(seg) < 4 * LONGEST ||
            tn_construct(seg, name_of(count), &text_type, size, NULL, &p) !=
                TN_OK)
            break;
        memcpy(p, text, size);
    }
    for (unsigned i = 0; i < count; i += 2)
        succeed(tn_destroy(seg, name_of(i), NULL));
}

/* Page sums come with the first commit. */
static void make_store(const char *path, size_t size)
{
    tn_options options = {.size = size};
    tn_segment *w;
    tn_store *store;
    void *p;

    make_text();
    succeed(tn_store_open(&store, path, TN_SHARED | TN_CREATE, &options));
    fill(tn_store_segment(store));
    succeed(tn_store_close(store));
    succeed(tn_store_open(&store, path, TN_DURABLE, NULL));
    succeed(tn_begin(store, &w));
    succeed(tn_construct(w, "last", &text_type, 1, NULL, &p));
    succeed(tn_commit(store));
    succeed(tn_store_close(store));
}

/* Bytes of this process that lie in no file. */
static double memory(void)
{
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");

    bench_require(f != NULL);
    while (fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "RssAnon: %lf", &kib) == 1)
            break;
    fclose(f);
    return kib / 1024;
}

static double most;

static bool look(void *arg, uint64_t done, uint64_t total)
{
    double now = memory();

    (void)arg;
    (void)done;
    (void)total;
    if (now > most)
        most = now;
    return true;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* The median of some rounds. */
static double check(const char *path, tn_check_depth depth)
{
    tn_check_options options = {.depth = depth};
    double took[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        double start = bench_now();

        succeed(tn_check_file(path, &options, NULL, NULL));
        took[i] = bench_now() - start;
    }
    qsort(took, ROUNDS, sizeof(took[0]), compare);
    return took[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    size_t size = (argc == 2 ? strtoul(argv[1], NULL, 10) : 0) * MB;
    tn_check_options watched = {.progress = look};
    char path[4096], journal[4200];
    double before, normal;

    if (size < 8 * MB)
        return BENCH_NOT_OFFERED;
    snprintf(path, sizeof(path), "%s", bench_path("store"));
    snprintf(journal, sizeof(journal), "%s-journal", path);
    make_store(path, size);
    before = memory();
    succeed(tn_check_file(path, &watched, NULL, NULL));
    normal = check(path, TN_CHECK_NORMAL);
    bench_print("normal", normal);
    bench_print("quick", check(path, TN_CHECK_QUICK));
    bench_print("full", check(path, TN_CHECK_FULL));
    bench_print_in("GB/s", "speed", (double)size / normal);
    bench_print_in("MiB", "memory", most - before);
    unlink(path);
    unlink(journal);
    return 0;
}
