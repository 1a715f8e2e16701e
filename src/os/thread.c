/* thread.c - which thread this is, and helpers for it
 *
 * The number is asked of the kernel each time: one kept in the thread would be
 * wrong after a fork.  Only rare paths ask.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/thread.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

uint32_t thread_number(void)
{
    return (uint32_t)gettid();
}

unsigned thread_processors(void)
{
    cpu_set_t set;
    int count;

    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    count = CPU_COUNT(&set);
    return count < 1 ? 1 : (unsigned)count;
}

void crew_start(struct crew *crew, unsigned count, void *(*work)(void *arg),
                void *arg)
{
    sigset_t all, before;

    crew->count = 0;
    if (count > CREW_MOST)
        count = CREW_MOST;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (crew->count < count &&
           pthread_create(&crew->threads[crew->count], NULL, work, arg) == 0)
        crew->count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void crew_join(struct crew *crew)
{
    while (crew->count > 0)
        pthread_join(crew->threads[--crew->count], NULL);
}
