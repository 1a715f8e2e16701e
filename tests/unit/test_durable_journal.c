/* test_durable_journal.c - journals that do not fit the store beside them
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <tenon.h>

#include "lib/child.h"
#include "lib/tmpdir.h"

static void enter(void)
{
    tmpdir_enter();
}

TestSuite(durable_journal, .init = enter, .fini = tmpdir_leave, .timeout = 30);

static tn_status commit(tn_store *store, const char *name)
{
    tn_segment *w;
    tn_status status = tn_begin(store, &w);

    if (status == TN_OK)
        status = tn_construct(w, name, TN_TYPE(int), 1, NULL, NULL);
    return status == TN_OK ? tn_commit(store) : status;
}

/* A store of one object, closed in order. */
static void make_store(const char *path, const char *name)
{
    tn_store *store;

    cr_assert(eq(int, tn_store_open(&store, path, TN_DURABLE | TN_CREATE, NULL),
                 TN_OK));
    cr_assert(eq(int, commit(store, name), TN_OK));
    cr_assert(eq(int, tn_store_close(store), TN_OK));
}

static int commit_and_wait(struct child *parent, void *path)
{
    tn_store *store;

    if (tn_store_open(&store, path, TN_DURABLE, NULL) != TN_OK ||
        commit(store, "last") != TN_OK)
        return 1;
    child_tell(parent);
    child_await(parent);
    return 0;
}

static void leave_live(char *path)
{
    struct child writer;

    child_start(&writer, commit_and_wait, path);
    cr_assert(child_await(&writer));
    child_kill(&writer);
}

static tn_status open_and_close(const char *path)
{
    tn_store *store;
    tn_status status = tn_store_open(&store, path, TN_DURABLE, NULL);

    return status == TN_OK ? tn_store_close(store) : status;
}

Test(durable_journal, an_empty_one_of_a_removed_store_is_replaced)
{
    make_store("old", "a");
    cr_assert(eq(int, unlink("old"), 0));
    make_store("old", "b");
    cr_assert(eq(int, open_and_close("old"), TN_OK));
}

Test(durable_journal, one_that_holds_commits_of_another_store_is_refused)
{
    make_store("new", "a");
    make_store("old", "a");
    leave_live("old");
    cr_assert(eq(int, rename("new", "old"), 0));
    cr_assert(eq(int, open_and_close("old"), TN_EJOURNAL));
    cr_assert(eq(int, unlink("old-journal"), 0));
    cr_assert(eq(int, open_and_close("old"), TN_OK));
}

Test(durable_journal, a_live_store_is_not_given_another)
{
    make_store("other", "a");
    make_store("s", "a");
    leave_live("s");
    cr_assert(eq(int, rename("s-journal", "kept"), 0));
    cr_assert(eq(int, open_and_close("s"), TN_EJOURNAL));
    cr_assert(eq(int, rename("other-journal", "s-journal"), 0));
    cr_assert(eq(int, open_and_close("s"), TN_EJOURNAL));
    cr_assert(eq(int, rename("kept", "s-journal"), 0));
    cr_assert(eq(int, open_and_close("s"), TN_OK));
}

/* Views read the journal through a descriptor of their own. */
Test(durable_journal, a_replaced_one_is_the_one_that_views_read)
{
    const tn_segment *view;
    tn_store *store, *reader;

    make_store("s", "a");
    cr_assert(eq(int, truncate("s-journal", 0), 0));
    cr_assert(eq(int, truncate("s-journal", 65536), 0));
    cr_assert(eq(int, tn_store_open(&reader, "s", TN_READ_ONLY, NULL), TN_OK));
    cr_assert(eq(int, tn_store_open(&store, "s", TN_DURABLE, NULL), TN_OK));
    cr_assert(eq(int, commit(store, "b"), TN_OK));
    cr_assert(eq(int, tn_read_begin(store, &view), TN_OK), "%s", tn_errmsg());
    cr_assert(eq(int, tn_find(view, "b", NULL, NULL, NULL), TN_OK));
    cr_assert(eq(int, tn_read_end(store, view), TN_OK));
    cr_assert(eq(int, tn_store_close(reader), TN_OK));
    cr_assert(eq(int, tn_store_close(store), TN_OK));
}

Test(durable_journal, checking_tells_that_it_is_missing)
{
    make_store("s", "a");
    leave_live("s");
    cr_assert(eq(int, tn_check_file("s", NULL, NULL, NULL), TN_OK));
    cr_assert(eq(int, rename("s-journal", "kept"), 0));
    cr_assert(eq(int, tn_check_file("s", NULL, NULL, NULL), TN_EJOURNAL));
}
