/* tenon_image.c - a store into a snapshot and back, and the same with others
 *
 *     tenon_image snapshot|restore tenon|lz4|cp MB [THREADS]
 *
 * The store is MB megabytes large and full of texts of 1 to 256 KiB, every
 * other one of which has been destroyed: half of it is free, and what is free
 * is not zero.  Everything is in the page cache.  lz4 is called as lz4 -1 and
 * lz4 -dc into a file, cp as cp.
 *
 * "time" is wall-clock time until the file is complete, and for Tenon, which
 * also syncs it, on disk; "synced" is that of the others with a sync of the
 * file behind them.  "bytes" is the size of the result.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tenon.h>

#include "bench.h"

enum { WORDS = 4096, LONGEST = 12, TEXT = 1 << 24 };
#define MB ((size_t)1 << 20)

static char *text;

static void succeed(tn_status status)
{
    if (status == TN_OK)
        return;
    fprintf(stderr, "tenon: %s: %s\n", tn_strerror(status), tn_errmsg());
    exit(2);
}

/* --- The store ------------------------------------------------------------ */

/* Words of made-up letters, some far more often than others, as in prose. */
static void make_text(void)
{
    static char words[WORDS][LONGEST + 1];
    uint64_t random = 7;
    size_t at = 0;

    for (int i = 0; i < WORDS; i++) {
        int length = 2 + (int)(bench_random(&random) % (LONGEST - 2));

        for (int j = 0; j < length; j++)
            words[i][j] =
                "etaoinshrdlucmfwypvbgkjqxz"[bench_random(&random) % 5 *
                                             (bench_random(&random) % 6)];
    }
    text = malloc(TEXT + LONGEST + 2);
    bench_require(text != NULL);
    while (at < TEXT) {
        uint64_t r = bench_random(&random);
        unsigned word = (unsigned)(r % WORDS) >> (r >> 32) % 11;
        size_t n = strlen(words[word]);

        memcpy(text + at, words[word], n);
        at += n;
        text[at++] = (r >> 40) % 16 == 0 ? '\n' : ' ';
    }
}

static size_t length_of(uint64_t *random)
{
    return (size_t)1024 << bench_random(random) % 9;
}

static void fill(tn_segment *seg, size_t bytes)
{
    tn_type type = {.name = "char", .size = 1, .align = 1};
    uint64_t random = 1;
    size_t done = 0, n;
    char name[32];
    int i;

    for (i = 0; done < bytes; i++, done += n) {
        n = length_of(&random);
        if (n > bytes - done)
            n = bytes - done;
        snprintf(name, sizeof(name), "text/%07d", i);
        succeed(tn_construct_from(seg, name, &type, n,
                                  text + bench_random(&random) % (TEXT - n), 1,
                                  NULL));
    }
    for (; i > 0; i -= 2) {
        snprintf(name, sizeof(name), "text/%07d", i - 1);
        succeed(tn_destroy(seg, name, NULL));
    }
}

/* A commit, so that there are page sums. */
static void commit(const char *path)
{
    tn_store *store;
    tn_segment *seg;

    succeed(tn_store_open(&store, path, TN_DURABLE, NULL));
    succeed(tn_begin(store, &seg));
    succeed(tn_construct(seg, "done", TN_TYPE(long), 1, NULL, NULL));
    succeed(tn_commit(store));
    succeed(tn_store_close(store));
}

static void make_store(const char *path, size_t megabytes)
{
    tn_options options = {.size = megabytes * MB};
    tn_store *store;

    make_text();
    succeed(tn_store_open(&store, path, TN_SHARED | TN_CREATE | TN_EXCLUSIVE,
                          &options));
    fill(tn_store_segment(store), megabytes * MB / 64 * 62);
    succeed(tn_store_close(store));
    free(text);
    commit(path);
}

/* --- What is measured ----------------------------------------------------- */

static int run_shell(const char *format, const char *from, const char *to)
{
    char line[9000];
    int status;

    snprintf(line, sizeof(line), format, from, to);
    status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

static void sync_file(const char *path)
{
    int fd = open(path, O_RDONLY);

    bench_require(fd >= 0 && fsync(fd) == 0 && close(fd) == 0);
}

static double bytes_of(const char *path)
{
    struct stat st;

    bench_require(stat(path, &st) == 0);
    return (double)st.st_size;
}

static void print_seconds(const char *metric, double begin)
{
    bench_print_in("s", metric, (bench_now() - begin) / 1e9);
}

static void run_tenon(bool restore, const char *from, const char *to,
                      unsigned threads)
{
    tn_snapshot_options options = {.threads = threads};
    double begin = bench_now();
    tn_store *store;

    if (restore) {
        succeed(tn_snapshot_restore(from, to, &options, NULL));
    } else {
        succeed(tn_store_open(&store, from, TN_READ_ONLY, NULL));
        succeed(tn_snapshot_write(store, to, &options, NULL));
        succeed(tn_store_close(store));
    }
    print_seconds("time", begin);
    print_seconds("synced", begin);
}

static void run_other(const char *format, const char *from, const char *to)
{
    double begin = bench_now();

    bench_require(run_shell(format, from, to) == 0);
    print_seconds("time", begin);
    sync_file(to);
    print_seconds("synced", begin);
}

/* Read it, so that it is in the page cache, and have nothing to be written
 * any more. */
static void settle(const char *path)
{
    sync_file(path);
    bench_require(run_shell("cat '%s' >%s", path, "/dev/null") == 0);
}

static void measure(bool restore, const char *who, unsigned threads,
                    const char *store, const char *from, const char *to)
{
    const char *source = restore ? from : store;

    settle(source);
    if (strcmp(who, "tenon") == 0)
        run_tenon(restore, source, to, threads);
    else if (strcmp(who, "cp") == 0)
        run_other("cp '%s' '%s'", source, to);
    else
        run_other(restore ? "lz4 -dc '%s' >'%s'" : "lz4 -1qf '%s' '%s'", source,
                  to);
    bench_print_in("bytes", "bytes", bytes_of(to));
}

/* What lz4 restores it has compressed itself. */
static void prepare(const char *who, const char *store, const char *from)
{
    tn_store *opened;

    if (strcmp(who, "lz4") == 0) {
        bench_require(run_shell("lz4 -1qf '%s' '%s'", store, from) == 0);
        return;
    }
    succeed(tn_store_open(&opened, store, TN_READ_ONLY, NULL));
    succeed(tn_snapshot_write(opened, from, NULL, NULL));
    succeed(tn_store_close(opened));
}

int main(int argc, char **argv)
{
    char store[4096], journal[4200], from[4096], to[4096];
    bool restore;

    if (argc < 4)
        return 2;
    restore = strcmp(argv[1], "restore") == 0;
    if (strcmp(argv[2], "lz4") == 0 && system("command -v lz4 >/dev/null") != 0)
        return BENCH_NOT_OFFERED;
    strcpy(store, bench_path("image.tn"));
    strcpy(from, bench_path("image.lz4"));
    strcpy(to, bench_path("image.out"));
    snprintf(journal, sizeof(journal), "%s-journal", store);
    make_store(store, (size_t)atol(argv[3]));
    if (restore)
        prepare(argv[2], store, from);
    measure(restore, argv[2], argc > 4 ? bench_number(argv[4]) : 0, store, from,
            to);
    unlink(store);
    unlink(journal);
    unlink(from);
    unlink(to);
    return 0;
}
