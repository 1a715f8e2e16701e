/* arena.c - a heap in static memory, for the tests of heap/
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/arena.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Alignas(4096) unsigned char arena[ARENA_SIZE];

void arena_make(size_t size, tn_fit fit)
{
    memset(arena, 0xa5, sizeof(arena));
    if (heap_init(arena_heap(), size, ARENA_RESERVED, fit) != TN_OK) {
        fprintf(stderr, "no heap of %zu bytes can be made\n", size);
        abort();
    }
}

static void print_finding(void *arg, const tn_finding *finding)
{
    (void)arg;
    fprintf(stderr, "%s at %" PRIu64 ": %s\n", finding->rule, finding->offset,
            finding->what);
}

bool arena_check(const struct heap *h, bool print)
{
    struct report report = {.fn = print ? print_finding : NULL,
                            .layer = "heap"};

    heap_check(h, &report);
    return report.findings == 0;
}

bool arena_sound(void)
{
    return heap_verify_header(arena_heap(), sizeof(arena)) == TN_OK &&
           arena_check(arena_heap(), true) &&
           heap_sequence(arena_heap()) % 2 == 0;
}

uint64_t arena_bits(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return *state >> 33;
}

size_t arena_random(uint64_t *state, size_t n)
{
    return arena_bits(state) % n;
}

size_t arena_random_size(uint64_t *state, unsigned most)
{
    return arena_random(state, (size_t)1 << (1 + arena_random(state, most)));
}
