/* refuse.c - the system says no to every call, once and from then on
 *
 *     refuse [--runs N] [--seed S] [--all] [--stop] [--only SEED:CALL[:WAY]]
 *
 * The steps of a workload (workload.c) are made by the handles of one process.
 * One file operation, or one allocation of memory, is refused with an errno
 * that it may fail with; or that one and all of its kind that come after.  With
 * --all each call is refused in each of these ways, else some, in one.  The
 * others go on, then the faults end and everything is opened again:
 *
 *   - each call answers TN_OK or says what was refused, and none crashes,
 *   - what is seen is one commit, at least the last one acknowledged,
 *   - no descriptor is left open.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ground.h"
#include "workload.h"

enum {
    STEPS = 40,
    RUN_LIMIT = 60,
    CALLS_A_SEED = 60,
    WAYS = 8, /* once and from then on, with each errno */
    NEVER = -1
};

static unsigned long wanted = 600, first_seed = 1, runs, refusals;
static long only = NEVER;
static int only_way = NEVER;
static bool all;
static char path[PATH_MAX + 16];
static const char *directory;

static struct {
    long left;      /* calls until the one that is refused */
    long calls;     /* made so far */
    int kind;       /* of the one that was; NEVER: none yet */
    bool persists;  /* later ones of that kind too */
    uint64_t which; /* of its errnos */
} plan;

enum { ALLOCATION = FAULT_OPS };

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

/* --- Refusing ------------------------------------------------------------- */

static bool is_refused(int kind)
{
    if (work_judging || !work_faults)
        return false;
    plan.calls++;
    if (plan.kind == NEVER && plan.left-- == 0) {
        plan.kind = kind;
        refusals++;
        return true;
    }
    return plan.kind == kind && plan.persists;
}

/* An errno that the operation may really fail with. */
static int errno_for(int kind)
{
    static const int numbers[FAULT_OPS][4] = {
        [FAULT_OPEN] = {EMFILE, EACCES, ENOMEM, ENFILE},
        [FAULT_CREATE] = {ENOSPC, EACCES, EROFS, EMFILE},
        [FAULT_READ] = {EIO, EIO, EIO, EIO},
        [FAULT_WRITE] = {EIO, ENOSPC, EDQUOT, EFBIG},
        [FAULT_ALLOCATE] = {ENOSPC, EIO, EFBIG, EDQUOT},
        [FAULT_PUNCH] = {EIO, ENOSPC, EOPNOTSUPP, ENOSPC},
        [FAULT_ZERO] = {EIO, ENOSPC, EOPNOTSUPP, ENOSPC},
        [FAULT_SYNC] = {EIO, ENOSPC, EDQUOT, EIO},
        [FAULT_SYNC_RANGE] = {EIO, ENOSPC, EDQUOT, EIO},
        [FAULT_SYNC_DIRECTORY] = {EIO, EIO, EACCES, EMFILE},
        [FAULT_STAT] = {EIO, ENOMEM, EIO, ENOMEM},
        [FAULT_MAP] = {ENOMEM, ENOMEM, EAGAIN, ENOMEM},
        [FAULT_PROTECT] = {ENOMEM, ENOMEM, ENOMEM, ENOMEM},
        [FAULT_LOCK] = {ENOLCK, ENOLCK, EIO, ENOLCK},
    };
    int number = numbers[kind][plan.which % 4];

    return number != 0 ? number : EIO;
}

static int refuse(void *arg, const struct fault_event *event)
{
    (void)arg;
    if (event->op == FAULT_UNLOCK || !is_refused((int)event->op))
        return 0;
    return errno_for((int)event->op);
}

/* The linker puts these in front of the library's calls (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size)
{
    return is_refused(ALLOCATION) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_refused(ALLOCATION) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return is_refused(ALLOCATION) ? NULL : __real_realloc(p, size);
}

/* --- Runs ----------------------------------------------------------------- */

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

/* Make the steps with call number call refused; returns how many there were. */
static long run(unsigned long seed, long call, int way)
{
    uint64_t random = mix(seed * 100003 + (uint64_t)call);
    uint64_t choice = way == NEVER ? random : (uint64_t)way;
    int before = count_descriptors();

    alarm(RUN_LIMIT);
    ground_clear(directory);
    if (way == NEVER)
        snprintf(work_replay, sizeof(work_replay), "refuse --only %lu:%ld",
                 seed, call);
    else
        snprintf(work_replay, sizeof(work_replay), "refuse --only %lu:%ld:%d",
                 seed, call, way);
    work_begin(path, seed);
    memset(&plan, 0, sizeof(plan));
    plan.left = call;
    plan.kind = NEVER;
    plan.persists = choice % 2 == 0;
    plan.which = choice / 2;
    fault_set_hook(refuse, NULL);
    work_faults = true;
    for (unsigned i = 0; i < STEPS; i++)
        work_step(work_handle_of(i), i);
    work_close_all();
    work_faults = false;
    fault_set_hook(NULL, NULL);
    work_aftermath(random);
    if (count_descriptors() != before)
        work_fail("the process", "a descriptor was left open");
    runs++;
    return plan.calls;
}

static void run_seed(unsigned long seed)
{
    long calls = run(seed, LONG_MAX, NEVER);
    long step = all || calls < CALLS_A_SEED ? 1 : calls / CALLS_A_SEED;

    for (long call = (long)(mix(seed) % (uint64_t)step);
         call < calls && runs < wanted; call += step)
        for (int way = all ? 0 : NEVER; way < (all ? WAYS : 0); way++)
            run(seed, call, way);
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"runs", required_argument, NULL, 'n'},
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
        else if (c == 'a')
            all = true;
        else if (c == 'x')
            work_stop = true;
        else if (c != 'o' || sscanf(optarg, "%lu:%ld:%d", &first_seed, &only,
                                    &only_way) < 2)
            exit(2);
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    work_program = "refuse";
    directory = ground_directory("refuse");
    snprintf(path, sizeof(path), "%s/store", directory);
    if (only != NEVER)
        run(first_seed, only, only_way);
    else
        for (unsigned long seed = first_seed; runs < wanted; seed++)
            run_seed(seed);
    printf("refuse: %lu runs, %lu refusals, %zu failures; again: refuse --runs "
           "%lu --seed %lu%s\n",
           runs, refusals, work->failures, wanted, first_seed,
           all ? " --all" : "");
    return work->failures != 0;
}
