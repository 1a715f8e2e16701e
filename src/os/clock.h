/* clock.h - deadlines on CLOCK_MONOTONIC
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include <stdbool.h>
#include <time.h>

/* The time milliseconds from now; before now if they are negative. */
struct timespec clock_after(long milliseconds);

/* Is it that time, or later?  Never for NULL. */
bool clock_passed(const struct timespec *deadline);

/* Sleep, not beyond deadline (NULL: none). */
void clock_sleep(long nanoseconds, const struct timespec *deadline);

#endif
