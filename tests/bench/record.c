/* record.c - write down what a program allocates, for memory.h to do again
 *
 *     BENCH_TRACE=FILE LD_PRELOAD=.../record.so PROGRAM...
 *
 * Each process writes FILE.PID, and what it calls goes on to glibc.  A forked
 * child is not followed; what it executes is a process of its own.
 *
 * The address of every live allocation is kept in a hash table beside its slot,
 * so that the program's memory stays as it would be.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trace.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

enum { BUFFER = 8192, TABLE = 1 << 23, MOST = TABLE / 2 };

struct place {
    void *p; /* NULL: empty */
    uint32_t slot;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct trace_event buffer[BUFFER];
static size_t buffered;
static int file = -1;
static bool stopped;
static struct place *table; /* TABLE places, linear probing */
static uint32_t *unused;    /* slots given back, the last one on top */
static uint32_t unused_count, slot_count;

static void flush(void)
{
    size_t size = buffered * sizeof(*buffer);

    if (file < 0 || size == 0)
        return;
    if (write(file, buffer, size) != (ssize_t)size)
        stopped = true;
    buffered = 0;
}

static void *memory(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static void stop(void)
{
    stopped = true;
}

/* Done at the first call, which comes before any constructor. */
static bool start(void)
{
    const char *name = getenv("BENCH_TRACE");
    char path[4096];

    if (file >= 0 || stopped)
        return !stopped;
    stopped = true;
    if (name == NULL)
        return false;
    snprintf(path, sizeof(path), "%s.%d", name, (int)getpid());
    table = memory(TABLE * sizeof(*table));
    unused = memory(TABLE * sizeof(*unused));
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || table == NULL || unused == NULL)
        return false;
    pthread_atfork(NULL, NULL, stop);
    stopped = false;
    return true;
}

__attribute__((destructor)) static void end(void)
{
    pthread_mutex_lock(&lock);
    if (!stopped)
        flush();
    stopped = true;
    pthread_mutex_unlock(&lock);
}

static void add(uint32_t slot, uint32_t what, size_t size)
{
    struct trace_event event = {(uint32_t)size, slot * 4 + what};

    if (buffered == BUFFER)
        flush();
    buffer[buffered++] = event;
}

/* --- Where things are ----------------------------------------------------- */

static uint32_t hash(const void *p)
{
    return (uint32_t)(((uintptr_t)p >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 41);
}

static struct place *find(const void *p)
{
    uint32_t i = hash(p);

    while (table[i].p != NULL && table[i].p != p)
        i = (i + 1) % TABLE;
    return &table[i];
}

/* Take a place out, and move up those behind it that this would cut off. */
static void take_out(struct place *gone)
{
    uint32_t hole = (uint32_t)(gone - table), i = hole;

    for (;;) {
        uint32_t home;

        i = (i + 1) % TABLE;
        if (table[i].p == NULL)
            break;
        home = hash(table[i].p);
        if ((i - home) % TABLE >= (i - hole) % TABLE) {
            table[hole] = table[i];
            hole = i;
        }
    }
    table[hole].p = NULL;
}

/* --- What happened -------------------------------------------------------- */

static void made(void *p, size_t size)
{
    struct place *place;

    if (p == NULL)
        return;
    pthread_mutex_lock(&lock);
    if (start() && size <= UINT32_MAX && slot_count < MOST) {
        place = find(p);
        place->p = p;
        place->slot = unused_count > 0 ? unused[--unused_count] : slot_count++;
        add(place->slot, TRACE_ALLOC, size);
    }
    pthread_mutex_unlock(&lock);
}

static void gone(void *p)
{
    struct place *place;

    pthread_mutex_lock(&lock);
    if (!stopped && table != NULL && (place = find(p))->p != NULL) {
        add(place->slot, TRACE_FREE, 0);
        unused[unused_count++] = place->slot;
        take_out(place);
    }
    pthread_mutex_unlock(&lock);
}

/* The lock is held over the call: else another thread could be given, and
 * write down, the old address first. */
static void *moved(void *p, size_t size)
{
    struct place *place;
    void *to;

    pthread_mutex_lock(&lock);
    to = __libc_realloc(p, size);
    if (to != NULL && !stopped && table != NULL &&
        (place = find(p))->p != NULL) {
        uint32_t slot = place->slot;

        add(slot, TRACE_REALLOC, size);
        take_out(place);
        place = find(to);
        place->p = to;
        place->slot = slot;
    }
    pthread_mutex_unlock(&lock);
    return to;
}

/* --- What programs call --------------------------------------------------- */

void *malloc(size_t size)
{
    void *p = __libc_malloc(size);

    made(p, size);
    return p;
}

void *calloc(size_t count, size_t size)
{
    void *p = __libc_calloc(count, size);

    made(p, count * size);
    return p;
}

void *memalign(size_t alignment, size_t size)
{
    void *p = __libc_memalign(alignment, size);

    made(p, size);
    return p;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *p = memalign(alignment, size);

    if (p != NULL)
        *out = p;
    return p == NULL ? ENOMEM : 0;
}

/* The table forgets an address before it can be given out again. */
void free(void *p)
{
    if (p != NULL)
        gone(p);
    __libc_free(p);
}

void *realloc(void *p, size_t size)
{
    if (p == NULL)
        return malloc(size);
    if (size == 0) {
        free(p);
        return NULL;
    }
    return moved(p, size);
}
