/* text.c - names and numbers for people, for pipes and as JSON
 *
 * A name is walked a character at a time.  What is not a character in UTF-8
 * (cut short, overlong, a surrogate, beyond U+10FFFF) is one odd byte.  Odd
 * bytes and characters that a terminal obeys instead of showing are written
 * as backslash escapes, in the way of 'ls -b': \n and its kin, or three octal
 * digits a byte.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text.h"

#include <string.h>

/* --- UTF-8 --------------------------------------------------------------- */

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

/* Read the character at s, of n > 0 bytes; its length, or 0: no character. */
static size_t utf8_read(const char *s, size_t n, uint32_t *out)
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

static bool is_utf8(const char *s, size_t n)
{
    uint32_t c;

    for (size_t i = 0, length; i < n; i += length) {
        length = utf8_read(s + i, n - i, &c);
        if (length == 0)
            return false;
    }
    return true;
}

/* Characters that a terminal obeys: controls, and those that turn the
 * direction of writing or break lines. */
static bool is_obeyed(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e ||
           c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* --- Escapes ------------------------------------------------------------- */

/* The longest escape of one byte, \033. */
#define ESCAPE_LENGTH 4

/* Write the escape of a byte to out; its length. */
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

/* Take the next character, or odd byte, of n > 0 bytes at s: how many bytes it
 * takes, with what to show for it in out and the length of that in *shown. */
static size_t next_shown(const char *s, size_t n, bool reversible,
                         char out[4 * ESCAPE_LENGTH], size_t *shown)
{
    uint32_t c;
    size_t length = utf8_read(s, n, &c);

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

static void show(FILE *f, const char *bytes, size_t n, bool reversible)
{
    char out[4 * ESCAPE_LENGTH];
    size_t shown;

    for (size_t i = 0; i < n;) {
        i += next_shown(bytes + i, n - i, reversible, out, &shown);
        fwrite(out, 1, shown, f);
    }
}

void text_visible(FILE *f, const char *bytes, size_t n)
{
    show(f, bytes, n, false);
}

void text_escaped(FILE *f, const char *bytes, size_t n)
{
    show(f, bytes, n, true);
}

size_t text_width(const char *bytes, size_t n)
{
    char out[4 * ESCAPE_LENGTH];
    size_t shown, width = 0;

    for (size_t i = 0; i < n;) {
        i += next_shown(bytes + i, n - i, true, out, &shown);
        for (size_t k = 0; k < shown; k++)
            width += ((unsigned char)out[k] & 0xc0) != 0x80;
    }
    return width;
}

/* --- JSON ---------------------------------------------------------------- */

static void json_character(FILE *f, const char *s, size_t length, uint32_t c)
{
    if (c == '"' || c == '\\')
        fprintf(f, "\\%c", (int)c);
    else if (c <= 0xffff && is_obeyed(c))
        fprintf(f, "\\u%04x", (unsigned)c);
    else
        fwrite(s, 1, length, f);
}

/* Bytes that are UTF-8. */
static void json_characters(FILE *f, const char *bytes, size_t n)
{
    uint32_t c = 0;

    for (size_t i = 0, length; i < n; i += length) {
        length = utf8_read(bytes + i, n - i, &c);
        if (length == 0)
            return;
        json_character(f, bytes + i, length, c);
    }
}

/* The escaped form of any bytes, as JSON characters. */
static void json_escaped(FILE *f, const char *bytes, size_t n)
{
    char out[4 * ESCAPE_LENGTH];
    size_t shown;

    for (size_t i = 0; i < n;) {
        i += next_shown(bytes + i, n - i, true, out, &shown);
        json_characters(f, out, shown);
    }
}

void json_name(FILE *f, const char *key, const char *bytes, size_t n)
{
    fprintf(f, "\"%s\": \"", key);
    if (is_utf8(bytes, n)) {
        json_characters(f, bytes, n);
        fputc('"', f);
    } else {
        json_escaped(f, bytes, n);
        fprintf(f, "\", \"%s_escaped\": true", key);
    }
}

void json_text(FILE *f, const char *bytes)
{
    size_t n = strlen(bytes);

    fputc('"', f);
    if (is_utf8(bytes, n))
        json_characters(f, bytes, n);
    else
        json_escaped(f, bytes, n);
    fputc('"', f);
}

/* --- Numbers and words --------------------------------------------------- */

char *text_short_bytes(char buffer[TEXT_SHORT], uint64_t n)
{
    static const char units[] = "KMGTPE";
    double amount = (double)n / 1024;
    int unit = 0;

    if (n < 1024) {
        snprintf(buffer, TEXT_SHORT, "%u B", (unsigned)n);
        return buffer;
    }
    while (amount >= 1024 && units[unit + 1] != '\0') {
        amount /= 1024;
        unit++;
    }
    snprintf(buffer, TEXT_SHORT, "%.1f %ciB", amount, units[unit]);
    return buffer;
}

void text_bytes(FILE *f, uint64_t n)
{
    char buffer[TEXT_SHORT];

    fprintf(f, "%llu", (unsigned long long)n);
    if (n >= 1024)
        fprintf(f, " (%s)", text_short_bytes(buffer, n));
}

const char *text_plural(size_t n)
{
    return n == 1 ? "" : "s";
}

const char *text_of_index(tn_index index)
{
    static const char *const words[] = {"map", "iset", "flat_map",
                                        "map", "hash", "null"};

    return (unsigned)index < sizeof(words) / sizeof(*words) ? words[index]
                                                            : "unknown";
}

const char *text_of_fit(tn_fit fit)
{
    return fit == TN_FIT_BEST ? "best" : fit == TN_FIT_SEQ ? "seq" : "unknown";
}

const char *text_of_kind(tn_kind kind)
{
    static const char *const words[] = {"named", "unique", "anonymous"};

    return (unsigned)kind < sizeof(words) / sizeof(*words) ? words[kind]
                                                           : "unknown";
}

const char *text_of_state(tn_state state)
{
    static const char *const words[] = {"clean", "live", "shared"};

    return (unsigned)state < sizeof(words) / sizeof(*words) ? words[state]
                                                            : "unknown";
}

const char *text_of_journal(tn_journal journal)
{
    static const char *const words[] = {"none", "ours", "foreign", "damaged",
                                        "closed"};

    return (unsigned)journal < sizeof(words) / sizeof(*words) ? words[journal]
                                                              : "unknown";
}

const char *text_of_tracker(tn_tracker tracker)
{
    static const char *const words[] = {"auto", "scan", "pagemap", "compare",
                                        "track"};

    return (unsigned)tracker < sizeof(words) / sizeof(*words) ? words[tracker]
                                                              : "unknown";
}
