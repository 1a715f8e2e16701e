/* test_file_lock.c - locks on whole files, for programs that agree on them
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/faults.h"
#include "lib/tmpdir.h"
#include "os/clock.h"
#include "os/flock.h"
#include "tenon/lock.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

static void make_file(void)
{
    FILE *f;

    tmpdir_enter();
    f = fopen("table.csv", "w");
    cr_assert(ne(ptr, f, NULL));
    fputs("0", f);
    fclose(f);
}

TestSuite(file_lock, .init = make_file, .fini = tmpdir_leave, .timeout = 60);

static tn_file_lock *opened(void)
{
    tn_file_lock *lock = NULL;

    OK(tn_file_lock_open(&lock, "table.csv"));
    return lock;
}

Test(file_lock, one_exclusive_owner_or_many_sharers)
{
    tn_file_lock *a = opened(), *b = opened(), *c = opened();

    OK(tn_file_lock_exclusive(a));
    FAILS(tn_file_lock_try_exclusive(b), TN_EBUSY);
    FAILS(tn_file_lock_try_sharable(b), TN_EBUSY);
    OK(tn_file_lock_release(a));
    OK(tn_file_lock_sharable(a));
    OK(tn_file_lock_try_sharable(b));
    FAILS(tn_file_lock_try_exclusive(c), TN_EBUSY);
    OK(tn_file_lock_release(a));
    FAILS(tn_file_lock_try_exclusive(c), TN_EBUSY);
    OK(tn_file_lock_release(b));
    OK(tn_file_lock_try_exclusive(c));
    tn_file_lock_close(c);
    OK(tn_file_lock_try_exclusive(a));
    tn_file_lock_close(a);
    tn_file_lock_close(b);
}

/* Each of the six calls, from each state. */

typedef tn_status locker(tn_file_lock *lock);

static tn_status timed_exclusive(tn_file_lock *lock)
{
    return tn_file_lock_timed_exclusive(lock, &(struct timespec){0});
}

static tn_status timed_sharable(tn_file_lock *lock)
{
    return tn_file_lock_timed_sharable(lock, &(struct timespec){0});
}

static tn_status endless_exclusive(tn_file_lock *lock)
{
    return tn_file_lock_timed_exclusive(lock, NULL);
}

static tn_status endless_sharable(tn_file_lock *lock)
{
    return tn_file_lock_timed_sharable(lock, NULL);
}

static locker *const exclusive[] = {tn_file_lock_exclusive,
                                    tn_file_lock_try_exclusive, timed_exclusive,
                                    endless_exclusive};
static locker *const sharable[] = {tn_file_lock_sharable,
                                   tn_file_lock_try_sharable, timed_sharable,
                                   endless_sharable};

/* That of the others' locks which a fresh handle finds. */
static char *found(void)
{
    tn_file_lock *probe = opened();
    char *kind = "exclusive";

    if (tn_file_lock_try_exclusive(probe) == TN_OK)
        kind = "free";
    else if (tn_file_lock_try_sharable(probe) == TN_OK)
        kind = "sharable";
    tn_file_lock_close(probe);
    return kind;
}

Test(file_lock, every_call_locks_a_free_file_once)
{
    tn_file_lock *lock = opened();

    for (int i = 0; i < 4; i++)
        for (int again = 0; again < 4; again++) {
            OK(exclusive[i](lock));
            OK(exclusive[again](lock));
            cr_expect(eq(str, found(), "exclusive"));
            OK(tn_file_lock_release(lock));
            cr_expect(eq(str, found(), "free"), "one release is enough");
            OK(sharable[i](lock));
            OK(sharable[again](lock));
            cr_expect(eq(str, found(), "sharable"));
            OK(tn_file_lock_release(lock));
            cr_expect(eq(str, found(), "free"));
        }
    tn_file_lock_close(lock);
}

