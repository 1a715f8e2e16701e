/* test_flock.c - locks on bytes of a file
 *
 * A process whose end is waited for has closed its files, so what its death
 * does to its locks is seen at once and without guessing at times.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
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
#include "os/file.h"
#include "os/flock.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

#define FAR                (UINT64_C(1) << 62)

static const bool SHARED = false, EXCLUSIVE = true;

static void make_file(void)
{
    struct file f = FILE_CLOSED;

    tmpdir_enter();
    OK(file_create_unnamed(&f, "a", 0644));
    OK(file_publish(&f, false));
    file_close(&f);
}

TestSuite(flock, .init = make_file, .fini = tmpdir_leave, .timeout = 60);

#define HANDLE(h)                                                              \
    struct flock_handle h = FLOCK_CLOSED;                                      \
    OK(flock_open(&h, "a"))

/* One handle against another */

Test(flock, two_handles_of_one_process_exclude_each_other)
{
    HANDLE(h);
    HANDLE(k);

    OK(flock_try(&h, 7, EXCLUSIVE));
    FAILS(flock_try(&k, 7, EXCLUSIVE), TN_EBUSY);
    FAILS(flock_try(&k, 7, SHARED), TN_EBUSY);
    flock_release(&h, 7);
    OK(flock_try(&k, 7, EXCLUSIVE));
    FAILS(flock_try(&h, 7, SHARED), TN_EBUSY);
    flock_close(&k);
    OK(flock_try(&h, 7, EXCLUSIVE));
    flock_close(&h);
}

Test(flock, sharers_exclude_only_the_exclusive)
{
    HANDLE(h);
    HANDLE(k);
    HANDLE(l);

    OK(flock_try(&h, 7, SHARED));
    OK(flock_try(&k, 7, SHARED));
    FAILS(flock_try(&l, 7, EXCLUSIVE), TN_EBUSY);
    flock_release(&h, 7);
    FAILS(flock_try(&l, 7, EXCLUSIVE), TN_EBUSY);
    flock_release(&k, 7);
    OK(flock_try(&l, 7, EXCLUSIVE));
    flock_close(&h);
    flock_close(&k);
    flock_close(&l);
}

Test(flock, a_lock_is_converted_and_a_refused_conversion_keeps_it)
{
    HANDLE(h);
    HANDLE(k);

    OK(flock_try(&h, 7, SHARED));
    OK(flock_try(&k, 7, SHARED));
    FAILS(flock_try(&h, 7, EXCLUSIVE), TN_EBUSY);
    flock_release(&k, 7);
    FAILS(flock_try(&k, 7, EXCLUSIVE), TN_EBUSY);
    OK(flock_try(&h, 7, EXCLUSIVE));
    FAILS(flock_try(&k, 7, SHARED), TN_EBUSY);
    OK(flock_try(&h, 7, SHARED));
    OK(flock_try(&k, 7, SHARED));
    flock_close(&h);
    flock_close(&k);
}

/* The kernel joins locks of neighbouring bytes; each must still be its own. */
Test(flock, each_byte_is_a_lock_of_its_own)
{
    HANDLE(h);
    HANDLE(k);

    for (uint64_t i = 0; i < 16; i++)
        OK(flock_try(&h, FAR + i, EXCLUSIVE));
    for (uint64_t i = 0; i < 16; i += 2)
        flock_release(&h, FAR + i);
    for (uint64_t i = 0; i < 16; i++)
        FAILS(flock_try(&k, FAR + i, EXCLUSIVE), i % 2 == 0 ? TN_OK : TN_EBUSY);
    OK(flock_try(&k, FAR + 16, SHARED));
    OK(flock_try(&k, FAR - 1, SHARED));
    OK(flock_try(&k, INT64_MAX - 1, EXCLUSIVE));
    flock_close(&h);
    flock_close(&k);
}

