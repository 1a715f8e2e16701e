/* source.c - the bytes of a file or a pipe, on their way into an object
 *
 *      regular file --- pread ------------------------> new object
 *           |                                               ^
 *           | its size changed while it was read            | memcpy
 *           v                                               |
 *      pipe, device ---- read until the end ---> memory ----+
 *                                                  ^
 *      any file that replaces an object -----------+
 *
 * A regular file is read straight into the object, for which its size must be
 * known before.  If it turns out to be another (somebody writes to it, or it is
 * one of those files of the kernel's that do not know their size), it is read
 * again like a pipe.
 *
 * To replace an object is to destroy it and to construct another, in one
 * transaction: others see either.  What replaces is in memory before the old
 * object goes, so that a file that cannot be read does no harm.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"

#define STEP_BYTES ((size_t)1 << 20) /* a read, so that progress is seen */
#define TRIES      3

static const char keeps_changing[] = "it keeps changing while it is read";

/* --- Reading ------------------------------------------------------------- */

bool source_open(struct source *source, int dir, const char *path, int flags)
{
    *source = (struct source){.fd = STDIN_FILENO};
    if (path != NULL)
        source->fd = openat(dir, path, O_RDONLY | O_CLOEXEC | flags);
    if (source->fd >= 0 && fstat(source->fd, &source->stat) == 0) {
        if (!S_ISDIR(source->stat.st_mode))
            return true;
        errno = EISDIR;
    }
    source->why = strerror(errno);
    return false;
}

void source_close(struct source *source)
{
    free(source->memory);
    source->memory = NULL;
    if (source->fd > STDIN_FILENO)
        close(source->fd);
    source->fd = -1;
}

static bool is_same_state(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Whether the file is not what it was when source->stat was taken, which it
 * is brought up to date with. */
static bool has_changed(struct source *source)
{
    struct stat before = source->stat;

    return fstat(source->fd, &source->stat) != 0 ||
           !is_same_state(&before, &source->stat);
}

/* Read up to n bytes, at a place in the file or, if offset is negative, where
 * it stands; fewer only at the end.  -1: it cannot be read. */
static ssize_t read_full(struct source *source, char *to, size_t n,
                         off_t offset)
{
    size_t done = 0;

    while (done < n) {
        size_t step = n - done < STEP_BYTES ? n - done : STEP_BYTES;
        ssize_t got = offset < 0 ? read(source->fd, to + done, step)
                                 : pread(source->fd, to + done, step,
                                         offset + (off_t)done);

        if (got == 0)
            break;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            source->why = strerror(errno);
            return -1;
        }
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* Read from where the file stands to its end into memory. */
static bool read_to_end(struct source *source)
{
    size_t room = 0;

    free(source->memory);
    source->memory = NULL;
    source->size = 0;
    for (;;) {
        ssize_t got;
        char *larger;

        room = room == 0 ? STEP_BYTES : room * 2;
        larger = realloc(source->memory, room);
        if (larger == NULL) {
            source->why = "there is not enough memory to read it";
            return false;
        }
        source->memory = larger;
        got = read_full(source, larger + source->size, room - source->size, -1);
        if (got < 0)
            return false;
        source->size += (size_t)got;
        if (source->size < room)
            return true;
    }
}

/* Have all bytes in memory, all from one moment as far as can be told. */
static bool read_ahead(struct source *source)
{
    bool regular = source->fd != STDIN_FILENO && S_ISREG(source->stat.st_mode);

    if (source->memory != NULL)
        return true;
    for (int i = 0; i < TRIES; i++) {
        if (regular && lseek(source->fd, 0, SEEK_SET) != 0)
            break;
        if (!read_to_end(source))
            return false;
        if (!regular || !has_changed(source))
            return true;
    }
    source->why = keeps_changing;
    return false;
}

bool source_wait(struct source *source)
{
    return S_ISREG(source->stat.st_mode) || read_ahead(source);
}

/* --- Storing ------------------------------------------------------------- */

static tn_status fill_from_memory(tn_segment *seg, void *elements, size_t count,
                                  void *arg)
{
    const struct source *source = arg;

    (void)seg;
    memcpy(elements, source->memory, count);
    return TN_OK;
}

/* TN_ECANCELED without source->why: the size has changed. */
static tn_status fill_from_file(tn_segment *seg, void *elements, size_t count,
                                void *arg)
{
    struct source *source = arg;
    ssize_t got = read_full(source, elements, count, 0);
    char more;

    (void)seg;
    if (got < 0 || (size_t)got < count)
        return TN_ECANCELED;
    if (read_full(source, &more, 1, (off_t)count) != 0 || has_changed(source))
        return TN_ECANCELED;
    return TN_OK;
}

static tn_status store_new(struct source *source, tn_segment *seg,
                           const char *name)
{
    /* Standard input may stand anywhere in a file that others read too. */
    if (source->fd != STDIN_FILENO && S_ISREG(source->stat.st_mode) &&
        source->stat.st_size > 0 && source->memory == NULL) {
        tn_status status;

        source->size = (size_t)source->stat.st_size;
        status = tn_construct_with(seg, name, TN_BYTES, source->size,
                                   fill_from_file, source, NULL);
        if (status != TN_ECANCELED || source->why != NULL)
            return status;
    }
    if (!read_ahead(source))
        return TN_ECANCELED;
    return tn_construct_with(seg, name, TN_BYTES, source->size,
                             fill_from_memory, source, NULL);
}

static tn_status replace_old(struct source *source, tn_segment *seg,
                             const char *name)
{
    tn_status status;

    if (!read_ahead(source))
        return TN_ECANCELED;
    status = tn_destroy(seg, name, NULL);
    return status == TN_OK ? store_new(source, seg, name) : status;
}

tn_status source_store(struct source *source, tn_segment *seg, const char *name,
                       bool replace)
{
    tn_status status = tn_find(seg, name, NULL, NULL, NULL);

    if (status == TN_ENOENT)
        status = store_new(source, seg, name);
    else if (status == TN_OK)
        status = replace ? replace_old(source, seg, name) : TN_EEXIST;
    if (status == TN_OK)
        progress_add(1, source->size);
    return status;
}

bool source_is_same(struct source *source, const void *data, size_t size)
{
    static char buffer[1 << 16];
    const char *bytes = data;
    ssize_t got;

    if ((size_t)source->stat.st_size != size)
        return false;
    for (size_t done = 0; done < size; done += (size_t)got) {
        got = read_full(source, buffer, sizeof(buffer), (off_t)done);
        if (got <= 0 || (size_t)got > size - done ||
            memcmp(buffer, bytes + done, (size_t)got) != 0)
            return false;
    }
    return true;
}