Test(file_lock, there_is_no_promotion_and_no_demotion)
{
    tn_file_lock *lock = opened();

    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 4; k++) {
            OK(exclusive[i](lock));
            FAILS(sharable[k](lock), TN_EDEADLK);
            cr_expect(eq(str, found(), "exclusive"));
            OK(tn_file_lock_release(lock));
            OK(sharable[i](lock));
            FAILS(exclusive[k](lock), TN_EDEADLK);
            cr_expect(eq(str, found(), "sharable"));
            OK(tn_file_lock_release(lock));
        }
    tn_file_lock_close(lock);
}

Test(file_lock, releasing_what_is_not_locked_is_an_error)
{
    tn_file_lock *a = opened(), *b = opened();

    FAILS(tn_file_lock_release(a), TN_EPERM);
    OK(tn_file_lock_exclusive(b));
    FAILS(tn_file_lock_release(a), TN_EPERM);
    FAILS(tn_file_lock_try_sharable(a), TN_EBUSY);
    FAILS(tn_file_lock_release(a), TN_EPERM);
    OK(tn_file_lock_release(b));
    FAILS(tn_file_lock_release(b), TN_EPERM);
    tn_file_lock_close(a);
    tn_file_lock_close(b);
}

Test(file_lock, waiting_ends_with_the_deadline_and_changes_nothing)
{
    tn_file_lock *a = opened(), *b = opened();
    struct timespec soon;

    OK(tn_file_lock_sharable(a));
    FAILS(timed_exclusive(b), TN_ETIMEDOUT);
    soon = clock_after(30);
    FAILS(tn_file_lock_timed_exclusive(b, &soon), TN_ETIMEDOUT);
    cr_expect(clock_passed(&soon));
    OK(timed_sharable(b));
    tn_file_lock_close(a);
    FAILS(timed_exclusive(b), TN_EDEADLK);
    OK(tn_file_lock_release(b));
    OK(timed_exclusive(b));
    tn_file_lock_close(b);
}

Test(file_lock, other_descriptors_and_byte_locks_of_the_file_do_not_matter)
{
    struct flock_handle h = FLOCK_CLOSED;
    struct flock whole = {.l_type = F_WRLCK};
    tn_file_lock *a = opened(), *b = opened();
    int fd = open("table.csv", O_RDWR);

    OK(tn_file_lock_exclusive(a));
    OK(flock_open(&h, "table.csv"));
    for (uint64_t i = 0; i < 16; i++) /* where a store has its own locks */
        OK(flock_try(&h, (UINT64_C(1) << 62) + i, true));
    flock_close(&h);
    close(fd);
    FAILS(tn_file_lock_try_exclusive(b), TN_EBUSY);

    /* Another program's lock on all of the file's bytes is respected. */
    OK(tn_file_lock_release(a));
    fd = open("table.csv", O_RDWR);
    cr_assert(eq(int, fcntl(fd, F_OFD_SETLK, &whole), 0));
    FAILS(tn_file_lock_try_sharable(a), TN_EBUSY);
    close(fd);
    OK(tn_file_lock_try_sharable(a));
    tn_file_lock_close(a);
    tn_file_lock_close(b);
}

/* Handles */

static int open_read_only(struct child *parent, void *arg)
{
    tn_file_lock *lock = NULL;
    int before = faults_descriptors();

    (void)parent;
    (void)arg;
    if (geteuid() == 0 && setuid(65534) != 0)
        return 1;
    if (tn_file_lock_open(&lock, "table.csv") != TN_EACCES || lock != NULL)
        return 2;
    return faults_descriptors() == before ? 0 : 3;
}

Test(file_lock, a_handle_needs_a_file_that_may_be_read_and_written)
{
    tn_file_lock *lock = NULL;
    struct child child;

    FAILS(tn_file_lock_open(&lock, "missing"), TN_ENOENT);
    FAILS(tn_file_lock_open(&lock, "."), TN_EINVAL);
    FAILS(tn_file_lock_open(NULL, "table.csv"), TN_EINVAL);
    FAILS(tn_file_lock_open(&lock, NULL), TN_EINVAL);
    cr_expect(eq(ptr, lock, NULL));
    chmod("table.csv", 0444);
    chmod(".", 0755);
    child_start(&child, open_read_only, NULL);
    cr_expect(eq(int, child_wait(&child), 0));
}

