/* text.c - names and numbers for people, for pipes and as JSON
 *
 * What must not reach a terminal as it is, <tenon/show.h> knows.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text.h"

#include <string.h>

static bool is_utf8(const char *s, size_t n)
{
    uint32_t c;

    for (size_t i = 0, length; i < n; i += length) {
        length = tn_utf8_read(s + i, n - i, &c);
        if (length == 0)
            return false;
    }
    return true;
}

static void show(FILE *f, const char *bytes, size_t n, bool reversible)
{
    char out[TN_SHOWN_MAX];
    size_t shown;

    for (size_t i = 0; i < n;) {
        i += tn_show_next(bytes + i, n - i, reversible, out, &shown);
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
    char out[TN_SHOWN_MAX];
    size_t shown, width = 0;

    for (size_t i = 0; i < n;) {
        i += tn_show_next(bytes + i, n - i, true, out, &shown);
        for (size_t k = 0; k < shown; k++)
            width += ((unsigned char)out[k] & 0xc0) != 0x80;
    }
    return width;
}

/* --- JSON ---------------------------------------------------------------- */

/* Is the character one that appears as an escape? */
static bool is_escaped(const char *s, size_t length)
{
    char out[TN_SHOWN_MAX];
    size_t shown;

    tn_show_next(s, length, false, out, &shown);
    return shown != length || memcmp(out, s, length) != 0;
}

static void json_character(FILE *f, const char *s, size_t length, uint32_t c)
{
    if (c == '"' || c == '\\')
        fprintf(f, "\\%c", (int)c);
    else if (c <= 0xffff && is_escaped(s, length))
        fprintf(f, "\\u%04x", (unsigned)c);
    else
        fwrite(s, 1, length, f);
}

/* Bytes that are UTF-8. */
static void json_characters(FILE *f, const char *bytes, size_t n)
{
    uint32_t c = 0;

    for (size_t i = 0, length; i < n; i += length) {
        length = tn_utf8_read(bytes + i, n - i, &c);
        if (length == 0)
            return;
        json_character(f, bytes + i, length, c);
    }
}

/* The escaped form of any bytes, as JSON characters. */
static void json_escaped(FILE *f, const char *bytes, size_t n)
{
    char out[TN_SHOWN_MAX];
    size_t shown;

    for (size_t i = 0; i < n;) {
        i += tn_show_next(bytes + i, n - i, true, out, &shown);
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

void json_bytes(FILE *f, const char *bytes, size_t n)
{
    fputc('"', f);
    if (is_utf8(bytes, n))
        json_characters(f, bytes, n);
    else
        json_escaped(f, bytes, n);
    fputc('"', f);
}

void json_text(FILE *f, const char *bytes)
{
    json_bytes(f, bytes, strlen(bytes));
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
