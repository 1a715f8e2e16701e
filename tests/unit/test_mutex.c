/* test_mutex.c - a lock in shared memory whose owners get killed
 *
 * The mutexes lie in memory that the children share.  Where a child is killed
 * "while it works", the moment is anywhere in a loop of lock, change, unlock;
 * the data say whether it was in the middle: both halves are equal, or the
 * lock tells that its owner died.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/tmpdir.h"
#include "os/clock.h"
#include "os/region.h"
#include "sync/mutex.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

static struct shared {
    struct mutex mutex, recursive;
    uint64_t left, right; /* equal whenever the lock is free and sound */
} * shared;

static void map_memory(void)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(ne(ptr, shared, MAP_FAILED));
    memset(shared, 0xA5, sizeof(*shared)); /* init trusts no bytes */
    shared->left = shared->right = 0;
    OK(mutex_init(&shared->mutex, false));
    OK(mutex_init(&shared->recursive, true));
}

TestSuite(mutex, .init = map_memory, .timeout = 60);

/* Lock m, which must tell of a dead owner or must not. */
#define LOCKS(m, died)                                                         \
    do {                                                                       \
        bool owner_died = !(died);                                             \
        OK(mutex_lock((m), &owner_died));                                      \
        cr_assert(eq(int, owner_died, (died)));                                \
    } while (0)

/* From another thread */

enum call { LOCK, TRY, UNTIL, UNLOCK, SAY_SOUND, LOCK_AND_LEAVE };

struct request {
    struct mutex *mutex;
    enum call call;
    const struct timespec *deadline;
    tn_status status;
    bool owner_died;
};

static tn_status lock_as_asked(struct request *r)
{
    if (r->call == TRY)
        return mutex_try_lock(r->mutex, &r->owner_died);
    if (r->call == UNTIL)
        return mutex_lock_until(r->mutex, r->deadline, &r->owner_died);
    return mutex_lock(r->mutex, &r->owner_died);
}

static void *serve(void *arg)
{
    struct request *r = arg;

    if (r->call == UNLOCK) {
        r->status = mutex_unlock(r->mutex);
        return NULL;
    }
    if (r->call == SAY_SOUND) {
        mutex_consistent(r->mutex);
        r->status = TN_OK;
        return NULL;
    }
    r->status = lock_as_asked(r);
    if (r->status == TN_OK && r->owner_died)
        mutex_consistent(r->mutex);
    if (r->status == TN_OK && r->call != LOCK_AND_LEAVE)
        mutex_unlock(r->mutex);
    return NULL;
}

static tn_status elsewhere(struct mutex *m, enum call call,
                           const struct timespec *deadline)
{
    struct request r = {m, call, deadline, TN_ESYS, false};
    pthread_t thread;

    cr_assert(eq(int, pthread_create(&thread, NULL, serve, &r), 0));
    pthread_join(thread, NULL);
    return r.status;
}

/* While the owner lives */

Test(mutex, one_has_it_and_others_do_not)
{
    struct mutex *m = &shared->mutex;

    OK(elsewhere(m, TRY, NULL));
    LOCKS(m, false);
    FAILS(elsewhere(m, TRY, NULL), TN_EBUSY);
    OK(mutex_unlock(m));
    OK(elsewhere(m, TRY, NULL));
}

Test(mutex, locking_twice_is_a_deadlock_that_is_told)
{
    struct mutex *m = &shared->mutex;
    struct timespec late = clock_after(50000);
    bool died = true;

    LOCKS(m, false);
    FAILS(mutex_lock(m, &died), TN_EDEADLK);
    FAILS(mutex_try_lock(m, &died), TN_EDEADLK);
    FAILS(mutex_lock_until(m, &late, &died), TN_EDEADLK);
    cr_expect(died, "outputs are for successes");
    OK(mutex_unlock(m));
    FAILS(mutex_unlock(m), TN_EPERM);
    OK(elsewhere(m, TRY, NULL));
}

Test(mutex, a_recursive_one_is_free_after_as_many_unlocks)
{
    struct mutex *m = &shared->recursive;
    struct timespec past = {0};
    bool died = true;

    LOCKS(m, false);
    OK(mutex_try_lock(m, &died));
    OK(mutex_lock_until(m, &past, &died));
    cr_expect(not(died));
    for (int i = 0; i < 3; i++) {
        FAILS(elsewhere(m, TRY, NULL), TN_EBUSY);
        OK(mutex_unlock(m));
    }
    FAILS(mutex_unlock(m), TN_EPERM);
    OK(elsewhere(m, TRY, NULL));
}

