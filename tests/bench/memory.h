/* memory.h - the workloads that ask what memory an allocator needs
 *
 *     PROGRAM replay TRACE    allocate as a real program did (record.c)
 *     PROGRAM object SIZE     so many objects of one size that they hold 16 MB
 *     PROGRAM fragment        a long churn in which the mix of sizes changes
 *
 * All that is allocated is written, and must be the same when it is freed.
 * What is resident is asked of the kernel, page by page, so it says the same
 * of a segment and of a malloc; it is taken each time that the live bytes have
 * grown by a hundredth over the most before, and huge pages are off.  The ratio
 * "peak" is the most that was resident over the most that was live, counted in
 * bytes asked for.  fragment also tells of a segment: "file", its size without
 * the free memory at its end over the live bytes, and "split", its free bytes
 * over its largest free block.
 *
 * A program defines, before including this,
 *     static void *memory_alloc(size_t size);
 *     static void *memory_realloc(void *p, size_t size);   may move
 *     static void memory_free(void *p);
 *     static void memory_report(double live);      "file" and "split"
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "bench.h"
#include "trace.h"

struct memory_piece {
    void *p; /* NULL: none */
    uint32_t size;
    unsigned char mark; /* each of its bytes */
};

struct memory_gauge {
    double base;                 /* resident before anything was allocated */
    double live, most_live;      /* bytes asked for */
    double sampled, most, final; /* live at the last look; resident bytes */
};

static inline double memory_resident(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    double bytes = 0;

    bench_require(file != NULL);
    while (fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "Rss:", 4) == 0)
            bytes = strtod(line + 4, NULL) * 1024;
    fclose(file);
    return bytes;
}

static inline void memory_look(struct memory_gauge *gauge)
{
    gauge->final = memory_resident() - gauge->base;
    gauge->sampled = gauge->live;
    if (gauge->final > gauge->most)
        gauge->most = gauge->final;
}

static inline void memory_count(struct memory_gauge *gauge, double bytes)
{
    gauge->live += bytes;
    if (gauge->live <= gauge->most_live)
        return;
    gauge->most_live = gauge->live;
    if (gauge->live > gauge->sampled * 1.01 + 65536)
        memory_look(gauge);
}

/* Looking itself takes memory the first time. */
static inline void memory_begin(struct memory_gauge *gauge)
{
    memset(gauge, 0, sizeof(*gauge));
    memory_resident();
    gauge->base = memory_resident();
}

