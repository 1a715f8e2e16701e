/* test_clock.c - deadlines
 *
 * Nothing here passes only because the machine is fast: bounds are lower
 * bounds, or hours.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <limits.h>
#include <pthread.h>
#include <signal.h>

#include "os/clock.h"

TestSuite(clock, .timeout = 10);

static struct timespec now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time;
}

static long long nanoseconds(struct timespec time)
{
    return (long long)time.tv_sec * 1000000000 + time.tv_nsec;
}

Test(clock, a_time_to_come_lies_that_far_ahead)
{
    static const long distances[] = {0, 1, 999, 1000, 1001, 86400000};

    for (size_t i = 0; i < sizeof(distances) / sizeof(distances[0]); i++) {
        long long early = nanoseconds(now());
        struct timespec time = clock_after(distances[i]);
        long long late = nanoseconds(now());
        long long distance = distances[i] * 1000000LL;

        cr_expect(ge(llong, nanoseconds(time), early + distance));
        cr_expect(le(llong, nanoseconds(time), late + distance));
        cr_expect(time.tv_nsec >= 0 && time.tv_nsec < 1000000000);
    }
}

Test(clock, a_negative_distance_is_a_time_gone_by)
{
    /* Of all fractions of a second, some must borrow a second. */
    for (long ms = -1; ms > -1500; ms--) {
        struct timespec time = clock_after(ms);

        cr_assert(time.tv_nsec >= 0 && time.tv_nsec < 1000000000, "%ld", ms);
        cr_assert(lt(llong, nanoseconds(time), nanoseconds(now())));
        cr_assert(clock_passed(&time));
    }
}

Test(clock, the_farthest_time_does_not_overflow)
{
    struct timespec time = clock_after(LONG_MAX);

    cr_expect(gt(llong, (long long)time.tv_sec, 1LL << 50));
    cr_expect(not(clock_passed(&time)));
}

Test(clock, passed_means_now_or_before)
{
    struct timespec past = now();
    struct timespec future = clock_after(3600 * 1000);

    cr_expect(clock_passed(&past));
    cr_expect(not(clock_passed(&future)));
    cr_expect(clock_passed(&(struct timespec){.tv_sec = 0, .tv_nsec = 0}));
    cr_expect(not(clock_passed(NULL)));
}

Test(clock, equal_seconds_are_told_apart_by_nanoseconds)
{
    struct timespec time = now();

    time.tv_sec += 3600;
    cr_expect(not(clock_passed(&time)));
    time = now();
    time.tv_nsec = 0;
    cr_expect(clock_passed(&time));
}

Test(clock, sleeping_takes_at_least_that_long)
{
    long long start = nanoseconds(now());

    clock_sleep(20 * 1000000, NULL);
    cr_expect(ge(llong, nanoseconds(now()) - start, 20 * 1000000LL));
}

/* The time limit of the suite is the test: an hour would pass it. */
Test(clock, sleep_ends_with_the_deadline)
{
    struct timespec past = now();
    struct timespec soon = clock_after(20);

    clock_sleep(3600L * 1000000000, &past);
    clock_sleep(3600L * 1000000000, &soon);
    cr_expect(clock_passed(&soon));
}

static void ignore(int signal)
{
    (void)signal;
}

static void *interrupt(void *arg)
{
    for (int i = 0; i < 10; i++) {
        clock_sleep(1000000, NULL);
        pthread_kill(*(pthread_t *)arg, SIGUSR1);
    }
    return NULL;
}

Test(clock, signals_do_not_shorten_sleep)
{
    struct sigaction action = {.sa_handler = ignore};
    pthread_t sleeper = pthread_self(), thread;
    long long start;

    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, interrupt, &sleeper);
    start = nanoseconds(now());
    clock_sleep(50 * 1000000, NULL);
    cr_expect(ge(llong, nanoseconds(now()) - start, 50 * 1000000LL));
    pthread_join(thread, NULL);
}
