/* living.c - what only several open handles of one store can show
 *
 *     living [CASE | --stop]
 *
 * Views that must not move while others commit, apply, roll back and die; waits
 * that must end; files that are exchanged under the store.  Each case is a few
 * steps of two or three handles, so that the rule of docs/CRASH.md that it
 * needs can be read from it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "ground.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/durable.h"

static tn_segment *w;
static const tn_segment *view, *later;

static bool exists(const char *name)
{
    return access(name, F_OK) == 0;
}

static void copy(const char *from, const char *to)
{
    char command[200];

    snprintf(command, sizeof(command), "cp %s %s", from, to);
    CLAIM(system(command) == 0);
}

/* Commit this to number *arg's index 0 and die without closing. */
static int commit_and_die(void *arg)
{
    tn_store *a = ground_open();

    OK(ground_commit(a, 0, *(uint64_t *)arg));
    return 0;
}

/* The same, with the file held still by a view of its own: not applied. */
static int defer_and_die(void *arg)
{
    tn_store *a = ground_open();

    OK(tn_read_begin(a, &view));
    OK(ground_commit(a, 0, *(uint64_t *)arg));
    return 0;
}

/* --- Views ---------------------------------------------------------------- */

static void a_view_holds_still(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    b = ground_open();
    OK(ground_commit(a, 0, 1));
    OK(tn_read_begin(b, &view));
    for (uint64_t i = 2; i < 10; i++) {
        OK(ground_commit(i % 2 != 0 ? a : b, 0, i));
        CLAIM(ground_get(view, 0) == 1);
        CLAIM(ground_read(a, 0) == i && ground_read(b, 0) == i);
    }
    OK(tn_read_begin(a, &later));
    OK(tn_read_end(b, view));
    OK(ground_commit(b, 0, 10));
    CLAIM(ground_get(later, 0) == 9 && ground_read(b, 0) == 10);
    OK(tn_read_end(a, later));
    OK(ground_commit(b, 1, 11));
    CLAIM(ground_read(a, 0) == 10 && ground_read(a, 1) == 11);
    ground_sound(a);
    OK(tn_store_close(a));
    OK(tn_store_close(b));
}

static void a_view_of_the_committing_handle_holds_still(void)
{
    tn_store *a;

    ground_make();
    a = ground_open();
    OK(tn_read_begin(a, &view));
    OK(ground_commit(a, 0, 1));
    CLAIM(ground_get(view, 0) == 0 && ground_read(a, 0) == 1);
    OK(tn_read_begin(a, &later));
    OK(tn_read_end(a, view));
    OK(ground_commit(a, 0, 2));
    CLAIM(ground_get(later, 0) == 1 && ground_read(a, 0) == 2);
    OK(tn_read_end(a, later));
    OK(tn_store_close(a));
}

/* Each with memory of its own, in which addresses for a growing store would
 * soon be used up. */
static void hundreds_of_views_of_different_states(void)
{
    enum { VIEWS = 300 };
    static const tn_segment *views[VIEWS];
    tn_store *a;

    ground_make();
    a = ground_open();
    for (uint64_t i = 0; i < VIEWS; i++) {
        OK(ground_commit(a, 0, i));
        OK(tn_read_begin(a, &views[i]));
    }
    for (uint64_t i = 0; i < VIEWS; i++) {
        CLAIM(ground_get(views[i], 0) == i);
        OK(tn_read_end(a, views[i]));
    }
    OK(tn_store_close(a));
}

static void a_read_only_handle_keeps_its_view_and_finds_new_ones(void)
{
    tn_store *a, *r;

    ground_make();
    a = ground_open();
    OK(ground_commit(a, 0, 1));
    OK(tn_store_open(&r, "store", TN_READ_ONLY, &ground_options));
    OK(ground_commit(a, 0, 2));
    CLAIM(ground_get(tn_store_segment(r), 0) == 1);
    CLAIM(ground_read(r, 0) == 2);
    OK(tn_store_close(a)); /* the commit stays pending */
    CLAIM(ground_get(tn_store_segment(r), 0) == 1);
    OK(tn_store_close(r));
    a = ground_open();
    CLAIM(ground_read(a, 0) == 2);
    OK(tn_store_close(a));
}

