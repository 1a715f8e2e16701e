/* atomic.c - several objects that others see appear and go at once
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/child.h"
#include "lib/tmpdir.h"

enum { ROUNDS = 500 };

static tn_store *open_store(unsigned flags, const tn_options *options)
{
    tn_store *store;

    OK(tn_store_open(&store, "atomic.tn", TN_SHARED | flags, options));
    return store;
}

/* --- Three objects that are always of the same age ------------------------ */

static const char *const names[] = {"one", "two", "three"};

static tn_status renew(tn_segment *seg, void *arg)
{
    const tn_type *type = TN_TYPE(int);

    for (int i = 0; i < 3; i++) {
        tn_status status = tn_destroy(seg, names[i], type);

        CLAIM(status == TN_OK || status == TN_ENOENT);
    }
    for (int i = 0; i < 3; i++)
        OK(tn_construct(seg, names[i], type, 1, arg, NULL));
    return TN_OK;
}

static tn_status compare(tn_segment *seg, void *arg)
{
    int found = 0, *age[3] = {NULL, NULL, NULL};

    for (int i = 0; i < 3; i++)
        found += tn_find(seg, names[i], TN_TYPE(int), (void **)&age[i], NULL) ==
                 TN_OK;
    CLAIM(found == 0 || found == 3);
    if (found == 3) {
        CLAIM(*age[0] == *age[1] && *age[1] == *age[2]);
        CLAIM(*age[0] >= *(int *)arg);
        *(int *)arg = *age[0];
    }
    return TN_OK;
}

/* Looks until the last age is there. */
static int look_on(struct child *parent, void *arg)
{
    tn_store *store = open_store(0, NULL);
    int seen = 0;

    (void)arg;
    child_tell(parent);
    while (seen < ROUNDS)
        OK(tn_atomic(tn_store_segment(store), compare, &seen));
    OK(tn_store_close(store));
    return 0;
}

static void all_at_once(const tn_options *options)
{
    tn_store *store = open_store(TN_CREATE, options);
    struct child c;

    child_start(&c, look_on, NULL);
    CLAIM(child_await(&c));
    for (int i = 1; i <= ROUNDS; i++)
        OK(tn_atomic(tn_store_segment(store), renew, &i));
    CLAIM(child_wait(&c) == 0);
    SOUND(tn_store_segment(store));
    OK(tn_store_close(store));
}

/* --- Who is inside holds up names, and nothing else ----------------------- */

static tn_status stay(tn_segment *seg, void *arg)
{
    struct child *parent = arg;
    int value = 1;

    OK(tn_construct(seg, "inside", TN_TYPE(int), 1, &value, NULL));
    child_tell(parent);
    CLAIM(child_await(parent));
    return TN_ECANCELED;
}

static int go_inside(struct child *parent, void *arg)
{
    tn_store *store = open_store(0, NULL);

    (void)arg;
    ANSWERS(tn_atomic(tn_store_segment(store), stay, parent), TN_ECANCELED);
    OK(tn_store_close(store));
    return 0;
}

static tn_status never(tn_segment *seg, void *arg)
{
    (void)seg;
    (void)arg;
    CLAIM(false);
    return TN_OK;
}

static void try_to_enter(void)
{
    tn_store *store = open_store(0, NULL);
    tn_segment *seg = tn_store_segment(store);
    struct child c;
    void *p;

    child_start(&c, go_inside, NULL);
    CLAIM(child_await(&c));
    ANSWERS(tn_try_atomic(seg, never, NULL), TN_EBUSY);

    p = tn_alloc(seg, 100);
    CLAIM(p != NULL);
    OK(tn_free(seg, p));
    OK(tn_construct(seg, TN_ANONYMOUS, TN_TYPE(int), 1, NULL, &p));
    OK(tn_destroy_ptr(seg, p, TN_TYPE(int)));

    child_tell(&c);
    OK(tn_find(seg, "inside", TN_TYPE(int), NULL, NULL)); /* waits */
    CLAIM(child_wait(&c) == 0);
    OK(tn_destroy(seg, "inside", TN_TYPE(int)));
    OK(tn_store_close(store));
}

