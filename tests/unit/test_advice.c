/* test_advice.c - every rule says what it means
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <string.h>

#include "check/check.h"

static const char *const rules[] = {
    "B1", "B2", "B3", "B4", "B5", "J1", "J3", "J5", "J6", "O3", "O5", "O8",
    "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "H1", "H2", "H3", "H4",
    "H5", "H6", "H7", "H8", "T1", "T2", "T3", "T4", "I1", "I2", "I3", "I4",
    "I5", "I6", "I7", "I8", "I9", "P1", "P2", "P3", "Z1"};

Test(advice, is_there_for_every_rule)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        tn_finding finding = {.rule = rules[i]};

        advice_add(&finding);
        cr_assert(ne(ptr, (void *)finding.meaning, NULL), "%s", rules[i]);
        cr_assert(ne(ptr, (void *)finding.help, NULL), "%s", rules[i]);
        cr_expect(eq(chr, finding.meaning[strlen(finding.meaning) - 1], '.'));
        cr_expect(eq(chr, finding.help[strlen(finding.help) - 1], '.'));
    }
}

Test(advice, is_none_for_a_rule_that_is_not_known)
{
    tn_finding finding = {.rule = "X9"};

    advice_add(&finding);
    cr_expect(eq(ptr, (void *)finding.meaning, NULL));
}
