/* target.c - files that are written beside their place and moved into it
 *
 * The passing name is .tenon-PID-N.tmp.  A signal that asks the program to end
 * removes the file on the way; SIGKILL and a power cut may leave it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.h"

#define STEP_BYTES ((size_t)1 << 20) /* a write, so that progress is seen */

/* Signals that end the program, unless they are ignored. */
static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

/* The file that a signal removes; one is written at a time. */
static const struct target *volatile current;

static void remove_current(int number)
{
    const struct target *target = current;

    if (target != NULL)
        unlinkat(target->dir, target->temporary, 0);
    raise(number); /* again, and now with the default effect */
}

/* Signals that are ignored, as under nohup, stay ignored. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = remove_current,
                               .sa_flags = (int)SA_RESETHAND};
    struct sigaction old;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            sigaction(numbers[i], &action, NULL);
}

static void set_of_numbers(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        sigaddset(set, numbers[i]);
}

/* A signal must find either no file, or one that it knows to remove. */
static bool create_known(struct target *target, mode_t mode)
{
    sigset_t block, before;

    set_of_numbers(&block);
    pthread_sigmask(SIG_BLOCK, &block, &before);
    target->fd =
        openat(target->dir, target->temporary,
               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (target->fd >= 0)
        current = target;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return target->fd >= 0;
}

bool target_begin(struct target *target, int dir, mode_t mode)
{
    static unsigned number;
    static bool catching;

    if (!catching)
        catch_signals();
    catching = true;
    target->dir = dir;
    do {
        snprintf(target->temporary, sizeof(target->temporary),
                 ".tenon-%ld-%u.tmp", (long)getpid(), number++);
        if (create_known(target, mode))
            return true;
    } while (errno == EEXIST);
    return false;
}

void target_drop(struct target *target)
{
    int saved = errno;

    if (target->fd >= 0)
        close(target->fd);
    target->fd = -1;
    unlinkat(target->dir, target->temporary, 0);
    current = NULL;
    errno = saved;
}

/* Some file systems cannot rename without replacing; a link never replaces. */
static bool move_to_free_place(const struct target *target, const char *name)
{
    if (renameat2(target->dir, target->temporary, target->dir, name,
                  RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    if (linkat(target->dir, target->temporary, target->dir, name, 0) != 0)
        return false;
    unlinkat(target->dir, target->temporary, 0);
    return true;
}

bool target_place(struct target *target, const char *name, bool over)
{
    int fd = target->fd;
    bool placed;

    target->fd = -1;
    placed = close(fd) == 0 && (over ? renameat(target->dir, target->temporary,
                                                target->dir, name) == 0
                                     : move_to_free_place(target, name));
    if (placed)
        current = NULL;
    else
        target_drop(target);
    return placed;
}

bool write_all(int fd, const void *data, size_t n)
{
    const char *bytes = data;

    for (size_t done = 0; done < n;) {
        size_t step = n - done < STEP_BYTES ? n - done : STEP_BYTES;
        ssize_t put = write(fd, bytes + done, step);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        done += (size_t)put;
        progress_add(0, (size_t)put);
    }
    return true;
}