static void a_private_view_holds_still(void)
{
    tn_store *a, *p;

    ground_make();
    a = ground_open();
    OK(ground_commit(a, 0, 1));
    OK(tn_store_open(&p, "store", TN_PRIVATE, &ground_options));
    ground_set(tn_store_segment(p), 1, 77);
    OK(ground_commit(a, 0, 2));
    OK(ground_commit(a, 1, 2));
    CLAIM(ground_get(tn_store_segment(p), 0) == 1);
    CLAIM(ground_get(tn_store_segment(p), 1) == 77);
    OK(tn_store_close(p));
    CLAIM(ground_read(a, 1) == 2);
    OK(tn_store_close(a));
}

/* An unsynced commit is its writer's alone. */
static void others_see_no_unsynced_commit(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    b = ground_open();
    OK(tn_begin(a, &w));
    ground_set(w, 0, 1);
    OK(tn_commit_with(a, TN_NO_SYNC));
    CLAIM(ground_read(a, 0) == 0 && ground_read(b, 0) == 0);
    OK(tn_begin(a, &w));
    CLAIM(ground_get(w, 0) == 1);
    OK(tn_rollback(a));
    CLAIM(ground_read(b, 0) == 0);
    OK(tn_sync(a));
    CLAIM(ground_read(a, 0) == 1 && ground_read(b, 0) == 1);
    OK(tn_begin(a, &w));
    ground_set(w, 0, 2);
    OK(tn_commit_with(a, TN_NO_SYNC));
    OK(tn_begin(b, &w)); /* the next writer makes it safe */
    CLAIM(ground_get(w, 0) == 2);
    OK(tn_rollback(b));
    CLAIM(ground_read(a, 0) == 2 && ground_read(b, 0) == 2);
    OK(tn_store_close(a));
    OK(tn_store_close(b));
}

/* --- Transactions beside views -------------------------------------------- */

static void a_rollback_keeps_what_is_pending(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    b = ground_open();
    OK(tn_read_begin(b, &view));
    OK(ground_commit(a, 0, 1));
    OK(tn_begin(a, &w));
    ground_set(w, 0, 2);
    ground_set(w, 1, 2);
    OK(tn_rollback(a));
    OK(tn_begin(a, &w));
    CLAIM(ground_get(w, 0) == 1 && ground_get(w, 1) == 0);
    ground_set(w, 2, 3);
    OK(tn_commit(a));
    OK(tn_read_end(b, view));
    CLAIM(ground_read(b, 0) == 1 && ground_read(b, 2) == 3);
    OK(tn_store_close(a));
    OK(tn_store_close(b));
}

static void kept_pages_give_way_to_other_commits(void)
{
    tn_store *a, *b, *r;

    ground_make();
    a = ground_open();
    b = ground_open();
    r = ground_open();
    OK(tn_read_begin(r, &view));
    OK(ground_commit(a, 0, 1));
    OK(ground_commit(b, 0, 2));
    OK(ground_commit(b, 1, 2));
    OK(tn_begin(a, &w));
    CLAIM(ground_get(w, 0) == 2 && ground_get(w, 1) == 2);
    ground_set(w, 2, 3);
    OK(tn_commit(a));
    OK(tn_read_end(r, view));
    CLAIM(ground_read(r, 0) == 2 && ground_read(r, 2) == 3);
    OK(tn_store_close(a));
    OK(tn_store_close(b));
    OK(tn_store_close(r));
}

/* The file still has the old number, so only the pending record tells that
 * there is a difference. */
static void a_number_that_is_set_back_stays_so(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    b = ground_open();
    OK(tn_read_begin(b, &view));
    OK(ground_commit(a, 0, 1));
    OK(ground_commit(a, 0, 0));
    CLAIM(ground_read(a, 0) == 0);
    OK(tn_read_end(b, view));
    OK(ground_commit(a, 1, 1));
    CLAIM(ground_read(b, 0) == 0 && ground_read(b, 1) == 1);
    OK(tn_store_close(a));
    OK(tn_store_close(b));
}

/* What an empty transaction leaves in memory is not taken for the record that
 * is still to be applied. */
static void an_empty_commit_applies_the_one_before(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    b = ground_open();
    OK(tn_read_begin(b, &view));
    OK(ground_commit(a, 0, 1));
    OK(tn_begin(a, &w));
    OK(tn_read_end(b, view));
    OK(tn_commit(a));
    CLAIM(ground_read(a, 0) == 1 && ground_read(b, 0) == 1);
    OK(tn_store_close(a));
    OK(tn_store_close(b));
    a = ground_open();
    CLAIM(ground_read(a, 0) == 1);
    OK(tn_store_close(a));
}

