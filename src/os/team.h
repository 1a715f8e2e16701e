/* team.h - threads that work on one thing together
 *
 *     team_init(&team);
 *     n = team_start(&team, 3, work, arg);    as many as could be started
 *     team_lock(&team);
 *     while (!done)
 *         team_wait(&team);                   until somebody calls team_wake()
 *     team_unlock(&team);
 *     team_join(&team);                       work has returned in all of them
 *
 * Signals are for the other threads of the process: those of a team block all.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_TEAM_H
#define OS_TEAM_H

#include <pthread.h>

enum { TEAM_MOST = 64 };

struct team {
    pthread_mutex_t lock; /* of what the members share */
    pthread_cond_t changed;
    unsigned count;
    pthread_t threads[TEAM_MOST];
};

/* Processors that this process may use, at least 1. */
unsigned team_processors(void);

void team_init(struct team *team);

/* Start up to count threads that run work(arg); returns how many there are.
 * None is not a failure: the caller then does all of it. */
unsigned team_start(struct team *team, unsigned count, void *(*work)(void *),
                    void *arg);

void team_lock(struct team *team);
void team_unlock(struct team *team);

/* With the lock held: wait until team_wake(), or for no reason; wake all who
 * wait. */
void team_wait(struct team *team);
void team_wake(struct team *team);

/* Wait for the end of all threads, whom the caller has told to end. */
void team_join(struct team *team);

#endif
