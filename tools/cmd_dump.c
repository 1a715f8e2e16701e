/* cmd_dump.c - tenon dump: every layer of a store in words
 *
 * While the library prints, it holds the store still, and who reads may be
 * slow, in a pager for instance: what does not go to a file is put into a
 * temporary one first.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include <stdio.h>
#include <sys/stat.h>

static bool goes_to_file(FILE *f)
{
    struct stat st;

    return fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode);
}

static void copy(FILE *from)
{
    char bytes[65536];
    size_t n;

    rewind(from);
    while ((n = fread(bytes, 1, sizeof(bytes), from)) > 0)
        if (fwrite(bytes, 1, n, stdout) != n)
            break; /* stdout_close() will say so */
}

static int dump(const char *file, unsigned what)
{
    FILE *spool = goes_to_file(stdout) ? NULL : tmpfile();
    tn_status status = tn_dump_file(file, what, spool != NULL ? spool : stdout);

    if (spool != NULL) {
        copy(spool);
        fclose(spool);
    }
    if (status == TN_OK)
        return DONE;
    if (ferror(stdout)) /* stdout_close() says so */
        return FAILED;
    complain_status(file, status);
    return status == TN_ESIZE ? NOT_SOUND : exit_of(status);
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"superblock", no_argument, NULL, OPTION_SUPERBLOCK},
        {"journal", no_argument, NULL, OPTION_JOURNAL},
        {"blocks", no_argument, NULL, OPTION_BLOCKS},
        {"index", no_argument, NULL, OPTION_NAMES},
        {"types", no_argument, NULL, OPTION_TYPES},
        COMMON_OPTIONS,
        {0},
    };
    unsigned what = 0;
    int option;

    while ((option = option_next(&cmd_dump, argc, argv, "h", table)) != -1)
        what |= option == OPTION_SUPERBLOCK ? TN_DUMP_SUPERBLOCK
                : option == OPTION_JOURNAL  ? TN_DUMP_JOURNAL
                : option == OPTION_BLOCKS   ? TN_DUMP_BLOCKS
                : option == OPTION_NAMES    ? TN_DUMP_INDEX
                                            : TN_DUMP_TYPES;
    arguments_expect(&cmd_dump, argc, 1, 1);
    return dump(argv[optind], what);
}

const struct command cmd_dump = {
    .name = "dump",
    .args = "FILE",
    .brief = "print every layer in words, however damaged",
    .details =
        "Prints the first page and the journal as they lie on disk, and the "
        "blocks,\nindexes and types as a reader sees them now.  What is not as "
        "it should be\nis marked with the word 'wrong', and the rest is "
        "printed all the same.\nIt is meant for eyes; scripts use check, info "
        "and ls with --json.\n",
    .options = "      --superblock       first page: superblock, state, marks\n"
               "      --journal          headers, records, runs and what lies "
               "there\n"
               "      --blocks           header of the segment, heap, each "
               "block\n"
               "      --index            each node, chunk or page of the "
               "indexes\n"
               "      --types            the types that objects have\n",
    .example = "tenon dump --journal users.tn | less",
    .run = run,
};
