/* test_transaction.c - begin, try, wait, roll back; and which thread may
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tenon.h>

#include "lib/child.h"
#include "lib/tmpdir.h"
#include "os/clock.h"

#define OK(call)         cr_assert(eq(int, call, TN_OK), "%s", tn_errmsg())
#define IS(call, status) cr_assert(eq(int, call, status), "%s", tn_errmsg())

static tn_store *store;
static tn_segment *w;
static const tn_options options = {.size = 65536, .journal_size = 65536};

static void enter(void)
{
    tmpdir_enter();
    OK(tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, &options));
}

static void leave(void)
{
    OK(tn_store_close(store));
    tmpdir_leave();
}

TestSuite(transaction, .init = enter, .fini = leave, .timeout = 30);

/* Run work in another thread to its end. */
static void in_thread(void *(*work)(void *arg), void *arg)
{
    pthread_t thread;

    cr_assert(pthread_create(&thread, NULL, work, arg) == 0);
    cr_assert(pthread_join(thread, NULL) == 0);
}

static tn_status has(const char *name)
{
    const tn_segment *view;
    tn_status status = tn_read_begin(store, &view);
    void *found;

    if (status == TN_OK) {
        status = tn_find(view, name, TN_BYTES, &found, NULL);
        tn_read_end(store, view);
    }
    return status;
}

Test(transaction, is_refused_twice_in_one_thread)
{
    OK(tn_begin(store, &w));
    IS(tn_begin(store, &w), TN_EDEADLK);
    IS(tn_try_begin(store, &w), TN_EDEADLK);
    IS(tn_sync(store), TN_EDEADLK);
    IS(tn_checkpoint(store), TN_EDEADLK);
    OK(tn_rollback(store));
    OK(tn_begin(store, &w));
    OK(tn_commit(store));
}

Test(transaction, is_needed_to_commit_or_roll_back)
{
    IS(tn_commit(store), TN_EINVAL);
    IS(tn_rollback(store), TN_EINVAL);
    OK(tn_begin(store, &w));
    IS(tn_commit_with(store, 0x80), TN_EINVAL);
    OK(tn_commit(store));
    IS(tn_commit(store), TN_EINVAL);
}

static void *try_and_wait(void *arg)
{
    struct timespec past = clock_after(0), soon = clock_after(30);
    tn_segment *mine = NULL;

    (void)arg;
    IS(tn_try_begin(store, &mine), TN_EBUSY);
    IS(tn_begin_timed(store, &past, &mine), TN_ETIMEDOUT);
    IS(tn_begin_timed(store, &soon, &mine), TN_ETIMEDOUT);
    cr_assert(clock_passed(&soon));
    cr_assert(mine == NULL);
    return NULL;
}

Test(transaction, of_another_thread_is_waited_for_as_long_as_wanted)
{
    OK(tn_begin(store, &w));
    in_thread(try_and_wait, NULL);
    OK(tn_rollback(store));
}

static int try_elsewhere(struct child *parent, void *arg)
{
    struct timespec soon = clock_after(30);
    tn_store *other;
    tn_segment *mine;

    (void)arg;
    if (tn_store_open(&other, "s", TN_DURABLE, NULL) != TN_OK)
        return 1;
    child_tell(parent);
    child_await(parent); /* now the parent writes */
    if (tn_try_begin(other, &mine) != TN_EBUSY ||
        tn_begin_timed(other, &soon, &mine) != TN_ETIMEDOUT)
        return 2;
    child_tell(parent);
    if (tn_begin(other, &mine) != TN_OK)
        return 3;
    if (tn_find(mine, "parent", TN_BYTES, NULL, NULL) != TN_OK)
        return 4;
    if (tn_construct(mine, "child", TN_BYTES, 1, NULL, NULL) != TN_OK ||
        tn_commit(other) != TN_OK)
        return 5;
    return tn_store_close(other) == TN_OK ? 0 : 6;
}

