/* kill_survivors.c - processes are killed in the middle of a call, others go on
 *
 * A store in shared use has five users: three victims, one of which is killed
 * with SIGKILL again and again and replaced by another, a survivor, and this
 * process.  All do the work of ledger.h, and after each kill
 *
 *   - the checker finds nothing wrong;
 *   - all that the victim had completed is there, with its contents, and what
 *     it had destroyed is not.
 *
 * The survivor never waits for longer than a second in a call.  Time is counted
 * in beats of a metronome, a thread of its own that sleeps for 10 ms at a time:
 * when the machine stands still, or is too busy to run us, so does the clock.
 *
 * With every kind of index and both algorithms, and with names alone, where no
 * byte may be lost: 1050 kills in all.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/child.h"
#include "lib/ledger.h"
#include "lib/tmpdir.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    KILLS = 75, /* in each of 14 runs */
    VICTIMS = 3,
    SURVIVOR = VICTIMS, /* its ledger, and its number among the children */
    OURS,               /* for this process's random numbers only */
    BEAT_MS = 10,
    MOST_BEATS = 1000 / BEAT_MS,
    PATIENCE_S = 20, /* for a victim's first steps, and a survivor's end */
    LIMIT_S = 240,   /* for all of it */
};

static const char path[] = "kill.tn";

static struct ledger *ledgers;

/* --- The survivor --------------------------------------------------------- */

static _Atomic long beats;

static void *beat(void *arg)
{
    const struct timespec pause = {.tv_nsec = BEAT_MS * 1000000};

    for (;; beats++)
        nanosleep(&pause, NULL);
    return arg;
}

static tn_store *open_store(void)
{
    tn_store *store;

    OK(tn_store_open(&store, path, TN_SHARED, NULL));
    return store;
}

static bool is_told(const struct child *parent)
{
    struct pollfd line = {.fd = parent->in, .events = POLLIN};

    return poll(&line, 1, 0) != 0;
}

/* Works until it is told to stop; a step is a few calls. */
static int survive(struct child *parent, void *arg)
{
    tn_store *store = open_store();
    long longest = 0, before;
    pthread_t metronome;

    (void)arg;
    alarm(LIMIT_S);
    CLAIM(pthread_create(&metronome, NULL, beat, NULL) == 0);
    child_tell(parent);
    while (!is_told(parent)) {
        before = beats;
        ledger_step(&ledgers[SURVIVOR], tn_store_segment(store));
        if (beats - before > longest)
            longest = beats - before;
    }
    printf("    the survivor made %lu steps, the longest of %ld ms\n",
           (unsigned long)ledgers[SURVIVOR].steps, longest * BEAT_MS);
    fflush(stdout);
    CLAIM(longest <= MOST_BEATS);
    OK(tn_store_close(store));
    return 0;
}

/* --- The victims ---------------------------------------------------------- */

static _Noreturn int toil(struct child *parent, void *arg)
{
    tn_store *store = open_store();

    (void)parent;
    alarm(LIMIT_S);
    for (;;)
        ledger_step(arg, tn_store_segment(store));
}

static void rest(long us)
{
    const struct timespec pause = {.tv_nsec = us * 1000};

    nanosleep(&pause, NULL);
}

/* Its end, if it has come, is left for child_kill() to see. */
static bool is_alive(const struct child *c)
{
    siginfo_t info = {.si_pid = 0};

    waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid == 0;
}

/* Until it has made some steps, or nearly at once, while it opens the store. */
static void let_toil(const struct child *victim, struct ledger *l,
                     uint64_t steps_at_start)
{
    uint64_t steps = ledger_random(&ledgers[OURS], 30);
    time_t end = time(NULL) + PATIENCE_S;

    if (ledger_random(&ledgers[OURS], 8) != 0)
        while (l->steps < steps_at_start + steps) {
            CLAIM(is_alive(victim) && time(NULL) < end);
            rest(100);
        }
    rest((long)ledger_random(&ledgers[OURS], 1000));
}

static void kill_one(struct child *victims, uint64_t *steps, tn_segment *seg)
{
    int v = (int)ledger_random(&ledgers[OURS], VICTIMS);

    let_toil(&victims[v], &ledgers[v], steps[v]);
    CLAIM(child_kill(&victims[v]) == -SIGKILL);
    SOUND(seg);
    ledger_settle(&ledgers[v], seg);
    steps[v] = ledgers[v].steps;
    child_start(&victims[v], toil, &ledgers[v]);
}

