/* park.c - one thread sleeps until another one says so
 *
 * The sleeper may have looked, and be gone with its word, before the kernel is
 * told to wake it.  At that address then nobody sleeps, or somebody who looks
 * again when woken for no reason.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/park.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

bool park(uint32_t *word, const struct timespec *deadline)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == 0)
        if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, 0, deadline,
                    NULL, FUTEX_BITSET_MATCH_ANY) != 0 &&
            errno == ETIMEDOUT)
            return __atomic_load_n(word, __ATOMIC_ACQUIRE) != 0;
    return true;
}

void park_end(uint32_t *word)
{
    __atomic_store_n(word, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
