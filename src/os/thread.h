/* thread.h - which thread this is
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef OS_THREAD_H
#define OS_THREAD_H

#include <stdint.h>

/* A number other than 0 that no other living thread of the machine (of the PID
 * namespace) has. */
uint32_t thread_number(void);

#endif
