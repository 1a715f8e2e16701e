/* digest.c - checksums; the only user of xxHash
 *
 * xxHash is compiled in here (XXH_INLINE_ALL) so that the short keys of the
 * name indexes cost no call into a shared library.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/digest.h"

uint64_t digest64(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}
