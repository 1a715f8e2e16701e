/* test_version.c - the version that was built
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdio.h>

#include "tenon.h"

TestSuite(version, .timeout = 10);

Test(version, is_that_of_the_headers)
{
    cr_expect(eq(str, (char *)tn_version(), TN_VERSION));
}

Test(version, has_three_numbers)
{
    unsigned a, b, c;
    char more;

    cr_expect(
        eq(int, sscanf(tn_version(), "%u.%u.%u%c", &a, &b, &c, &more), 3));
}
