/* trace.h - what record.c writes of a program's allocations
 *
 * A trace is a row of these, in the order of the calls.  Every allocation that
 * is alive has a slot of its own; a slot is given to another when it is free.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H

#include <stdint.h>

enum { TRACE_ALLOC = 0, TRACE_FREE = 1, TRACE_REALLOC = 2 };

struct trace_event {
    uint32_t size; /* bytes asked for; 0 when freed */
    uint32_t what; /* slot * 4 + one of the above */
};

#endif
