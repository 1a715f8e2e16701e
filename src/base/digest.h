/* digest.h - checksums; the only door to xxHash
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

/* XXH3-64 of size bytes at data. */
uint64_t digest64(const void *data, size_t size);

#endif
