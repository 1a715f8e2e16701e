/* steps.h - a process that does one instruction at a time
 *
 *     struct steps s;
 *     steps_start(&s, work, arg);
 *     while (steps_next(&s))
 *         ...                        look at memory that both share
 *
 * For tests of what a process leaves behind that is killed between any two
 * instructions.  The process does not outlive its parent.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TESTS_LIB_STEPS_H
#define TESTS_LIB_STEPS_H

#include <stdbool.h>
#include <sys/types.h>

struct steps {
    pid_t pid; /* 0: it has ended */
};

/* Start a process that is about to run work(arg), and stops before it. */
void steps_start(struct steps *s, void (*work)(void *arg), void *arg);

/* Let it run to where it calls steps_mark(). */
void steps_to_mark(struct steps *s);
void steps_mark(void);

/* Do one instruction of it.  False: work has returned, and the process is
 * gone. */
bool steps_next(struct steps *s);

/* Let it do all the rest at once. */
void steps_rest(struct steps *s);

/* Kill it where it is; nothing if it has ended. */
void steps_kill(struct steps *s);

#endif
