/* test_commit.c - what a commit keeps: growth, structures, all sizes
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <tenon.h>

#include "lib/faults.h"
#include "lib/tmpdir.h"

#define OK(call)         cr_assert(eq(int, call, TN_OK), "%s", tn_errmsg())
#define IS(call, status) cr_assert(eq(int, call, status), "%s", tn_errmsg())

enum { LARGE = 20 << 20 };

static tn_store *store;
static tn_segment *w;
static const tn_segment *view;

static void open_with(const tn_options *options)
{
    OK(tn_store_open(&store, "s", TN_DURABLE | TN_CREATE | TN_VERIFY, options));
}

static void enter(void)
{
    static const tn_options options = {.size = 65536, .journal_size = 65536};

    tmpdir_enter();
    open_with(&options);
}

static void leave(void)
{
    OK(tn_store_close(store));
    tmpdir_leave();
}

TestSuite(commit, .init = enter, .fini = leave, .timeout = 60);

static void reopen(void)
{
    OK(tn_store_close(store));
    open_with(NULL);
}

static void put(const char *name, size_t size, char value)
{
    void *bytes;

    OK(tn_construct(w, name, TN_BYTES, size, NULL, &bytes));
    memset(bytes, value, size);
}

/* All bytes of the object in view have this value. */
static bool holds(const char *name, size_t size, char value)
{
    char *bytes;
    size_t there;

    OK(tn_find(view, name, TN_BYTES, (void **)&bytes, &there));
    return there == size && bytes[0] == value &&
           memcmp(bytes, bytes + 1, size - 1) == 0;
}

Test(commit, syncs_once_and_not_at_all_if_nothing_changed)
{
    OK(tn_begin(store, &w));
    put("a", 100, 1);
    OK(tn_commit(store));

    OK(tn_begin(store, &w));
    put("b", 100, 1);
    faults_refuse_op(FAULT_SYNC, -1, 0);
    OK(tn_commit(store));
    cr_expect(eq(int, faults_seen(FAULT_SYNC), 1));
    OK(tn_begin(store, &w));
    OK(tn_commit(store));
    OK(tn_read_begin(store, &view));
    OK(tn_read_end(store, view));
    cr_expect(eq(int, faults_seen(FAULT_SYNC), 1));
    faults_end();
}

Test(commit, may_be_much_larger_than_the_journal)
{
    struct stat st;

    OK(tn_begin(store, &w));
    put("large", LARGE, 7);
    OK(tn_commit(store));
    OK(tn_begin(store, &w));
    OK(tn_destroy(w, "large", TN_BYTES));
    put("other", LARGE / 2, 8);
    OK(tn_commit(store));
    reopen();
    OK(tn_read_begin(store, &view));
    cr_expect(holds("other", LARGE / 2, 8));
    IS(tn_find(view, "large", TN_BYTES, NULL, NULL), TN_ENOENT);
    OK(tn_read_end(store, view));
    cr_assert(eq(int, stat("s", &st), 0));
    cr_expect(lt(long, (long)st.st_size, 3L * LARGE));
}

Test(commit, of_growth_by_one_handle_is_seen_by_others)
{
    tn_store *other;

    OK(tn_store_open(&other, "s", TN_DURABLE, NULL));
    for (int i = 0; i < 6; i++) {
        char name[16];

        snprintf(name, sizeof(name), "n%d", i);
        OK(tn_begin(i % 2 != 0 ? other : store, &w));
        put(name, 200000, (char)(i + 1));
        OK(tn_commit(i % 2 != 0 ? other : store));
        OK(tn_read_begin(i % 2 != 0 ? store : other, &view));
        for (int k = 0; k <= i; k++) {
            snprintf(name, sizeof(name), "n%d", k);
            cr_expect(holds(name, 200000, (char)(k + 1)));
        }
        OK(tn_segment_check(view, NULL, NULL));
        OK(tn_read_end(i % 2 != 0 ? store : other, view));
    }
    OK(tn_store_close(other));
}

/* Growth that is not committed belongs to no segment. */
Test(commit, of_another_handle_after_growth_was_rolled_back)
{
    tn_store *other;
    tn_store_info info;

    OK(tn_store_open(&other, "s", TN_DURABLE, NULL));
    OK(tn_begin(store, &w));
    put("large", 1 << 20, 1);
    OK(tn_rollback(store));
    OK(tn_begin(other, &w));
    put("small", 10, 2);
    OK(tn_commit(other));
    OK(tn_store_close(other));
    reopen();
    OK(tn_read_begin(store, &view));
    cr_expect(holds("small", 10, 2));
    cr_expect(lt(sz, tn_segment_size(view), 1 << 20));
    OK(tn_read_end(store, view));
    OK(tn_store_describe(store, &info));
    cr_expect(eq(int, (int)info.state, TN_STATE_CLEAN));
}

struct node {
    TN_PTR(struct node) next;
    int number;
};

