/* test_thread.c - which thread this is, and helpers for it
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <pthread.h>

#include "lib/child.h"
#include "os/thread.h"

TestSuite(thread, .timeout = 20);

static void *note_number(void *arg)
{
    *(uint32_t *)arg = thread_number();
    return NULL;
}

Test(thread, each_has_a_number_of_its_own_and_keeps_it)
{
    uint32_t mine = thread_number(), other = 0;
    pthread_t thread;

    pthread_create(&thread, NULL, note_number, &other);
    pthread_join(thread, NULL);
    cr_expect(ne(u32, mine, 0));
    cr_expect(ne(u32, other, 0));
    cr_expect(ne(u32, mine, other));
    cr_expect(eq(u32, thread_number(), mine));
}

static int differs(struct child *parent, void *arg)
{
    (void)parent;
    return thread_number() != *(uint32_t *)arg ? 0 : 1;
}

Test(thread, a_forked_child_has_another_number)
{
    uint32_t mine = thread_number();
    struct child child;

    child_start(&child, differs, &mine);
    cr_expect(eq(int, child_wait(&child), 0));
}

static void *add_one(void *arg)
{
    __atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
    return NULL;
}

Test(thread, a_crew_works_and_is_waited_for)
{
    struct crew crew;
    int worked = 0;

    cr_expect(ge(uint, thread_processors(), 1));
    crew_start(&crew, 4, add_one, &worked);
    cr_expect(eq(uint, crew.count, 4));
    crew_join(&crew);
    cr_expect(eq(int, worked, 4));
    crew_start(&crew, 1000, add_one, &worked);
    cr_expect(le(uint, crew.count, CREW_MOST));
    crew_join(&crew);
    crew_start(&crew, 0, add_one, &worked);
    crew_join(&crew);
    cr_expect(eq(uint, crew.count, 0));
}
