/* sequence.h - reading without a lock what a writer marks as changing
 *
 * A writer, who holds a lock against other writers, makes the number odd
 * before it changes anything and even again after.  A reader looks at the
 * number, reads, and looks again: the same even number means that what it read
 * belongs together.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef SYNC_SEQUENCE_H
#define SYNC_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Wait until *sequence is even, for a second at most, and put it into *seen.
 * false: it stayed odd, so its writer is dead or stopped. */
bool sequence_begin(const uint64_t *sequence, uint64_t *seen);

/* Has nothing changed since? */
static inline bool sequence_same(const uint64_t *sequence, uint64_t seen)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(sequence, __ATOMIC_RELAXED) == seen;
}

static inline void sequence_open(uint64_t *sequence)
{
    __atomic_store_n(sequence, *sequence | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void sequence_close(uint64_t *sequence)
{
    __atomic_store_n(sequence, (*sequence | 1) + 1, __ATOMIC_RELEASE);
}

#endif