Test(flock, releasing_what_is_not_held_does_nothing)
{
    HANDLE(h);
    HANDLE(k);

    OK(flock_try(&h, 7, EXCLUSIVE));
    flock_release(&k, 7);
    FAILS(flock_try(&k, 7, SHARED), TN_EBUSY);
    flock_release(&h, 8);
    FAILS(flock_try(&k, 7, SHARED), TN_EBUSY);
    flock_close(&h);
    flock_close(&k);
}

Test(flock, closing_another_descriptor_of_the_file_drops_nothing)
{
    struct file f = FILE_CLOSED;
    HANDLE(h);
    HANDLE(k);
    HANDLE(l);

    OK(flock_try(&h, 7, EXCLUSIVE));
    flock_close(&l);
    OK(file_open(&f, "a", true));
    file_close(&f);
    FAILS(flock_try(&k, 7, SHARED), TN_EBUSY);
    flock_close(&h);
    flock_close(&k);
}

Test(flock, taken_means_that_another_would_refuse)
{
    HANDLE(h);
    HANDLE(k);

    cr_expect(not(flock_taken(&h, 7, EXCLUSIVE)));
    OK(flock_try(&h, 7, SHARED));
    cr_expect(not(flock_taken(&h, 7, EXCLUSIVE)),
              "its own lock does not count");
    cr_expect(not(flock_taken(&k, 7, SHARED)));
    cr_expect(flock_taken(&k, 7, EXCLUSIVE));
    OK(flock_try(&h, 7, EXCLUSIVE));
    cr_expect(flock_taken(&k, 7, SHARED));
    cr_expect(not(flock_taken(&k, 8, EXCLUSIVE)));
    flock_close(&h);
    cr_expect(not(flock_taken(&k, 7, EXCLUSIVE)), "asking locks nothing");
    cr_expect(flock_taken(&h, 7, SHARED), "a closed handle cannot know");
    flock_close(&k);
}

/* Opening */

Test(flock, only_files_that_are_there_can_be_opened)
{
    struct flock_handle h = FLOCK_CLOSED;
    int before = faults_descriptors();

    FAILS(flock_open(&h, "missing"), TN_ENOENT);
    FAILS(flock_open(&h, "."), TN_EINVAL);
    cr_expect(eq(int, h.fd, -1));
    cr_expect(eq(int, faults_descriptors(), before));
}

static int lock_read_only(struct child *parent, void *arg)
{
    struct flock_handle h = FLOCK_CLOSED;

    (void)parent;
    (void)arg;
    if (geteuid() == 0 && setuid(65534) != 0)
        return 1;
    if (flock_open(&h, "a") != TN_OK || h.writable)
        return 2;
    if (flock_try(&h, 7, EXCLUSIVE) != TN_EACCES)
        return 3;
    if (flock_wait(&h, 7, EXCLUSIVE, NULL) != TN_EACCES)
        return 4;
    if (flock_taken(&h, 7, EXCLUSIVE) || flock_try(&h, 7, SHARED) != TN_OK)
        return 5;
    if (flock_try(&h, 8, SHARED) != TN_EBUSY || !flock_taken(&h, 8, EXCLUSIVE))
        return 6;
    flock_close(&h);
    if (chmod("a", 0) == 0)
        return 7;
    return flock_open(&h, "b") == TN_EACCES ? 0 : 8;
}

Test(flock, without_write_permission_there_are_shared_locks_only)
{
    struct file f = FILE_CLOSED;
    struct child child;
    HANDLE(h);

    OK(file_create_unnamed(&f, "b", 0200));
    OK(file_publish(&f, false));
    file_close(&f);
    chmod("a", 0444);
    chmod("b", 0);
    chmod(".", 0755);
    OK(flock_try(&h, 8, EXCLUSIVE));
    if (geteuid() == 0) {
        child_start(&child, lock_read_only, NULL);
        cr_expect(eq(int, child_wait(&child), 0));
    }
    flock_close(&h);
    OK(flock_open(&h, "a"));
    cr_expect(eq(int, h.writable, geteuid() == 0));
    flock_close(&h);
}

