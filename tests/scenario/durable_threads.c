/* durable_threads.c - threads of one handle that write and read together
 *
 * Eight threads move money between accounts, each transfer a transaction of the
 * one handle they share; some name what they store to, some wait for the disk
 * later, some are rolled back.  Others read: the sum of all accounts is always
 * what it was, a view holds still, and ends in another thread than it began in.
 * What a thread was told is committed it finds there, and so does the next one
 * to open the store.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/tmpdir.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { ACCOUNTS = 500, START = 100, WRITERS = 8, READERS = 3, EACH = 150 };

static const char path[] = "threads.tn";
static const tn_type type = {"account", sizeof(int64_t), 8, NULL, NULL};

static tn_store *store;
static unsigned writing = WRITERS;

/* A view on its way from the thread that began it to the one that ends it. */
static pthread_mutex_t passing = PTHREAD_MUTEX_INITIALIZER;
static const tn_segment *passed;

static int64_t *in(const tn_segment *view, const char *name)
{
    void *found;

    OK(tn_find(view, name, &type, &found, NULL));
    return found;
}

static int64_t sum_of(const tn_segment *view)
{
    int64_t sum = 0;

    for (int i = 0; i < ACCOUNTS; i++)
        sum += in(view, "accounts")[i];
    return sum;
}

static void store_in(tn_segment *w, int64_t *place, int64_t value)
{
    OK(tn_touch(w, place, sizeof(*place)));
    *place = value;
}

static void transfer(unsigned me, int64_t round)
{
    unsigned random = me * 7919 + (unsigned)round * 104729;
    int64_t *accounts;
    tn_segment *w;

    OK(tn_begin_with(store, random % 2 == 0 ? TN_HINTED : 0, &w));
    accounts = in(w, "accounts");
    store_in(w, &accounts[random % ACCOUNTS],
             accounts[random % ACCOUNTS] - round);
    random = random / ACCOUNTS % ACCOUNTS;
    store_in(w, &accounts[random], accounts[random] + round);
    store_in(w, &in(w, "rounds")[me], round);
    if (round % 10 == 3) {
        OK(tn_rollback(store));
        return;
    }
    OK(tn_commit_with(store, round % 4 == 0 ? TN_NO_SYNC : 0));
    if (round % 4 == 0)
        OK(tn_sync(store));
}

static void *write_often(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;

    for (int64_t round = 1; round <= EACH; round++) {
        const tn_segment *view;

        transfer(me, round);
        if (round % 10 == 3)
            continue;
        OK(tn_read_begin(store, &view));
        CLAIM(in(view, "rounds")[me] == round);
        OK(tn_read_end(store, view));
    }
    __atomic_fetch_sub(&writing, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void *read_often(void *unused)
{
    (void)unused;
    while (__atomic_load_n(&writing, __ATOMIC_ACQUIRE) > 0) {
        const tn_segment *view, *other;

        OK(tn_read_begin(store, &view));
        CLAIM(sum_of(view) == (int64_t)ACCOUNTS * START);
        pthread_mutex_lock(&passing);
        other = passed;
        passed = view;
        pthread_mutex_unlock(&passing);
        if (other == NULL)
            continue;
        CLAIM(sum_of(other) == (int64_t)ACCOUNTS * START);
        OK(tn_read_end(store, other));
    }
    return NULL;
}

static void make(void)
{
    tn_options options = {
        .size = 1 << 20, .max_size = 1 << 26, .journal_size = 1 << 16};
    tn_segment *w;

    OK(tn_store_open(&store, path, TN_DURABLE | TN_CREATE, &options));
    OK(tn_begin(store, &w));
    OK(tn_construct(w, "accounts", &type, ACCOUNTS, NULL, NULL));
    OK(tn_construct(w, "rounds", &type, WRITERS, NULL, NULL));
    for (int i = 0; i < ACCOUNTS; i++)
        in(w, "accounts")[i] = START;
    OK(tn_commit(store));
}

int main(void)
{
    pthread_t threads[WRITERS + READERS];
    const tn_segment *view;

    tmpdir_enter();
    make();
    for (uintptr_t i = 0; i < WRITERS + READERS; i++)
        CLAIM(pthread_create(&threads[i], NULL,
                             i < WRITERS ? write_often : read_often,
                             (void *)i) == 0);
    for (int i = 0; i < WRITERS + READERS; i++)
        pthread_join(threads[i], NULL);
    if (passed != NULL)
        OK(tn_read_end(store, passed));
    OK(tn_store_close(store));

    OK(tn_store_open(&store, path, TN_READ_ONLY | TN_VERIFY, NULL));
    view = tn_store_segment(store);
    CLAIM(sum_of(view) == (int64_t)ACCOUNTS * START);
    for (int i = 0; i < WRITERS; i++)
        CLAIM(in(view, "rounds")[i] == EACH);
    OK(tn_store_close(store));
    tmpdir_leave();
    return 0;
}
