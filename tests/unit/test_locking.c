/* test_locking.c - whoever gets a lock from a dead owner puts things right
 *
 * One process does something to a segment in shared memory, one instruction at
 * a time.  Whenever it has changed a byte, the memory is copied, with its locks
 * marked as the kernel marks those of a dead owner.  Whoever uses that copy
 * finds what a killed process leaves: each call must return, the checker must
 * find nothing, what was there before must be there with every byte, what was
 * being made or dropped must be there whole or not at all, and no memory may be
 * lost but what the dead one had taken as raw memory or had not finished
 * without a name.
 *
 * That the kernel does so is shown by killing such processes in earnest, at
 * some of those points.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/model.h"
#include "lib/steps.h"
#include "segment/segment.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum {
    SIZE = 56 * 1024,  /* of the memory */
    SMALL = 24 * 1024, /* of the segment: the rest is for growth */
    VICTIM = 7,        /* the slot that the dead process was at */
    KILLS = 10,        /* in earnest, for each deed */
    LONG = 3000,       /* instructions: too long to do that often */
};

static struct segment *shared; /* what the processes have in common */
static _Alignas(4096) char last[SIZE], left[SIZE];

static tn_status extend(void *arg, size_t size)
{
    (void)arg;
    return size <= SIZE ? TN_OK : TN_ENOSPC;
}

/* A process's handle of the segment at base. */
static tn_segment *handle(void *base)
{
    static _Thread_local tn_segment handles[8];
    static _Thread_local unsigned next;
    tn_segment *seg = &handles[next++ % 8];

    *seg = (tn_segment){.base = base,
                        .reach = SIZE,
                        .max_size = SIZE,
                        .grow_step = 4096,
                        .locking = true,
                        .reaches_all = true,
                        .memory = SEGMENT_STORE,
                        .extend = extend};
    magazines_join(seg);
    return seg;
}

static tn_segment *make(tn_index index, tn_fit fit)
{
    tn_options options = {.index = index, .fit = fit};

    shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(ne(ptr, shared, MAP_FAILED));
    cr_assert(eq(int, segment_format(shared, SMALL, &options), TN_OK));
    cr_assert(eq(int, segment_reset_locks(shared), TN_OK));
    return handle(shared);
}

/* --- Deeds --------------------------------------------------------------- */

/* The process that dies: what it has when it begins, and what it does. */
static struct model m;

static tn_status make_two(tn_segment *seg, void *element, size_t index,
                          void *arg)
{
    static const tn_type inner = {.name = "inner", .size = 8, .align = 8};

    (void)arg;
    *(char *)element = 'e';
    if (index == 0)
        tn_construct(seg, "made inside", &inner, 1, NULL, NULL);
    return TN_OK;
}

static void drop_inner(tn_segment *seg, void *element)
{
    (void)element;
    tn_destroy(seg, "made inside", NULL);
}

static const tn_type outer = {.name = "outer",
                              .size = 8,
                              .align = 8,
                              .init = make_two,
                              .fini = drop_inner};

static void construct_named(void *arg)
{
    (void)arg;
    model_make(&m, VICTIM, MODEL_NAMED, 3);
}

static void construct_unique(void *arg)
{
    (void)arg;
    model_make(&m, VICTIM, MODEL_UNIQUE, 1);
}

static void construct_anonymous(void *arg)
{
    (void)arg;
    model_make(&m, VICTIM, MODEL_ANONYMOUS, 3);
}

static void construct_and_grow(void *arg)
{
    (void)arg;
    model_make(&m, VICTIM, MODEL_NAMED, SMALL / 23);
}

/* In memory where the record of an anonymous object was, of a type of which
 * there are others; aligned, for links of free blocks lie over it otherwise. */
static void construct_over(void *arg)
{
    (void)arg;
    tn_construct(m.seg, TN_UNIQUE, model_type(8), 20, NULL, NULL);
    tn_destroy(m.seg, TN_UNIQUE, model_type(8));
}