/* --- Who looks without going inside sees both or none ---------------------*/

static const char *numbered(const char *what, int i)
{
    static char name[64];

    snprintf(name, sizeof(name), "%s %d", what, i);
    return name;
}

static tn_status make_pair(tn_segment *seg, void *arg)
{
    int i = *(int *)arg;

    OK(tn_construct(seg, numbered("first", i), TN_TYPE(int), 1, arg, NULL));
    OK(tn_construct(seg, numbered("last", i), TN_TYPE(int), 1, arg, NULL));
    return TN_OK;
}

/* Waits for the first of each pair; then the last must be there. */
static int look_for_pairs(struct child *parent, void *arg)
{
    tn_store *store = open_store(0, NULL);
    tn_segment *seg = tn_store_segment(store);

    (void)arg;
    child_tell(parent);
    for (int i = 0; i < ROUNDS; i++) {
        while (tn_find(seg, numbered("first", i), TN_TYPE(int), NULL, NULL) !=
               TN_OK)
            ;
        OK(tn_find(seg, numbered("last", i), TN_TYPE(int), NULL, NULL));
    }
    OK(tn_store_close(store));
    return 0;
}

static void pairs_appear(void)
{
    tn_store *store = open_store(0, NULL);
    tn_segment *seg = tn_store_segment(store);
    struct child c;

    child_start(&c, look_for_pairs, NULL);
    CLAIM(child_await(&c));
    for (int i = 0; i < ROUNDS; i++)
        OK(tn_atomic(seg, make_pair, &i));
    CLAIM(child_wait(&c) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        OK(tn_destroy(seg, numbered("first", i), TN_TYPE(int)));
        OK(tn_destroy(seg, numbered("last", i), TN_TYPE(int)));
    }
    OK(tn_store_close(store));
}

/* Whoever is killed inside holds nobody up, and what it made is there. */
static void killed_inside(void)
{
    tn_store *store = open_store(0, NULL);
    tn_segment *seg = tn_store_segment(store);
    struct child c;

    child_start(&c, go_inside, NULL);
    CLAIM(child_await(&c));
    CLAIM(child_kill(&c) < 0);
    OK(tn_find(seg, "inside", TN_TYPE(int), NULL, NULL));
    OK(tn_destroy(seg, "inside", TN_TYPE(int)));
    SOUND(seg);
    OK(tn_store_close(store));
}

/* --- Inside, everything is allowed, and so is going in once more ---------- */

static tn_status go_deeper(tn_segment *seg, void *arg)
{
    int *depth = arg;

    OK(tn_construct(seg, TN_ANONYMOUS, TN_TYPE(int), 1, NULL, NULL));
    if (++*depth < 10)
        return *depth % 2 == 0 ? tn_atomic(seg, go_deeper, depth)
                               : tn_try_atomic(seg, go_deeper, depth);
    OK(tn_construct(seg, "deep", TN_TYPE(int), 1, depth, NULL));
    return TN_ETIMEDOUT; /* whatever it is, it is the caller's */
}

static void enter_again(void)
{
    tn_store *store = open_store(0, NULL);
    tn_segment *seg = tn_store_segment(store);
    int depth = 0;

    ANSWERS(tn_atomic(seg, go_deeper, &depth), TN_ETIMEDOUT);
    OK(tn_find(seg, "deep", TN_TYPE(int), NULL, NULL));
    OK(tn_destroy(seg, "deep", TN_TYPE(int)));
    SOUND(seg);
    OK(tn_store_close(store));
}

int main(void)
{
    tn_options options = {.size = 256 * 1024};

    tmpdir_enter();
    for (options.index = TN_INDEX_ISET; options.index <= TN_INDEX_HASH;
         options.index++) {
        remove("atomic.tn");
        all_at_once(&options);
        try_to_enter();
        pairs_appear();
        killed_inside();
        enter_again();
    }
    tmpdir_leave();
    return 0;
}
