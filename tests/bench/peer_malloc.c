/* peer_malloc.c - churn with a malloc; the Makefile says whose
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

#include "churn.h"

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "churn") == 0)
        return churn_run(argv[2]);
    return BENCH_NOT_OFFERED;
}
