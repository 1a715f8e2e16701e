/* progress.c - a line on the terminal for what takes longer than a second
 *
 * A thread of its own wakes up now and then and writes the line, so that calls
 * into the library that take long show that they are alive, and those who do
 * the work only add to two counters.  Without a terminal there is no thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define FIRST_MS 1000
#define AGAIN_MS 200

static struct {
    pthread_mutex_t lock; /* of all below but the counters */
    pthread_cond_t wake;
    pthread_t thread;
    bool running, over, shown;
    const char *what;
    struct timespec begin;
    atomic_size_t objects, bytes;
} progress = {.lock = PTHREAD_MUTEX_INITIALIZER,
              .wake = PTHREAD_COND_INITIALIZER};

/* Caller holds the lock. */
static void clear_line(void)
{
    if (progress.shown)
        fputs("\r\033[K", stderr);
    progress.shown = false;
}

/* Caller holds the lock. */
static void write_line(void)
{
    char size[TEXT_SHORT];
    struct timespec now;
    size_t objects = atomic_load(&progress.objects);
    size_t bytes = atomic_load(&progress.bytes);
    long seconds;

    clock_gettime(CLOCK_REALTIME, &now);
    seconds = (long)(now.tv_sec - progress.begin.tv_sec);
    clear_line();
    fprintf(stderr, "%s: %ld s", progress.what, seconds);
    if (objects != 0)
        fprintf(stderr, ", %zu objects", objects);
    if (bytes != 0)
        fprintf(stderr, ", %s", text_short_bytes(size, bytes));
    fflush(stderr);
    progress.shown = true;
}

static void add_ms(struct timespec *time, long ms)
{
    time->tv_nsec += ms * 1000000;
    time->tv_sec += time->tv_nsec / 1000000000;
    time->tv_nsec %= 1000000000;
}

static void *show_progress(void *unused)
{
    struct timespec next = progress.begin;

    (void)unused;
    add_ms(&next, FIRST_MS);
    pthread_mutex_lock(&progress.lock);
    while (!progress.over) {
        if (pthread_cond_timedwait(&progress.wake, &progress.lock, &next) == 0)
            continue;
        write_line();
        clock_gettime(CLOCK_REALTIME, &next);
        add_ms(&next, AGAIN_MS);
    }
    clear_line();
    pthread_mutex_unlock(&progress.lock);
    return NULL;
}

void progress_start(const char *what)
{
    sigset_t all, before;

    if (!isatty(STDERR_FILENO))
        return;
    progress.what = what;
    clock_gettime(CLOCK_REALTIME, &progress.begin);
    /* Signals are for the thread that does the work. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    progress.running =
        pthread_create(&progress.thread, NULL, show_progress, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

const char *progress_change(const char *what)
{
    const char *before;

    pthread_mutex_lock(&progress.lock);
    before = progress.what;
    progress.what = what;
    pthread_mutex_unlock(&progress.lock);
    return before;
}

void progress_add(size_t objects, size_t bytes)
{
    atomic_fetch_add(&progress.objects, objects);
    atomic_fetch_add(&progress.bytes, bytes);
}

void progress_stop(void)
{
    if (!progress.running)
        return;
    pthread_mutex_lock(&progress.lock);
    progress.over = true;
    pthread_cond_signal(&progress.wake);
    pthread_mutex_unlock(&progress.lock);
    pthread_join(progress.thread, NULL);
    progress.running = false;
}

void progress_hide(void)
{
    pthread_mutex_lock(&progress.lock);
    clear_line();
    pthread_mutex_unlock(&progress.lock);
}
