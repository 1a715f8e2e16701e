/* test_fault.c - the hook before file operations
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/tmpdir.h"
#include "os/fault.h"
#include "os/file.h"

TestSuite(fault, .init = (void (*)(void))tmpdir_enter, .fini = tmpdir_leave,
          .timeout = 20);

struct seen {
    int calls;
    struct fault_event last;
    int answer;
};

static int note(void *arg, const struct fault_event *event)
{
    struct seen *seen = arg;

    seen->calls++;
    seen->last = *event;
    return seen->answer;
}

static const struct fault_event a_write = {
    .op = FAULT_WRITE, .path = "p", .offset = 7, .size = 3, .data = "abc"};

Test(fault, without_a_hook_every_operation_goes_on)
{
    cr_expect(eq(int, fault_point(&a_write), 0));
}

Test(fault, the_hook_sees_the_event_and_its_answer_counts)
{
    struct seen seen = {.answer = EIO};

    fault_set_hook(note, &seen);
    cr_expect(eq(int, fault_point(&a_write), EIO));
    cr_expect(eq(int, seen.calls, 1));
    cr_expect(eq(int, memcmp(&seen.last, &a_write, sizeof(a_write)), 0));
    seen.answer = 0;
    cr_expect(eq(int, fault_point(&a_write), 0));
    cr_expect(eq(int, seen.calls, 2));
}

Test(fault, a_hook_that_was_removed_sees_nothing)
{
    struct seen seen = {.answer = EIO};

    fault_set_hook(note, &seen);
    fault_set_hook(NULL, NULL);
    cr_expect(eq(int, fault_point(&a_write), 0));
    cr_expect(eq(int, seen.calls, 0));
}

static int write_itself(void *arg, const struct fault_event *event)
{
    (void)event;
    ++*(int *)arg;
    return fault_point(&a_write);
}

Test(fault, operations_of_the_hook_itself_are_not_shown_to_it)
{
    int calls = 0;

    fault_set_hook(write_itself, &calls);
    cr_expect(eq(int, fault_point(&a_write), 0));
    cr_expect(eq(int, calls, 1));
    cr_expect(eq(int, fault_point(&a_write), 0));
    cr_expect(eq(int, calls, 2), "and it is asked again after that");
}

/* Two hooks, each of which must only ever see its own argument. */
static int first_mark, second_mark, mixed;

static int expect_first(void *arg, const struct fault_event *event)
{
    (void)event;
    if (arg != &first_mark)
        mixed++;
    return 0;
}

static int expect_second(void *arg, const struct fault_event *event)
{
    (void)event;
    if (arg != &second_mark)
        mixed++;
    return 0;
}

static void *ask_often(void *arg)
{
    for (int i = 0; i < 100000; i++)
        fault_point(&a_write);
    return arg;
}

Test(fault, a_hook_is_never_given_the_argument_of_another)
{
    pthread_t thread;

    cr_assert(eq(int, pthread_create(&thread, NULL, ask_often, NULL), 0));
    for (int i = 0; i < 100000; i++) {
        fault_set_hook(expect_first, &first_mark);
        fault_set_hook(expect_second, &second_mark);
    }
    pthread_join(thread, NULL);
    cr_expect(eq(int, mixed, 0));
}

static int die_at_third_write(void *arg, const struct fault_event *event)
{
    int *writes = arg;

    if (event->op == FAULT_WRITE && ++*writes == 3)
        _exit(33);
    return 0;
}

static int write_five(struct child *parent, void *arg)
{
    struct file f = FILE_CLOSED;
    int writes = 0;

    (void)parent;
    (void)arg;
    if (file_create_unnamed(&f, "f", 0600) || file_publish(&f, false))
        return 1;
    fault_set_hook(die_at_third_write, &writes);
    for (int i = 0; i < 5; i++)
        if (file_write(&f, &"xyzuv"[i], 1, (uint64_t)i) != TN_OK)
            return 2;
    return 0;
}

Test(fault, a_process_can_die_just_before_an_operation)
{
    struct file f = FILE_CLOSED;
    struct child child;
    uint64_t size = 0;

    child_start(&child, write_five, NULL);
    cr_assert(eq(int, child_wait(&child), 33));
    cr_assert(eq(int, file_open(&f, "f", false), TN_OK));
    cr_expect(eq(int, file_size(&f, &size), TN_OK));
    cr_expect(eq(u64, size, 2), "the third write did not happen");
    file_close(&f);
}