Test(file_lock, no_handle_is_an_error_and_not_a_crash)
{
    tn_file_lock_close(NULL);
    for (int i = 0; i < 4; i++) {
        FAILS(exclusive[i](NULL), TN_EINVAL);
        FAILS(sharable[i](NULL), TN_EINVAL);
    }
    FAILS(tn_file_lock_release(NULL), TN_EINVAL);
}

Test(file_lock, opening_and_closing_leaves_nothing_open)
{
    int before = faults_descriptors();

    for (int n = 0; n < 3; n++) {
        tn_file_lock *lock = NULL;

        faults_refuse(n, 24 /* EMFILE */);
        cr_expect(lt(int, tn_file_lock_open(&lock, "table.csv"), 0));
        faults_end();
        cr_expect(eq(ptr, lock, NULL));
        lock = opened();
        OK(tn_file_lock_exclusive(lock));
        tn_file_lock_close(lock);
        cr_expect(eq(int, faults_descriptors(), before));
    }
}

/* Processes */

static int hold(struct child *parent, void *arg)
{
    tn_file_lock *lock;

    if (tn_file_lock_open(&lock, "table.csv") != TN_OK ||
        (*(locker *const *)arg)(lock) != TN_OK)
        return 1;
    child_tell(parent);
    child_await(parent);
    return 2;
}

Test(file_lock, a_killed_owners_lock_is_free_at_once)
{
    tn_file_lock *lock = opened();

    for (int i = 0; i < 40; i++) {
        struct child owner;

        child_start(
            &owner, hold,
            (void *)(i % 2 == 0 ? &exclusive[i % 4] : &sharable[i % 4]));
        cr_assert(child_await(&owner));
        FAILS(tn_file_lock_try_exclusive(lock), TN_EBUSY);
        cr_assert(eq(int, child_kill(&owner), -SIGKILL));
        OK(tn_file_lock_try_exclusive(lock));
        OK(tn_file_lock_release(lock));
    }
    tn_file_lock_close(lock);
}

static int use_inherited(struct child *parent, void *arg)
{
    tn_file_lock *lock = arg, *mine;

    (void)parent;
    for (int i = 0; i < 4; i++)
        if (exclusive[i](lock) != TN_EINVAL || sharable[i](lock) != TN_EINVAL)
            return 1;
    if (tn_file_lock_release(lock) != TN_EINVAL)
        return 2;
    tn_file_lock_close(lock);
    if (tn_file_lock_open(&mine, "table.csv") != TN_OK ||
        tn_file_lock_try_sharable(mine) != TN_EBUSY)
        return 3;
    tn_file_lock_close(mine);
    return 0;
}

Test(file_lock, a_forked_child_has_neither_the_lock_nor_the_handle)
{
    tn_file_lock *lock = opened();
    struct child child;

    OK(tn_file_lock_exclusive(lock));
    child_start(&child, use_inherited, lock);
    cr_expect(eq(int, child_wait(&child), 0));
    cr_expect(eq(str, found(), "exclusive"));
    OK(tn_file_lock_release(lock));
    tn_file_lock_close(lock);
}

/* The worked example: each process adds to a number in the file. */
enum { ADDERS = 4, TIMES = 60 };

static bool add_one(void)
{
    int number = 0;
    FILE *f = fopen("table.csv", "r+");
    bool done = f != NULL && fscanf(f, "%d", &number) == 1;

    if (done) {
        rewind(f);
        done = fprintf(f, "%d", number + 1) > 0;
    }
    return f != NULL && fclose(f) == 0 && done;
}

static int add(struct child *parent, void *arg)
{
    struct timespec late = clock_after(15000);
    tn_file_lock *lock;

    (void)parent;
    if (tn_file_lock_open(&lock, "table.csv") != TN_OK)
        return 1;
    for (int i = 0; i < TIMES; i++) {
        if ((*(bool *)arg ? tn_file_lock_timed_exclusive(lock, &late)
                          : tn_file_lock_exclusive(lock)) != TN_OK)
            return 2;
        if (!add_one() || tn_file_lock_release(lock) != TN_OK)
            return 3;
    }
    tn_file_lock_close(lock);
    return 0;
}

