/* bank.c - threads of one handle move money while others count it
 *
 * Two threads transfer between accounts, each transfer a transaction of its
 * own, and two count all the money in views that hold still.  None of them
 * knows of the others: whoever begins waits for its turn, and whoever reads
 * waits for nobody.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/tmpdir.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    ACCOUNTS = 1000,
    START = 100,
    TRANSFERS = 150,
    WRITERS = 2,
    READERS = 2
};

struct account {
    int64_t money;
    char owner[24];
};

static tn_store *store;
static atomic_int writing = WRITERS;

static struct account *accounts(const tn_segment *seg)
{
    struct account *first;

    OK(tn_find(seg, "accounts", TN_TYPE(struct account), (void **)&first,
               NULL));
    return first;
}

static int64_t count(const tn_segment *seg)
{
    int64_t sum = 0;

    for (int i = 0; i < ACCOUNTS; i++)
        sum += accounts(seg)[i].money;
    return sum;
}

static void *transfer(void *arg)
{
    unsigned number = *(unsigned *)arg;
    tn_segment *seg;

    for (int i = 0; i < TRANSFERS; i++) {
        number = number * 1664525 + 1013904223;
        OK(tn_begin(store, &seg));
        accounts(seg)[number / 7 % ACCOUNTS].money -= number % 100;
        accounts(seg)[number / 3 % ACCOUNTS].money += number % 100;
        if (i % 10 == 9)
            OK(tn_rollback(store));
        else
            OK(tn_commit_with(store, i % 3 == 0 ? TN_NO_SYNC : 0));
    }
    OK(tn_sync(store));
    writing--;
    return NULL;
}

static void *audit(void *arg)
{
    const tn_segment *now, *before;

    (void)arg;
    OK(tn_read_begin(store, &before));
    do {
        OK(tn_read_begin(store, &now));
        CLAIM(count(now) == ACCOUNTS * START);
        CLAIM(count(before) == ACCOUNTS * START);
        OK(tn_read_end(store, before));
        before = now;
    } while (writing > 0);
    OK(tn_read_end(store, before));
    return NULL;
}

static void open_the_bank(void)
{
    const tn_options options = {.size = 256 * 1024, .max_size = 64 << 20};
    tn_segment *seg;

    OK(tn_store_open(&store, "bank.tn", TN_DURABLE | TN_CREATE, &options));
    OK(tn_begin(store, &seg));
    OK(tn_construct(seg, "accounts", TN_TYPE(struct account), ACCOUNTS, NULL,
                    NULL));
    for (int i = 0; i < ACCOUNTS; i++)
        accounts(seg)[i].money = START;
    OK(tn_commit(store));
}

int main(void)
{
    static unsigned seeds[WRITERS] = {1, 2};
    pthread_t threads[WRITERS + READERS];
    const tn_segment *seg;

    tmpdir_enter();
    open_the_bank();
    for (int i = 0; i < WRITERS + READERS; i++)
        CLAIM(pthread_create(&threads[i], NULL, i < WRITERS ? transfer : audit,
                             i < WRITERS ? &seeds[i] : NULL) == 0);
    for (int i = 0; i < WRITERS + READERS; i++)
        CLAIM(pthread_join(threads[i], NULL) == 0);
    OK(tn_store_close(store));

    OK(tn_store_open(&store, "bank.tn", TN_READ_ONLY | TN_VERIFY, NULL));
    OK(tn_read_begin(store, &seg));
    CLAIM(count(seg) == ACCOUNTS * START);
    OK(tn_read_end(store, seg));
    OK(tn_store_close(store));
    tmpdir_leave();
    return 0;
}