Test(flock, a_closed_handle_locks_nothing_and_may_be_closed_again)
{
    struct flock_handle h = FLOCK_CLOSED;

    FAILS(flock_try(&h, 7, SHARED), TN_EINVAL);
    FAILS(flock_wait(&h, 7, SHARED, NULL), TN_EINVAL);
    flock_release(&h, 7);
    flock_close(&h);
    flock_close(&h);
    cr_expect(eq(int, h.fd, -1));
}

Test(flock, any_failure_to_open_leaves_nothing_open)
{
    static const int numbers[] = {EIO, ENOMEM, EMFILE, ENOENT};
    struct flock_handle h = FLOCK_CLOSED;
    int before = faults_descriptors();

    for (int i = 0; i < 4; i++)
        for (int n = 0; n < 3; n++) {
            faults_refuse(n, numbers[i]);
            cr_expect(lt(int, flock_open(&h, "a"), 0));
            cr_expect(faults_end());
            cr_expect(eq(int, h.fd, -1));
            cr_expect(eq(int, faults_descriptors(), before));
        }
}

Test(flock, what_the_kernel_refuses_is_told)
{
    HANDLE(h);
    HANDLE(k);

    faults_refuse_all(FAULT_LOCK, ENOLCK);
    FAILS(flock_try(&h, 7, SHARED), TN_ESYS);
    cr_expect(
        eq(str, (char *)tn_errmsg(), "a: cannot lock: No locks available"));
    FAILS(flock_wait(&h, 7, SHARED, NULL), TN_ESYS);
    FAILS(flock_wait(&h, 7, SHARED, &(struct timespec){0}), TN_ESYS);
    faults_end();
    OK(flock_try(&k, 7, EXCLUSIVE));
    flock_close(&h);
    flock_close(&k);
}

/* Waiting */

Test(flock, a_free_byte_is_locked_though_the_deadline_has_passed)
{
    HANDLE(h);

    OK(flock_wait(&h, 7, EXCLUSIVE, &(struct timespec){0}));
    flock_release(&h, 7);
    OK(flock_wait(&h, 7, EXCLUSIVE, &(struct timespec){.tv_nsec = -5}));
    flock_close(&h);
}

Test(flock, waiting_ends_with_the_deadline)
{
    struct timespec soon;
    HANDLE(h);
    HANDLE(k);

    OK(flock_try(&h, 7, SHARED));
    FAILS(flock_wait(&k, 7, EXCLUSIVE, &(struct timespec){0}), TN_ETIMEDOUT);
    soon = clock_after(30);
    FAILS(flock_wait(&k, 7, EXCLUSIVE, &soon), TN_ETIMEDOUT);
    cr_expect(clock_passed(&soon));
    FAILS(
        flock_wait(&k, 7, EXCLUSIVE, &(struct timespec){.tv_nsec = 1000000000}),
        TN_EINVAL);
    FAILS(flock_wait(&k, 7, EXCLUSIVE, &(struct timespec){.tv_nsec = -1}),
          TN_EINVAL);
    OK(flock_wait(&k, 7, SHARED, &soon));
    flock_close(&h);
    flock_close(&k);
}

struct wait {
    struct flock_handle handle;
    const struct timespec *deadline;
    tn_status status;
};

static void *wait_for_byte(void *arg)
{
    struct wait *w = arg;

    w->status = flock_wait(&w->handle, 7, EXCLUSIVE, w->deadline);
    return NULL;
}

/* Whether the thread comes to wait before or after the release, it gets it. */
Test(flock, a_released_byte_goes_to_who_waits)
{
    struct timespec late = clock_after(50000);

    for (int i = 0; i < 20; i++) {
        struct wait w = {FLOCK_CLOSED, i % 2 == 0 ? NULL : &late, TN_ESYS};
        pthread_t thread;
        HANDLE(h);

        OK(flock_open(&w.handle, "a"));
        OK(flock_try(&h, 7, EXCLUSIVE));
        pthread_create(&thread, NULL, wait_for_byte, &w);
        clock_sleep(i * 100000L, NULL);
        flock_release(&h, 7);
        pthread_join(thread, NULL);
        cr_assert(eq(int, w.status, TN_OK));
        FAILS(flock_try(&h, 7, SHARED), TN_EBUSY);
        flock_close(&w.handle);
        flock_close(&h);
    }
}

