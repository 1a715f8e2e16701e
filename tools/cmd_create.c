/* cmd_create.c - tenon create: make an empty store
 *
 * The store is made by opening it shared: the first who opens it durable makes
 * the journal.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "options.h"
#include "tool.h"

static int run(int argc, char **argv)
{
    static const struct option table[] = {CREATE_OPTIONS, COMMON_OPTIONS, {0}};
    tn_options options = {0};
    tn_store *store;
    tn_status status;
    int option;

    while ((option = option_next(&cmd_create, argc, argv, "h", table)) != -1)
        if (!create_option(&cmd_create, option, optarg, &options))
            return FAILED;
    arguments_expect(&cmd_create, argc, 1, 1);

    status = tn_store_open(&store, argv[optind],
                           TN_SHARED | TN_CREATE | TN_EXCLUSIVE, &options);
    if (status == TN_OK)
        status = tn_store_close(store);
    return status == TN_OK ? DONE : complain_status(argv[optind], status);
}

const struct command cmd_create = {
    .name = "create",
    .args = "FILE",
    .brief = "make an empty store",
    .details = "FILE must not be there yet.\n" SIZE_HELP,
    .options = CREATE_HELP,
    .example = "tenon create --size=64M --index=hash users.tn",
    .run = run,
};
