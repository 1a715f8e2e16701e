/* bank.c - transfers between accounts under SIGKILL at random instants
 *
 *     bank [--kills N] [--seed S]
 *
 * Writers move money between a thousand accounts, each transfer a transaction;
 * some are rolled back, some wait for no disk, some make the store grow, some
 * checkpoint.  Readers open the store in all ways that have a committed view.
 * One of them after the other is killed at a random instant, and another takes
 * its place.
 *
 *   - Whoever looks finds the sum of all accounts as it was at the start, and
 *     finds it again, with all else unchanged, at the end of the same view.
 *   - Each writer counts its transfers in the store, and what was acknowledged
 *     in memory shared with us: the store never has less.
 *   - Everybody goes on: who does nothing for a while has failed.
 *   - Now and then all are killed, and the store is opened alone and checked.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ground.h"

enum {
    ACCOUNTS = 1000,
    START = 1000, /* money on each */
    WRITERS = 3,
    READERS = 3,
    PROCESSES = WRITERS + READERS,
    STALLED = 20,       /* seconds without a step */
    ALL_KILLED_AT = 25, /* kills between two looks alone */
    LONGEST_WAIT = 2500 /* microseconds between two kills */
};

struct account {
    int64_t money;
    char owner[40];
};
static const tn_type accounts_type = {"account", sizeof(struct account), 8,
                                      NULL, NULL};
static const tn_type counts_type = {"count", sizeof(uint64_t), 8, NULL, NULL};

/* What all processes tell each other beside the store. */
static struct {
    uint64_t acknowledged[WRITERS]; /* transfers of each writer */
    uint64_t commits, views;
} * told;

static unsigned long kills = 200, seed = 1;
static char path[PATH_MAX + 16];
static uint64_t state;

static uint64_t random_next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t below(size_t n)
{
    return (size_t)(random_next() % n);
}

/* --- What must hold ------------------------------------------------------- */

static struct account *accounts_of(const tn_segment *view)
{
    void *accounts;
    size_t count;

    OK(tn_find(view, "accounts", &accounts_type, &accounts, &count));
    CLAIM(count == ACCOUNTS);
    return accounts;
}

static uint64_t *counts_of(const tn_segment *view)
{
    void *counts;

    OK(tn_find(view, "counts", &counts_type, &counts, NULL));
    return counts;
}

static void check_sum(const tn_segment *view)
{
    const struct account *accounts = accounts_of(view);
    int64_t sum = 0;

    for (int i = 0; i < ACCOUNTS; i++)
        sum += accounts[i].money;
    CLAIM(sum == (int64_t)ACCOUNTS * START);
}

static void note_acknowledged(uint64_t out[WRITERS])
{
    for (int i = 0; i < WRITERS; i++)
        out[i] = __atomic_load_n(&told->acknowledged[i], __ATOMIC_ACQUIRE);
}

/* Look twice at a view that was asked for after this was acknowledged. */
static void check_view(const tn_segment *view, const uint64_t least[WRITERS])
{
    uint64_t counts[WRITERS];

    check_sum(view);
    memcpy(counts, counts_of(view), sizeof(counts));
    for (int i = 0; i < WRITERS; i++)
        CLAIM(counts[i] >= least[i]);
    usleep((useconds_t)below(2000));
    check_sum(view);
    CLAIM(memcmp(counts, counts_of(view), sizeof(counts)) == 0);
    __atomic_fetch_add(&told->views, 1, __ATOMIC_RELAXED);
}

/* --- Writers -------------------------------------------------------------- */

static void move_money(tn_segment *w)
{
    struct account *accounts = accounts_of(w);

    for (size_t n = 1 + below(5); n > 0; n--) {
        int64_t amount = (int64_t)below(100);

        accounts[below(ACCOUNTS)].money -= amount;
        accounts[below(ACCOUNTS)].money += amount;
    }
    if (below(10) == 0) /* something that comes and goes */
        tn_construct(w, "note", TN_BYTES, 1 + below(30000), NULL, NULL);
    else if (below(5) == 0)
        tn_destroy(w, "note", TN_BYTES);
}

/* TN_EBUSY: the journal is full, and a reader holds the file still. */
static void transfer(tn_store *store, int who)
{
    unsigned flags = below(5) == 0 ? TN_NO_SYNC : 0;
    tn_segment *w;
    uint64_t count;
    tn_status status;

    OK(tn_begin(store, &w));
    if (below(4) == 0)
        check_sum(w);
    move_money(w);
    count = ++counts_of(w)[who];
    status = below(10) == 0 ? TN_EBUSY : tn_commit_with(store, flags);
    if (status == TN_EBUSY) {
        OK(tn_rollback(store));
        return;
    }
    OK(status);
    if (flags != 0)
        OK(tn_sync(store));
    __atomic_store_n(&told->acknowledged[who], count, __ATOMIC_RELEASE);
    __atomic_fetch_add(&told->commits, 1, __ATOMIC_RELAXED);
}

