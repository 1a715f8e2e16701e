/* durable_transfer.c - processes and threads move money, and some are killed
 *
 * A transfer takes from one account and gives to another.  When the first has
 * too little, that shows only after the second was given: the transaction is
 * rolled back, and nobody ever saw the half of it.  Three processes of two
 * threads transfer without an end until they are killed, wherever they are;
 * what is left is the same sum, with every transfer that was reported.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/child.h"
#include "lib/tmpdir.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { ACCOUNTS = 100, START = 50, CLERKS = 3, THREADS = 2, TRANSFERS = 100 };

static const char path[] = "bank.tn";

struct bank {
    long money[ACCOUNTS];
    long transfers[CLERKS][THREADS]; /* that each of them has made */
};

/* What each has been told is done: outside the store, and seen by all. */
static atomic_long (*reported)[THREADS];

struct clerk {
    tn_store *store;
    int process, thread;
    unsigned random;
};

static struct bank *find_bank(const tn_segment *seg)
{
    void *found;

    OK(tn_find(seg, "bank", TN_TYPE(struct bank), &found, NULL));
    return found;
}

static unsigned random_below(struct clerk *clerk, unsigned limit)
{
    clerk->random = clerk->random * 1664525 + 1013904223;
    return (clerk->random >> 8) % limit;
}

/* One transfer; false: there was not enough money. */
static bool transfer(struct clerk *clerk)
{
    unsigned from = random_below(clerk, ACCOUNTS);
    unsigned to = random_below(clerk, ACCOUNTS);
    long amount = (long)random_below(clerk, START);
    tn_segment *seg;
    struct bank *bank;

    OK(tn_begin(clerk->store, &seg));
    bank = find_bank(seg);
    bank->money[to] += amount;
    bank->money[from] -= amount;
    if (bank->money[from] < 0) {
        OK(tn_rollback(clerk->store));
        return false;
    }
    bank->transfers[clerk->process][clerk->thread]++;
    OK(tn_commit(clerk->store));
    return true;
}

static void *transfer_for_ever(void *arg)
{
    struct clerk *clerk = arg;

    for (;;)
        if (transfer(clerk))
            reported[clerk->process][clerk->thread]++;
    return NULL;
}

/* A handle is of the process that opened it, and all its threads may use it. */
static int work(struct child *parent, void *arg)
{
    struct clerk clerks[THREADS];
    pthread_t threads[THREADS];
    tn_store *store;

    OK(tn_store_open(&store, path, TN_DURABLE, NULL));
    for (int i = 0; i < THREADS; i++) {
        clerks[i] = (struct clerk){store, *(int *)arg, i,
                                   (unsigned)(*(int *)arg * THREADS + i)};
        CLAIM(pthread_create(&threads[i], NULL, transfer_for_ever,
                             &clerks[i]) == 0);
    }
    return child_await(parent) ? 1 : 0; /* until killed */
}

static void check_sum(const tn_segment *seg)
{
    const struct bank *bank = find_bank(seg);
    long sum = 0;

    for (int i = 0; i < ACCOUNTS; i++) {
        CLAIM(bank->money[i] >= 0);
        sum += bank->money[i];
    }
    CLAIM(sum == ACCOUNTS * START);
}

/* The bank is sound whenever somebody looks. */
static void watch(void)
{
    const tn_segment *seg;
    tn_store *store;
    long seen = 0;

    OK(tn_store_open(&store, path, TN_DURABLE, NULL));
    while (seen < TRANSFERS) {
        OK(tn_read_begin(store, &seg));
        check_sum(seg);
        seen = 0;
        for (int i = 0; i < CLERKS * THREADS; i++)
            seen += find_bank(seg)->transfers[i / THREADS][i % THREADS];
        OK(tn_read_end(store, seg));
    }
    OK(tn_store_close(store));
}

static void open_bank(void)
{
    tn_store *store;
    tn_segment *seg;

    OK(tn_store_open(&store, path, TN_DURABLE | TN_CREATE, NULL));
    OK(tn_begin(store, &seg));
    OK(tn_construct(seg, "bank", TN_TYPE(struct bank), 1, NULL, NULL));
    for (int i = 0; i < ACCOUNTS; i++)
        find_bank(seg)->money[i] = START;
    OK(tn_commit(store));
    OK(tn_store_close(store));
}

/* Nothing that was reported is lost, and at most the transfer that each thread
 * was in the middle of is there beside. */
static void audit(void)
{
    tn_store *store;
    const tn_segment *seg;

    OK(tn_store_open(&store, path, TN_DURABLE | TN_VERIFY, NULL));
    OK(tn_read_begin(store, &seg));
    check_sum(seg);
    for (int i = 0; i < CLERKS * THREADS; i++) {
        long done = find_bank(seg)->transfers[i / THREADS][i % THREADS];
        long told = reported[i / THREADS][i % THREADS];

        CLAIM(done == told || done == told + 1);
    }
    OK(tn_read_end(store, seg));
    OK(tn_store_close(store));
}

int main(void)
{
    static int numbers[CLERKS] = {0, 1, 2};
    struct child clerks[CLERKS];

    tmpdir_enter();
    reported = mmap(NULL, sizeof(*reported) * CLERKS, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CLAIM(reported != MAP_FAILED);
    open_bank();
    for (int i = 0; i < CLERKS; i++)
        child_start(&clerks[i], work, &numbers[i]);
    watch();
    for (int i = 0; i < CLERKS; i++)
        CLAIM(child_kill(&clerks[i]) == -SIGKILL);
    audit();
    tmpdir_leave();
    return 0;
}
