/* cmd_get.c - tenon get: write the bytes of an object to a file
 *
 * A regular file is written beside its place and moved there when complete.
 *
 * What is not a regular file, such as standard output, a named pipe or a
 * device, is written to.  It may be read slowly, which must not keep writers
 * away from the store, and what was written cannot be taken back if the object
 * changes meanwhile.  So the bytes are copied and the store is closed before;
 * only objects too large for that are written as they lie there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.h"
#include "target.h"

#define TRIES      3
#define MOST_BYTES ((size_t)256 << 20) /* that are copied */

struct request {
    const char *file, *name;
    struct opened opened;
};

static int complain_changed(const struct request *request)
{
    complain_name(request->file, request->name,
                  "it was changed while it was read");
    return FAILED;
}

static int write_bytes(int fd, const void *bytes, size_t n, const char *path)
{
    if (write_all(fd, bytes, n))
        return DONE;
    complain(path, "%s", strerror(errno));
    return FAILED;
}

/* Copy the object into *copy, to be freed; *copy NULL: it is too large, and
 * described in *object. */
static int copy_object(const struct request *request, tn_object *object,
                       char **copy)
{
    *copy = NULL;
    for (int i = 0; i < TRIES; i++) {
        tn_status found =
            object_find(request->opened.seg, request->name, object);

        if (found != TN_OK)
            return complain_name_status(request->file, request->name, found);
        if (object_bytes(object) > MOST_BYTES)
            return DONE;
        *copy = malloc(object_bytes(object) + 1);
        if (*copy == NULL)
            return DONE;
        memcpy(*copy, object->address, object_bytes(object));
        if (object_is_there(request->opened.seg, request->name, object))
            return DONE;
        free(*copy);
        *copy = NULL;
    }
    return complain_changed(request);
}

static int write_through(struct request *request, int fd, const char *path)
{
    tn_object object;
    char *copy;
    int status = copy_object(request, &object, &copy);

    if (status != DONE)
        return status;
    if (copy != NULL) {
        store_close(&request->opened);
        status = write_bytes(fd, copy, object_bytes(&object), path);
        free(copy);
        return status;
    }
    status = write_bytes(fd, object.address, object_bytes(&object), path);
    if (status == DONE &&
        !object_is_there(request->opened.seg, request->name, &object))
        return complain_changed(request);
    return status;
}

static int write_special(struct request *request, const char *path)
{
    int status, fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0) {
        complain(path, "%s", strerror(errno));
        return FAILED;
    }
    status = write_through(request, fd, path);
    if (close(fd) != 0 && status == DONE) {
        complain(path, "%s", strerror(errno));
        status = FAILED;
    }
    return status;
}

/* One try to write the object as name in dir, like the file that may be there
 * already; FAILED after a complaint, or *again: others changed the object. */
static int try_to_write(const struct request *request, int dir,
                        const char *name, const char *path,
                        const struct stat *there, bool *again)
{
    struct target target;
    tn_object object;
    tn_status found = object_find(request->opened.seg, request->name, &object);

    *again = false;
    if (found != TN_OK)
        return complain_name_status(request->file, request->name, found);
    if (target_begin(&target, dir, 0666)) {
        if ((there != NULL && fchmod(target.fd, there->st_mode & 07777) != 0) ||
            !write_all(target.fd, object.address, object_bytes(&object))) {
            target_drop(&target);
        } else if (!object_is_there(request->opened.seg, request->name,
                                    &object)) {
            target_drop(&target);
            *again = true;
            return DONE;
        } else if (target_place(&target, name, true)) {
            return DONE;
        }
    }
    complain(path, "%s", strerror(errno));
    return FAILED;
}

static int write_beside(const struct request *request, int dir,
                        const char *name, const char *path,
                        const struct stat *there)
{
    for (int i = 0; i < TRIES; i++) {
        bool again;
        int status = try_to_write(request, dir, name, path, there, &again);

        if (!again)
            return status;
    }
    return complain_changed(request);
}

/* path is not a symbolic link. */
static int write_regular(const struct request *request, char *path,
                         const struct stat *there)
{
    char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    int status, dir;

    if (slash == NULL) {
        dir = open(".", O_DIRECTORY | O_CLOEXEC);
    } else {
        *slash = '\0';
        dir = open(*path == '\0' ? "/" : path, O_DIRECTORY | O_CLOEXEC);
        *slash = '/';
    }
    if (dir < 0) {
        complain(path, "%s", strerror(errno));
        return FAILED;
    }
    status = write_beside(request, dir, name, path, there);
    close(dir);
    return status;
}

/* A symbolic link stays, and the file it leads to is written. */
static int write_to_path(struct request *request, const char *path)
{
    struct stat link, there;
    bool is_link = lstat(path, &link) == 0 && S_ISLNK(link.st_mode);
    bool is_there = stat(path, &there) == 0;
    size_t n = strlen(path);
    char *real;
    int status;

    if (is_there && !S_ISREG(there.st_mode))
        return write_special(request, path);
    if (n == 0 || path[n - 1] == '/') {
        complain(path, "%s", strerror(n == 0 ? ENOENT : EISDIR));
        return FAILED;
    }
    real = is_link ? realpath(path, NULL) : strdup(path);
    if (real == NULL) {
        complain(path, "%s", strerror(errno));
        return FAILED;
    }
    status = write_regular(request, real, is_there ? &there : NULL);
    free(real);
    return status;
}

static int get(const char *file, const char *name, const char *path)
{
    struct request request = {.file = file, .name = name};
    int status;

    if (!name_is_valid(file, name))
        return FAILED;
    status = store_open_to_read(&request.opened, file);
    if (status != DONE)
        return status;
    progress_start("writing");
    if (path == NULL || strcmp(path, "-") == 0)
        status = write_through(&request, STDOUT_FILENO, "standard output");
    else
        status = write_to_path(&request, path);
    progress_stop();
    store_close(&request.opened);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {COMMON_OPTIONS, {0}};

    while (option_next(&cmd_get, argc, argv, "h", table) != -1)
        continue;
    arguments_expect(&cmd_get, argc, 2, 3);
    return get(argv[optind], argv[optind + 1], argv[optind + 2]);
}

const struct command cmd_get = {
    .name = "get",
    .args = "FILE NAME [PATH]",
    .brief = "write the bytes of an object to a file",
    .details = "Writes PATH, or standard output if there is no PATH or it is "
               "'-'.  A file\nthat is there is replaced when the new one is "
               "complete.\n",
    .example = "tenon get site.tn motd /tmp/motd",
    .run = run,
};
