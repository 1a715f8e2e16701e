/* random.h - numbers that nobody else has
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_RANDOM_H
#define OS_RANDOM_H

#include "tenon/status.h"

/* Fill size bytes at buffer from the kernel's generator.  TN_ESYS. */
tn_status random_bytes(void *buffer, size_t size);

#endif
