/* test_team.c - threads that work on one thing together
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <signal.h>
#include <stdbool.h>

#include "os/team.h"

TestSuite(team, .timeout = 20);

struct work {
    struct team team;
    int waiting, done;
    bool go;
    int blocked; /* threads that had SIGTERM blocked */
};

static void *wait_and_count(void *arg)
{
    struct work *w = arg;
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    team_lock(&w->team);
    w->blocked += sigismember(&mask, SIGTERM);
    w->waiting++;
    team_wake(&w->team);
    while (!w->go)
        team_wait(&w->team);
    w->done++;
    team_unlock(&w->team);
    return NULL;
}

Test(team, has_at_least_one_processor)
{
    cr_expect(ge(uint, team_processors(), 1));
}

Test(team, waits_for_each_other_and_ends)
{
    struct work w = {0};
    sigset_t mask;

    team_init(&w.team);
    cr_assert(eq(uint, team_start(&w.team, 5, wait_and_count, &w), 5));
    team_lock(&w.team);
    while (w.waiting < 5)
        team_wait(&w.team);
    cr_expect(eq(int, w.done, 0));
    w.go = true;
    team_wake(&w.team);
    team_unlock(&w.team);
    team_join(&w.team);
    cr_expect(eq(int, w.done, 5));
    cr_expect(eq(int, w.blocked, 5), "signals are for the others");
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    cr_expect(eq(int, sigismember(&mask, SIGTERM), 0));
}

static void *nothing(void *arg)
{
    return arg;
}

Test(team, has_a_most)
{
    struct team team;

    team_init(&team);
    cr_expect(eq(uint, team_start(&team, 0, nothing, NULL), 0));
    cr_expect(le(uint, team_start(&team, 1000, nothing, NULL), TEAM_MOST));
    team_join(&team);
}
