/* test_describe.c - what tn_store_describe() tells
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <tenon.h>

#include "lib/tmpdir.h"

static void enter(void)
{
    tmpdir_enter();
}

TestSuite(describe, .init = enter, .fini = tmpdir_leave, .timeout = 30);

static tn_store *open_store(const char *path, unsigned flags)
{
    tn_store *store;

    cr_assert(eq(int, tn_store_open(&store, path, flags, NULL), TN_OK), "%s",
              tn_errmsg());
    return store;
}

static void close_store(tn_store *store)
{
    cr_assert(eq(int, tn_store_close(store), TN_OK));
}

static void commit(tn_store *store, const char *name)
{
    tn_segment *w;

    cr_assert(eq(int, tn_begin(store, &w), TN_OK));
    cr_assert(
        eq(int, tn_construct(w, name, TN_TYPE(int), 1, NULL, NULL), TN_OK));
    cr_assert(eq(int, tn_commit(store), TN_OK));
}

static tn_store_info describe(const tn_store *store)
{
    tn_store_info info;

    cr_assert(eq(int, tn_store_describe(store, &info), TN_OK));
    return info;
}

static tn_store_info describe_file(const char *path)
{
    tn_store *store = open_store(path, TN_READ_ONLY);
    tn_store_info info = describe(store);

    close_store(store);
    info.journal_path = NULL;
    return info;
}

Test(describe, a_store_that_was_never_durable_has_no_journal)
{
    tn_store_info info;

    close_store(open_store("s", TN_SHARED | TN_CREATE));
    info = describe_file("s");
    cr_assert(eq(int, info.state, TN_STATE_CLEAN));
    cr_assert(eq(int, info.journal, TN_JOURNAL_NONE));
    cr_assert(eq(u64, info.journal_size, 0));
}

Test(describe, the_journal_lies_beside_the_file_that_a_link_leads_to)
{
    tn_store *store;
    const char *path;

    close_store(open_store("s", TN_DURABLE | TN_CREATE));
    cr_assert(eq(int, symlink("s", "link"), 0));
    store = open_store("link", TN_READ_ONLY);
    path = describe(store).journal_path;
    cr_assert(eq(str, (char *)strrchr(path, '/'), "/s-journal"));
    close_store(store);
}

Test(describe, every_commit_counts)
{
    tn_store *store = open_store("s", TN_DURABLE | TN_CREATE);
    uint64_t before = describe(store).commit;

    commit(store, "a");
    commit(store, "b");
    cr_assert(eq(u64, describe(store).commit, before + 2));
    cr_assert(eq(int, describe(store).state, TN_STATE_LIVE));
    cr_assert(eq(int, describe(store).journal, TN_JOURNAL_OURS));
    cr_assert(eq(u64, describe(store).journal_commits, 2));
    cr_assert(eq(u64, describe(store).journal_pending, 0));
    close_store(store);
    cr_assert(eq(u64, describe_file("s").commit, before + 2));
    cr_assert(eq(int, describe_file("s").state, TN_STATE_CLEAN));
    cr_assert(eq(u64, describe_file("s").journal_commits, 0));
}

Test(describe, commits_are_pending_while_a_reader_holds_the_file)
{
    tn_store *store = open_store("s", TN_DURABLE | TN_CREATE), *reader;
    uint64_t before = describe(store).commit;

    reader = open_store("s", TN_READ_ONLY);
    commit(store, "a");
    commit(store, "b");
    cr_assert(eq(u64, describe(store).journal_pending, 2));
    cr_assert(eq(u64, describe(reader).journal_pending, 2));
    cr_assert(eq(u64, describe(store).commit, before + 2));
    cr_assert(eq(u64, describe(reader).commit, before), "its own view's");
    cr_assert(eq(u64, describe_file("s").commit, before + 2));
    close_store(reader);
    commit(store, "c");
    cr_assert(eq(u64, describe(store).journal_pending, 0));
    close_store(store);
}

Test(describe, a_transaction_does_not_keep_from_it)
{
    tn_store *store = open_store("s", TN_DURABLE | TN_CREATE);
    uint64_t before = describe(store).commit;
    tn_segment *w;

    cr_assert(eq(int, tn_begin(store, &w), TN_OK));
    cr_assert(tn_alloc(w, 100) != NULL);
    cr_assert(eq(u64, describe(store).commit, before));
    cr_assert(eq(int, tn_rollback(store), TN_OK));
    close_store(store);
}

Test(describe, journals_that_are_not_the_stores_are_told_apart)
{
    close_store(open_store("a", TN_DURABLE | TN_CREATE));
    close_store(open_store("b", TN_DURABLE | TN_CREATE));
    cr_assert(eq(int, rename("a-journal", "b-journal"), 0));
    cr_assert(eq(int, describe_file("b").journal, TN_JOURNAL_FOREIGN));
    cr_assert(eq(int, truncate("b-journal", 0), 0));
    cr_assert(eq(int, truncate("b-journal", 8192), 0));
    cr_assert(eq(int, describe_file("b").journal, TN_JOURNAL_DAMAGED));
}

/* From here on this process may not call PAGEMAP_SCAN, as in some containers.
 * False: filters cannot be set here. */
static bool forbid_scan(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)_IOWR('f', 16, char[96]),
                 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1), /* EPERM */
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

Test(describe, a_tracker_that_a_filter_forbids_is_told_with_the_reason)
{
    tn_store_info info, last;
    tn_store *store;

    unsetenv("TENON_TRACKER");
    if (!forbid_scan())
        cr_skip_test("no filter of system calls can be set");
    store = open_store("s", TN_DURABLE | TN_CREATE);
    commit(store, "one");
    info = describe(store);
    cr_expect(ne(int, info.tracker, TN_TRACKER_SCAN));
    cr_expect(strstr(info.tracker_reason, "no scan: ") != NULL, "%s",
              info.tracker_reason);
    close_store(store);
    last = info;
    info = describe_file("s");
    cr_expect(eq(u64, info.commit, last.commit));
    cr_expect(strstr(info.tracker_reason, "no scan: ") != NULL, "%s",
              info.tracker_reason);
}

Test(describe, the_tracker_is_the_one_in_use)
{
    const tn_options options = {.tracker = TN_TRACKER_COMPARE};
    tn_store_info info;
    tn_store *store;

    cr_assert(eq(int,
                 tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, &options),
                 TN_OK));
    cr_assert(eq(int, describe(store).tracker, TN_TRACKER_COMPARE));
    close_store(store);

    info = describe_file("s");
    cr_assert(ne(int, info.tracker, TN_TRACKER_AUTO));
    if (info.tracker != TN_TRACKER_SCAN)
        cr_assert(info.tracker_reason[0] != 0);
}
