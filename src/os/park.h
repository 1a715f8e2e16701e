/* park.h - one thread sleeps until another one says so
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_PARK_H
#define OS_PARK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Sleep until park_end(word) was called, or deadline (CLOCK_MONOTONIC; NULL:
 * none) has passed: false.  *word is 0 at first.  What the other thread did
 * before it called is seen then. */
bool park(uint32_t *word, const struct timespec *deadline);

/* Once for a word, which may be gone when this returns. */
void park_end(uint32_t *word);

#endif
