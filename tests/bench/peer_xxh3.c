/* peer_xxh3.c - how fast XXH3-64 alone goes over a file
 *
 *     xxh3 MB
 *
 * The file is MB megabytes large and in the page cache.  It is mapped anew each
 * time and hashed in pieces of 1 MiB, by a thread for each processor.
 * The figures have the names that they have for a check.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define XXH_INLINE_ALL
#include <fcntl.h>
#include <pthread.h>
#include <xxhash.h>

#include "bench.h"

enum { ROUNDS = 5, THREADS_MOST = 16 };
#define MB ((size_t)1 << 20)

static char *bytes;
static size_t size, next;
static uint64_t sum;

static void make_file(int fd)
{
    static char text[1 << 20];
    uint64_t random = 7;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = "etaoinshrdlu "[bench_random(&random) % 13];
    for (size_t at = 0; at < size; at += sizeof(text))
        bench_require(write(fd, text, sizeof(text)) == (ssize_t)sizeof(text));
}

static void *work(void *unused)
{
    size_t at;

    (void)unused;
    while ((at = __atomic_fetch_add(&next, MB, __ATOMIC_RELAXED)) < size)
        __atomic_fetch_xor(&sum, XXH3_64bits(bytes + at, MB), __ATOMIC_RELAXED);
    return NULL;
}

static double hash(int fd, int threads)
{
    pthread_t thread[THREADS_MOST];
    double start = bench_now();

    bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    bench_require(bytes != MAP_FAILED);
    next = 0;
    for (int i = 1; i < threads; i++)
        bench_require(pthread_create(&thread[i], NULL, work, NULL) == 0);
    work(NULL);
    for (int i = 1; i < threads; i++)
        pthread_join(thread[i], NULL);
    munmap(bytes, size);
    return bench_now() - start;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

int main(int argc, char **argv)
{
    long threads = sysconf(_SC_NPROCESSORS_ONLN);
    double took[ROUNDS];
    const char *path = bench_path("file");
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

    size = (argc == 2 ? strtoul(argv[1], NULL, 10) : 0) * MB;
    bench_require(fd >= 0 && size > 0);
    unlink(path);
    make_file(fd);
    if (threads > THREADS_MOST)
        threads = THREADS_MOST;
    hash(fd, (int)threads);
    for (int i = 0; i < ROUNDS; i++)
        took[i] = hash(fd, (int)threads);
    qsort(took, ROUNDS, sizeof(took[0]), compare);
    bench_print("normal", took[ROUNDS / 2]);
    bench_print_in("GB/s", "speed", (double)size / took[ROUNDS / 2]);
    close(fd);
    return 0;
}
