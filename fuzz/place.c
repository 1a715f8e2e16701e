/* place.c - a directory in memory for the files of one run
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "place.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tenon.h>

enum { NAMES = 24, LONGEST = 512 };

static char place[LONGEST / 2];
static pid_t maker;

_Noreturn void place_stop(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s does not hold; the library says: %s\n", file,
            line, what, tn_errmsg());
    abort();
}

static int delete (const char *name, const struct stat *st, int type,
                   struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(name);
}

void place_leave(void)
{
    if (maker == getpid())
        nftw(place, delete, 16, FTW_PHYS | FTW_DEPTH);
    maker = 0;
}

void place_enter(void)
{
    const char *parent = getenv("TMPDIR");

    if (parent == NULL || *parent != '/')
        parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(place, sizeof(place), "%s/tenon-fuzz-XXXXXX", parent);
    if (mkdtemp(place) == NULL) {
        perror(place);
        exit(2);
    }
    maker = getpid();
    signal(SIGXFSZ, SIG_IGN);
}

const char *place_path(const char *name)
{
    static struct {
        char name[32], path[LONGEST];
    } known[NAMES];
    int i = 0;

    if (place[0] == '\0') {
        place_enter();
        atexit(place_leave);
    }
    while (known[i].name[0] != '\0' && strcmp(known[i].name, name) != 0)
        REQUIRE(++i < NAMES);
    snprintf(known[i].name, sizeof(known[i].name), "%s", name);
    snprintf(known[i].path, sizeof(known[i].path), "%s/%s", place, name);
    return known[i].path;
}

static int open_new(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    REQUIRE(fd >= 0);
    return fd;
}

void place_put(const char *name, const void *bytes, size_t size)
{
    int fd = open_new(place_path(name));

    REQUIRE(write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

void place_copy(const char *from, const char *to)
{
    int in = open(place_path(from), O_RDONLY | O_CLOEXEC);
    int out = open_new(place_path(to));

    REQUIRE(in >= 0);
    while (sendfile(out, in, NULL, PLACE_LARGEST) > 0)
        ;
    close(in);
    close(out);
}

void place_remove(const char *name)
{
    unlink(place_path(name));
}

static void set_limit(rlim_t bytes)
{
    struct rlimit limit;

    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

void place_limit(void)
{
    set_limit(PLACE_LARGEST);
}

void place_unlimit(void)
{
    set_limit(RLIM_INFINITY);
}
