/* child.h - a process that runs a function, and can be talked to and killed
 *
 *     static int work(struct child *parent, void *arg)
 *     {
 *         ...
 *         child_tell(parent);        I am there
 *         child_await(parent);       go on
 *         return 0;
 *     }
 *
 *     struct child c;
 *     child_start(&c, work, NULL);
 *     cr_assert(child_await(&c));
 *     cr_assert(eq(int, child_kill(&c), -SIGKILL));
 *
 * A child outlives neither its parent nor CHILD_LIMIT seconds, so waiting for
 * it always ends.  It reports by its exit status: assertions of the test
 * framework mean nothing in it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TESTS_LIB_CHILD_H
#define TESTS_LIB_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

enum { CHILD_LIMIT = 20 };

/* One end of the line between parent and child; on the child's side pid is the
 * parent's. */
struct child {
    pid_t pid;
    int in, out;
};

/* What a child does; the result, 0 to 255, is its exit status. */
typedef int child_work(struct child *parent, void *arg);

/* Start a process that runs work.  Call it from a thread that stays. */
void child_start(struct child *c, child_work *work, void *arg);

/* Wake the other side's child_await(), now or when it comes there. */
void child_tell(struct child *c);

/* Wait to be told, once a child_tell(); false: the other side is gone. */
bool child_await(struct child *c);

/* Wait for the child's end: its exit status, or a signal's number, negated. */
int child_wait(struct child *c);

/* Kill it with SIGKILL, then as child_wait(). */
int child_kill(struct child *c);

#endif