/* Nor what a failed one leaves. */
static void a_failed_commit_leaves_the_one_before(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    b = ground_open();
    OK(tn_read_begin(b, &view));
    OK(ground_commit(a, 0, 1));
    OK(tn_begin(a, &w));
    ground_set(w, 0, 2);
    ground_set(w, 1, 2);
    ground_refuse("Jw", 0, ENOSPC, false);
    ANSWERS(tn_commit(a), TN_ENOSPC);
    OK(tn_rollback(a));
    OK(tn_read_end(b, view));
    OK(tn_begin(a, &w));
    CLAIM(ground_get(w, 0) == 1 && ground_get(w, 1) == 0);
    OK(tn_rollback(a));
    CLAIM(ground_read(b, 0) == 1 && ground_read(b, 1) == 0);
    OK(tn_store_close(a));
    OK(tn_store_close(b));
}

static void open_views_keep_a_handle_open(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    b = ground_open();
    OK(tn_read_begin(a, &view));
    ANSWERS(tn_store_close(a), TN_EBUSY);
    OK(ground_commit(b, 0, 1));
    CLAIM(ground_get(view, 0) == 0);
    OK(tn_read_end(a, view));
    OK(tn_begin(a, &w));
    ANSWERS(tn_store_close(a), TN_EBUSY);
    OK(tn_rollback(a));
    OK(tn_store_close(a));
    OK(tn_store_close(b));
}

/* --- The journal is full -------------------------------------------------- */

static tn_status fill(tn_store *store, int *commits)
{
    tn_status status = TN_OK;
    char *bytes;

    for (*commits = 0; status == TN_OK && *commits < 1000; ++*commits) {
        OK(tn_begin(store, &w));
        for (int i = 0; i < NUMBERS; i++) {
            ground_set(w, i, (uint64_t)*commits + 1);
            bytes = tn_alloc(w, 500);
            CLAIM(bytes != NULL);
            memset(bytes, *commits + i, 500);
            tn_free(w, bytes);
        }
        status = tn_commit(store);
    }
    return status;
}

static void a_full_journal_waits_for_readers_but_not_for_ever(void)
{
    tn_store *a, *b, *c;
    int commits;

    ground_make();
    a = ground_open();
    b = ground_open();
    c = ground_open();
    a->durable->journal_limit = 65536;
    OK(tn_read_begin(b, &view));
    ANSWERS(fill(a, &commits), TN_EBUSY);
    CLAIM(commits > 2);
    CLAIM(ground_get(view, 0) == 0); /* and others go on meanwhile */
    CLAIM(ground_read(c, 0) == (uint64_t)commits - 1);
    ground_set(w, 1, 99);
    ANSWERS(tn_commit(a), TN_EBUSY);
    OK(tn_read_end(b, view));
    OK(tn_commit(a));
    CLAIM(ground_read(c, 0) == (uint64_t)commits && ground_read(c, 1) == 99);
    ground_sound(c);
    OK(tn_read_begin(b, &view));
    ANSWERS(fill(a, &commits), TN_EBUSY);
    OK(tn_rollback(a));
    CLAIM(ground_read(c, 0) == (uint64_t)commits - 1);
    ANSWERS(tn_checkpoint(c), TN_EBUSY);
    OK(tn_read_end(b, view));
    OK(tn_checkpoint(c));
    OK(tn_store_close(a));
    OK(tn_store_close(b));
    OK(tn_store_close(c));
}

/* Its own readers keep it from emptying the journal as well. */
static void a_full_journal_with_a_reader_of_the_same_handle(void)
{
    tn_store *a;
    int commits;

    ground_make();
    a = ground_open();
    a->durable->journal_limit = 65536;
    OK(tn_read_begin(a, &view));
    ANSWERS(fill(a, &commits), TN_EBUSY);
    CLAIM(ground_get(view, 0) == 0);
    OK(tn_read_end(a, view));
    OK(tn_commit(a));
    CLAIM(ground_read(a, 0) == (uint64_t)commits);
    OK(tn_store_close(a));
}

/* --- Kinds of use --------------------------------------------------------- */

