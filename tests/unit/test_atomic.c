/* test_atomic.c - sections in which nobody else sees or changes names
 *
 * That others wait is tested with the locks, in test_locking.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/model.h"
#include "segment/segment.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { SIZE = 64 * 1024 };

static _Alignas(4096) char buffer[SIZE];
static tn_segment *seg;

/* With locks, as in a store. */
static void make(void)
{
    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE, NULL), TN_OK));
    cr_assert(eq(int, segment_reset_locks(seg->base), TN_OK));
    seg->locking = true;
}

TestSuite(atomic, .init = make, .timeout = 20);

static tn_status construct_two(tn_segment *s, void *arg)
{
    tn_status status = tn_construct(s, "a", TN_BYTES, 1, NULL, NULL);

    return status == TN_OK ? tn_construct(s, "b", TN_BYTES, 1, NULL, arg)
                           : status;
}

static tn_status nest(tn_segment *s, void *arg)
{
    int *depth = arg;

    return --*depth == 0 ? TN_ECANCELED : tn_atomic(s, nest, arg);
}

static tn_status try_inside(tn_segment *s, void *arg)
{
    return tn_try_atomic(s, construct_two, arg);
}

Test(atomic, returns_what_the_function_returned)
{
    void *p = NULL;

    cr_expect(eq(int, tn_atomic(seg, construct_two, &p), TN_OK));
    cr_expect(ne(ptr, p, NULL));
    cr_expect(eq(int, tn_atomic(seg, construct_two, &p), TN_EEXIST));
    cr_expect(eq(int, tn_try_atomic(seg, construct_two, &p), TN_EEXIST));
    cr_expect(model_sound(seg));
}

Test(atomic, may_be_nested)
{
    int depth = 10;
    void *p;

    cr_expect(eq(int, tn_atomic(seg, nest, &depth), TN_ECANCELED));
    cr_expect(zero(int, depth));
    cr_expect(eq(int, tn_atomic(seg, try_inside, &p), TN_OK));
    cr_expect(model_sound(seg));
}

Test(atomic, is_not_for_those_who_only_read)
{
    seg->read_only = true;
    cr_expect(eq(int, tn_atomic(seg, construct_two, NULL), TN_EROFS));
    cr_expect(eq(int, tn_try_atomic(seg, construct_two, NULL), TN_EROFS));
}
