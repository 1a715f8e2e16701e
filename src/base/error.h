/* error.h - the detail behind a failed call, kept for tn_errmsg()
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "tenon/status.h"

/* Remember the formatted detail for this thread and return status, so that a
 * failing function can end in "return error_set(TN_ESIZE, ...)". */
tn_status error_set(tn_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for a system call that failed with errno value number: the status
 * that fits it, and its text behind the formatted detail. */
tn_status error_from_errno(int number, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Put the formatted text and ": " before the detail that a callee left, which
 * could not name the file or object, and return status. */
tn_status error_prefix(tn_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
