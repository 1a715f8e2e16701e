/* clock.c - deadlines on CLOCK_MONOTONIC
 *
 * Every wait in the library ends at an absolute time of this clock, which runs
 * on while the wall clock is set, is the same in all processes of the machine
 * and starts anew with each boot: a deadline never goes into a file.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/clock.h"

#include <errno.h>

enum { NANOSECONDS = 1000000000 };

/* time moved by nanoseconds, of either sign. */
static struct timespec shifted(struct timespec time, long nanoseconds)
{
    time.tv_sec += nanoseconds / NANOSECONDS;
    time.tv_nsec += nanoseconds % NANOSECONDS;
    if (time.tv_nsec >= NANOSECONDS) {
        time.tv_sec++;
        time.tv_nsec -= NANOSECONDS;
    } else if (time.tv_nsec < 0) {
        time.tv_sec--;
        time.tv_nsec += NANOSECONDS;
    }
    return time;
}

static struct timespec now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time;
}

static bool before(const struct timespec *a, const struct timespec *b)
{
    if (a->tv_sec != b->tv_sec)
        return a->tv_sec < b->tv_sec;
    return a->tv_nsec < b->tv_nsec;
}

struct timespec clock_after(long milliseconds)
{
    struct timespec time = now();

    time.tv_sec += milliseconds / 1000;
    return shifted(time, milliseconds % 1000 * 1000000);
}

bool clock_passed(const struct timespec *deadline)
{
    struct timespec time = now();

    return deadline != NULL && !before(&time, deadline);
}

void clock_sleep(long nanoseconds, const struct timespec *deadline)
{
    struct timespec until = shifted(now(), nanoseconds);

    if (deadline != NULL && before(deadline, &until))
        until = *deadline;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
           EINTR)
        ;
}
