/* cmd_shrink.c - tenon shrink: cut off the free end of a store
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

static int run(int argc, char **argv)
{
    static const struct option table[] = {COMMON_OPTIONS, {0}};
    const char *file;
    tn_status shrunk;

    while (option_next(&cmd_shrink, argc, argv, "h", table) != -1)
        continue;
    arguments_expect(&cmd_shrink, argc, 1, 1);
    file = argv[optind];
    shrunk = tn_store_shrink(file);
    return shrunk == TN_OK ? DONE : complain_status(file, shrunk);
}

const struct command cmd_shrink = {
    .name = "shrink",
    .args = "FILE",
    .brief = "make a store as small as its objects allow",
    .details = "Objects do not move: what goes is the free memory behind the "
               "last one.\nNobody else may have the store open.\n",
    .example = "tenon shrink users.tn",
    .run = run,
};
