/* bytes.h - size arithmetic that cannot overflow unnoticed
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Put a + b or a * b into *sum or *product; false when it does not fit. */
static inline bool bytes_add(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

static inline bool bytes_mul(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

static inline bool is_power_of_two(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* n rounded up or down to a multiple of unit, a power of two.  The caller
 * knows that rounding up does not overflow. */
static inline size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) & ~(unit - 1);
}

static inline size_t round_down(size_t n, size_t unit)
{
    return n & ~(unit - 1);
}

/* Are all n bytes zero?  Most memory that is not shows it at once. */
static inline bool bytes_are_zero(const void *bytes, size_t n)
{
    const char *p = bytes;

    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

#endif