static void durable_and_shared_exclude_each_other(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    ANSWERS(tn_store_open(&b, "store", TN_SHARED, &ground_options), TN_EBUSY);
    OK(ground_commit(a, 0, 1));
    OK(tn_store_close(a));
    OK(tn_store_open(&b, "store", TN_SHARED, &ground_options));
    ANSWERS(tn_store_open(&a, "store", TN_DURABLE, &ground_options), TN_EBUSY);
    CLAIM(ground_get(tn_store_segment(b), 0) == 1);
    OK(tn_store_close(b));
}

static void a_shared_session_between_two_durable_ones(void)
{
    tn_store *a;

    ground_make();
    a = ground_open();
    OK(ground_commit(a, 0, 1));
    OK(tn_store_close(a));
    OK(tn_store_open(&a, "store", TN_SHARED, &ground_options));
    ground_set(tn_store_segment(a), 1, 2);
    OK(tn_store_close(a));
    a = ground_open();
    CLAIM(ground_read(a, 0) == 1 && ground_read(a, 1) == 2);
    OK(ground_commit(a, 0, 3));
    OK(tn_store_close(a));
    OK(tn_store_open(&a, "store", TN_READ_ONLY, NULL));
    CLAIM(ground_get(tn_store_segment(a), 0) == 3);
    OK(tn_store_close(a));
}

static void a_shared_opener_recovers_first(void)
{
    uint64_t one = 1;
    tn_store *a;

    ground_make();
    CLAIM(ground_elsewhere(defer_and_die, &one) == 0);
    OK(tn_store_open(&a, "store", TN_SHARED, &ground_options));
    CLAIM(ground_get(tn_store_segment(a), 0) == 1);
    OK(tn_store_close(a));
}

/* --- Files that are exchanged --------------------------------------------- */

static void a_missing_journal_is_noticed(void)
{
    uint64_t one = 1;
    tn_store *a;

    ground_make();
    CLAIM(ground_elsewhere(commit_and_die, &one) == 0);
    CLAIM(unlink("store-journal") == 0);
    ANSWERS(tn_store_open(&a, "store", TN_DURABLE, &ground_options),
            TN_EJOURNAL);
    CLAIM(!exists("store-journal"));
}

static void the_journal_of_a_closed_store_may_go(void)
{
    tn_store *a;

    ground_make();
    a = ground_open();
    OK(ground_commit(a, 0, 1));
    OK(tn_store_close(a));
    CLAIM(unlink("store-journal") == 0);
    a = ground_open();
    CLAIM(ground_read(a, 0) == 1 && exists("store-journal"));
    OK(tn_store_close(a));
}

static void a_journal_that_vanishes_under_a_handle(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    OK(ground_commit(a, 0, 1));
    CLAIM(unlink("store-journal") == 0);
    ANSWERS(tn_begin(a, &w), TN_EJOURNAL);
    ANSWERS(tn_store_open(&b, "store", TN_DURABLE, &ground_options),
            TN_EJOURNAL);
    CLAIM(!exists("store-journal"));
    CLAIM(ground_read(a, 0) == 1);
    OK(tn_store_close(a));
}

static void a_journal_that_is_replaced_under_a_handle(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    OK(ground_commit(a, 0, 1));
    copy("store-journal", "other");
    CLAIM(rename("other", "store-journal") == 0);
    ANSWERS(tn_begin(a, &w), TN_EJOURNAL);
    ANSWERS(tn_store_open(&b, "store", TN_DURABLE, &ground_options),
            TN_EJOURNAL);
    CLAIM(ground_read(a, 0) == 1);
    OK(tn_store_close(a));
}

/* Make the store longer than it was, pending, and die. */
static int grow_and_die(void *arg)
{
    tn_store *a = ground_open();

    (void)arg;
    OK(tn_read_begin(a, &view));
    OK(tn_begin(a, &w));
    CLAIM(tn_alloc(w, 1 << 20) != NULL);
    OK(tn_commit(a));
    return 0;
}

static void a_store_that_was_cut_off_is_refused(void)
{
    struct stat before;
    tn_store *a;

    ground_make();
    CLAIM(stat("store", &before) == 0);
    CLAIM(ground_elsewhere(grow_and_die, NULL) == 0);
    CLAIM(truncate("store", before.st_size) == 0);
    ANSWERS(tn_store_open(&a, "store", TN_READ_ONLY, NULL), TN_ECORRUPT);
    ANSWERS(tn_store_open(&a, "store", TN_PRIVATE, NULL), TN_ECORRUPT);
    ANSWERS(tn_store_open(&a, "store", TN_DURABLE, NULL), TN_ESIZE);
}

