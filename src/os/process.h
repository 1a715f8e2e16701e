/* process.h - is this still the process it was?
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_PROCESS_H
#define OS_PROCESS_H

#include <stdint.h>

/* A number that a forked child sees changed: what a handle remembers of its
 * opener, compared without a system call. */
uint64_t process_generation(void);

#endif