Test(mutex, only_the_owner_may_unlock)
{
    LOCKS(&shared->mutex, false);
    LOCKS(&shared->recursive, false);
    FAILS(elsewhere(&shared->mutex, UNLOCK, NULL), TN_EPERM);
    FAILS(elsewhere(&shared->recursive, UNLOCK, NULL), TN_EPERM);
    FAILS(elsewhere(&shared->mutex, TRY, NULL), TN_EBUSY);
    OK(mutex_unlock(&shared->mutex));
    OK(mutex_unlock(&shared->recursive));
}

Test(mutex, a_free_one_is_locked_whatever_the_deadline_is)
{
    static const struct timespec deadlines[] = {
        {0, 0}, {-1, 0}, {0, -1}, {0, 1000000000}, {1L << 60, 999999999}};
    bool died = true;

    for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++) {
        OK(mutex_lock_until(&shared->mutex, &deadlines[i], &died));
        cr_expect(not(died));
        OK(mutex_unlock(&shared->mutex));
    }
}

Test(mutex, waiting_ends_with_the_deadline)
{
    struct timespec past = {0}, no_time = {0, 1000000000}, soon;

    LOCKS(&shared->mutex, false);
    FAILS(elsewhere(&shared->mutex, UNTIL, &past), TN_ETIMEDOUT);
    FAILS(elsewhere(&shared->mutex, UNTIL, &no_time), TN_EINVAL);
    soon = clock_after(30);
    FAILS(elsewhere(&shared->mutex, UNTIL, &soon), TN_ETIMEDOUT);
    cr_expect(clock_passed(&soon));
    OK(mutex_unlock(&shared->mutex));
    OK(elsewhere(&shared->mutex, UNTIL, &soon));
}

Test(mutex, who_waits_gets_it_when_it_is_unlocked)
{
    struct timespec late = clock_after(50000);

    for (int i = 0; i < 20; i++) {
        struct request r = {&shared->mutex, i % 2 == 0 ? LOCK : UNTIL, &late,
                            TN_ESYS, true};
        pthread_t thread;

        LOCKS(&shared->mutex, false);
        pthread_create(&thread, NULL, serve, &r);
        clock_sleep(i * 50000L, NULL);
        OK(mutex_unlock(&shared->mutex));
        pthread_join(thread, NULL);
        cr_expect(eq(int, r.status, TN_OK));
        cr_expect(not(r.owner_died));
    }
}

/* As when an owner is killed between freeing the lock and waking who waits, and
 * the kernel sees it locked by another by then.  The first word is what the C
 * library waits on, and has the number of the owner: here one that is never
 * ours, and then none, and nobody is woken. */
Test(mutex, a_wake_up_that_was_lost_is_made_up_for)
{
    uint32_t *word = (uint32_t *)shared->mutex.words;
    struct timespec late = clock_after(50000);

    for (int i = 0; i < 4; i++) {
        struct request r = {&shared->mutex, i % 2 == 0 ? LOCK : UNTIL, &late,
                            TN_ESYS, true};
        pthread_t thread;

        __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
        pthread_create(&thread, NULL, serve, &r);
        while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == 1)
            clock_sleep(1000000, NULL); /* until it says that it waits */
        clock_sleep(10000000, NULL);
        __atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
        pthread_join(thread, NULL);
        cr_expect(eq(int, r.status, TN_OK));
        cr_expect(not(r.owner_died));
    }
}

Test(mutex, saying_that_a_sound_one_is_sound_does_nothing)
{
    LOCKS(&shared->mutex, false);
    mutex_consistent(&shared->mutex);
    FAILS(elsewhere(&shared->mutex, TRY, NULL), TN_EBUSY);
    OK(mutex_unlock(&shared->mutex));
    mutex_consistent(&shared->mutex);
    LOCKS(&shared->mutex, false);
    OK(mutex_unlock(&shared->mutex));
}

/* When the owner is killed */

struct hold {
    struct mutex *mutex;
    int times;
    bool died; /* what the lock must tell */
};

static int hold(struct child *parent, void *arg)
{
    struct hold *h = arg;
    bool died = false;

    for (int i = 0; i < h->times; i++) {
        if (mutex_lock(h->mutex, &died) != TN_OK)
            return 1;
        if (i == 0 && died != h->died)
            return 2;
    }
    child_tell(parent);
    child_await(parent);
    return 3;
}

/* A child that has m is killed. */
static void kill_an_owner(struct mutex *m, int times, bool died)
{
    struct hold h = {m, times, died};
    struct child owner;

    child_start(&owner, hold, &h);
    cr_assert(child_await(&owner));
    cr_assert(eq(int, child_kill(&owner), -SIGKILL));
}