static void a_foreign_journal_is_refused(void)
{
    uint64_t one = 1;
    tn_store *a;

    ground_make();
    CLAIM(ground_elsewhere(commit_and_die, &one) == 0);
    CLAIM(rename("store-journal", "foreign") == 0);
    CLAIM(unlink("store") == 0);
    ground_make();
    CLAIM(rename("foreign", "store-journal") == 0);
    ANSWERS(tn_store_open(&a, "store", TN_DURABLE, &ground_options),
            TN_EJOURNAL);
}

static void an_old_copy_beside_a_newer_journal_is_refused(void)
{
    uint64_t two = 2;
    tn_store *a;

    ground_make();
    a = ground_open();
    OK(ground_commit(a, 0, 1));
    OK(tn_store_close(a));
    copy("store", "old");
    CLAIM(ground_elsewhere(commit_and_die, &two) == 0);
    CLAIM(rename("old", "store") == 0);
    ANSWERS(tn_store_open(&a, "store", TN_DURABLE, &ground_options),
            TN_EJOURNAL);
}

/* The journal of this store, but from before: it lacks what the file has. */
static void a_newer_store_beside_an_old_journal_is_refused(void)
{
    uint64_t one = 1, two = 2;
    tn_store *a;

    ground_make();
    CLAIM(ground_elsewhere(commit_and_die, &one) == 0);
    copy("store-journal", "old");
    CLAIM(ground_elsewhere(commit_and_die, &two) == 0);
    CLAIM(rename("old", "store-journal") == 0);
    ANSWERS(tn_store_open(&a, "store", TN_DURABLE, &ground_options),
            TN_EJOURNAL);
}

static void commits_of_one_number_differ(void)
{
    uint64_t two = 2;
    struct superblock sb[2];
    int fd;

    ground_make();
    copy("store", "old");
    for (int i = 0; i < 2; i++) {
        CLAIM(ground_elsewhere(commit_and_die, &two) == 0);
        fd = open("store", O_RDONLY);
        CLAIM(read(fd, &sb[i], sizeof(sb[i])) == sizeof(sb[i]));
        close(fd);
        CLAIM(rename("old", "store") == 0 || i == 1);
        unlink("store-journal");
    }
    CLAIM(sb[0].commit_number == sb[1].commit_number);
    CLAIM(sb[0].commit_nonce != sb[1].commit_nonce);
}

/* --- Forks ---------------------------------------------------------------- */

static void a_child_leaves_its_parents_store_alone(void)
{
    const tn_segment *none;
    tn_store *a;
    int status = 0;
    pid_t pid;

    ground_make();
    a = ground_open();
    OK(tn_begin(a, &w));
    ground_set(w, 0, 1);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        ANSWERS(tn_commit(a), TN_EINVAL);
        ANSWERS(tn_rollback(a), TN_EINVAL);
        ANSWERS(tn_begin(a, &w), TN_EINVAL);
        ANSWERS(tn_read_begin(a, &none), TN_EINVAL);
        OK(tn_store_close(a));
        _exit(0);
    }
    CLAIM(waitpid(pid, &status, 0) == pid && status == 0);
    OK(tn_commit(a));
    CLAIM(ground_read(a, 0) == 1);
    OK(tn_store_close(a));
}

/* Begin, leave a child behind that has all that can be inherited, and die. */
static int begin_fork_and_die(void *arg)
{
    tn_store *a = ground_open();
    int *line = arg;

    OK(tn_read_begin(a, &view));
    OK(tn_begin(a, &w));
    ground_set(w, 0, 1);
    if (fork() == 0) {
        char end;

        close(line[1]);
        _exit(read(line[0], &end, 1) == 0 ? 0 : 1);
    }
    return 0;
}

static void a_dead_parents_locks_go_with_it(void)
{
    struct timespec until;
    tn_store *a;
    int line[2];

    ground_make();
    CLAIM(pipe(line) == 0);
    CLAIM(ground_elsewhere(begin_fork_and_die, line) == 0);
    a = ground_open();
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 5;
    OK(tn_begin_timed(a, &until, &w));
    CLAIM(ground_get(w, 0) == 0);
    ground_set(w, 0, 2);
    OK(tn_commit(a));
    OK(tn_checkpoint(a)); /* nobody holds the file still */
    OK(tn_store_close(a));
    close(line[1]);
}

