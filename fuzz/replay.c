/* replay.c - run a target over files, where there is no fuzzer
 *
 * usage: fuzz_open FILE|DIRECTORY...
 *
 * Each file is one input; of a directory, all in it.  They run in a process of
 * their own, so that one that ends it is named, and the rest still runs.  The
 * last line counts; the status is 1 if an input ended the process, and 2 if
 * there was none.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "place.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INPUTS = 20000, SECONDS = 60 };

static char *inputs[INPUTS];
static int count;
static volatile int *at; /* the input that runs; shared with the child */

static int add(const char *path, const struct stat *st, int type,
               struct FTW *walk)
{
    (void)st;
    (void)walk;
    if (type == FTW_F && count < INPUTS)
        inputs[count++] = strdup(path);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The bytes stand at the end of their memory, so that reading on faults where
 * somebody looks. */
static void run(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint8_t *data;

    REQUIRE(fd >= 0 && fstat(fd, &st) == 0);
    data = malloc((size_t)st.st_size + 1);
    REQUIRE(data != NULL && read(fd, data, (size_t)st.st_size) == st.st_size);
    close(fd);
    alarm(SECONDS);
    LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
    alarm(0);
    free(data);
}

static void run_all(void)
{
    for (; *at < count; ++*at)
        run(inputs[*at]);
}

/* Run what is left; false: an input ended the process. */
static bool run_in_child(void)
{
    int status = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        run_all();
        exit(0);
    }
    waitpid(child, &status, 0);
    if (status == 0)
        return true;
    printf("%s: ended by %s %d\n", inputs[*at],
           WIFSIGNALED(status) ? "signal" : "status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return false;
}

int main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++)
        nftw(argv[i], add, 16, FTW_PHYS);
    qsort(inputs, (size_t)count, sizeof(*inputs), by_name);
    at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE,
              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(at != MAP_FAILED);
    place_enter();
    for (*at = 0; !run_in_child(); ++*at)
        failed++;
    place_leave();
    for (int i = 0; i < count; i++)
        free(inputs[i]);
    printf("%d passed, %d failed\n", count - failed, failed);
    return count == 0 ? 2 : failed != 0;
}
