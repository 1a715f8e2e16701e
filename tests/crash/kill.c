/* kill.c - kill a process at every system call, and see who goes on
 *
 *     kill [--points N] [--seed S] [--all] [--stop] [--only SEED:POINT]
 *
 * Two processes make the steps of a workload in turn (workload.c).  The first
 * one, the victim, is traced: it stops before and after each of its system
 * calls, and at one of these stops it is killed, sometimes a few instructions
 * later, among the stores to the marks.  The second one goes on with its open
 * views and handles and with new ones:
 *
 *   - a view that was open before shows what it did,
 *   - whatever is seen is one commit, at least the last one acknowledged,
 *   - reading, writing and closing succeed, and the store is sound at the end,
 *   - no descriptor is left open, and nobody waits for ever.
 *
 * Steps and points follow from the seed.  Where processes cannot be traced the
 * program says so and is skipped.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ground.h"
#include "workload.h"

enum {
    STEPS = 40,
    POINTS_A_SEED = 40, /* unless all are wanted */
    RUN_LIMIT = 60,     /* seconds */
    FEW_INSTRUCTIONS = 160,
    SKIPPED = 77,
    SYSCALL_STOP = SIGTRAP | 0x80,
    NEVER = -1,
};

static unsigned long wanted = 300, first_seed = 1, points, runs;
static long only = NEVER;
static bool all;
static char path[PATH_MAX + 16];
static const char *directory;

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

/* --- The victim ----------------------------------------------------------- */

static bool is_victims(int handle)
{
    return handle < 2;
}

static _Noreturn void be_victim(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(SKIPPED);
    raise(SIGSTOP);
    for (unsigned i = 0; i < STEPS; i++) {
        int handle = work_handle_of(i);

        work->step = i;
        if (is_victims(handle))
            work_step(handle, i);
        else
            raise(SIGUSR1); /* the other's turn */
    }
    _exit(0);
}

/* --- The tracer ----------------------------------------------------------- */

/* Wait for its next stop: the signal; 0: it has ended. */
static int await_stop(pid_t pid)
{
    int status = 0;

    if (TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) != pid)
        exit(2);
    if (WIFSTOPPED(status))
        return WSTOPSIG(status);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
        printf("processes cannot be traced here\n");
        exit(SKIPPED);
    }
    if (status != 0)
        work_fail("the victim", "it ended by itself");
    return 0;
}

static void end_victim(pid_t pid)
{
    kill(pid, SIGKILL);
    TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
}

/* Let it do some instructions more. */
static bool go_a_bit_further(pid_t pid, uint64_t instructions)
{
    for (; instructions > 0; instructions--) {
        int signal;

        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0)
            exit(2);
        signal = await_stop(pid);
        if (signal == 0)
            return false;
        if (signal != SIGTRAP)
            break;
    }
    return true;
}

/* Run the workload until the victim's stop number point; returns the number of
 * stops that it made.  *ended: it came to its end before that. */
static long run_until(pid_t pid, long point, uint64_t instructions, bool *ended)
{
    long stops = 0;
    int signal = await_stop(pid);

    *ended = true;
    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD);
    while (signal != 0) {
        if (signal == SIGUSR1)
            work_step(work_handle_of(work->step), work->step);
        if (signal == SYSCALL_STOP && stops++ == point) {
            *ended = !go_a_bit_further(pid, instructions);
            if (!*ended)
                end_victim(pid);
            return stops;
        }
        if (signal == SIGUSR1 || signal == SYSCALL_STOP || signal == SIGSTOP)
            signal = 0;
        if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)signal) != 0)
            exit(2);
        signal = await_stop(pid);
    }
    return stops;
}

static int count_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int count = 0;

    while (d != NULL && readdir(d) != NULL)
        count++;
    if (d != NULL)
        closedir(d);
    return count;
}

static long run(unsigned long seed, long point)
{
    uint64_t random = mix(seed * 100003 + (uint64_t)point);
    uint64_t instructions = random % 3 == 0 ? random / 3 % FEW_INSTRUCTIONS : 0;
    int before = count_descriptors();
    pid_t pid, me = getpid();
    bool ended;
    long stops;

    alarm(RUN_LIMIT);
    ground_clear(directory);
    snprintf(work_replay, sizeof(work_replay), "kill --only %lu:%ld", seed,
             point);
    work_begin(path, seed);
    fflush(NULL);
    pid = fork();
    if (pid < 0)
        exit(2);
    if (pid == 0)
        be_victim(me);
    stops = run_until(pid, point, instructions, &ended);
    work_aftermath(random);
    if (count_descriptors() != before)
        work_fail("the survivor", "a descriptor was left open");
    runs++;
    points += !ended;
    return stops;
}

/* All points of this seed, or some. */
static void run_seed(unsigned long seed)
{
    long stops = run(seed, NEVER);
    long step = all || stops < POINTS_A_SEED ? 1 : stops / POINTS_A_SEED;
    long start = (long)(mix(seed) % (uint64_t)step);

    for (long point = start; point < stops && points < wanted; point += step)
        run(seed, point);
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"points", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},
        {"only", required_argument, NULL, 'o'},
        {"all", no_argument, NULL, 'a'},
        {"stop", no_argument, NULL, 'x'},
        {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (c == 'n')
            wanted = strtoul(optarg, NULL, 10);
        else if (c == 's')
            first_seed = strtoul(optarg, NULL, 10);
        else if (c == 'o' && sscanf(optarg, "%lu:%ld", &first_seed, &only) == 2)
            wanted = 1;
        else if (c == 'a')
            all = true;
        else if (c == 'x')
            work_stop = true;
        else
            exit(2);
}

int main(int argc, char **argv)
{
    unsigned long seed;

    parse(argc, argv);
    work_program = "kill";
    directory = ground_directory("kill");
    snprintf(path, sizeof(path), "%s/store", directory);
    if (only != NEVER)
        run(first_seed, only);
    else
        for (seed = first_seed; points < wanted; seed++)
            run_seed(seed);
    printf("kill: %lu kills in %lu runs, %zu failures; again: kill --points "
           "%lu --seed %lu%s\n",
           points, runs, work->failures, wanted, first_seed,
           all ? " --all" : "");
    return work->failures != 0;
}