Test(mutex, the_next_one_learns_that_the_owner_died)
{
    for (int i = 0; i < 100; i++) {
        struct mutex *m = i % 2 == 0 ? &shared->mutex : &shared->recursive;

        kill_an_owner(m, 1, false);
        LOCKS(m, true);
        mutex_consistent(m);
        OK(mutex_unlock(m));
        LOCKS(m, false);
        OK(mutex_unlock(m));
    }
}

Test(mutex, every_way_of_locking_tells_of_it)
{
    struct mutex *m = &shared->mutex;
    struct timespec past = {0};
    bool died = false;

    kill_an_owner(m, 1, false);
    OK(mutex_try_lock(m, &died));
    cr_expect(died);
    mutex_consistent(m);
    OK(mutex_unlock(m));

    died = false;
    kill_an_owner(m, 1, false);
    OK(mutex_lock_until(m, &past, &died));
    cr_expect(died);
    mutex_consistent(m);
    OK(mutex_unlock(m));
}

Test(mutex, however_often_it_was_locked_the_heir_has_it_once)
{
    struct mutex *m = &shared->recursive;

    kill_an_owner(m, 5, false);
    LOCKS(m, true);
    mutex_consistent(m);
    OK(mutex_unlock(m));
    FAILS(mutex_unlock(m), TN_EPERM);
    OK(elsewhere(m, TRY, NULL));
}

Test(mutex, an_heir_may_lock_again_before_it_has_put_things_right)
{
    struct mutex *m = &shared->recursive;

    kill_an_owner(m, 1, false);
    LOCKS(m, true);
    LOCKS(m, false);
    mutex_consistent(m);
    OK(mutex_unlock(m));
    FAILS(elsewhere(m, TRY, NULL), TN_EBUSY);
    OK(mutex_unlock(m));
    OK(elsewhere(m, TRY, NULL));
}

Test(mutex, only_the_heirs_last_unlock_gives_the_data_up)
{
    struct mutex *m = &shared->recursive;
    bool died = false;

    kill_an_owner(m, 1, false);
    LOCKS(m, true);
    LOCKS(m, false);
    OK(mutex_unlock(m));
    mutex_consistent(m);
    OK(mutex_unlock(m));
    OK(elsewhere(m, TRY, NULL));

    kill_an_owner(m, 1, false);
    LOCKS(m, true);
    LOCKS(m, false);
    OK(mutex_unlock(m));
    OK(mutex_unlock(m));
    FAILS(mutex_lock(m, &died), TN_ECORRUPT);
    FAILS(mutex_unlock(m), TN_EPERM);
    FAILS(elsewhere(m, LOCK, NULL), TN_ECORRUPT);
}

Test(mutex, others_cannot_speak_for_the_heir)
{
    struct mutex *m = &shared->mutex;

    kill_an_owner(m, 1, false);
    LOCKS(m, true);
    FAILS(elsewhere(m, UNLOCK, NULL), TN_EPERM);
    FAILS(elsewhere(m, SAY_SOUND, NULL), TN_OK);
    FAILS(elsewhere(m, TRY, NULL), TN_EBUSY);
    OK(mutex_unlock(m));
    FAILS(elsewhere(m, LOCK, NULL), TN_ECORRUPT);
}

static int take_given_up_and_die(struct child *parent, void *arg)
{
    (void)parent;
    (void)arg;
    /* As a process does that is killed between getting and letting go. */
    if (pthread_mutex_lock((pthread_mutex_t *)&shared->mutex) != 0)
        return 1;
    raise(SIGKILL);
    return 2;
}

Test(mutex, data_that_were_given_up_stay_so_when_one_more_is_killed)
{
    struct mutex *m = &shared->mutex;
    struct child child;
    bool died = false;

    kill_an_owner(m, 1, false);
    LOCKS(m, true);
    OK(mutex_unlock(m));
    child_start(&child, take_given_up_and_die, NULL);
    cr_assert(eq(int, child_wait(&child), -SIGKILL));
    FAILS(mutex_lock(m, &died), TN_ECORRUPT);
    cr_expect(not(died));
    FAILS(elsewhere(m, TRY, NULL), TN_ECORRUPT);
}

Test(mutex, an_heir_that_is_killed_has_an_heir)
{
    struct mutex *m = &shared->mutex;

    kill_an_owner(m, 1, false);
    for (int i = 0; i < 20; i++)
        kill_an_owner(m, 1, true);
    LOCKS(m, true);
    mutex_consistent(m);
    OK(mutex_unlock(m));
    LOCKS(m, false);
    OK(mutex_unlock(m));
}

