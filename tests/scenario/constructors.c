/* constructors.c - constructors that construct, and constructors that fail
 *
 * One that fails, at any element and after any work, leaves no trace: what was
 * made is undone in reverse order, and every byte is free again.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include <string.h>

enum { SIZE = 256 * 1024, COUNT = 20 };

static _Alignas(16) char buffer[SIZE];

/* Each element owns a string, and is registered under a name of its own. */
struct person {
    TN_PTR(char) name;
    tn_handle entry;
};

struct plan {
    size_t fail_at; /* this element fails; SIZE_MAX: none */
    bool fail_late; /* after half of its work, not before it */
};

static size_t alive, next_to_go; /* what the callbacks have met */

static tn_status enter_name(tn_segment *seg, size_t index, tn_handle *entry)
{
    char name[32];
    int *number;
    tn_status status;

    snprintf(name, sizeof(name), "entry %zu", index);
    status = tn_construct(seg, name, TN_TYPE(int), 1, NULL, (void **)&number);
    if (status == TN_OK)
        *entry = tn_handle_of(seg, number);
    return status;
}

static tn_status make_person(tn_segment *seg, void *element, size_t index,
                             void *arg)
{
    const struct plan *plan = arg;
    struct person *person = element;
    tn_status status;
    char *name;

    for (size_t i = 0; i < sizeof(*person); i++)
        CLAIM(((char *)element)[i] == 0); /* as it is given to us */
    if (index == plan->fail_at && !plan->fail_late)
        return TN_ECANCELED;
    name = tn_alloc(seg, 100 + index);
    if (name == NULL)
        return TN_ENOMEM;
    memset(name, (int)index, 100 + index);
    status = index == plan->fail_at ? TN_ETIMEDOUT
                                    : enter_name(seg, index, &person->entry);
    if (status != TN_OK) {
        OK(tn_free(seg, name)); /* its own work it undoes itself */
        return status;
    }
    tn_set(&person->name, name);
    alive++;
    next_to_go = index;
    return TN_OK;
}

static void drop_person(tn_segment *seg, void *element)
{
    struct person *person = element;
    char *name = tn_get(&person->name);

    CLAIM(name[0] == (char)next_to_go--); /* the last one first */
    OK(tn_free(seg, name));
    OK(tn_destroy_ptr(seg, tn_at(seg, person->entry), TN_TYPE(int)));
    alive--;
}

static const tn_type person_type = {.name = "struct person",
                                    .size = sizeof(struct person),
                                    .align = _Alignof(struct person),
                                    .init = make_person,
                                    .fini = drop_person};

static void fail(tn_segment *seg, const char *name, struct plan plan)
{
    tn_status expected = plan.fail_late ? TN_ETIMEDOUT : TN_ECANCELED;
    size_t free_bytes = tn_free_bytes(seg);
    void *out = &plan;

    ANSWERS(tn_construct(seg, name, &person_type, COUNT, &plan, &out),
            expected);
    CLAIM(out == &plan); /* nothing was written there */
    CLAIM(alive == 0);
    OK(tn_shrink_indexes(seg));
    CLAIM(tn_free_bytes(seg) == free_bytes);
    CLAIM(tn_named_count(seg) == 0 && tn_unique_count(seg) == 0);
    SOUND(seg);
}

static void fail_everywhere(tn_segment *seg, const char *name)
{
    for (size_t at = 0; at < COUNT; at++) {
        fail(seg, name, (struct plan){.fail_at = at});
        fail(seg, name, (struct plan){.fail_at = at, .fail_late = true});
    }
}

static void succeed(tn_segment *seg, const char *name)
{
    struct plan plan = {.fail_at = SIZE_MAX};
    size_t free_bytes = tn_free_bytes(seg);
    struct person *people;

    OK(tn_construct(seg, name, &person_type, COUNT, &plan, (void **)&people));
    CLAIM(alive == COUNT && tn_count_of(seg, people) == COUNT);
    OK(tn_find(seg, "entry 19", TN_TYPE(int), NULL, NULL));
    SOUND(seg);
    if (name != TN_ANONYMOUS)
        ANSWERS(tn_construct(seg, name, &person_type, 1, &plan, NULL),
                TN_EEXIST);
    OK(tn_destroy_ptr(seg, people, &person_type));
    CLAIM(alive == 0);
    OK(tn_shrink_indexes(seg));
    CLAIM(tn_free_bytes(seg) == free_bytes && tn_all_free(seg));
    SOUND(seg);
}

/* A constructor takes the very name that is being constructed. */
static tn_status take_own_name(tn_segment *seg, void *p, size_t count,
                               void *arg)
{
    memset(p, 0, count);
    return tn_construct(seg, arg, TN_TYPE(int), 1, NULL, NULL);
}

static void thwarted(tn_segment *seg)
{
    char name[] = "mine";
    size_t free_bytes = tn_free_bytes(seg);

    ANSWERS(tn_construct_with(seg, name, TN_TYPE(char), 99, take_own_name, name,
                              NULL),
            TN_EEXIST);
    OK(tn_find(seg, name, TN_TYPE(int), NULL, NULL)); /* the first one */
    OK(tn_destroy(seg, name, TN_TYPE(int)));
    OK(tn_shrink_indexes(seg));
    CLAIM(tn_free_bytes(seg) == free_bytes);
    SOUND(seg);
}

/* There is room for some of the elements' strings only. */
static void run_out_of_room(tn_segment *seg)
{
    struct plan plan = {.fail_at = SIZE_MAX};
    size_t free_bytes = tn_free_bytes(seg), used = 0;
    tn_chain hoard = TN_CHAIN_INIT;

    while (tn_alloc_many(seg, 1000, 1, &hoard) == TN_OK)
        used++;
    CLAIM(used > 10);
    OK(tn_free(seg, tn_chain_pop(&hoard)));
    OK(tn_free(seg, tn_chain_pop(&hoard)));
    ANSWERS(tn_construct(seg, "people", &person_type, COUNT, &plan, NULL),
            TN_ENOMEM);
    CLAIM(alive == 0);
    SOUND(seg);
    OK(tn_free_many(seg, &hoard));
    OK(tn_shrink_indexes(seg));
    CLAIM(tn_free_bytes(seg) == free_bytes && tn_all_free(seg));
}

int main(void)
{
    tn_options options = {0};
    tn_segment *seg;

    for (options.index = TN_INDEX_ISET; options.index <= TN_INDEX_HASH;
         options.index++) {
        OK(tn_segment_create(&seg, buffer, SIZE, &options));
        fail_everywhere(seg, "people");
        fail_everywhere(seg, TN_UNIQUE);
        fail_everywhere(seg, TN_ANONYMOUS);
        succeed(seg, "people");
        succeed(seg, TN_UNIQUE);
        succeed(seg, TN_ANONYMOUS);
        thwarted(seg);
        run_out_of_room(seg);
        OK(tn_segment_detach(seg));
    }
    return 0;
}
