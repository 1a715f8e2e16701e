/* kill_alone.c - the only user of a store is killed, and the next one goes on
 *
 * Nobody is left to put right what it was in the middle of, be it opening the
 * store, making it larger or any other call.  Whoever opens it next, in
 * whatever way, finds all that was completed and nothing else.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/child.h"
#include "lib/ledger.h"
#include "lib/tmpdir.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { KILLS = 40, LIMIT_S = 120 };

static const char path[] = "alone.tn";

static struct ledger *worker;

static int toil(struct child *parent, void *arg)
{
    const tn_options options = {.grow_step = 4096}; /* often, that is */
    tn_store *store;

    (void)arg;
    child_tell(parent);
    OK(tn_store_open(&store, path, TN_SHARED, &options));
    ledger_settle(worker, tn_store_segment(store)); /* nobody may have */
    for (;;)
        ledger_step(worker, tn_store_segment(store));
    return 0;
}

/* In every third round it gets no further than to opening, as like as not. */
static void let_toil(int round)
{
    long us = (long)ledger_random(worker, round % 3 == 0 ? 500 : 5000);
    const struct timespec pause = {.tv_nsec = us * 1000};

    nanosleep(&pause, NULL);
}

static void look_at_it(int round)
{
    static const unsigned ways[] = {TN_READ_ONLY, TN_PRIVATE, TN_SHARED,
                                    TN_SHARED | TN_VERIFY};
    tn_store *store;

    OK(tn_store_open(&store, path, ways[round % 4], NULL));
    ledger_settle(worker, tn_store_segment(store));
    SOUND(tn_store_segment(store));
    CLAIM(tn_named_count(tn_store_segment(store)) == ledger_names(worker));
    OK(tn_store_close(store));
}

/* Sometimes nobody looks, and the next one goes on where the last one died. */
static void kill_and_look(int round)
{
    struct child victim;

    child_start(&victim, toil, NULL);
    CLAIM(child_await(&victim));
    let_toil(round);
    CLAIM(child_kill(&victim) == -SIGKILL);
    if (round % 5 == 4)
        OK(tn_check_file(path, NULL, print_finding, NULL));
    else if (round % 5 != 3)
        look_at_it(round);
}

static void count_all(void)
{
    tn_store *store;
    tn_stats stats;

    OK(tn_store_open(&store, path, TN_SHARED | TN_VERIFY, NULL));
    ledger_settle(worker, tn_store_segment(store));
    OK(tn_segment_stats(tn_store_segment(store), &stats));
    CLAIM(stats.named == ledger_names(worker));
    CLAIM(stats.raw + stats.anonymous >= ledger_blocks(worker));
    CLAIM(stats.raw + stats.anonymous <= ledger_blocks(worker) + 20 * KILLS);
    printf("    %zu names, %zu blocks, %zu lost, %zu bytes\n", stats.named,
           ledger_blocks(worker),
           stats.raw + stats.anonymous - ledger_blocks(worker), stats.size);
    ledger_clear(worker, tn_store_segment(store));
    SOUND(tn_store_segment(store));
    OK(tn_store_close(store));
    OK(tn_check_file(path, NULL, print_finding, NULL));
}

static void run(const tn_options *options)
{
    tn_store *store;

    remove(path);
    OK(tn_store_open(&store, path, TN_SHARED | TN_CREATE, options));
    OK(tn_store_close(store));
    worker = ledger_open(1, options->index == TN_INDEX_NULL ? LEDGER_ONLY_BLOCKS
                                                            : LEDGER_ALL);
    for (int i = 0; i < KILLS; i++)
        kill_and_look(i);
    count_all();
    ledger_close(worker, 1);
}

int main(void)
{
    tn_options options = {.size = 32 * 1024, .max_size = 64 << 20};

    alarm(LIMIT_S);
    tmpdir_enter();
    for (int fit = TN_FIT_BEST; fit <= TN_FIT_SEQ; fit++)
        for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_NULL; kind++) {
            options.fit = (tn_fit)fit;
            options.index = (tn_index)kind;
            run(&options);
        }
    tmpdir_leave();
    return 0;
}
