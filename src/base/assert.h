/* assert.h - our own bugs stop the program, in release builds too
 *
 * TN_ASSERT is for what only a bug in this library can break.  Bytes read from
 * a file and arguments of callers are never asserted: they get a status.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#define TN_ASSERT(what)                                                        \
    (__builtin_expect(!!(what), 1) ? (void)0                                   \
                                   : assert_failed(#what, __FILE__, __LINE__))

_Noreturn void assert_failed(const char *what, const char *file, int line);

#define likely(what)   __builtin_expect(!!(what), 1)
#define unlikely(what) __builtin_expect(!!(what), 0)

#endif
