/* test_extend.c - segments grow at need, by call, or not; failing changes
 * nothing
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/faults.h"
#include "lib/model.h"
#include "lib/tmpdir.h"
#include "segment/segment.h"
#include "tenon/store.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { KIB = 1024, START = 64 * KIB, MOST = 1024 * KIB };

static tn_store *store;
static tn_segment *seg;

static void leave(void)
{
    faults_end();
    tn_store_close(store);
    tmpdir_leave();
}

TestSuite(extend, .init = (void (*)(void))tmpdir_enter, .fini = leave,
          .timeout = 20);

static void make(size_t grow_step)
{
    tn_options options = {
        .size = START, .max_size = MOST, .grow_step = grow_step};

    cr_assert(eq(int,
                 tn_store_open(&store, "s", TN_SHARED | TN_CREATE, &options),
                 TN_OK));
    seg = tn_store_segment(store);
}

/* --- By itself ------------------------------------------------------------ */

/* How much larger does the segment get when there is no room for this? */
static size_t growth_for(size_t size)
{
    size_t before = tn_segment_size(seg);

    if (tn_alloc(seg, size) == NULL)
        return 0;
    cr_assert(model_sound(seg));
    return tn_segment_size(seg) - before;
}

Test(extend, grows_by_its_step_when_there_is_no_room)
{
    make(200 * KIB);
    cr_expect(zero(sz, growth_for(100)));
    cr_expect(ge(sz, growth_for(START), 200 * KIB));
    cr_expect(le(sz, tn_segment_size(seg), START + 200 * KIB + 64 * KIB));
}

Test(extend, grows_by_what_is_needed_if_that_is_more)
{
    make(1);
    cr_expect(ge(sz, growth_for(500 * KIB), 500 * KIB));
}

Test(extend, stops_at_its_maximum)
{
    size_t total = 0, most;

    make(0);
    most = MOST - 4 * KIB;
    while (tn_alloc(seg, 10 * KIB) != NULL)
        total += 10 * KIB;
    cr_expect(le(sz, tn_segment_size(seg), most));
    cr_expect(gt(sz, total, most - 40 * KIB), "all of it could be used");
    cr_expect(eq(ptr, tn_alloc(seg, SIZE_MAX), NULL));
    cr_expect(eq(ptr, tn_alloc(seg, SIZE_MAX - most), NULL));
    cr_expect(
        eq(int, tn_construct(seg, "a", TN_BYTES, MOST, NULL, NULL), TN_ENOMEM));
    cr_expect(model_sound(seg));
}

Test(extend, takes_steps_of_any_size)
{
    make(SIZE_MAX - 1);
    cr_expect(gt(sz, growth_for(START), 0));
    cr_expect(le(sz, tn_segment_size(seg), MOST));
    cr_expect(model_sound(seg));
}

Test(extend, does_not_grow_where_that_is_forbidden)
{
    make(TN_NO_GROWTH);
    cr_expect(eq(ptr, tn_alloc(seg, START), NULL));
    cr_expect(eq(int, tn_construct(seg, "a", TN_BYTES, START, NULL, NULL),
                 TN_ENOMEM));
    cr_expect(eq(int, tn_reserve_named(seg, SIZE_MAX), TN_ENOMEM));
    cr_expect(tn_all_free(seg));
    cr_expect(eq(int, tn_segment_grow(seg, 2 * START), TN_OK));
    cr_expect(ne(ptr, tn_alloc(seg, START), NULL));
}

/* What each kind of call does when it needs more. */
static bool everything_grows(void)
{
    tn_chain chain = TN_CHAIN_INIT;
    size_t lengths[] = {START, START}, received = START;
    void *p = tn_alloc(seg, 1000);

    return tn_realloc(seg, p, 2 * START) != NULL &&
           tn_alloc_aligned(seg, START, 4096) != NULL &&
           tn_alloc_many(seg, 1000, 70, &chain) == TN_OK &&
           tn_alloc_many_v(seg, lengths, 2, 1, &chain) == TN_OK &&
           tn_realloc_cmd(seg, TN_NEW, START, &received, NULL, 1) != NULL &&
           tn_construct(seg, "a", TN_BYTES, START, NULL, NULL) == TN_OK;
}

Test(extend, grows_for_every_kind_of_call)
{
    make(0);
    cr_expect(everything_grows());
    cr_expect(gt(sz, tn_segment_size(seg), 6 * START));
    cr_expect(model_sound(seg));
}

Test(extend, grows_for_names_alone)
{
    char name[] = "0000";

    make(1);
    for (int i = 0; i < 3000; i++) {
        name[0] = (char)('0' + i / 1000), name[1] = (char)('0' + i / 100 % 10);
        name[2] = (char)('0' + i / 10 % 10), name[3] = (char)('0' + i % 10);
        cr_assert(
            eq(int, tn_construct(seg, name, TN_BYTES, 0, NULL, NULL), TN_OK));
    }
    cr_expect(model_sound(seg));
}

/* --- When the disk is full ------------------------------------------------ */

static void expect_unchanged(size_t free_bytes, size_t size)
{
    cr_expect(eq(sz, tn_free_bytes(seg), free_bytes));
    cr_expect(eq(sz, tn_segment_size(seg), size));
    cr_expect(zero(sz, tn_named_count(seg)));
    cr_expect(model_sound(seg));
}