static void allocate(void *arg)
{
    (void)arg;
    model_make(&m, VICTIM, MODEL_RAW, 100);
}

static void drop(void *arg)
{
    (void)arg;
    model_drop(&m, VICTIM);
}

static void resize(void *arg)
{
    (void)arg;
    model_resize(&m, VICTIM, 700);
}

static void shrink_indexes(void *arg)
{
    (void)arg;
    tn_shrink_indexes(m.seg);
}

static void reserve(void *arg)
{
    (void)arg;
    tn_reserve_named(m.seg, 40);
}

static void construct_nested(void *arg)
{
    (void)arg;
    tn_construct(m.seg, "outer", &outer, 2, NULL, NULL);
    tn_destroy(m.seg, "outer", &outer);
}

static void grow(void *arg)
{
    (void)arg;
    tn_segment_grow(m.seg, 10000);
}

/* Somebody is dead already, and this is the one who puts things right. */
static void put_right(void *arg)
{
    (void)arg;
    tn_find(m.seg, "x", NULL, NULL, NULL);
}

static const struct deed {
    const char *name;
    void (*act)(void *arg);
    enum model_what what; /* what is in the slot, if all goes well */
    size_t count;         /* if it is there before: so much of it */
    bool torn;            /* begin with everything to be put right */
} deeds[] = {
    {.name = "construct", construct_named, MODEL_NAMED},
    {.name = "construct unique", construct_unique, MODEL_UNIQUE},
    {.name = "construct anonymous", construct_anonymous, MODEL_ANONYMOUS},
    {.name = "construct and grow", construct_and_grow, MODEL_NAMED},
    {.name = "construct nested", construct_nested},
    {.name = "construct over", construct_over},
    {.name = "allocate", allocate, MODEL_RAW},
    {.name = "destroy", drop, MODEL_NAMED, 2},
    {.name = "destroy unique", drop, MODEL_UNIQUE, 2},
    {.name = "destroy anonymous", drop, MODEL_ANONYMOUS, 2},
    {.name = "free small", drop, MODEL_RAW, 50},
    {.name = "free large", drop, MODEL_RAW, 3000},
    {.name = "resize", resize, MODEL_RAW, 200},
    {.name = "shrink indexes", shrink_indexes},
    {.name = "reserve", reserve},
    {.name = "grow", grow},
    {.name = "put right", put_right, .torn = true},
};
enum { DEEDS = sizeof(deeds) / sizeof(deeds[0]) };

struct setting {
    int deed;
    tn_index index;
    tn_fit fit;
    bool magazines;
};

/* Leave the record of an anonymous object inside a free block, where
 * construct_over() will begin. */
static void leave_record(tn_segment *seg)
{
    void *front = tn_alloc(seg, 600), *object;

    cr_assert(eq(
        int, tn_construct(seg, TN_ANONYMOUS, model_type(8), 20, NULL, &object),
        TN_OK));
    cr_assert(eq(int, tn_free(seg, front), TN_OK));
    cr_assert(eq(int, tn_destroy_ptr(seg, object, NULL), TN_OK));
}

/* A segment with something of everything in it, at which deed is to be done. */
static void prepare(const struct deed *deed, const struct setting *s)
{
    tn_segment *seg = make(s->index, s->fit);
    unsigned slots = deed->torn ? 6 : 14; /* putting right takes its time */

    if (s->magazines)
        cr_assert(magazines_make(seg));

    model_init(&m, seg, 1, 300);
    for (unsigned slot = 0; slot < slots; slot++) {
        if (slot != VICTIM)
            model_make(&m, slot,
                       (enum model_what)(MODEL_NAMED + slot % MODEL_RAW),
                       1 + slot % 3);
    }
    for (unsigned slot = 4; slot < 7; slot++) /* some holes */
        if (slot < slots)
            cr_assert(eq(int, model_drop(&m, slot), TN_OK));
    if (deed->count != 0)
        cr_assert(
            eq(int, model_make(&m, VICTIM, deed->what, deed->count), TN_OK));
    if (deed->act == construct_over)
        leave_record(seg);
    cr_assert(model_holds(&m));
    if (deed->torn) {
        shared->names_sequence |= 1;
        shared->types_sequence |= 1;
        shared->heap.sequence |= 1;
    }
}

