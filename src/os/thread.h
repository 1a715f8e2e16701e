/* thread.h - which thread this is, and helpers for it
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_THREAD_H
#define OS_THREAD_H

#include <pthread.h>
#include <stdint.h>

/* A number other than 0 that no other living thread of the machine (of the PID
 * namespace) has. */
uint32_t thread_number(void);

/* Threads that help with one piece of work. */
enum { CREW_MOST = 15 };
struct crew {
    pthread_t threads[CREW_MOST];
    unsigned count;
};

/* Processors that this process may use, at least 1. */
unsigned thread_processors(void);

/* Start up to count threads that run work(arg), or as many as are to be had;
 * signals go to others.  crew_join() waits until each has returned. */
void crew_start(struct crew *crew, unsigned count, void *(*work)(void *arg),
                void *arg);
void crew_join(struct crew *crew);

#endif
