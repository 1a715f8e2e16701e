/* team.c - threads that work on one thing together
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/team.h"

#include <sched.h>
#include <signal.h>

unsigned team_processors(void)
{
    cpu_set_t set;
    int count = 0;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        count = CPU_COUNT(&set);
    return count > 0 ? (unsigned)count : 1;
}

void team_init(struct team *team)
{
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->changed, NULL);
    team->count = 0;
}

unsigned team_start(struct team *team, unsigned count, void *(*work)(void *),
                    void *arg)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (team->count < count && team->count < TEAM_MOST &&
           pthread_create(&team->threads[team->count], NULL, work, arg) == 0)
        team->count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return team->count;
}

void team_lock(struct team *team)
{
    pthread_mutex_lock(&team->lock);
}

void team_unlock(struct team *team)
{
    pthread_mutex_unlock(&team->lock);
}

void team_wait(struct team *team)
{
    pthread_cond_wait(&team->changed, &team->lock);
}

void team_wake(struct team *team)
{
    pthread_cond_broadcast(&team->changed);
}

void team_join(struct team *team)
{
    for (unsigned i = 0; i < team->count; i++)
        pthread_join(team->threads[i], NULL);
    team->count = 0;
    pthread_cond_destroy(&team->changed);
    pthread_mutex_destroy(&team->lock);
}