/* --- What is left -------------------------------------------------------- */

/* What the slot will hold, if what the process did is through. */
static void expect(struct model *after, const struct deed *deed)
{
    *after = m;
    if (deed->what == MODEL_NOTHING || deed->count != 0)
        return;
    after->slots[VICTIM] = (struct model_slot){
        .what = deed->what, .count = 3, .mark = (unsigned char)(m.made + 1)};
    if (deed->act == construct_unique)
        after->slots[VICTIM].count = 1;
    if (deed->act == construct_and_grow)
        after->slots[VICTIM].count = SMALL / 23;
}

/* Does everything hold in the segment at base, which the dead process left? */
static bool holds(const struct deed *deed, tn_segment *seg, bool all_dead)
{
    bool ownerless =
        deed->what == MODEL_RAW || (deed->what == MODEL_ANONYMOUS && !all_dead);
    struct model after;
    void *p;

    expect(&after, deed);
    after.seg = seg;
    p = tn_alloc(seg, 64);
    if (p == NULL || tn_free(seg, p) != TN_OK)
        return false;
    if (deed->act == construct_nested) {
        tn_destroy(seg, "outer", NULL);
        tn_destroy(seg, "made inside", NULL);
    }
    if (deed->act == construct_over)
        tn_destroy(seg, TN_UNIQUE, model_type(8));
    if (!model_holds_but(&after, VICTIM) || !model_clear(&after) ||
        !model_holds(&after))
        return false;
    return ownerless || tn_all_free(seg);
}

