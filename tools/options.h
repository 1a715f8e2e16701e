/* options.h - numbers and words on the command line, and the options of create
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_OPTIONS_H
#define TENON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "tool.h"

/* Read a size: digits, and K, M, G or T for powers of 1024.  NULL, or what is
 * wrong with text, and then *out is as it was. */
const char *size_parse(const char *text, size_t *out);

/* Rows of a table of long options, for commands that make stores, with the
 * lines of help about them. */
#define CREATE_OPTIONS                                                         \
    {"size", required_argument, NULL, OPTION_SIZE},                            \
        {"max-size", required_argument, NULL, OPTION_MAX_SIZE},                \
        {"index", required_argument, NULL, OPTION_INDEX},                      \
        {"fit", required_argument, NULL, OPTION_FIT},                          \
    {                                                                          \
        "mode", required_argument, NULL, OPTION_MODE                           \
    }

#define CREATE_HELP                                                            \
    "      --size=SIZE        bytes of the segment at first; default 1M\n"     \
    "      --max-size=SIZE    bytes it may grow to; default 1T\n"              \
    "      --index=KIND       how names are found: map (the default), iset,\n" \
    "                         flat_map, hash, or null: no names\n"             \
    "      --fit=FIT          which free block is taken: best (the default)\n" \
    "                         or seq\n"                                        \
    "      --mode=OCTAL       permissions, whatever the umask; default 0644\n"

#define SIZE_HELP                                                              \
    "SIZE is a number of bytes, or one with K, M, G or T behind it for "       \
    "powers\n"                                                                 \
    "of 1024, such as 64M.\n"

/* Take one of these options into *options.  False: it makes no sense, and that
 * has been said. */
bool create_option(const struct command *command, int option, const char *text,
                   tn_options *options);

#endif