static void ignore(int signal)
{
    (void)signal;
}

/* The handler is set without SA_RESTART. */
Test(flock, signals_do_not_end_a_wait)
{
    struct sigaction action = {.sa_handler = ignore};
    struct wait w = {FLOCK_CLOSED, NULL, TN_ESYS};
    pthread_t thread;
    HANDLE(h);

    sigaction(SIGUSR1, &action, NULL);
    OK(flock_open(&w.handle, "a"));
    OK(flock_try(&h, 7, EXCLUSIVE));
    pthread_create(&thread, NULL, wait_for_byte, &w);
    for (int i = 0; i < 20; i++) {
        clock_sleep(1000000, NULL);
        pthread_kill(thread, SIGUSR1);
    }
    flock_release(&h, 7);
    pthread_join(thread, NULL);
    cr_expect(eq(int, w.status, TN_OK));
    flock_close(&w.handle);
    flock_close(&h);
}

/* Death of the owner */

static int hold(struct child *parent, void *arg)
{
    struct flock_handle h = FLOCK_CLOSED;

    if (flock_open(&h, "a") != TN_OK || flock_try(&h, 7, *(bool *)arg) != TN_OK)
        return 1;
    child_tell(parent);
    child_await(parent);
    return 0;
}

Test(flock, a_killed_owners_lock_is_free_at_once)
{
    HANDLE(h);

    for (int i = 0; i < 50; i++) {
        bool exclusive = i % 2 == 0;
        struct child owner;

        child_start(&owner, hold, &exclusive);
        cr_assert(child_await(&owner));
        FAILS(flock_try(&h, 7, EXCLUSIVE), TN_EBUSY);
        cr_assert(eq(int, child_kill(&owner), -SIGKILL));
        OK(flock_try(&h, 7, EXCLUSIVE));
        flock_release(&h, 7);
    }
    flock_close(&h);
}

static int wait_and_tell(struct child *parent, void *arg)
{
    struct flock_handle h = FLOCK_CLOSED;

    (void)arg;
    if (flock_open(&h, "a") != TN_OK || flock_try(&h, 7, EXCLUSIVE) != TN_EBUSY)
        return 1;
    child_tell(parent);
    return flock_wait(&h, 7, EXCLUSIVE, NULL) == TN_OK ? 0 : 2;
}

Test(flock, who_waits_for_a_killed_owner_gets_the_lock)
{
    struct child owner, waiters[3];

    child_start(&owner, hold, (void *)&EXCLUSIVE);
    cr_assert(child_await(&owner));
    for (int i = 0; i < 3; i++) {
        child_start(&waiters[i], wait_and_tell, NULL);
        cr_assert(child_await(&waiters[i]));
    }
    cr_assert(eq(int, child_kill(&owner), -SIGKILL));
    for (int i = 0; i < 3; i++)
        cr_expect(eq(int, child_wait(&waiters[i]), 0));
}

/* Forks */

/* The handle's parent dies, and its own child lives on until the line to the
 * test ends. */
static int hold_and_fork(struct child *parent, void *arg)
{
    struct flock_handle h = FLOCK_CLOSED;

    (void)arg;
    if (flock_open(&h, "a") != TN_OK || flock_try(&h, 7, EXCLUSIVE) != TN_OK)
        return 1;
    if (fork() == 0) {
        alarm(CHILD_LIMIT);
        child_tell(parent);
        child_await(parent);
        _exit(0);
    }
    child_await(parent);
    return 2;
}

