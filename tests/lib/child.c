/* child.c - a process that runs a function, and can be talked to and killed
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void give_up(const char *what)
{
    perror(what);
    abort();
}

/* The framework may have handlers for these; here they mean the end. */
static _Noreturn void run(struct child *parent, child_work *work, void *arg)
{
    static const int signals[] = {SIGALRM, SIGTERM, SIGABRT, SIGSEGV, SIGBUS};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        signal(signals[i], SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent->pid)
        _exit(255);
    alarm(CHILD_LIMIT);
    _exit(work(parent, arg));
}

void child_start(struct child *c, child_work *work, void *arg)
{
    int down[2], up[2];
    pid_t me = getpid();

    if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0)
        give_up("pipe");
    fflush(NULL);
    c->pid = fork();
    if (c->pid < 0)
        give_up("fork");
    if (c->pid == 0) {
        struct child parent = {.pid = me, .in = down[0], .out = up[1]};

        close(down[1]);
        close(up[0]);
        run(&parent, work, arg);
    }
    close(down[0]);
    close(up[1]);
    c->in = up[0];
    c->out = down[1];
}

void child_tell(struct child *c)
{
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);

    if (write(c->out, "!", 1) != 1 && errno != EPIPE)
        give_up("child_tell");
    signal(SIGPIPE, before);
}

bool child_await(struct child *c)
{
    char byte;

    return TEMP_FAILURE_RETRY(read(c->in, &byte, 1)) == 1;
}

int child_wait(struct child *c)
{
    int status;

    if (TEMP_FAILURE_RETRY(waitpid(c->pid, &status, 0)) != c->pid)
        give_up("child_wait");
    close(c->in);
    close(c->out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int child_kill(struct child *c)
{
    kill(c->pid, SIGKILL);
    return child_wait(c);
}