Test(extend, changes_nothing_when_the_disk_is_full)
{
    size_t free_bytes, size;
    void *p, *q;
    tn_chain chain = TN_CHAIN_INIT;

    make(0);
    p = q = tn_alloc(seg, 100);
    size = tn_segment_size(seg);
    free_bytes = tn_free_bytes(seg);
    faults_refuse_all(FAULT_ALLOCATE, ENOSPC);
    cr_expect(eq(ptr, tn_alloc(seg, START), NULL));
    cr_expect(eq(ptr, tn_realloc(seg, p, START), NULL));
    cr_expect(eq(int, tn_alloc_many(seg, START, 2, &chain), TN_ENOMEM));
    cr_expect(eq(int, tn_construct(seg, "a", TN_BYTES, START, NULL, NULL),
                 TN_ENOSPC));
    cr_expect(eq(int, tn_segment_grow(seg, START), TN_ENOSPC));
    expect_unchanged(free_bytes, size);
    cr_assert(faults_end());
    cr_expect(ne(ptr, tn_realloc(seg, q, START), NULL),
              "and now there is room");
    cr_expect(
        eq(int, tn_construct(seg, "a", TN_BYTES, START, NULL, NULL), TN_OK));
    cr_expect(model_sound(seg));
}

Test(extend, takes_what_is_needed_when_the_step_is_too_much)
{
    make(500 * KIB);
    faults_refuse_op(FAULT_ALLOCATE, 0, ENOSPC);
    cr_expect(ne(ptr, tn_alloc(seg, START), NULL));
    cr_assert(faults_end());
    cr_expect(lt(sz, tn_segment_size(seg), 3 * START));
    cr_expect(model_sound(seg));
}

/* --- By call -------------------------------------------------------------- */

Test(extend, refuses_more_than_the_maximum)
{
    make(0);
    cr_expect(eq(int, tn_segment_grow(seg, MOST), TN_ESIZE));
    cr_expect(eq(int, tn_segment_grow(seg, SIZE_MAX), TN_ESIZE));
    cr_expect(eq(int, tn_segment_grow(seg, 0), TN_OK));
    cr_expect(eq(int, tn_segment_grow(seg, 1), TN_OK));
    cr_expect(eq(int, tn_segment_shrink(seg), TN_ENOTSUP));
    cr_expect(model_sound(seg));
}

Test(extend, grows_a_buffer_by_what_is_behind_it)
{
    static _Alignas(4096) char buffer[4 * START];
    struct model m;

    cr_assert(eq(int, tn_segment_create(&seg, buffer, START, NULL), TN_OK));
    cr_expect(eq(ptr, tn_alloc(seg, START), NULL));
    model_init(&m, seg, 1, 500);
    for (int i = 0; i < 30; i++)
        cr_assert(model_step(&m));
    for (int i = 1; i < 40; i++) {
        cr_assert(eq(int, tn_segment_grow(seg, (size_t)i), TN_OK));
        cr_assert(model_holds(&m));
    }
    cr_expect(eq(int, tn_segment_grow(seg, START), TN_OK));
    cr_expect(ne(ptr, tn_alloc(seg, START), NULL));
    tn_segment_detach(seg);
}

Test(extend, keeps_handles_when_memory_moves)
{
    struct model m;

    cr_assert(eq(int, tn_segment_create_heap(&seg, START, NULL), TN_OK));
    model_init(&m, seg, 2, 500);
    for (int i = 0; i < 30; i++) {
        cr_assert(model_step(&m));
        cr_assert(eq(int, tn_segment_grow(seg, 50 * KIB), TN_OK));
        cr_assert(model_holds(&m));
    }
    cr_expect(eq(int, tn_segment_grow(seg, SIZE_MAX), TN_ESIZE));
    tn_segment_detach(seg);
}

Test(extend, changes_nothing_when_memory_cannot_be_had)
{
    const struct rlimit limit = {.rlim_cur = 1 << 28, .rlim_max = 1 << 28};
    tn_segment *other = NULL;
    struct model m;

#ifdef __SANITIZE_ADDRESS__
    return; /* which has no room below such a limit */
#endif
    cr_assert(eq(int, tn_segment_create_heap(&seg, START, NULL), TN_OK));
    model_init(&m, seg, 2, 500);
    for (int i = 0; i < 30; i++)
        cr_assert(model_step(&m));
    cr_assert(eq(int, setrlimit(RLIMIT_AS, &limit), 0));
    cr_expect(eq(int, tn_segment_grow(seg, 1 << 28), TN_ENOMEM));
    cr_expect(
        eq(int, tn_segment_create_heap(&other, 1 << 28, NULL), TN_ENOMEM));
    cr_expect(eq(ptr, other, NULL));
    cr_expect(model_holds(&m));
    tn_segment_detach(seg);
}

Test(extend, gives_up_free_memory_at_the_end)
{
    struct model m;
    size_t size;

    cr_assert(eq(int, tn_segment_create_heap(&seg, START, NULL), TN_OK));
    model_init(&m, seg, 3, 500);
    for (int i = 0; i < 40; i++)
        cr_assert(model_step(&m));
    cr_assert(eq(int, tn_segment_shrink(seg), TN_OK));
    size = tn_segment_size(seg);
    cr_expect(lt(sz, size, START));
    cr_assert(model_holds(&m));
    cr_assert(eq(int, tn_segment_grow(seg, START - size), TN_OK));
    cr_assert(model_clear(&m) && model_holds(&m));
    cr_assert(eq(int, tn_segment_shrink(seg), TN_OK));
    cr_expect(model_holds(&m));
    cr_expect(eq(int, tn_segment_grow(seg, START), TN_OK));
    cr_expect(ne(ptr, tn_alloc(seg, START / 2), NULL), "it can be used again");
    tn_segment_detach(seg);
}