Test(mutex, data_that_were_not_put_right_are_given_up_for_all)
{
    struct mutex *m = &shared->mutex;
    struct timespec late = clock_after(50000);
    bool died = false;

    kill_an_owner(m, 1, false);
    LOCKS(m, true);
    OK(mutex_unlock(m));
    FAILS(mutex_lock(m, &died), TN_ECORRUPT);
    FAILS(mutex_try_lock(m, &died), TN_ECORRUPT);
    FAILS(mutex_lock_until(m, &late, &died), TN_ECORRUPT);
    for (int i = 0; i < 3; i++) { /* and nobody keeps it by asking */
        FAILS(elsewhere(m, TRY, NULL), TN_ECORRUPT);
        FAILS(elsewhere(m, UNTIL, &late), TN_ECORRUPT);
        FAILS(elsewhere(m, LOCK, NULL), TN_ECORRUPT);
    }
    FAILS(mutex_unlock(m), TN_EPERM);
    OK(mutex_init(m, false));
    LOCKS(m, false);
    OK(mutex_unlock(m));
}

static int see_it_given_up(struct child *parent, void *arg)
{
    bool died = false;

    if (mutex_try_lock(&shared->mutex, &died) != TN_EBUSY)
        return 1;
    child_tell(parent);
    (void)arg;
    return mutex_lock(&shared->mutex, &died) == TN_ECORRUPT ? 0 : 2;
}

Test(mutex, who_waits_when_data_are_given_up_is_told)
{
    struct child waiters[3];

    kill_an_owner(&shared->mutex, 1, false);
    LOCKS(&shared->mutex, true);
    for (int i = 0; i < 3; i++) {
        child_start(&waiters[i], see_it_given_up, NULL);
        cr_assert(child_await(&waiters[i]));
    }
    OK(mutex_unlock(&shared->mutex));
    for (int i = 0; i < 3; i++)
        cr_expect(eq(int, child_wait(&waiters[i]), 0));
}

Test(mutex, a_thread_that_ends_with_it_has_an_heir_too)
{
    OK(elsewhere(&shared->mutex, LOCK_AND_LEAVE, NULL));
    LOCKS(&shared->mutex, true);
    mutex_consistent(&shared->mutex);
    OK(mutex_unlock(&shared->mutex));
}

static int take_both_and_die(struct child *parent, void *arg)
{
    bool died;

    (void)parent;
    (void)arg;
    if (mutex_lock(&shared->recursive, &died) != TN_OK ||
        mutex_lock(&shared->mutex, &died) != TN_OK)
        return 1;
    raise(SIGKILL);
    return 2;
}

Test(mutex, all_locks_of_a_killed_owner_are_inherited)
{
    struct child owner;

    child_start(&owner, take_both_and_die, NULL);
    cr_assert(eq(int, child_wait(&owner), -SIGKILL));
    LOCKS(&shared->recursive, true);
    LOCKS(&shared->mutex, true);
    mutex_consistent(&shared->recursive);
    mutex_consistent(&shared->mutex);
    OK(mutex_unlock(&shared->mutex));
    OK(mutex_unlock(&shared->recursive));
}

/* The status is 10 if it was the one who learned of the death, else 0. */
static int wait_for_it(struct child *parent, void *arg)
{
    struct timespec late = clock_after(15000);
    bool died = false;

    if (mutex_try_lock(&shared->mutex, &died) != TN_EBUSY)
        return 1;
    child_tell(parent);
    if ((*(bool *)arg ? mutex_lock_until(&shared->mutex, &late, &died)
                      : mutex_lock(&shared->mutex, &died)) != TN_OK)
        return 2;
    if (died)
        mutex_consistent(&shared->mutex);
    return mutex_unlock(&shared->mutex) == TN_OK ? died * 10 : 3;
}

Test(mutex, who_waits_for_a_killed_owner_is_woken_and_one_of_them_told)
{
    for (int round = 0; round < 10; round++) {
        struct hold h = {&shared->mutex, 1, false};
        struct child owner, waiters[4];
        bool timed[4];
        int sum = 0;

        child_start(&owner, hold, &h);
        cr_assert(child_await(&owner));
        for (int i = 0; i < 4; i++) {
            timed[i] = i % 2 == 1;
            child_start(&waiters[i], wait_for_it, &timed[i]);
            cr_assert(child_await(&waiters[i]));
        }
        cr_assert(eq(int, child_kill(&owner), -SIGKILL));
        for (int i = 0; i < 4; i++)
            sum += child_wait(&waiters[i]);
        cr_assert(eq(int, sum, 10));
    }
}

