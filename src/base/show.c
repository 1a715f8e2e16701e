/* show.c - names for people to read
 *
 * A name is walked a character at a time.  What is not a character in UTF-8
 * (cut short, overlong, a surrogate, beyond U+10FFFF) is one odd byte.  Odd
 * bytes and characters that a terminal obeys instead of showing are written
 * as backslash escapes, in the way of 'ls -b': \n and its kin, or three octal
 * digits a byte.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tenon/show.h"

#include <string.h>

/* Bytes of the character that begins with this byte, 0: none does. */
static size_t utf8_expected(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first < 0xe0)
        return 2;
    if (first >= 0xe0 && first < 0xf0)
        return 3;
    return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

TN_API size_t tn_utf8_read(const char *s, size_t n, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = utf8_expected((unsigned char)s[0]);
    uint32_t c = (unsigned char)s[0];

    if (length == 0 || length > n)
        return 0;
    if (length > 1)
        c &= 0x7fu >> length;
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | ((unsigned char)s[i] & 0x3f);
    }
    if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *out = c;
    return length;
}

/* Characters that a terminal obeys: controls, and those that turn the
 * direction of writing or break lines. */
static bool is_obeyed(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e ||
           c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* Write the escape of a byte to out; its length, at most 4. */
static size_t escape_byte(char *out, unsigned char byte)
{
    static const char letters[] = "abtnvfr"; /* of the bytes 7 to 13 */

    out[0] = '\\';
    if (byte >= 7 && byte <= 13) {
        out[1] = letters[byte - 7];
        return 2;
    }
    out[1] = (char)('0' + (byte >> 6));
    out[2] = (char)('0' + (byte >> 3 & 7));
    out[3] = (char)('0' + (byte & 7));
    return 4;
}

TN_API size_t tn_show_next(const char *s, size_t n, bool reversible,
                           char out[TN_SHOWN_MAX], size_t *shown)
{
    uint32_t c = 0;
    size_t length = tn_utf8_read(s, n, &c);

    *shown = 0;
    if (length != 0 && !is_obeyed(c)) {
        memcpy(out, s, length);
        *shown = length;
        if (c == '\\' && reversible)
            out[(*shown)++] = '\\';
        return length;
    }
    if (length == 0)
        length = 1;
    for (size_t i = 0; i < length; i++)
        *shown += escape_byte(out + *shown, (unsigned char)s[i]);
    return length;
}
