/* tenon.c - the tenon command: fill, look at, check and empty a store
 *
 * This file only finds the command; each one is cmd_<name>.c and uses nothing
 * of the library but <tenon.h>.  Beside them:
 *
 *   tool.c     command lines, complaints, the opening of stores
 *   options.c  sizes and the options of create
 *   text.c     names and numbers, for people and as JSON
 *   source.c   a file's bytes into an object      (put, load)
 *   target.c   an object's bytes into a file      (get, save)
 *   map.c      what lies where, and three ways to draw it
 *   progress.c the line that shows that something goes on
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct command *const commands[] = {
    &cmd_create,   &cmd_info,   &cmd_ls,      &cmd_put,   &cmd_get,
    &cmd_rm,       &cmd_load,   &cmd_save,    &cmd_check, &cmd_dump,
    &cmd_map,      &cmd_grow,   &cmd_shrink,  &cmd_trim,  &cmd_repair,
    &cmd_snapshot, &cmd_verify, &cmd_restore, &cmd_diff,  &cmd_hash,
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static void help(FILE *f)
{
    fprintf(f, "Usage: tenon COMMAND [OPTION]... ARGUMENT...\n"
               "Keep objects under names in a file.\n\nCommands:\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        fprintf(f, "  %-8s %-18s %s\n", commands[i]->name, commands[i]->args,
                commands[i]->brief);
    fprintf(f, "\n'tenon COMMAND --help' has the options of a command and an "
               "example;\n'tenon --version' shows the version.\n"
               "Exit status: 0 done, 1 the store is not sound, 2 could not do "
               "it.\n");
}

static int usage(const char *reason, const char *what)
{
    if (what != NULL)
        complain(what, "%s", reason);
    else
        complain("usage", "%s", reason);
    fprintf(stderr, "Try 'tenon --help'.\n");
    return FAILED;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    char title[32];

    /* What getopt_long() complains about begins with this. */
    snprintf(title, sizeof(title), "tenon: %s", command->name);
    argv[0] = title;
    return command->run(argc, argv);
}

/* tenon help [COMMAND] */
static int help_about(const char *name)
{
    const struct command *command;

    if (name == NULL) {
        help(stdout);
        return DONE;
    }
    command = find_command(name);
    if (command == NULL)
        return usage("there is no such command", name);
    command_help(command);
    return DONE;
}

static int run(int argc, char **argv)
{
    const struct command *command = argc < 2 ? NULL : find_command(argv[1]);

    if (command != NULL)
        return run_command(command, argc - 1, argv + 1);
    if (argc < 2)
        return usage("a command is missing", NULL);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help_about(NULL);
    if (strcmp(argv[1], "help") == 0)
        return help_about(argc > 2 ? argv[2] : NULL);
    if (strcmp(argv[1], "--version") == 0) {
        version_print();
        return DONE;
    }
    if (argv[1][0] == '-')
        return usage("there is no such option", argv[1]);
    return usage("there is no such command", argv[1]);
}

/* Without this, a store opened by a process whose stdout is closed would get
 * descriptor 1 and be printed into.  Opened the wrong way round, so that using
 * them fails as it would have. */
static void occupy_closed_descriptors(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
    occupy_closed_descriptors();
    signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error like any other */
    return stdout_close(run(argc, argv));
}
