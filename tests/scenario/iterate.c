/* iterate.c - list objects in order while another process makes and destroys
 *
 * Objects that are there all the time are met exactly once, in the order of
 * their names, whatever comes and goes between them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/child.h"
#include "lib/tmpdir.h"

#include <signal.h>
#include <string.h>

enum { STEADY = 100, FLEETING = 60, WALKS = 15 };

static const tn_type *const types[] = {TN_TYPE(char), TN_TYPE(int),
                                       TN_TYPE(long), TN_TYPE(double)};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

/* The bytes of names are compared as numbers from 0 to 255. */
static int compare(const tn_object *a, const char *name, size_t length)
{
    size_t n = a->name_length < length ? a->name_length : length;
    int order = memcmp(a->name, name, n);

    return order != 0 ? order : (a->name_length > n) - (length > n);
}

/* Made in another order than that of their names. */
static void make_steady(tn_segment *seg)
{
    char name[32];

    OK(tn_reserve_named(seg, 1000));
    for (int i = 0; i < STEADY; i++) {
        int number = i * 37 % STEADY;

        snprintf(name, sizeof(name), "steady/%03d", number);
        OK(tn_construct(seg, name, TN_TYPE(int), 1, &number, NULL));
    }
    OK(tn_construct(seg, "\xff", TN_TYPE(int), 1, NULL, NULL));
    OK(tn_construct(seg, "steady", TN_TYPE(int), 1, NULL, NULL));
    OK(tn_construct(seg, "\x01", TN_TYPE(int), 1, NULL, NULL));
    for (int i = 0; i < TYPES; i++)
        OK(tn_construct(seg, TN_UNIQUE, types[i], 1, NULL, NULL));
}

/* Walk, and count what is met under the prefix. */
static size_t walk(tn_segment *seg, tn_kind kind, const char *prefix)
{
    char last[64] = "";
    size_t met = 0;
    tn_object object;
    tn_iter *iter;

    OK(tn_iter_open(seg, kind, prefix, &iter));
    while (tn_iter_next(iter, &object)) {
        CLAIM(object.kind == kind && object.count == 1);
        if (prefix != NULL)
            CLAIM(strncmp(object.name, prefix, strlen(prefix)) == 0);
        CLAIM(met == 0 || compare(&object, last, strlen(last)) > 0);
        CLAIM(object.name_length == strlen(object.name));
        snprintf(last, sizeof(last), "%s", object.name);
        met++;
    }
    CLAIM(!tn_iter_next(iter, &object)); /* the end stays the end */
    tn_iter_close(iter);
    return met;
}

static void walk_undisturbed(tn_segment *seg)
{
    size_t found = 0;
    tn_object object;
    tn_iter *iter;

    CLAIM(tn_named_count(seg) == STEADY + 3);
    CLAIM(tn_unique_count(seg) == TYPES);
    CLAIM(walk(seg, TN_KIND_NAMED, NULL) == STEADY + 3);
    CLAIM(walk(seg, TN_KIND_NAMED, "steady") == STEADY + 1);
    CLAIM(walk(seg, TN_KIND_NAMED, "steady/") == STEADY);
    CLAIM(walk(seg, TN_KIND_NAMED, "steady/04") == 10);
    CLAIM(walk(seg, TN_KIND_NAMED, "steady/042") == 1);
    CLAIM(walk(seg, TN_KIND_NAMED, "steady/0420") == 0);
    CLAIM(walk(seg, TN_KIND_NAMED, "\xff") == 1);
    CLAIM(walk(seg, TN_KIND_UNIQUE, NULL) == TYPES);

    OK(tn_iter_open(seg, TN_KIND_UNIQUE, NULL, &iter));
    while (tn_iter_next(iter, &object))
        for (int i = 0; i < TYPES; i++)
            found += strcmp(object.name, types[i]->name) == 0 &&
                     object.size == types[i]->size;
    tn_iter_close(iter);
    CLAIM(found == TYPES);
}

/* Makes and destroys, between the steady names and around them. */
static int disturb(struct child *parent, void *arg)
{
    tn_store *store;
    tn_segment *seg;
    char name[32];

    (void)arg;
    OK(tn_store_open(&store, "iterate.tn", TN_SHARED, NULL));
    seg = tn_store_segment(store);
    for (unsigned i = 0;; i++) {
        snprintf(name, sizeof(name), "steady/%03u.%u", i * 7 % STEADY,
                 i % FLEETING);
        OK(tn_construct(seg, name, TN_TYPE(int), 1, NULL, NULL));
        if (i >= FLEETING) {
            unsigned old = i - FLEETING;

            snprintf(name, sizeof(name), "steady/%03u.%u", old * 7 % STEADY,
                     old % FLEETING);
            OK(tn_destroy(seg, name, TN_TYPE(int)));
        }
        if (i == FLEETING)
            child_tell(parent);
    }
}

/* Only names of three digits are of those that are there all the time. */
static void walk_disturbed(tn_segment *seg)
{
    static const size_t length = sizeof("steady/000") - 1;
    int expected = 0;
    tn_object object;
    tn_iter *iter;

    OK(tn_iter_open(seg, TN_KIND_NAMED, "steady/", &iter));
    while (tn_iter_next(iter, &object)) {
        if (object.name_length != length)
            continue;
        CLAIM(*(int *)object.address == expected);
        expected++;
    }
    tn_iter_close(iter);
    CLAIM(expected == STEADY);
}

/* Objects without a name, in the order of their addresses. */
static void walk_anonymous(tn_segment *seg)
{
    const char *last = NULL;
    tn_object object;
    int *numbers[5];
    tn_iter *iter;
    int met = 0;

    for (int i = 0; i < 5; i++)
        OK(tn_construct(seg, TN_ANONYMOUS, TN_TYPE(int), 1, &i,
                        (void **)&numbers[i]));
    OK(tn_iter_open(seg, TN_KIND_ANONYMOUS, NULL, &iter));
    while (tn_iter_next(iter, &object)) {
        CLAIM(object.name == NULL && (const char *)object.address > last);
        last = object.address;
        met++;
    }
    tn_iter_close(iter);
    CLAIM(met == 5);
    for (int i = 0; i < 5; i++)
        OK(tn_destroy_ptr(seg, numbers[i], NULL));
}

static void with_index(tn_index index)
{
    const tn_options options = {.index = index};
    tn_store *store;
    tn_segment *seg;
    struct child c;

    remove("iterate.tn");
    OK(tn_store_open(&store, "iterate.tn", TN_SHARED | TN_CREATE, &options));
    seg = tn_store_segment(store);
    make_steady(seg);
    walk_undisturbed(seg);
    walk_anonymous(seg);
    child_start(&c, disturb, NULL);
    CLAIM(child_await(&c));
    for (int i = 0; i < WALKS; i++)
        walk_disturbed(seg);
    CLAIM(child_kill(&c) == -SIGKILL);
    walk_disturbed(seg);
    SOUND(seg);
    OK(tn_store_close(store));
}

int main(void)
{
    tmpdir_enter();
    for (tn_index index = TN_INDEX_ISET; index <= TN_INDEX_HASH; index++)
        with_index(index);
    tmpdir_leave();
    return 0;
}
