/* tmpdir.c - a directory of the test's own, removed with all that is in it
 *
 * Beside the test stands a keeper, a process that does nothing but read from a
 * pipe to which nobody writes.  The pipe ends when the test does, however that
 * happens, and then the keeper removes the directory.  A test that leaves in
 * good order removes it itself and ends the keeper.
 *
 *     test ----> pipe ----> keeper: end of file? remove, exit
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/tmpdir.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[512];
static pid_t maker, keeper;
static int pipe_end = -1;

static void give_up(const char *what)
{
    perror(what);
    abort();
}

static int allow(const char *name, const struct stat *st, int type,
                 struct FTW *walk)
{
    (void)st;
    (void)walk;
    if (type == FTW_D || type == FTW_DNR)
        chmod(name, 0700);
    return 0;
}

static int delete (const char *name, const struct stat *st, int type,
                   struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    remove(name);
    return 0;
}

/* Tests may have forbidden themselves a directory, so these are opened first,
 * outermost first: nftw() reads a directory after it was shown. */
static void remove_all(void)
{
    nftw(path, allow, 16, FTW_PHYS);
    nftw(path, delete, 16, FTW_PHYS | FTW_DEPTH);
}

/* It must hold nothing of the test's, least of all a pipe of the framework's
 * that somebody reads to its end. */
static _Noreturn void keep(int fd)
{
    char byte;

    setsid();
    signal(SIGTERM, SIG_DFL);
    if (dup2(fd, 3) != 3 || close_range(4, ~0U, 0) != 0)
        _exit(1);
    for (int i = 0; i < 3; i++) {
        close(i);
        open("/dev/null", O_RDWR);
    }
    while (read(3, &byte, 1) > 0)
        ;
    remove_all();
    _exit(0);
}

const char *tmpdir_enter(void)
{
    const char *parent = getenv("TMPDIR");
    int ends[2];

    snprintf(path, sizeof(path), "%s/tenon-test-XXXXXX",
             parent == NULL || *parent != '/' ? "/tmp" : parent);
    if (mkdtemp(path) == NULL)
        give_up(path);
    if (chdir(path) != 0 || pipe2(ends, O_CLOEXEC) != 0)
        give_up("tmpdir_enter");
    maker = getpid();
    keeper = fork();
    if (keeper < 0)
        give_up("fork");
    if (keeper == 0) {
        if (chdir("/") != 0)
            _exit(1);
        close(ends[1]);
        keep(ends[0]);
    }
    close(ends[0]);
    pipe_end = ends[1];
    return path;
}

void tmpdir_leave(void)
{
    if (maker != getpid())
        return;
    if (chdir("/") != 0)
        give_up("/");
    kill(keeper, SIGKILL);
    waitpid(keeper, NULL, 0);
    close(pipe_end);
    remove_all();
    maker = 0;
}

int tmpdir_names(void)
{
    DIR *directory = opendir(".");
    struct dirent *entry;
    int count = 0;

    if (directory == NULL)
        give_up("opendir");
    while ((entry = readdir(directory)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            count++;
    closedir(directory);
    return count;
}
