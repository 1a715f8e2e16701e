/* test_process.c - is this still the process it was?
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/child.h"
#include "os/process.h"

TestSuite(process, .timeout = 20);

static void *look(void *arg)
{
    *(uint64_t *)arg = process_generation();
    return NULL;
}

Test(process, threads_are_of_one_generation)
{
    uint64_t here = process_generation(), there = here + 1;
    pthread_t thread;

    cr_assert(eq(int, pthread_create(&thread, NULL, look, &there), 0));
    pthread_join(thread, NULL);
    cr_expect(eq(u64, there, here));
    cr_expect(eq(u64, process_generation(), here));
}

/* 0: this generation is no ancestor's, down to depth more forks. */
static int compare(const uint64_t *ancestors, int known, int depth)
{
    uint64_t all[8];
    int status;
    pid_t pid;

    for (int i = 0; i < known; i++) {
        all[i] = ancestors[i];
        if (all[i] == process_generation())
            return 1;
    }
    all[known] = process_generation();
    if (depth == 0)
        return 0;
    pid = fork();
    if (pid == 0)
        _exit(compare(all, known + 1, depth - 1));
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 2;
    return WEXITSTATUS(status);
}

static int descend(struct child *parent, void *arg)
{
    (void)parent;
    return compare(arg, 1, 3);
}

Test(process, a_child_is_of_another_than_all_its_ancestors)
{
    uint64_t here = process_generation();
    struct child c;

    child_start(&c, descend, &here);
    cr_expect(eq(int, child_wait(&c), 0));
    cr_expect(eq(u64, process_generation(), here));
}
