/* test_btree.c - nodes that split where two families of names meet
 *
 * All names in a node begin alike, and what they have in common is not part of
 * its keys.  So it matters where a full node is split: one half may hold names
 * that have more in common than all had before.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <tenon.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/report.h"
#include "segment/segment.h"

enum { SEGMENT_BYTES = 1 << 20, LARGEST_NODE = 256 };

static void print_finding(void *arg, const tn_finding *finding)
{
    (void)arg;
    cr_log_error("%s: %s: %s", finding->rule,
                 finding->object == NULL ? "" : finding->object, finding->what);
}

static void check(tn_segment *seg)
{
    struct report report = {.fn = print_finding};

    segment_check(seg, &report);
    cr_assert(eq(sz, report.findings, 0));
}

/* Names whose first eight bytes are alike in each family. */
static void add(tn_segment *seg, char family, int number)
{
    char name[32];

    snprintf(name, sizeof(name), "%c/family%04d", family, number);
    cr_assert(eq(int, tn_construct(seg, name, TN_BYTES, 1, NULL, NULL), TN_OK));
}

/* a names of one family and b of another, then one more between them. */
static void meet(tn_index index, void *buffer, int a, int b)
{
    tn_options options = {.index = index};
    tn_segment *seg;

    cr_assert(
        eq(int, tn_segment_create(&seg, buffer, SEGMENT_BYTES, &options), 0));
    for (int i = 0; i < a; i++)
        add(seg, 'a', i);
    for (int i = 1; i <= b; i++)
        add(seg, 'b', i);
    if (b % 2 == 0)
        add(seg, 'a', a);
    else
        add(seg, 'b', 0);
    check(seg);
    cr_assert(eq(int, tn_segment_detach(seg), TN_OK));
}

ParameterizedTestParameters(btree, splits_between_two_families)
{
    static tn_index kinds[] = {TN_INDEX_MAP, TN_INDEX_FLAT_MAP};

    return cr_make_param_array(tn_index, kinds, 2);
}

ParameterizedTest(tn_index *kind, btree, splits_between_two_families,
                  .timeout = 60)
{
    void *buffer = malloc(SEGMENT_BYTES);

    for (int full = 8; full <= LARGEST_NODE; full *= 2)
        for (int a = 0; a <= full; a++) {
            cr_log_info("%d and %d", a, full - a);
            meet(*kind, buffer, a, full - a);
            meet(*kind, buffer, a, full - a + 1);
        }
    free(buffer);
}