Test(flock, a_childs_life_does_not_prolong_a_dead_parents_locks)
{
    struct child owner;
    HANDLE(h);

    child_start(&owner, hold_and_fork, NULL);
    cr_assert(child_await(&owner), "the grandchild is there");
    FAILS(flock_try(&h, 7, SHARED), TN_EBUSY);
    kill(owner.pid, SIGKILL);
    cr_assert(eq(int, (int)waitpid(owner.pid, NULL, 0), (int)owner.pid));
    OK(flock_try(&h, 7, EXCLUSIVE));
    close(owner.in);
    close(owner.out); /* ends the grandchild */
    flock_close(&h);
}

static int use_inherited(struct child *parent, void *arg)
{
    struct flock_handle *h = arg, mine = FLOCK_CLOSED;

    (void)parent;
    if (h->fd != -1 || flock_try(h, 8, SHARED) != TN_EINVAL ||
        flock_wait(h, 8, SHARED, NULL) != TN_EINVAL ||
        !flock_taken(h, 8, SHARED))
        return 1;
    /* It takes the number of the closed one, and must keep it. */
    if (flock_open(&mine, "a") != TN_OK)
        return 2;
    flock_close(h);
    if (flock_try(&mine, 7, SHARED) != TN_EBUSY) /* the parent's lock */
        return 3;
    if (flock_try(&mine, 8, EXCLUSIVE) != TN_OK)
        return 4;
    flock_close(&mine);
    return 0;
}

Test(flock, an_inherited_handle_is_closed_and_the_parents_is_not)
{
    struct child child;
    HANDLE(h);
    HANDLE(k);

    OK(flock_try(&h, 7, EXCLUSIVE));
    child_start(&child, use_inherited, &h);
    cr_expect(eq(int, child_wait(&child), 0));
    FAILS(flock_try(&k, 7, SHARED), TN_EBUSY);
    OK(flock_try(&h, 8, EXCLUSIVE));
    flock_close(&h);
    flock_close(&k);
}

static bool has_open(const char *path)
{
    struct stat wanted, st;

    if (stat(path, &wanted) != 0)
        return true;
    for (int fd = 0; fd < 256; fd++)
        if (fstat(fd, &st) == 0 && st.st_ino == wanted.st_ino &&
            st.st_dev == wanted.st_dev)
            return true;
    return false;
}

static volatile bool stop;

static void *open_and_close(void *arg)
{
    struct flock_handle h[5] = {FLOCK_CLOSED, FLOCK_CLOSED, FLOCK_CLOSED,
                                FLOCK_CLOSED, FLOCK_CLOSED};
    unsigned seed = (unsigned)(uintptr_t)arg;

    while (!stop) {
        struct flock_handle *one = &h[rand_r(&seed) % 5];

        if (one->fd >= 0)
            flock_close(one);
        else if (flock_open(one, "a") != TN_OK)
            return "it could not be opened";
    }
    for (int i = 0; i < 5; i++)
        flock_close(&h[i]);
    return NULL;
}

static int look_for_descriptors(struct child *parent, void *arg)
{
    struct flock_handle *h = arg;

    (void)parent;
    return h->fd == -1 && !has_open("a") && !has_open("b") ? 0 : 1;
}

Test(flock, a_child_made_amid_opening_and_closing_has_no_descriptor)
{
    struct flock_handle h = FLOCK_CLOSED;
    struct file f = FILE_CLOSED;
    pthread_t threads[2];
    void *complaint;

    OK(file_create_unnamed(&f, "b", 0644));
    OK(file_publish(&f, false));
    file_close(&f);
    for (uintptr_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, open_and_close, (void *)(i + 1));
    for (int i = 0; i < 60; i++) {
        struct child child;

        OK(flock_open(&h, "b"));
        child_start(&child, look_for_descriptors, &h);
        cr_expect(eq(int, child_wait(&child), 0));
        flock_close(&h);
    }
    stop = true;
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &complaint);
        cr_expect(eq(ptr, complaint, NULL));
    }
    cr_expect(not(has_open("a")));
}

static void *cancel_itself(void *arg)
{
    struct flock_handle h = FLOCK_CLOSED;
    tn_status status;

    pthread_cancel(pthread_self()); /* takes effect in the next open() */
    status = flock_open(&h, "a");
    flock_close(&h);
    *(tn_status *)arg = status;
    return NULL;
}

