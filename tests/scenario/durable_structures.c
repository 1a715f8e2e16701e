/* durable_structures.c - a tree of the program's own, changed in transactions
 *
 * A binary search tree whose nodes are raw allocations that refer to each other
 * by TN_PTR.  Nothing in it knows of transactions: they are around whole
 * changes.  One that is given up in the middle, when half of the pointers have
 * been moved, leaves the tree as it was, and its memory free; and the tree is
 * the same for a program that opens the store later, elsewhere in memory.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/again.h"
#include "lib/child.h"
#include "lib/tmpdir.h"

#include <signal.h>

enum { KEYS = 1000, A_COMMIT = 50 };

static const char path[] = "tree.tn";

struct node {
    TN_PTR(struct node) child[2]; /* smaller keys, larger keys */
    int key;
};

struct tree {
    TN_PTR(struct node) root;
    int count;
};

/* --- The tree ------------------------------------------------------------- */

static bool insert(tn_segment *seg, struct tree *tree, int key)
{
    struct node *node = tree->count == 0 ? NULL : tn_get(&tree->root);
    struct node *parent = NULL, *made;

    while (node != NULL && node->key != key) {
        parent = node;
        node = tn_get(&node->child[key > node->key]);
    }
    if (node != NULL)
        return false;
    made = tn_alloc(seg, sizeof(*made));
    CLAIM(made != NULL);
    made->key = key;
    tn_set(&made->child[0], NULL);
    tn_set(&made->child[1], NULL);
    if (parent == NULL)
        tn_set(&tree->root, made);
    else
        tn_set(&parent->child[key > parent->key], made);
    tree->count++;
    return true;
}

/* Exchange smaller and larger everywhere: every node changes. */
static void mirror(struct node *node)
{
    struct node *smaller, *larger;

    if (node == NULL)
        return;
    smaller = tn_get(&node->child[0]);
    larger = tn_get(&node->child[1]);
    tn_set(&node->child[0], larger);
    tn_set(&node->child[1], smaller);
    mirror(smaller);
    mirror(larger);
}

/* The keys ascend, and are the first count of the sequence: how many? */
static int walk(const struct node *node, int *last)
{
    int met;

    if (node == NULL)
        return 0;
    met = walk(tn_get(&node->child[0]), last);
    CLAIM(node->key > *last);
    *last = node->key;
    return met + 1 + walk(tn_get(&node->child[1]), last);
}

static struct tree *find_tree(const tn_segment *seg)
{
    void *found;

    OK(tn_find(seg, "tree", TN_TYPE(struct tree), &found, NULL));
    return found;
}

static void check_tree(const tn_segment *seg, int count)
{
    const struct tree *tree = find_tree(seg);
    int last = -1;

    CLAIM(tree->count == count);
    CLAIM(count == 0 || walk(tn_get(&tree->root), &last) == count);
}

/* --- Transactions --------------------------------------------------------- */

static int key_of(int i)
{
    return i * 7919 % KEYS; /* each key once */
}

static void fill(tn_store *store, int from, int to)
{
    tn_segment *seg;

    for (int i = from; i < to; i += A_COMMIT) {
        OK(tn_begin(store, &seg));
        for (int j = i; j < i + A_COMMIT; j++)
            CLAIM(insert(seg, find_tree(seg), key_of(j)));
        check_tree(seg, i + A_COMMIT);
        OK(tn_commit(store));
    }
}

static void give_up(tn_store *store, int count)
{
    tn_segment *seg;
    size_t free_before;

    OK(tn_begin(store, &seg));
    free_before = tn_free_bytes(seg);
    mirror(tn_get(&find_tree(seg)->root));
    for (int i = count; i < KEYS; i++)
        insert(seg, find_tree(seg), key_of(i));
    OK(tn_destroy(seg, "tree", TN_TYPE(struct tree)));
    OK(tn_rollback(store));

    OK(tn_begin(store, &seg));
    CLAIM(tn_free_bytes(seg) == free_before);
    check_tree(seg, count);
    SOUND(seg);
    OK(tn_rollback(store));
}

/* Killed with every node changed, and not committed. */
static int change_and_wait(struct child *parent, void *arg)
{
    tn_store *store;
    tn_segment *seg;

    (void)arg;
    OK(tn_store_open(&store, path, TN_DURABLE, NULL));
    OK(tn_begin(store, &seg));
    mirror(tn_get(&find_tree(seg)->root));
    child_tell(parent);
    return child_await(parent) ? 1 : 0;
}

static int open_and_walk(void)
{
    tn_store *store;

    OK(tn_store_open(&store, path, TN_READ_ONLY, NULL));
    check_tree(tn_store_segment(store), KEYS);
    OK(tn_store_close(store));
    return 0;
}

int main(int argc, char **argv)
{
    struct child other;
    tn_store *store;
    tn_segment *seg;

    (void)argv;
    if (argc == 2)
        return open_and_walk();

    tmpdir_enter();
    OK(tn_store_open(&store, path, TN_DURABLE | TN_CREATE, NULL));
    OK(tn_begin(store, &seg));
    OK(tn_construct(seg, "tree", TN_TYPE(struct tree), 1, NULL, NULL));
    OK(tn_commit(store));

    fill(store, 0, KEYS / 2);
    give_up(store, KEYS / 2);
    child_start(&other, change_and_wait, NULL);
    CLAIM(child_await(&other));
    ANSWERS(tn_try_begin(store, &seg), TN_EBUSY);
    CLAIM(child_kill(&other) == -SIGKILL);
    give_up(store, KEYS / 2);
    fill(store, KEYS / 2, KEYS);
    OK(tn_store_close(store));

    CLAIM(again("walk", NULL) == 0);
    tmpdir_leave();
    return 0;
}
