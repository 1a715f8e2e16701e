/* process.c - is this still the process it was?
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/process.h"

#include <pthread.h>

static uint64_t generation;

static void note_fork(void)
{
    generation++;
}

static void register_handler(void)
{
    pthread_atfork(NULL, NULL, note_fork);
}

uint64_t process_generation(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, register_handler);
    return generation;
}