static int number_in_file(void)
{
    int number = -1;
    FILE *f = fopen("table.csv", "r");

    cr_assert(eq(int, fscanf(f, "%d", &number), 1));
    fclose(f);
    return number;
}

Test(file_lock, processes_that_agree_do_not_lose_each_others_changes)
{
    struct child children[ADDERS];
    bool timed[ADDERS];

    for (int i = 0; i < ADDERS; i++) {
        timed[i] = i % 2 == 1;
        child_start(&children[i], add, &timed[i]);
    }
    for (int i = 0; i < ADDERS; i++)
        cr_expect(eq(int, child_wait(&children[i]), 0));
    cr_expect(eq(int, number_in_file(), ADDERS *TIMES));
}

/* Threads */

/* Each with a handle of its own: that keeps threads apart. */
static void *add_in_thread(void *arg)
{
    return (void *)(intptr_t)add(NULL, arg);
}

Test(file_lock, threads_with_handles_of_their_own_exclude_each_other)
{
    pthread_t threads[3];
    bool timed = false;

    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, add_in_thread, &timed);
    for (int i = 0; i < 3; i++) {
        void *result;

        pthread_join(threads[i], &result);
        cr_expect(eq(ptr, result, NULL));
    }
    cr_expect(eq(int, number_in_file(), 3 * TIMES));
}

/* With one handle: what it answers is always in order with what the kernel
 * has, whoever calls. */
static void *lock_and_release(void *arg)
{
    tn_file_lock *lock = arg;
    unsigned seed = (unsigned)(uintptr_t)&seed;

    for (int i = 0; i < 2000; i++) {
        tn_status status = rand_r(&seed) % 2 == 0
                               ? tn_file_lock_try_exclusive(lock)
                               : tn_file_lock_try_sharable(lock);

        if (status != TN_OK && status != TN_EBUSY && status != TN_EDEADLK)
            return "locking";
        status = tn_file_lock_release(lock);
        if (status != TN_OK && status != TN_EPERM)
            return "releasing";
    }
    return NULL;
}

Test(file_lock, threads_that_share_a_handle_do_not_confuse_it)
{
    tn_file_lock *lock = opened();
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, lock_and_release, lock);
    for (int i = 0; i < 3; i++) {
        void *complaint;

        pthread_join(threads[i], &complaint);
        cr_expect(eq(ptr, complaint, NULL));
    }
    tn_file_lock_release(lock); /* if one is left */
    FAILS(tn_file_lock_release(lock), TN_EPERM);
    cr_expect(eq(str, found(), "free"));
    OK(tn_file_lock_exclusive(lock));
    cr_expect(eq(str, found(), "exclusive"));
    tn_file_lock_close(lock);
}

/* The same at the very moment that matters: amid one thread's call another
 * thread calls too. */
struct meanwhile {
    enum fault_op op;
    tn_status (*call)(tn_file_lock *);
    tn_file_lock *lock;
    tn_status status;
    bool begun, wait;
    pthread_t thread;
};

static void *call_meanwhile(void *arg)
{
    struct meanwhile *m = arg;

    m->status = m->call(m->lock);
    return NULL;
}

static int begin_meanwhile(void *arg, const struct fault_event *event)
{
    struct meanwhile *m = arg;

    if (event->op != m->op || m->begun)
        return 0;
    m->begun = true;
    pthread_create(&m->thread, NULL, call_meanwhile, m);
    if (m->wait)
        pthread_join(m->thread, NULL);
    else
        clock_sleep(20 * 1000000, NULL);
    return 0;
}

