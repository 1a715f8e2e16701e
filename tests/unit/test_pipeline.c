/* test_pipeline.c - chunks that several threads work on and one takes in order
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <string.h>

#include "base/error.h"
#include "image/pipeline.h"

TestSuite(pipeline, .timeout = 60);

enum { CHUNKS = 500, WRONG = 123 };

/* Some chunks take longer, so that later ones are done first. */
static tn_status work(void *arg, struct worker *worker, struct slot *slot)
{
    volatile uint64_t spin = slot->number % 7 == 0 ? 300000 : 100;
    int *calls = arg;

    cr_assert(ne(ptr, worker->coder, NULL));
    memset(worker->scratch, 1, IMAGE_CHUNK);
    while (spin > 0)
        spin--;
    __atomic_fetch_add(calls, 1, __ATOMIC_RELAXED);
    slot->encoded = slot->number * 3;
    if (slot->number == WRONG)
        return error_set(TN_EIO, "chunk %d", WRONG);
    return TN_OK;
}

static void take(struct pipeline *p, uint64_t number)
{
    struct slot *slot = pipeline_take(p);

    cr_assert(ne(ptr, slot, NULL));
    cr_assert(eq(u64, slot->number, number));
    cr_assert(eq(u64, slot->encoded, number * 3));
    cr_assert(eq(int, slot->status, number == WRONG ? TN_EIO : TN_OK));
    if (number == WRONG)
        cr_expect(eq(str, slot->why, "chunk 123"));
    pipeline_release(p);
}

Test(pipeline, gives_all_in_order_with_any_number_of_threads)
{
    for (unsigned threads = 0; threads <= 40; threads += threads < 4 ? 1 : 12) {
        struct pipeline *p;
        struct slot *slot;
        uint64_t fed = 0, taken = 0;
        int calls = 0;

        cr_assert(
            eq(int, pipeline_open(&p, threads, CHUNKS, work, &calls), TN_OK));
        cr_expect(eq(ptr, pipeline_take(p), NULL));
        while (taken < CHUNKS) {
            slot = fed < CHUNKS ? pipeline_room(p) : NULL;
            if (slot != NULL) {
                cr_assert(eq(sz, slot->frame_size, 0));
                slot->number = fed++;
                pipeline_feed(p);
            } else {
                take(p, taken++);
            }
        }
        cr_expect(eq(ptr, pipeline_take(p), NULL));
        cr_expect(eq(int, calls, CHUNKS));
        pipeline_close(p);
    }
}

Test(pipeline, ends_in_the_middle)
{
    struct pipeline *p;
    int calls = 0;

    for (int i = 0; i < 20; i++) {
        cr_assert(eq(int, pipeline_open(&p, 3, 1 + i, work, &calls), TN_OK));
        for (struct slot *slot; (slot = pipeline_room(p)) != NULL;) {
            slot->number = 7;
            pipeline_feed(p);
        }
        pipeline_close(p);
    }
    pipeline_close(NULL);
}
