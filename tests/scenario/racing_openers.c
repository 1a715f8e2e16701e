/* racing_openers.c - many processes create the same store at the same moment
 *
 * One of them makes it and all of them use it.  Nobody ever sees half a file,
 * whoever is killed while making one, and nothing but the store is left in the
 * directory.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/child.h"
#include "lib/tmpdir.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

enum { RACERS = 6, ROUNDS = 12, KILLS = 60 };

static const char path[] = "race.tn";

/* What each racer found, in memory that all share. */
struct result {
    tn_status status;
    unsigned char uuid[16];
};
static struct result *results;

/* One more has been here. */
static tn_status count_in(tn_segment *seg, void *arg)
{
    int *count;

    (void)arg;
    OK(tn_find_or_construct(seg, "count", TN_TYPE(int), 1, NULL,
                            (void **)&count, NULL));
    ++*count;
    return TN_OK;
}

/* Wait for the signal, open, note whose store it is. */
static void race(struct child *parent, struct result *r, unsigned flags)
{
    const tn_options options = {.size = 64 * 1024};
    tn_store_info info;
    tn_store *store;

    child_tell(parent);
    CLAIM(child_await(parent));
    r->status = tn_store_open(&store, path, flags, &options);
    if (r->status != TN_OK)
        return;
    OK(tn_store_describe(store, &info));
    memcpy(r->uuid, info.uuid, sizeof(r->uuid));
    OK(tn_atomic(tn_store_segment(store), count_in, NULL));
    OK(tn_store_close(store));
}

static int race_to_share(struct child *parent, void *arg)
{
    race(parent, arg, TN_SHARED | TN_CREATE);
    return 0;
}

static int race_to_be_alone(struct child *parent, void *arg)
{
    race(parent, arg, TN_SHARED | TN_CREATE | TN_EXCLUSIVE);
    return 0;
}

static void start_race(child_work *work)
{
    struct child racers[RACERS];

    remove(path);
    for (int i = 0; i < RACERS; i++)
        child_start(&racers[i], work, &results[i]);
    for (int i = 0; i < RACERS; i++)
        CLAIM(child_await(&racers[i]));
    for (int i = 0; i < RACERS; i++)
        child_tell(&racers[i]);
    for (int i = 0; i < RACERS; i++)
        CLAIM(child_wait(&racers[i]) == 0);
    CLAIM(tmpdir_names() == 1);
}

/* What a store has seen that so many have used. */
static void was_used_by(int racers)
{
    tn_store *store;
    int *count;

    OK(tn_store_open(&store, path, TN_READ_ONLY | TN_VERIFY, NULL));
    OK(tn_find(tn_store_segment(store), "count", TN_TYPE(int), (void **)&count,
               NULL));
    CLAIM(*count == racers);
    OK(tn_store_close(store));
}

static void all_share(void)
{
    start_race(race_to_share);
    for (int i = 0; i < RACERS; i++) {
        OK(results[i].status);
        CLAIM(memcmp(results[i].uuid, results[0].uuid, 16) == 0);
    }
    was_used_by(RACERS);
}

static void one_is_alone(void)
{
    int alone = 0;

    start_race(race_to_be_alone);
    for (int i = 0; i < RACERS; i++) {
        if (results[i].status == TN_OK)
            alone++;
        else
            CLAIM(results[i].status == TN_EEXIST);
    }
    CLAIM(alone == 1);
    was_used_by(1);
}

/* Look for as long as it takes: there is no store, or a whole one. */
static int look(struct child *parent, void *arg)
{
    tn_status status;
    tn_store *store;

    (void)arg;
    child_tell(parent);
    for (;;) {
        status = tn_store_open(&store, path, TN_READ_ONLY, NULL);
        if (status == TN_OK) {
            tn_find(tn_store_segment(store), "count", NULL, NULL, NULL);
            OK(tn_store_close(store));
        } else if (status != TN_ENOENT) {
            ANSWERS(status, TN_ENOENT);
        }
    }
}

/* Creators are killed at any moment; there is a whole store, or none. */
static void kill_creators(void)
{
    int made = 0;
    struct child looker, creator;

    remove(path);
    child_start(&looker, look, NULL);
    CLAIM(child_await(&looker));
    for (int i = 0; i < KILLS; i++) {
        struct timespec pause = {.tv_nsec = i * 100000};

        child_start(&creator, race_to_share, &results[0]);
        CLAIM(child_await(&creator));
        child_tell(&creator);
        nanosleep(&pause, NULL);
        child_kill(&creator);
        CLAIM(tmpdir_names() <= 1);
        if (remove(path) == 0)
            made++;
    }
    printf("%d of %d creators got that far\n", made, KILLS);
    CLAIM(child_kill(&looker) == -SIGKILL);

    start_race(race_to_share);
    was_used_by(RACERS);
}

int main(void)
{
    results = mmap(NULL, RACERS * sizeof(*results), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CLAIM(results != MAP_FAILED);
    tmpdir_enter();
    for (int i = 0; i < ROUNDS; i++) {
        all_share();
        one_is_alone();
    }
    kill_creators();
    tmpdir_leave();
    return 0;
}
