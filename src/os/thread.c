/* thread.c - which thread this is
 *
 * Asked of the kernel each time: a number kept in the thread would be wrong
 * after a fork.  Only rare paths ask.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/thread.h"

#include <unistd.h>

uint32_t thread_number(void)
{
    return (uint32_t)gettid();
}
