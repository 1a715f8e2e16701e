/* relative_list.c - a list whose links work wherever the store is mapped
 *
 * Its nodes are raw allocations.  The same store is opened twice, so that this
 * process has it at two addresses, and by another process, at a third.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/again.h"
#include "lib/tmpdir.h"

enum { NODES = 10 };

struct node {
    TN_PTR(struct node) next;
    int key;
};

struct list {
    TN_PTR(struct node) head;
};

static void build(tn_segment *seg, struct list *list)
{
    tn_set(&list->head, NULL);
    for (int i = NODES; i-- > 0;) {
        struct node *node = tn_alloc(seg, sizeof(*node));

        CLAIM(node != NULL);
        node->key = i;
        tn_set(&node->next, tn_get(&list->head));
        tn_set(&list->head, node);
    }
}

static void walk(const struct list *list)
{
    int met = 0;

    for (const struct node *n = tn_get(&list->head); n; n = tn_get(&n->next))
        CLAIM(n->key == met++);
    CLAIM(met == NODES);
}

static void tear_down(tn_segment *seg, struct list *list)
{
    struct node *n = tn_get(&list->head), *next;

    for (; n != NULL; n = next) {
        next = tn_get(&n->next);
        OK(tn_free(seg, n));
    }
    tn_set(&list->head, NULL);
}

/* What the pointers are made of. */
static void look_inside(void)
{
    struct {
        int64_t before;
        TN_PTR(int64_t) p;
        int64_t after;
    } s = {.before = 1, .after = 2};
    struct ring {
        TN_PTR(struct ring) next;
    } ring;

    _Static_assert(sizeof(s.p) == 8, "as large in every program");
    tn_set(&s.p, &s.before);
    CLAIM(s.p.distance == -8 && *tn_get(&s.p) == 1);
    tn_set(&s.p, &s.after);
    CLAIM(s.p.distance == 8 && *tn_get(&s.p) == 2);

    /* Null is the distance 1, which nothing can have that is pointed to. */
    tn_set(&s.p, NULL);
    CLAIM(s.p.distance == TN_PTR_NULL && TN_PTR_NULL == 1);
    CLAIM(tn_get(&s.p) == NULL && tn_is_null(&s.p));
    tn_ptr_set(&s.p.distance, (char *)&s.p + 1);
    CLAIM(tn_get(&s.p) == NULL);

    /* A ring of one points to itself. */
    tn_set(&ring.next, &ring);
    CLAIM(ring.next.distance == 0 && !tn_is_null(&ring.next));
    CLAIM(tn_get(&ring.next) == &ring);
}

static int open_and_walk(const char *path)
{
    tn_store *store;
    struct list *list;

    OK(tn_store_open(&store, path, TN_SHARED, NULL));
    OK(tn_find(tn_store_segment(store), "list", TN_TYPE(struct list),
               (void **)&list, NULL));
    walk(list);
    OK(tn_store_close(store));
    return 0;
}

int main(int argc, char **argv)
{
    tn_store *store, *second;
    tn_segment *seg;
    struct list *list, *same;
    size_t free_before;

    if (argc == 2)
        return open_and_walk(argv[1]);

    tmpdir_enter();
    look_inside();
    OK(tn_store_open(&store, "list.tn", TN_SHARED | TN_CREATE, NULL));
    seg = tn_store_segment(store);
    OK(tn_construct(seg, "list", TN_TYPE(struct list), 1, NULL,
                    (void **)&list));
    free_before = tn_free_bytes(seg);
    build(seg, list);
    walk(list);

    OK(tn_store_open(&second, "list.tn", TN_SHARED, NULL));
    OK(tn_find(tn_store_segment(second), "list", TN_TYPE(struct list),
               (void **)&same, NULL));
    CLAIM(same != list);
    walk(same);
    CLAIM(again("list.tn", NULL) == 0);

    tear_down(tn_store_segment(second), same);
    OK(tn_store_close(second));
    CLAIM(tn_is_null(&list->head));
    CLAIM(tn_free_bytes(seg) == free_before);
    SOUND(seg);
    OK(tn_store_close(store));
    tmpdir_leave();
    return 0;
}
