/* arena.h - a heap in static memory, for the tests of heap/
 *
 * Every test is a process of its own, so each has the arena for itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TESTS_ARENA_H
#define TESTS_ARENA_H

#include "heap/heap.h"

enum { ARENA_SIZE = 1 << 20, ARENA_RESERVED = 320 };

extern unsigned char arena[ARENA_SIZE]; /* page-aligned */

static inline struct heap *arena_heap(void)
{
    return (struct heap *)arena;
}

/* Fill the arena with garbage and make a heap of size bytes in it. */
void arena_make(size_t size, tn_fit fit);

/* Does the checker find nothing, and is no change under way?  Findings are
 * printed. */
bool arena_sound(void);

/* Is this heap sound, without a word?  For heaps elsewhere. */
bool arena_check(const struct heap *h, bool print);

/* 31 random bits; a number below n; a size of any magnitude, below 2^most. */
uint64_t arena_bits(uint64_t *state);
size_t arena_random(uint64_t *state, size_t n);
size_t arena_random_size(uint64_t *state, unsigned most);

#endif
