/* peer_malloc.c - churn and memory with a malloc; the Makefile says whose
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include PEER_HEADER

#include <stddef.h>

static inline void *churn_alloc(size_t size)
{
    return PEER_MALLOC(size);
}

static inline void churn_free(void *p)
{
    PEER_FREE(p);
}

static void *memory_alloc(size_t size)
{
    return PEER_MALLOC(size);
}

static void *memory_realloc(void *p, size_t size)
{
    return PEER_REALLOC(p, size);
}

static void memory_free(void *p)
{
    PEER_FREE(p);
}

static void memory_report(double live)
{
    (void)live;
}

#include "churn.h"
#include "memory.h"

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "churn") == 0)
        return churn_run(argv[2]);
    return memory_run(argc, argv);
}