static inline void *memory_array(size_t count, size_t size)
{
    void *p = mmap(NULL, count * size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    bench_require(p != MAP_FAILED);
    return p;
}

/* --- Pieces --------------------------------------------------------------- */

static inline void memory_verify(const struct memory_piece *piece)
{
    const unsigned char *bytes = (const unsigned char *)piece->p;
    uint32_t size = piece->size;

    if (size > 0)
        bench_require(bytes[0] == piece->mark &&
                      bytes[size / 2] == piece->mark &&
                      bytes[size - 1] == piece->mark);
}

static inline void memory_make(struct memory_piece *piece, uint32_t size)
{
    static unsigned char mark;

    piece->p = memory_alloc(size);
    piece->size = size;
    piece->mark = ++mark;
    bench_require(piece->p != NULL);
    memset(piece->p, piece->mark, size);
}

static inline void memory_drop(struct memory_piece *piece)
{
    memory_verify(piece);
    memory_free(piece->p);
    piece->p = NULL;
    piece->size = 0;
}

static inline void memory_resize(struct memory_piece *piece, uint32_t size)
{
    uint32_t old = piece->size;

    piece->p = memory_realloc(piece->p, size);
    bench_require(piece->p != NULL);
    piece->size = size < old ? size : old;
    memory_verify(piece);
    if (size > old)
        memset((char *)piece->p + old, piece->mark, size - old);
    piece->size = size;
}

/* --- replay --------------------------------------------------------------- */

static inline struct trace_event *memory_load(const char *path, size_t *n)
{
    int file = open(path, O_RDONLY);
    struct trace_event *events;
    struct stat stat;

    if (file < 0)
        exit(BENCH_NOT_OFFERED);
    bench_require(fstat(file, &stat) == 0);
    *n = (size_t)stat.st_size / sizeof(*events);
    events = (struct trace_event *)memory_array(*n + 1, sizeof(*events));
    for (size_t done = 0; done < *n * sizeof(*events);) {
        ssize_t got =
            read(file, (char *)events + done, *n * sizeof(*events) - done);

        bench_require(got > 0);
        done += (size_t)got;
    }
    close(file);
    return events;
}

static inline void memory_play(struct memory_piece *pieces,
                               const struct trace_event *event,
                               struct memory_gauge *gauge)
{
    struct memory_piece *piece = &pieces[event->what / 4];
    double before = piece->size;

    switch (event->what % 4) {
    case TRACE_ALLOC:
        memory_make(piece, event->size);
        break;
    case TRACE_FREE:
        memory_drop(piece);
        break;
    default:
        memory_resize(piece, event->size);
        break;
    }
    memory_count(gauge, piece->size - before);
}

static inline void memory_replay(const char *path)
{
    struct memory_gauge gauge;
    size_t n;
    struct trace_event *events = memory_load(path, &n);
    uint32_t slots = 0;
    struct memory_piece *pieces;

    for (size_t i = 0; i < n; i++)
        if (events[i].what / 4 >= slots)
            slots = events[i].what / 4 + 1;
    pieces = (struct memory_piece *)memory_array(slots, sizeof(*pieces));
    memory_begin(&gauge);
    for (size_t i = 0; i < n; i++)
        memory_play(pieces, &events[i], &gauge);
    memory_look(&gauge);
    bench_print_in("ratio", "peak", gauge.most / gauge.most_live);
    bench_print_in("kB", "live", gauge.most_live / 1024);
}

/* --- object --------------------------------------------------------------- */

static inline void memory_object(uint32_t size)
{
    uint32_t n = (16u << 20) / size;
    struct memory_piece *pieces =
        (struct memory_piece *)memory_array(n, sizeof(*pieces));
    struct memory_gauge gauge;

    memory_begin(&gauge);
    for (uint32_t i = 0; i < n; i++)
        memory_make(&pieces[i], size);
    memory_look(&gauge);
    bench_print_in("ratio", "bytes", gauge.final / size / n);
    for (uint32_t i = 0; i < n; i++)
        memory_drop(&pieces[i]);
}

/* --- fragment ------------------------------------------------------------- */

enum { FRAGMENT_PHASES = 24, FRAGMENT_PIECES = 1 << 20 };
#define FRAGMENT_LIVE ((double)(64 << 20)) /* bytes that are kept alive */

/* Sizes of a phase lie within a factor of eight, and phases from 16 bytes up
 * to 32 kB, up and down again. */
static inline uint32_t memory_size(uint32_t phase, uint64_t random)
{
    static const unsigned char shift[] = {4, 7, 9, 12, 8, 5, 10, 6};
    uint32_t least = 1u << shift[phase % sizeof(shift)];

    return least + bench_below((uint32_t)(random >> 32), least * 7);
}

/* Allocate sizes of this phase, twice as much as is kept alive, and drop others
 * at random to keep it so. */
static inline uint32_t memory_phase(struct memory_piece *pieces, uint32_t count,
                                    uint32_t phase, uint64_t *random,
                                    struct memory_gauge *gauge)
{
    for (double made = 0; made < 2 * FRAGMENT_LIVE;) {
        uint64_t r = bench_random(random);

        if (gauge->live < FRAGMENT_LIVE && count < FRAGMENT_PIECES) {
            struct memory_piece *piece = &pieces[count++];

            memory_make(piece, memory_size(phase, r));
            made += piece->size;
            memory_count(gauge, piece->size);
        } else {
            struct memory_piece *piece =
                &pieces[bench_below((uint32_t)r, count)];

            memory_count(gauge, -(double)piece->size);
            memory_drop(piece);
            *piece = pieces[--count];
        }
    }
    return count;
}

static inline void memory_fragment(void)
{
    struct memory_piece *pieces =
        (struct memory_piece *)memory_array(FRAGMENT_PIECES, sizeof(*pieces));
    struct memory_gauge gauge;
    uint64_t random = 7;
    uint32_t count = 0;

    memory_begin(&gauge);
    for (uint32_t phase = 0; phase < FRAGMENT_PHASES; phase++)
        count = memory_phase(pieces, count, phase, &random, &gauge);
    memory_look(&gauge);
    bench_print_in("ratio", "peak", gauge.most / gauge.most_live);
    for (uint32_t i = 0; i < count; i++)
        memory_verify(&pieces[i]);
    memory_report(gauge.live);
}

/* -------------------------------------------------------------------------- */

static inline int memory_run(int argc, char **argv)
{
    bench_require(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
    if (argc == 3 && strcmp(argv[1], "replay") == 0)
        memory_replay(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "object") == 0)
        memory_object(bench_number(argv[2]));
    else if (argc == 2 && strcmp(argv[1], "fragment") == 0)
        memory_fragment();
    else
        return BENCH_NOT_OFFERED;
    return 0;
}

#endif
