/* test_show.c - what is shown of a name does nothing to a terminal
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tenon/show.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

/* All of a name, as it is shown. */
static const char *shown(const char *bytes, size_t n, bool reversible)
{
    static char all[256];
    size_t length = 0, more;

    for (size_t i = 0; i < n;) {
        i += tn_show_next(bytes + i, n - i, reversible, all + length, &more);
        length += more;
    }
    all[length] = '\0';
    return all;
}

TestSuite(show, .timeout = 20);

Test(show, leaves_characters_as_they_are)
{
    const char *text =
        "plain, \xc3\xa4\xc3\xb6, \xe6\xbc\xa2, \xf0\x9f\x9a\x80";

    cr_expect(eq(str, (char *)shown(text, strlen(text), true), (char *)text));
}

Test(show, escapes_what_a_terminal_obeys)
{
    cr_expect(eq(str, (char *)shown("\033[31m\n\x7f", 7, false),
                 "\\033[31m\\n\\177"));
    /* right-to-left override, and a control of the C1 set */
    cr_expect(eq(str, (char *)shown("\xe2\x80\xae\xc2\x9b", 5, false),
                 "\\342\\200\\256\\302\\233"));
}

Test(show, escapes_what_is_no_utf8)
{
    /* overlong, a surrogate, beyond the last character, cut short */
    cr_expect(eq(str, (char *)shown("\xc0\xaf", 2, false), "\\300\\257"));
    cr_expect(
        eq(str, (char *)shown("\xed\xa0\x80", 3, false), "\\355\\240\\200"));
    cr_expect(eq(str, (char *)shown("\xf4\x90\x80\x80", 4, false),
                 "\\364\\220\\200\\200"));
    cr_expect(eq(str, (char *)shown("a\xe6\xbc", 3, false), "a\\346\\274"));
}

Test(show, doubles_a_backslash_only_where_it_must_be_read_back)
{
    cr_expect(eq(str, (char *)shown("a\\n", 3, true), "a\\\\n"));
    cr_expect(eq(str, (char *)shown("a\\n", 3, false), "a\\n"));
}

Test(show, takes_every_byte_and_shows_no_control)
{
    char out[TN_SHOWN_MAX], bytes[2];
    size_t n;

    for (int first = 1; first < 256; first++) {
        for (int second = 1; second < 256; second++) {
            bytes[0] = (char)first;
            bytes[1] = (char)second;
            size_t taken = tn_show_next(bytes, 2, true, out, &n);

            cr_assert(taken == 1 || taken == 2);
            cr_assert(n >= 1 && n <= TN_SHOWN_MAX);
            for (size_t i = 0; i < n; i++)
                cr_assert(ge(u8, (unsigned char)out[i], 0x20), "a control");
        }
    }
}