/* Work until killed: the halves differ only while the lock is held. */
static int work(struct child *parent, void *arg)
{
    (void)arg;
    child_tell(parent);
    for (;;) {
        bool died = false;

        if (mutex_lock(&shared->mutex, &died) != TN_OK)
            return 1;
        if (died) {
            shared->right = shared->left;
            mutex_consistent(&shared->mutex);
        }
        if (shared->left != shared->right)
            return 2;
        __atomic_add_fetch(&shared->left, 1, __ATOMIC_SEQ_CST);
        __atomic_add_fetch(&shared->right, 1, __ATOMIC_SEQ_CST);
        mutex_unlock(&shared->mutex);
    }
}

enum { WORKERS = 3, KILLS = 150 };

Test(mutex, killing_workers_again_and_again_stops_nobody)
{
    struct child workers[WORKERS];
    uint64_t before = 0;

    for (int i = 0; i < WORKERS; i++) {
        child_start(&workers[i], work, NULL);
        cr_assert(child_await(&workers[i]));
    }
    for (int i = 0; i < KILLS; i++) {
        struct child *victim = &workers[i % WORKERS];
        bool died = false;

        cr_assert(eq(int, child_kill(victim), -SIGKILL));
        OK(mutex_lock(&shared->mutex, &died));
        if (died) {
            shared->right = shared->left;
            mutex_consistent(&shared->mutex);
        }
        cr_assert(eq(u64, shared->left, shared->right));
        cr_assert(ge(u64, shared->left, before));
        before = shared->left;
        OK(mutex_unlock(&shared->mutex));
        child_start(victim, work, NULL);
        cr_assert(child_await(victim));
    }
    for (int i = 0; i < WORKERS; i++)
        cr_expect(eq(int, child_kill(&workers[i]), -SIGKILL));
    cr_expect(gt(u64, shared->left, 0));
}

/* Without kills every change counts. */
static int add(struct child *parent, void *arg)
{
    struct timespec late = clock_after(15000);
    bool died = false;

    (void)parent;
    for (int i = 0; i < 5000; i++) {
        if ((i % 2 == *(int *)arg
                 ? mutex_lock(&shared->mutex, &died)
                 : mutex_lock_until(&shared->mutex, &late, &died)) != TN_OK ||
            died)
            return 1;
        shared->left++;
        mutex_unlock(&shared->mutex);
    }
    return 0;
}

Test(mutex, processes_do_not_lose_each_others_changes)
{
    struct child children[4];
    int parity[4] = {0, 1, 0, 1};

    for (int i = 0; i < 4; i++)
        child_start(&children[i], add, &parity[i]);
    for (int i = 0; i < 4; i++)
        cr_expect(eq(int, child_wait(&children[i]), 0));
    cr_expect(eq(u64, shared->left, 20000));
}

/* As in a store: each process maps a file, at an address of its own. */
static int hold_in_file(struct child *parent, void *arg)
{
    struct file f = FILE_CLOSED;
    struct region other, r;
    bool died = false;

    if (file_open(&f, "a", true) != TN_OK ||
        region_map(&other, &f, REGION_SHARED, 4096, NULL) != TN_OK ||
        region_map(&r, &f, REGION_SHARED, 4096, NULL) != TN_OK)
        return 1;
    if (mutex_lock((struct mutex *)r.base, &died) != TN_OK)
        return 2;
    child_tell(parent);
    child_await(parent);
    (void)arg;
    return 3;
}

Test(mutex, it_works_in_a_mapped_file, .fini = tmpdir_leave)
{
    struct file f = FILE_CLOSED;
    struct child owner;
    struct region r;

    tmpdir_enter();
    OK(file_create_unnamed(&f, "a", 0600));
    OK(file_extend(&f, 4096));
    OK(file_publish(&f, false));
    OK(region_map(&r, &f, REGION_SHARED, 4096, NULL));
    OK(mutex_init((struct mutex *)r.base, true));
    child_start(&owner, hold_in_file, NULL);
    cr_assert(child_await(&owner));
    FAILS(mutex_try_lock((struct mutex *)r.base, &(bool){false}), TN_EBUSY);
    cr_assert(eq(int, child_kill(&owner), -SIGKILL));
    LOCKS((struct mutex *)r.base, true);
    mutex_consistent((struct mutex *)r.base);
    OK(mutex_unlock((struct mutex *)r.base));
    region_unmap(&r);
    file_close(&f);
}
