/* cmd_grow.c - tenon grow: make a store larger
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "options.h"
#include "tool.h"

static int run(int argc, char **argv)
{
    static const struct option table[] = {COMMON_OPTIONS, {0}};
    const char *file, *wrong;
    size_t extra = 0;
    tn_status grown;

    while (option_next(&cmd_grow, argc, argv, "h", table) != -1)
        continue;
    arguments_expect(&cmd_grow, argc, 2, 2);
    file = argv[optind];
    wrong = size_parse(argv[optind + 1], &extra);
    if (wrong != NULL)
        return usage_error(&cmd_grow, "'%s': %s", argv[optind + 1], wrong);

    grown = tn_store_grow(file, extra);
    return grown == TN_OK ? DONE : complain_status(file, grown);
}

const struct command cmd_grow = {
    .name = "grow",
    .args = "FILE SIZE",
    .brief = "make a store larger by SIZE bytes",
    .details = "Nobody else may have the store open.\n" SIZE_HELP,
    .example = "tenon grow users.tn 16M",
    .run = run,
};