/* --- All of them ---------------------------------------------------------- */

/* A name tells whose an object is, or that it was never completed. */
static void nothing_is_lost(tn_segment *seg)
{
    for (int i = 0; i <= SURVIVOR; i++)
        ledger_clear(&ledgers[i], seg);
    OK(tn_shrink_indexes(seg));
    CLAIM(tn_all_free(seg));
}

static void work_and_kill(void)
{
    tn_store *store = open_store();
    struct child children[VICTIMS + 1];
    uint64_t steps[VICTIMS] = {0};

    child_start(&children[SURVIVOR], survive, NULL);
    CLAIM(child_await(&children[SURVIVOR]));
    for (int v = 0; v < VICTIMS; v++)
        child_start(&children[v], toil, &ledgers[v]);
    for (int i = 0; i < KILLS; i++)
        kill_one(children, steps, tn_store_segment(store));
    child_tell(&children[SURVIVOR]);
    CLAIM(child_wait(&children[SURVIVOR]) == 0);
    for (int v = 0; v < VICTIMS; v++)
        CLAIM(child_kill(&children[v]) == -SIGKILL);
    for (int i = 0; i <= SURVIVOR; i++)
        ledger_settle(&ledgers[i], tn_store_segment(store));
    SOUND(tn_store_segment(store));
    if (ledgers[0].work == LEDGER_ONLY_NAMES)
        nothing_is_lost(tn_store_segment(store));
    OK(tn_store_close(store));
}

/* What is there is what the ledgers say, and at most one block a kill more. */
static void count_all(void)
{
    size_t names = 0, blocks = 0;
    tn_store *store;
    tn_segment *seg;
    tn_stats stats;

    OK(tn_store_open(&store, path, TN_SHARED | TN_VERIFY, NULL));
    seg = tn_store_segment(store);
    for (int i = 0; i <= SURVIVOR; i++) {
        ledger_settle(&ledgers[i], seg);
        names += ledger_names(&ledgers[i]);
        blocks += ledger_blocks(&ledgers[i]);
    }
    OK(tn_segment_stats(seg, &stats));
    printf("    %zu names and %zu blocks are left, and %zu lost\n", names,
           blocks, stats.raw + stats.anonymous - blocks);
    CLAIM(stats.named == names && stats.unique == 0);
    CLAIM(stats.raw + stats.anonymous >= blocks);
    /* A chain of 20 is lost at once. */
    CLAIM(stats.raw + stats.anonymous <= blocks + 20 * (KILLS + VICTIMS));
    for (int i = 0; i <= SURVIVOR; i++)
        ledger_clear(&ledgers[i], seg);
    CLAIM(tn_named_count(seg) == 0);
    SOUND(seg);
    OK(tn_store_close(store));
    OK(tn_check_file(path, NULL, print_finding, NULL));
}

static void run(const tn_options *options, enum ledger_work work)
{
    static const char *const kinds[] = {"",    "iset", "flat_map",
                                        "map", "hash", "null"};
    tn_store *store;

    printf("%s, %s fit, %s\n", kinds[options->index],
           options->fit == TN_FIT_BEST ? "best" : "first",
           work == LEDGER_ALL          ? "names and blocks"
           : work == LEDGER_ONLY_NAMES ? "names"
                                       : "blocks");
    remove(path);
    OK(tn_store_open(&store, path, TN_SHARED | TN_CREATE, options));
    OK(tn_store_close(store));

    ledgers = ledger_open(OURS + 1, work);
    work_and_kill();
    count_all();
    ledger_close(ledgers, OURS + 1);
}

int main(void)
{
    tn_options options = {.size = 128 * 1024, .max_size = 256 << 20};

    alarm(LIMIT_S);
    tmpdir_enter();
    for (int fit = TN_FIT_BEST; fit <= TN_FIT_SEQ; fit++) {
        /* Large enough for magazines, or not. */
        options.size = fit == TN_FIT_BEST ? 512 * 1024 : 128 * 1024;
        for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_NULL; kind++) {
            options.fit = (tn_fit)fit;
            options.index = (tn_index)kind;
            if (kind == TN_INDEX_NULL)
                run(&options, LEDGER_ONLY_BLOCKS);
            else
                run(&options, LEDGER_ALL);
        }
    }
    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_HASH; kind++) {
        options.fit = TN_FIT_BEST;
        options.index = (tn_index)kind;
        run(&options, LEDGER_ONLY_NAMES);
    }
    tmpdir_leave();
    return 0;
}
