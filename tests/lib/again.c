/* again.c - run this program again in another process, as what it is told
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/again.h"

#include "lib/child.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { ARGUMENTS = 8 };

static int execute(struct child *parent, void *arguments)
{
    (void)parent;
    execv("/proc/self/exe", arguments);
    perror("/proc/self/exe");
    return 255;
}

int again(const char *argument, ...)
{
    const char *arguments[ARGUMENTS] = {"again"};
    struct child c;
    va_list more;

    va_start(more, argument);
    for (int i = 1; i < ARGUMENTS - 1 && argument != NULL; i++) {
        arguments[i] = argument;
        argument = va_arg(more, const char *);
    }
    va_end(more);
    child_start(&c, execute, arguments);
    return child_wait(&c);
}