/* --- Threads -------------------------------------------------------------- */

static tn_store *shared_handle;
static bool has_returned; /* the other thread's commit */
static int failed_sync;   /* of the journal; how many are still to come */

static unsigned look(const unsigned *count)
{
    struct durable *d = shared_handle->durable;
    unsigned value;

    pthread_mutex_lock(&d->turn_lock);
    value = *count;
    pthread_mutex_unlock(&d->turn_lock);
    return value;
}

/* The first sync of the journal fails when the other thread waits for it. */
static int fail_late(void *unused, const struct fault_event *event)
{
    const struct durable *d = shared_handle->durable;

    (void)unused;
    if (event->op != FAULT_SYNC || event->inode != d->journal.file.inode ||
        failed_sync-- != 0)
        return 0;
    while (look(&d->sync_queue.count) == 0 &&
           !__atomic_load_n(&has_returned, __ATOMIC_ACQUIRE))
        usleep(100);
    return EIO;
}

static void *commit_behind(void *status)
{
    *(tn_status *)status = ground_commit(shared_handle, 1, 2);
    __atomic_store_n(&has_returned, true, __ATOMIC_RELEASE);
    return NULL;
}

static void a_failed_sync_fails_what_was_written_behind_it(void)
{
    tn_status behind = TN_OK;
    pthread_t thread;
    tn_store *a;

    ground_make();
    a = shared_handle = ground_open();
    OK(ground_commit(a, 0, 1));
    OK(tn_begin(a, &w));
    CLAIM(pthread_create(&thread, NULL, commit_behind, &behind) == 0);
    while (look(&a->durable->turn_queue.count) == 0)
        usleep(100);
    ground_set(w, 0, 2);
    fault_set_hook(fail_late, NULL);
    ANSWERS(tn_commit(a), TN_EIO);
    CLAIM(pthread_join(thread, NULL) == 0);
    fault_set_hook(NULL, NULL);
    CLAIM(behind == TN_EIO); /* its sync would prove nothing for the first */
    CLAIM(ground_read(a, 0) == 1);
    OK(tn_store_close(a));
    a = ground_open();
    CLAIM(ground_read(a, 0) == 2 && ground_read(a, 1) == 2);
    OK(tn_store_close(a));
}

#define CASE(name)                                                             \
    {                                                                          \
#name, name                                                            \
    }

static const struct ground_case cases[] = {
    CASE(a_view_holds_still),
    CASE(a_view_of_the_committing_handle_holds_still),
    CASE(hundreds_of_views_of_different_states),
    CASE(a_read_only_handle_keeps_its_view_and_finds_new_ones),
    CASE(a_private_view_holds_still),
    CASE(others_see_no_unsynced_commit),
    CASE(a_rollback_keeps_what_is_pending),
    CASE(kept_pages_give_way_to_other_commits),
    CASE(a_number_that_is_set_back_stays_so),
    CASE(an_empty_commit_applies_the_one_before),
    CASE(a_failed_commit_leaves_the_one_before),
    CASE(open_views_keep_a_handle_open),
    CASE(a_full_journal_waits_for_readers_but_not_for_ever),
    CASE(a_full_journal_with_a_reader_of_the_same_handle),
    CASE(durable_and_shared_exclude_each_other),
    CASE(a_shared_session_between_two_durable_ones),
    CASE(a_shared_opener_recovers_first),
    CASE(a_missing_journal_is_noticed),
    CASE(the_journal_of_a_closed_store_may_go),
    CASE(a_journal_that_vanishes_under_a_handle),
    CASE(a_journal_that_is_replaced_under_a_handle),
    CASE(a_store_that_was_cut_off_is_refused),
    CASE(a_foreign_journal_is_refused),
    CASE(an_old_copy_beside_a_newer_journal_is_refused),
    CASE(a_newer_store_beside_an_old_journal_is_refused),
    CASE(commits_of_one_number_differ),
    CASE(a_child_leaves_its_parents_store_alone),
    CASE(a_dead_parents_locks_go_with_it),
    CASE(a_failed_sync_fails_what_was_written_behind_it),
};

int main(int argc, char **argv)
{
    return ground_run(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