Test(transaction, of_another_process_is_waited_for_too)
{
    struct child c;

    child_start(&c, try_elsewhere, NULL);
    cr_assert(child_await(&c));
    OK(tn_begin(store, &w));
    OK(tn_construct(w, "parent", TN_BYTES, 1, NULL, NULL));
    child_tell(&c);
    cr_assert(child_await(&c));
    OK(tn_commit(store));
    cr_assert(eq(int, child_wait(&c), 0));
    OK(has("child"));
}

static void *commit_it(void *arg)
{
    (void)arg;
    OK(tn_construct(w, "theirs", TN_BYTES, 1, NULL, NULL));
    OK(tn_commit(store));
    return NULL;
}

Test(transaction, may_be_ended_by_another_thread)
{
    OK(tn_begin(store, &w));
    OK(tn_construct(w, "ours", TN_BYTES, 1, NULL, NULL));
    in_thread(commit_it, NULL);
    OK(has("ours"));
    OK(has("theirs"));
    OK(tn_begin(store, &w));
    OK(tn_rollback(store));
}

static void *begin_there(void *arg)
{
    (void)arg;
    OK(tn_begin(store, &w));
    return NULL;
}

Test(transaction, may_be_begun_by_a_thread_that_has_ended)
{
    in_thread(begin_there, NULL);
    OK(tn_construct(w, "a", TN_BYTES, 1, NULL, NULL));
    OK(tn_commit(store));
    OK(has("a"));
}

Test(transaction, leaves_nothing_when_rolled_back)
{
    void *p;

    OK(tn_begin(store, &w));
    OK(tn_construct(w, "kept", TN_BYTES, 100, NULL, NULL));
    OK(tn_commit(store));
    OK(tn_begin(store, &w));
    OK(tn_destroy(w, "kept", TN_BYTES));
    OK(tn_construct(w, "gone", TN_BYTES, 300000, NULL, NULL)); /* it grows */
    OK(tn_rollback(store));
    OK(has("kept"));
    IS(has("gone"), TN_ENOENT);
    OK(tn_begin(store, &w));
    cr_assert(lt(sz, tn_segment_size(w), 300000));
    OK(tn_find(w, "kept", TN_BYTES, &p, NULL));
    OK(tn_construct(w, "again", TN_BYTES, 300000, NULL, NULL));
    OK(tn_commit(store));
    OK(has("again"));
}

Test(transaction, is_dropped_with_its_process)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        tn_store *other;

        if (tn_store_open(&other, "s", TN_DURABLE, NULL) != TN_OK ||
            tn_begin(other, &w) != TN_OK ||
            tn_construct(w, "half", TN_BYTES, 1, NULL, NULL) != TN_OK)
            _exit(1);
        _exit(0);
    }
    cr_assert(waitpid(pid, &status, 0) == pid && status == 0);
    OK(tn_begin(store, &w));
    IS(tn_find(w, "half", TN_BYTES, NULL, NULL), TN_ENOENT);
    OK(tn_rollback(store));
}

Test(transaction, has_its_view_where_it_always_was)
{
    char *before, *after;

    OK(tn_begin(store, &w));
    OK(tn_construct(w, "a", TN_BYTES, 10, NULL, (void **)&before));
    OK(tn_commit(store));
    OK(tn_begin(store, &w));
    OK(tn_find(w, "a", TN_BYTES, (void **)&after, NULL));
    cr_assert(before == after);
    OK(tn_rollback(store));
}

Test(transaction, is_for_durable_stores_only)
{
    tn_store *other;

    OK(tn_store_open(&other, "s", TN_READ_ONLY, NULL));
    IS(tn_begin(other, &w), TN_EINVAL);
    IS(tn_sync(other), TN_EINVAL);
    IS(tn_commit(other), TN_EINVAL);
    OK(tn_store_close(other));
}