Test(file_lock, of_two_threads_that_lock_at_once_one_is_refused)
{
    tn_file_lock *lock = opened();
    struct meanwhile m = {.op = FAULT_LOCK,
                          .call = tn_file_lock_try_sharable,
                          .lock = lock,
                          .wait = true};

    fault_set_hook(begin_meanwhile, &m);
    OK(tn_file_lock_exclusive(lock));
    fault_set_hook(NULL, NULL);
    cr_expect(m.begun);
    cr_expect(eq(int, m.status, TN_EBUSY));
    cr_expect(eq(str, found(), "exclusive"));
    tn_file_lock_close(lock);
}

Test(file_lock, of_two_threads_that_release_at_once_one_is_refused)
{
    tn_file_lock *lock = opened();
    struct meanwhile m = {
        .op = FAULT_UNLOCK, .call = tn_file_lock_release, .lock = lock};

    OK(tn_file_lock_exclusive(lock));
    fault_set_hook(begin_meanwhile, &m);
    OK(tn_file_lock_release(lock));
    pthread_join(m.thread, NULL);
    fault_set_hook(NULL, NULL);
    cr_expect(m.begun);
    cr_expect(eq(int, m.status, TN_EPERM));
    cr_expect(eq(str, found(), "free"));
    tn_file_lock_close(lock);
}

static void *wait_for_lock(void *lock)
{
    return (void *)(intptr_t)tn_file_lock_exclusive(lock);
}

/* A thread that waits keeps neither the others of its handle waiting... */
Test(file_lock, a_waiting_thread_leaves_the_handle_usable)
{
    tn_file_lock *owner = opened(), *shared = opened();
    struct timespec soon = clock_after(20);
    pthread_t thread;
    void *result;

    OK(tn_file_lock_exclusive(owner));
    pthread_create(&thread, NULL, wait_for_lock, shared);
    FAILS(tn_file_lock_timed_sharable(shared, &soon), TN_ETIMEDOUT);
    FAILS(tn_file_lock_try_exclusive(shared), TN_EBUSY);
    FAILS(tn_file_lock_release(shared), TN_EPERM);
    OK(tn_file_lock_release(owner));
    pthread_join(thread, &result);
    cr_expect(eq(ptr, result, NULL));
    cr_expect(eq(str, found(), "exclusive"));
    OK(tn_file_lock_release(shared));
    tn_file_lock_close(owner);
    tn_file_lock_close(shared);
}

/* ... nor for ever when it is cancelled.  gcc's address sanitizer takes the
 * end of a cancelled thread for an error. */
#ifndef __SANITIZE_ADDRESS__
Test(file_lock, a_cancelled_waiter_does_not_stop_the_others)
{
    tn_file_lock *owner = opened(), *shared = opened();
    pthread_t thread;
    void *result;

    for (int i = 0; i < 10; i++) {
        OK(tn_file_lock_exclusive(owner));
        pthread_create(&thread, NULL, wait_for_lock, shared);
        clock_sleep(i * 500000L, NULL);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        cr_expect(eq(ptr, result, PTHREAD_CANCELED));
        OK(tn_file_lock_release(owner));
        OK(tn_file_lock_exclusive(shared));
        OK(tn_file_lock_release(shared));
        cr_expect(eq(str, found(), "free"));
    }
    tn_file_lock_close(owner);
    tn_file_lock_close(shared);
}
#endif

/* The child must not wait for a thread that does not exist there. */
static int close_inherited(struct child *parent, void *lock)
{
    (void)parent;
    if (tn_file_lock_exclusive(lock) != TN_EINVAL)
        return 1;
    tn_file_lock_close(lock);
    return 0;
}

Test(file_lock, a_fork_while_a_thread_waits_is_no_trap_for_the_child)
{
    tn_file_lock *owner = opened(), *shared = opened();
    struct child child;
    pthread_t thread;

    OK(tn_file_lock_exclusive(owner));
    pthread_create(&thread, NULL, wait_for_lock, shared);
    clock_sleep(5000000, NULL);
    child_start(&child, close_inherited, shared);
    cr_expect(eq(int, child_wait(&child), 0));
    OK(tn_file_lock_release(owner));
    pthread_join(thread, NULL);
    tn_file_lock_close(owner);
    tn_file_lock_close(shared);
}
