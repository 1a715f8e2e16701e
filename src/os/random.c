/* random.c - numbers that nobody else has
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/random.h"
#include "base/error.h"

#include <errno.h>
#include <sys/random.h>

tn_status random_bytes(void *buffer, size_t size)
{
    char *next = buffer;

    while (size > 0) {
        ssize_t got = getrandom(next, size, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_from_errno(errno, "cannot get random bytes");
        next += got;
        size -= (size_t)got;
    }
    return TN_OK;
}