static int do_nothing(struct child *parent, void *arg)
{
    (void)parent;
    (void)arg;
    return 0;
}

Test(flock, a_cancelled_thread_does_not_stop_forks)
{
    tn_status status = TN_ESYS;
    struct child child;
    pthread_t thread;

    pthread_create(&thread, NULL, cancel_itself, &status);
    pthread_join(thread, NULL);
    cr_expect(eq(int, status, TN_OK), "it opens and closes whole");
    child_start(&child, do_nothing, NULL);
    cr_expect(eq(int, child_wait(&child), 0));
}

/* A test's hook may fork; the child sees no lock that it cannot get. */
static int fork_and_open(void *arg, const struct fault_event *event)
{
    struct flock_handle h = FLOCK_CLOSED;
    pid_t pid;
    int status;

    if (event->op != FAULT_OPEN)
        return 0;
    pid = fork();
    if (pid == 0) {
        alarm(CHILD_LIMIT);
        _exit(flock_open(&h, "a") == TN_OK ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    *(int *)arg = status;
    return 0;
}

Test(flock, a_fork_in_the_midst_of_opening_hangs_nobody)
{
    struct flock_handle h = FLOCK_CLOSED;
    int status = -1;

    fault_set_hook(fork_and_open, &status);
    OK(flock_open(&h, "a"));
    fault_set_hook(NULL, NULL);
    cr_expect(eq(int, status, 0));
    flock_close(&h);
}

static int count_down(struct child *parent, void *arg)
{
    int depth = *(int *)arg - 1;
    struct flock_handle h = FLOCK_CLOSED;
    struct child child;

    (void)parent;
    if (has_open("a") || flock_open(&h, "a") != TN_OK ||
        flock_try(&h, (uint64_t)depth, EXCLUSIVE) != TN_OK)
        return 1;
    if (depth == 0)
        return 0;
    child_start(&child, count_down, &depth);
    if (child_wait(&child) != 0)
        return 2;
    flock_close(&h);
    return has_open("a") ? 3 : 0;
}

Test(flock, children_of_children_have_handles_of_their_own)
{
    struct child child;
    int depth = 5;

    child_start(&child, count_down, &depth);
    cr_expect(eq(int, child_wait(&child), 0));
}

/* A counter in a file that only the lock protects. */
enum { COUNTERS = 4, TIMES = 100 };

static int count(struct child *parent, void *arg)
{
    struct timespec late = clock_after(15000);
    struct flock_handle h = FLOCK_CLOSED;
    struct file f = FILE_CLOSED;
    int number = 0;

    (void)parent;
    if (flock_open(&h, "a") != TN_OK || file_open(&f, "a", true) != TN_OK)
        return 1;
    for (int i = 0; i < TIMES; i++) {
        if (flock_wait(&h, FAR, EXCLUSIVE, *(bool *)arg ? &late : NULL) !=
                TN_OK ||
            file_read(&f, &number, sizeof(number), 0) != TN_OK)
            return 2;
        number++;
        if (file_write(&f, &number, sizeof(number), 0) != TN_OK)
            return 3;
        flock_release(&h, FAR);
    }
    return 0;
}

Test(flock, processes_that_lock_do_not_lose_each_others_changes)
{
    struct child children[COUNTERS];
    bool timed[COUNTERS];
    struct file f = FILE_CLOSED;
    int number = 0;

    OK(file_open(&f, "a", true));
    OK(file_write(&f, &number, sizeof(number), 0));
    for (int i = 0; i < COUNTERS; i++) {
        timed[i] = i % 2 == 1;
        child_start(&children[i], count, &timed[i]);
    }
    for (int i = 0; i < COUNTERS; i++)
        cr_expect(eq(int, child_wait(&children[i]), 0));
    OK(file_read(&f, &number, sizeof(number), 0));
    cr_expect(eq(int, number, COUNTERS *TIMES));
    file_close(&f);
}
