/* options.c - numbers and words on the command line, and the options of create
 *
 * What a user types is taken as a whole or refused with the text that was
 * wrong: no number is cut off, rounded or wrapped around.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "options.h"

#include <stdint.h>
#include <string.h>

/* Bits to shift by for a letter of size, or -1. */
static int shift_of_letter(char letter)
{
    static const char letters[] = "KMGTkmgt";
    const char *at = strchr(letters, letter);

    return at == NULL ? -1 : ((int)(at - letters) % 4 + 1) * 10;
}

const char *size_parse(const char *text, size_t *out)
{
    size_t n = 0;
    int shift = 0;

    if (*text < '0' || *text > '9')
        return "a size is a number of bytes, such as 65536 or 64M";
    for (; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(n, (size_t)10, &n) ||
            __builtin_add_overflow(n, (size_t)(*text - '0'), &n))
            return "the size is too large";
    if (*text != '\0') {
        shift = shift_of_letter(*text);
        if (shift < 0 || text[1] != '\0')
            return "behind the digits of a size may be one of K, M, G and T";
    }
    if (n > SIZE_MAX >> shift)
        return "the size is too large";
    *out = n << shift;
    return NULL;
}

static const char *parse_positive_size(const char *text, size_t *out)
{
    size_t n;
    const char *wrong = size_parse(text, &n);

    if (wrong != NULL)
        return wrong;
    if (n == 0)
        return "the size is too small";
    *out = n;
    return NULL;
}

static const char *parse_mode(const char *text, mode_t *out)
{
    mode_t mode = 0;

    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '7' || mode > 0777)
            return "a mode is up to 777 in octal digits, such as 0640";
        mode = mode << 3 | (mode_t)(*p - '0');
    }
    if (mode == 0 || mode > 0777)
        return "a mode is 1 to 777 in octal digits, such as 0640";
    *out = mode;
    return NULL;
}

static const char *parse_index(const char *text, tn_index *out)
{
    static const struct {
        const char *word;
        tn_index index;
    } table[] = {
        {"iset", TN_INDEX_ISET}, {"flat_map", TN_INDEX_FLAT_MAP},
        {"map", TN_INDEX_MAP},   {"hash", TN_INDEX_HASH},
        {"null", TN_INDEX_NULL},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        if (strcmp(text, table[i].word) == 0) {
            *out = table[i].index;
            return NULL;
        }
    }
    return "an index is one of iset, flat_map, map, hash and null";
}

static const char *parse_fit(const char *text, tn_fit *out)
{
    if (strcmp(text, "best") == 0)
        *out = TN_FIT_BEST;
    else if (strcmp(text, "seq") == 0)
        *out = TN_FIT_SEQ;
    else
        return "a fit is one of best and seq";
    return NULL;
}

bool create_option(const struct command *command, int option, const char *text,
                   tn_options *options)
{
    const char *wrong = "unknown option";

    if (option == OPTION_SIZE)
        wrong = parse_positive_size(text, &options->size);
    else if (option == OPTION_MAX_SIZE)
        wrong = parse_positive_size(text, &options->max_size);
    else if (option == OPTION_INDEX)
        wrong = parse_index(text, &options->index);
    else if (option == OPTION_FIT)
        wrong = parse_fit(text, &options->fit);
    else if (option == OPTION_MODE)
        wrong = parse_mode(text, &options->mode);
    if (wrong != NULL)
        usage_error(command, "'%s': %s", text, wrong);
    return wrong == NULL;
}
