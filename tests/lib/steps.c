/* steps.c - a process that does one instruction at a time
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/steps.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void give_up(const char *what)
{
    perror(what);
    abort();
}

static _Noreturn void run(pid_t parent, void (*work)(void *arg), void *arg)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(255);
    raise(SIGSTOP);
    work(arg);
    raise(SIGSTOP);
    _exit(0);
}

/* False: it stopped because of a signal. */
static bool await_step(struct steps *s)
{
    int status;

    if (TEMP_FAILURE_RETRY(waitpid(s->pid, &status, 0)) != s->pid)
        give_up("waitpid");
    if (!WIFSTOPPED(status)) {
        fprintf(stderr, "the process in steps ended with status %d\n", status);
        abort();
    }
    return WSTOPSIG(status) == SIGTRAP;
}

/* On one processor the two hand over to each other much faster. */
static void share_processor(void)
{
    cpu_set_t set;
    int cpu = sched_getcpu();

    if (cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    (void)sched_setaffinity(0, sizeof(set), &set);
}

void steps_start(struct steps *s, void (*work)(void *arg), void *arg)
{
    pid_t me = getpid();

    share_processor();
    fflush(NULL);
    s->pid = fork();
    if (s->pid < 0)
        give_up("fork");
    if (s->pid == 0)
        run(me, work, arg);
    await_step(s);
}

static void go_on(struct steps *s)
{
    if (ptrace(PTRACE_CONT, s->pid, NULL, NULL) != 0)
        give_up("ptrace");
    await_step(s);
}

void steps_to_mark(struct steps *s)
{
    go_on(s);
}

void steps_mark(void)
{
    raise(SIGSTOP);
}

bool steps_next(struct steps *s)
{
    if (s->pid == 0)
        return false;
    if (ptrace(PTRACE_SINGLESTEP, s->pid, NULL, NULL) != 0)
        give_up("ptrace");
    if (await_step(s))
        return true;
    steps_kill(s);
    return false;
}

void steps_rest(struct steps *s)
{
    if (s->pid == 0)
        return;
    go_on(s);
    steps_kill(s);
}

void steps_kill(struct steps *s)
{
    if (s->pid == 0)
        return;
    kill(s->pid, SIGKILL);
    TEMP_FAILURE_RETRY(waitpid(s->pid, NULL, 0));
    s->pid = 0;
}
