/* sequence.c - waiting for a writer to finish, without a lock
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "sync/sequence.h"
#include "os/clock.h"

enum {
    SHORT_NAPS = 100,
    LONG_NAPS = 1000,
    SHORT_NAP_NS = 10 * 1000,
    LONG_NAP_NS = 1000 * 1000,
};

bool sequence_begin(const uint64_t *sequence, uint64_t *seen)
{
    for (int nap = 0; nap < SHORT_NAPS + LONG_NAPS; nap++) {
        *seen = __atomic_load_n(sequence, __ATOMIC_ACQUIRE);
        if ((*seen & 1) == 0)
            return true;
        clock_sleep(nap < SHORT_NAPS ? SHORT_NAP_NS : LONG_NAP_NS, NULL);
    }
    return false;
}