/* Do to a copied lock what the kernel does to that of a dead thread. */
static void orphan(struct mutex *lock, pid_t owner)
{
    uint32_t *word = (uint32_t *)lock->words;

    if ((*word & FUTEX_TID_MASK) == (uint32_t)owner)
        *word = (*word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
}

/* The other processes go on in this memory. */
static bool others_go_on(const struct deed *deed, pid_t dead)
{
    struct segment *base = (struct segment *)left;
    tn_segment *seg;

    memcpy(left, shared, SIZE);
    orphan(&base->names_lock, dead);
    orphan(&base->heap_lock, dead);
    seg = handle(base);
    for (int i = 0; seg->magazines != NULL && i < SEGMENT_MAGAZINES; i++)
        orphan(&seg->magazines->all[i].lock, dead);
    return holds(deed, seg, false);
}

/* All are dead, or the bytes were copied elsewhere. */
static bool copy_is_whole(const struct deed *deed)
{
    tn_segment *seg;
    bool good;

    memcpy(left, shared, SIZE);
    if (tn_segment_attach(&seg, left, SIZE) != TN_OK)
        return false;
    good = tn_segment_check(seg, NULL, NULL) == TN_OK && holds(deed, seg, true);
    tn_segment_detach(seg);
    return good;
}

static struct criterion_test_params settings_of_all(void)
{
    static struct setting settings[DEEDS * 10];
    size_t n = 0;

    for (int deed = 0; deed < DEEDS; deed++)
        for (int index = TN_INDEX_ISET; index <= TN_INDEX_HASH; index++) {
            struct setting s = {deed, (tn_index)index,
                                deed % 5 == index ? TN_FIT_SEQ : TN_FIT_BEST,
                                false};

            settings[n++] = s;
            s.magazines = true;
            if (s.fit == TN_FIT_BEST && deed % 2 == index % 2)
                settings[n++] = s;
        }
    return cr_make_param_array(struct setting, settings, n);
}

TestSuite(locking, .timeout = 60);

ParameterizedTestParameters(locking, recovers_at_every_store)
{
    return settings_of_all();
}

ParameterizedTest(struct setting *s, locking, recovers_at_every_store,
                  .timeout = 60)
{
    const struct deed *deed = &deeds[s->deed];
    struct steps steps;
    int step = 0, stores = 0;

    prepare(deed, s);
    memcpy(last, shared, SIZE);
    steps_start(&steps, deed->act, NULL);
    while (steps_next(&steps)) {
        step++;
        if (memcmp(last, shared, SIZE) == 0)
            continue;
        memcpy(last, shared, SIZE);
        stores++;
        cr_assert(others_go_on(deed, steps.pid),
                  "%s, index %d, fit %d, step %d, store %d", deed->name,
                  s->index, s->fit, step, stores);
        cr_assert(copy_is_whole(deed),
                  "copied: %s, index %d, fit %d, step %d, store %d", deed->name,
                  s->index, s->fit, step, stores);
    }
    cr_expect(gt(int, stores, 3));
}

/* --- In earnest ----------------------------------------------------------- */

/* How many instructions until the deed is done? */
static int length_of(const struct deed *deed, const struct setting *s)
{
    struct steps steps;
    int length = 0;

    prepare(deed, s);
    steps_start(&steps, deed->act, NULL);
    while (steps_next(&steps))
        length++;
    munmap(shared, SIZE);
    return length;
}

ParameterizedTestParameters(locking, survives_killed_owners)
{
    return settings_of_all();
}

ParameterizedTest(struct setting *s, locking, survives_killed_owners,
                  .timeout = 60)
{
    const struct deed *deed = &deeds[s->deed];
    int length, stride;

    if ((s->deed + (int)s->index) % 4 != 0)
        return; /* each deed with one index */
    length = length_of(deed, s);
    if (length > LONG)
        return;
    stride = length / KILLS + 1;
    for (int end = stride / 2; end < length; end += stride) {
        struct steps steps;

        prepare(deed, s);
        steps_start(&steps, deed->act, NULL);
        for (int i = 0; i < end; i++)
            cr_assert(steps_next(&steps));
        steps_kill(&steps);
        cr_assert(holds(deed, m.seg, false), "%s, index %d, step %d",
                  deed->name, s->index, end);
        munmap(shared, SIZE);
    }
}

/* --- The order of locks --------------------------------------------------- */

static void *allocate_beside(void *arg)
{
    tn_segment *seg = arg;
    void *p = tn_alloc(seg, 10);

    return p != NULL && tn_free(seg, p) == TN_OK ? seg : NULL;
}

/* A constructor that waits for another thread's raw allocation. */
static tn_status wait_for_other(tn_segment *seg, void *element, size_t index,
                                void *arg)
{
    pthread_t thread;
    void *done = NULL;

    (void)element;
    (void)index;
    (void)arg;
    if (pthread_create(&thread, NULL, allocate_beside, seg) != 0)
        return TN_ESYS;
    pthread_join(thread, &done);
    return done != NULL ? TN_OK : TN_EBUSY;
}

static const tn_type waiting = {
    .name = "waiting", .size = 1, .align = 1, .init = wait_for_other};

Test(locking, lets_others_allocate_while_a_constructor_runs)
{
    tn_segment *seg = make(TN_INDEX_MAP, TN_FIT_BEST);

    cr_expect(eq(int, tn_construct(seg, "a", &waiting, 1, NULL, NULL), TN_OK));
}

static tn_status try_inside(tn_segment *seg, void *arg)
{
    (void)seg;
    (void)arg;
    return TN_OK;
}

static void *try_beside(void *arg)
{
    tn_status *status = arg;

    *status = tn_try_atomic(handle(shared), try_inside, NULL);
    return NULL;
}

static tn_status try_from_elsewhere(tn_segment *seg, void *arg)
{
    pthread_t thread;

    (void)seg;
    if (pthread_create(&thread, NULL, try_beside, arg) != 0)
        return TN_ESYS;
    pthread_join(thread, NULL);
    return TN_OK;
}

Test(locking, keeps_the_lock_of_names_while_inside)
{
    tn_segment *seg = make(TN_INDEX_MAP, TN_FIT_BEST);
    tn_status inner = TN_OK;

    cr_assert(eq(int, tn_atomic(seg, try_from_elsewhere, &inner), TN_OK));
    cr_expect(eq(int, inner, TN_EBUSY));
    cr_expect(eq(int, tn_try_atomic(seg, try_inside, NULL), TN_OK));
}

Test(locking, refuses_a_segment_that_outgrew_the_addresses)
{
    tn_segment *seg = make(TN_INDEX_MAP, TN_FIT_BEST);
    tn_segment *near = handle(shared);

    near->reach = SMALL;
    near->reaches_all = false;
    cr_assert(eq(int, tn_segment_grow(seg, 4096), TN_OK));
    cr_expect(eq(ptr, tn_alloc(near, 1), NULL));
    cr_expect(eq(int, tn_find(near, "a", NULL, NULL, NULL), TN_ENOMEM));
    cr_expect(eq(int, tn_find(seg, "a", NULL, NULL, NULL), TN_ENOENT));
}

/* --- Many threads --------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 300 };

/* Each has names of its own and one in common. */
static void *work(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    tn_segment *seg = handle(shared);
    char name[16];
    void *p, *q;

    for (unsigned round = 0; round < ROUNDS; round++) {
        snprintf(name, sizeof(name), "%u/%u", me, round % 8);
        if (tn_construct(seg, name, TN_BYTES, 40, NULL, &p) != TN_OK)
            return "construct";
        memset(p, (int)me, 40);
        tn_find_or_construct(seg, "common", TN_BYTES, 9, NULL, NULL, NULL);
        q = tn_alloc(seg, round % 500);
        if (q == NULL)
            return "alloc";
        memset(q, (int)me, round % 500);
        tn_destroy(seg, "common", TN_BYTES);
        if (tn_free(seg, q) != TN_OK)
            return "free";
        if (((char *)p)[39] != (char)me)
            return "contents";
        if (round % 8 != me && tn_destroy(seg, name, TN_BYTES) != TN_OK)
            return "destroy";
        if (round % 8 == me && tn_destroy_ptr(seg, p, NULL) != TN_OK)
            return "destroy_ptr";
    }
    return NULL;
}

Test(locking, keeps_threads_apart)
{
    pthread_t threads[THREADS];
    tn_segment *seg = make(TN_INDEX_MAP, TN_FIT_BEST);
    void *wrong;

    for (uintptr_t i = 0; i < THREADS; i++)
        cr_assert(
            eq(int, pthread_create(&threads[i], NULL, work, (void *)i), 0));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &wrong);
        cr_expect(eq(ptr, wrong, NULL), "%s", (char *)wrong);
    }
    tn_destroy(seg, "common", NULL);
    cr_expect(eq(int, tn_segment_check(seg, NULL, NULL), TN_OK));
    cr_expect(eq(int, tn_shrink_indexes(seg), TN_OK));
    cr_expect(tn_all_free(seg));
    cr_expect(zero(u64, shared->building + shared->building_alone));
}

/* The same anonymous object, destroyed by all: one succeeds. */
static void *anonymous;

static void *destroy_once(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)tn_destroy_ptr(handle(shared), anonymous, NULL);
}

Test(locking, lets_only_one_destroy_an_anonymous_object)
{
    pthread_t threads[THREADS];
    tn_segment *seg = make(TN_INDEX_MAP, TN_FIT_BEST);

    for (int round = 0; round < 200; round++) {
        int destroyed = 0;

        cr_assert(eq(
            int,
            tn_construct(seg, TN_ANONYMOUS, TN_BYTES, 2000, NULL, &anonymous),
            TN_OK));
        for (int i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, destroy_once, NULL);
        for (int i = 0; i < THREADS; i++) {
            void *status;

            pthread_join(threads[i], &status);
            destroyed += status == NULL; /* TN_OK */
        }
        cr_assert(eq(int, destroyed, 1));
        cr_assert(eq(int, tn_segment_check(seg, NULL, NULL), TN_OK));
    }
    cr_expect(tn_all_free(seg));
}