Test(commit, keeps_structures_of_pointers)
{
    const tn_type *type = TN_TYPE(struct node);
    struct node *head, *node;
    int expected = 99;

    OK(tn_begin(store, &w));
    OK(tn_construct(w, "head", type, 1, NULL, (void **)&head));
    tn_set(&head->next, (struct node *)NULL);
    OK(tn_commit(store));
    for (int i = 0; i < 100; i++) {
        OK(tn_begin(store, &w));
        OK(tn_find(w, "head", type, (void **)&head, NULL));
        node = tn_alloc(w, sizeof(*node));
        cr_assert(node != NULL);
        node->number = i;
        tn_set(&node->next, tn_get(&head->next));
        tn_set(&head->next, node);
        OK(i % 7 == 3 ? tn_commit_with(store, TN_NO_SYNC) : tn_commit(store));
    }
    reopen();
    OK(tn_read_begin(store, &view));
    OK(tn_find(view, "head", type, (void **)&head, NULL));
    for (node = tn_get(&head->next); node != NULL; node = tn_get(&node->next))
        cr_assert(eq(int, node->number, expected--));
    cr_assert(eq(int, expected, -1));
    OK(tn_read_end(store, view));
}

Test(commit, that_was_not_synced_is_there_after_closing_or_syncing)
{
    OK(tn_begin(store, &w));
    put("a", 10, 1);
    OK(tn_commit_with(store, TN_NO_SYNC));
    OK(tn_sync(store));
    OK(tn_read_begin(store, &view));
    cr_expect(holds("a", 10, 1));
    OK(tn_read_end(store, view));
    OK(tn_begin(store, &w));
    put("b", 10, 2);
    OK(tn_commit_with(store, TN_NO_SYNC));
    reopen();
    OK(tn_read_begin(store, &view));
    cr_expect(holds("b", 10, 2));
    OK(tn_read_end(store, view));
}

Test(commit, numbers_go_up_by_one)
{
    tn_store_info before, after;

    OK(tn_store_describe(store, &before));
    for (int i = 0; i < 3; i++) {
        OK(tn_begin(store, &w));
        cr_assert(tn_alloc(w, 10) != NULL);
        OK(tn_commit(store));
    }
    OK(tn_begin(store, &w)); /* this one changes nothing */
    OK(tn_commit(store));
    reopen();
    OK(tn_store_describe(store, &after));
    cr_assert(eq(u64, after.commit, before.commit + 3));
}

/* --- All ways ------------------------------------------------------------- */

struct way {
    tn_index index;
    tn_tracker tracker;
};

ParameterizedTestParameters(commit, keeps_what_a_model_says)
{
    static struct way ways[] = {
        {1, TN_TRACKER_AUTO},    {2, TN_TRACKER_SCAN}, {3, TN_TRACKER_PAGEMAP},
        {4, TN_TRACKER_COMPARE}, {1, TN_TRACKER_SCAN}, {2, TN_TRACKER_PAGEMAP},
        {3, TN_TRACKER_COMPARE}, {4, TN_TRACKER_AUTO}};

    return cr_make_param_array(struct way, ways,
                               sizeof(ways) / sizeof(ways[0]));
}

enum { MODEL = 30 };

static void compare(const int sizes[MODEL], tn_store *other)
{
    char name[16];

    OK(tn_read_begin(other, &view));
    OK(tn_segment_check(view, NULL, NULL));
    for (int i = 0; i < MODEL; i++) {
        snprintf(name, sizeof(name), "m%d", i);
        if (sizes[i] != 0)
            cr_assert(holds(name, (size_t)sizes[i], (char)(sizes[i] % 100)));
        else
            IS(tn_find(view, name, TN_BYTES, NULL, NULL), TN_ENOENT);
    }
    OK(tn_read_end(other, view));
}

/* Tools that this kernel does not have are skipped. */
ParameterizedTest(struct way *way, commit, keeps_what_a_model_says)
{
    tn_options options = {.size = 65536,
                          .journal_size = 65536,
                          .index = way->index,
                          .tracker = way->tracker};
    int sizes[MODEL] = {0}, tried[MODEL];
    unsigned number = 12345;
    tn_store *m;
    tn_status status =
        tn_store_open(&m, "model", TN_DURABLE | TN_CREATE, &options);
    char name[16];

    if (status == TN_ENOTSUP)
        return;
    OK(status);
    for (int i = 0; i < 120; i++) {
        OK(tn_begin(m, &w));
        memcpy(tried, sizes, sizeof(sizes));
        for (int n = 0; n < 4; n++) {
            int k =
                (int)((number = number * 1664525 + 1013904223) >> 8) % MODEL;

            snprintf(name, sizeof(name), "m%d", k);
            if (tried[k] != 0)
                OK(tn_destroy(w, name, TN_BYTES));
            tried[k] = tried[k] != 0 ? 0 : 1 + (int)(number >> 4) % 5000;
            if (tried[k] != 0)
                put(name, (size_t)tried[k], (char)(tried[k] % 100));
        }
        if (i % 9 == 5) {
            OK(tn_rollback(m));
        } else {
            OK(tn_commit(m));
            memcpy(sizes, tried, sizeof(sizes));
        }
        compare(sizes, m);
    }
    OK(tn_store_close(m));
    OK(tn_store_open(&m, "model", TN_READ_ONLY | TN_VERIFY, NULL));
    compare(sizes, m);
    OK(tn_store_close(m));
}