static tn_store *open_as(unsigned access)
{
    tn_options options = {.journal_size = 65536, .lock_timeout_ms = 10000};
    tn_store *store;

    OK(tn_store_open(&store, path, access, &options));
    return store;
}

static void read_once(tn_store *store)
{
    uint64_t least[WRITERS];
    const tn_segment *view;

    note_acknowledged(least);
    OK(tn_read_begin(store, &view));
    check_view(view, least);
    OK(tn_read_end(store, view));
}

static _Noreturn void write_for_ever(int who)
{
    for (;;) {
        tn_store *store = open_as(TN_DURABLE);

        for (size_t n = below(40); n > 0; n--) {
            alarm(STALLED);
            transfer(store, who);
            if (below(8) == 0)
                read_once(store);
            if (below(20) == 0 && tn_checkpoint(store) != TN_EBUSY)
                OK(tn_sync(store));
        }
        OK(tn_store_close(store));
    }
}

/* --- Readers -------------------------------------------------------------- */

static _Noreturn void read_for_ever(void)
{
    static const unsigned ways[] = {TN_DURABLE, TN_READ_ONLY, TN_PRIVATE};
    uint64_t least[WRITERS];

    for (;;) {
        unsigned way = ways[below(3)];
        tn_store *store;

        alarm(STALLED);
        note_acknowledged(least);
        store = open_as(way);
        if (way != TN_DURABLE)
            check_view(tn_store_segment(store), least);
        for (size_t n = way == TN_PRIVATE ? 0 : below(10); n > 0; n--)
            read_once(store);
        OK(tn_store_close(store));
    }
}

/* --- The one who kills ---------------------------------------------------- */

static pid_t start(int who, unsigned long number)
{
    pid_t pid, parent = getpid();

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        exit(2);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(2);
    state = (seed * 1000 + number) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    if (who < WRITERS)
        write_for_ever(who);
    read_for_ever();
}

/* Kill it; false: it had ended by itself. */
static bool end(pid_t pid)
{
    int status = 0;

    kill(pid, SIGKILL);
    if (waitpid(pid, &status, 0) != pid)
        exit(2);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        printf("bank: a process waited for ever\n");
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void look_alone(void)
{
    uint64_t least[WRITERS];
    tn_store *store;

    note_acknowledged(least);
    alarm(STALLED);
    store = open_as(TN_READ_ONLY | TN_VERIFY);
    check_view(tn_store_segment(store), least);
    OK(tn_store_close(store));
    store = open_as(TN_DURABLE | TN_VERIFY);
    read_once(store);
    OK(tn_store_close(store));
    alarm(0);
}

static void make_bank(void)
{
    struct account one = {.money = START};
    tn_store *store = open_as(TN_DURABLE | TN_CREATE | TN_EXCLUSIVE);
    tn_segment *w;

    OK(tn_begin(store, &w));
    OK(tn_construct(w, "accounts", &accounts_type, ACCOUNTS, NULL, NULL));
    OK(tn_construct(w, "counts", &counts_type, WRITERS, NULL, NULL));
    for (int i = 0; i < ACCOUNTS; i++)
        accounts_of(w)[i] = one;
    OK(tn_commit(store));
    OK(tn_store_close(store));
}

static bool kill_one_after_the_other(void)
{
    pid_t pids[PROCESSES];
    bool fine = true;

    for (int i = 0; i < PROCESSES; i++)
        pids[i] = start(i, (unsigned long)i);
    for (unsigned long n = 1; fine && n <= kills; n++) {
        int who = (int)below(PROCESSES);

        usleep((useconds_t)below(LONGEST_WAIT));
        fine = end(pids[who]);
        if (n % ALL_KILLED_AT == 0) {
            for (int i = 0; i < PROCESSES; i++)
                if (i != who)
                    fine = end(pids[i]) && fine;
            look_alone();
            for (int i = 0; i < PROCESSES; i++)
                pids[i] = start(i, n * PROCESSES + (unsigned long)i);
        } else {
            pids[who] = start(who, n * PROCESSES);
        }
    }
    for (int i = 0; i < PROCESSES; i++)
        fine = end(pids[i]) && fine;
    look_alone();
    return fine;
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"kills", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (c == 'n')
            kills = strtoul(optarg, NULL, 10);
        else if (c == 's')
            seed = strtoul(optarg, NULL, 10);
        else
            exit(2);
}

int main(int argc, char **argv)
{
    bool fine;

    parse(argc, argv);
    state = seed * UINT64_C(0xd1342543de82ef95) + 1;
    told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED)
        return 2;
    snprintf(path, sizeof(path), "%s/bank", ground_directory("bank"));
    make_bank();
    fine = kill_one_after_the_other();
    printf("bank: %lu kills, %lu transfers acknowledged, %lu views looked at "
           "twice, %s; seed %lu\n",
           kills, (unsigned long)told->commits, (unsigned long)told->views,
           fine ? "no failures" : "a failure", seed);
    return !fine;
}
