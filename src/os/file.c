/* file.c - the one door to files
 *
 * Nobody may see a file that is half made, and a creator that dies must leave
 * nothing behind.  So a new file is written before it has its name:
 *
 *     file_create_unnamed()        write, extend, sync        file_publish()
 *
 *     O_TMPFILE: no name      ------------------------>  link to path
 *                             ------------------------>  link to .tenon-XXXX,
 *                                                        rename over path
 *     or, where that is not
 *     to be had: .tenon-XXXX  ------------------------>  rename to path
 *
 * These hold:
 *
 *   F1  Each call that can change what a crash leaves asks fault_point() before
 *       it, once a system call, and a refusal is treated like the kernel's.
 *   F2  All descriptors are closed on exec, and none is open after a failure.
 *   F3  path names nothing, or a whole file: the name comes last, in one step,
 *       and with replace false it is never taken from a file that has it.
 *   F4  unnamed is true until path is this file's name.  temporary is the name
 *       it has besides, if any, which goes at the latest when it is closed.
 *   F5  EINTR and short reads and writes are nobody else's business.
 *
 * A directory is synced after names in it change, since a file's own sync need
 * not put its name on disk.  When only that fails, the name is left as it is:
 * another process may be using the file already.
 *
 * Why fallocate() and not ftruncate(): a file that is longer than its blocks
 * kills whoever stores into a mapping of it when the disk is full (SIGBUS).
 * Copy-on-write file systems may need new blocks for old bytes all the same;
 * there, nothing can be promised.
 *
 * A crash between create and publish leaves nothing with O_TMPFILE; without it,
 * or between the link and the rename of a replacement, a file .tenon-XXXX.
 *
 * A size beyond RLIMIT_FSIZE is refused before the kernel would, because it
 * would also send a signal that kills programs which do not expect it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/file.h"

#include "base/assert.h"
#include "base/digest.h"
#include "base/error.h"
#include "os/fault.h"
#include "os/random.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "files are larger than 2 GiB");

enum {
    TEMPORARY_NAME = 24, /* bytes of ".tenon-", 16 digits and the NUL */
    PROC_NAME = 32,
    CREATE_TRIES = 100,
    SMALLEST_PIECE = 64 * 1024,
    WRITE_PIECE = 64 * 1024,
    DENSE_FROM = 1024 * 1024, /* less may be all hole */
};

/* What a system call answered, as 0 or its errno. */
#define NUMBER(call) (TEMP_FAILURE_RETRY(call) >= 0 ? 0 : errno)

static int ask(enum fault_op op, const struct file *f, uint64_t offset,
               uint64_t size, const void *data)
{
    return fault_point(&(struct fault_event){.op = op,
                                             .path = f->path,
                                             .device = f->device,
                                             .inode = f->inode,
                                             .offset = offset,
                                             .size = size,
                                             .data = data});
}

static int ask_path(enum fault_op op, const char *path, const char *path2)
{
    return fault_point(
        &(struct fault_event){.op = op, .path = path, .path2 = path2});
}

/* Paths */

/* The length of path's directory with its last slash; 0: none is named. */
static size_t directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* The directory of path in new memory, or NULL. */
static char *directory_of(const char *path)
{
    size_t length = directory_length(path);

    return length == 0 ? strdup(".") : strndup(path, length);
}

/* A name in the directory of path that hardly anyone else makes, in new memory,
 * or NULL.  It does not depend on path's own name, which may be as long as a
 * name can be. */
static char *temporary_name(const char *path)
{
    size_t length = directory_length(path);
    char *name = malloc(length + TEMPORARY_NAME);
    uint64_t random;

    if (name == NULL || random_bytes(&random, sizeof(random)) != TN_OK) {
        free(name);
        return NULL;
    }
    memcpy(name, path, length);
    snprintf(name + length, TEMPORARY_NAME, ".tenon-%016" PRIx64, random);
    return name;
}

/* Sync the directory of path: 0 or an errno. */
static int sync_directory(const char *path)
{
    char *directory = directory_of(path);
    int number, fd = -1;

    if (directory == NULL)
        return ENOMEM;
    number = ask_path(FAULT_OPEN, directory, NULL);
    if (number == 0)
        number =
            NUMBER(fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (number == 0)
        number = ask_path(FAULT_SYNC_DIRECTORY, directory, NULL);
    if (number == 0)
        number = NUMBER(fsync(fd));
    if (fd >= 0)
        close(fd);
    free(directory);

    if (number == EINVAL) /* a file system that knows no such sync */
        return 0;
    if (number == EACCES) { /* one may write to it, but not read it */
        sync();
        return 0;
    }
    return number;
}

/* Any failure to sync means that something may be lost. */
static tn_status sync_failed(int number, const char *path, const char *what)
{
    return error_set(TN_EIO, "%s: cannot sync %s: %s", path, what,
                     strerror(number));
}

/* Opening */

static const char *kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "a directory";
    case S_IFIFO:
        return "a fifo";
    case S_IFSOCK:
        return "a socket";
    case S_IFBLK:
    case S_IFCHR:
        return "a device";
    default:
        return "of an unknown kind";
    }
}

static tn_status require_regular(const struct stat *st, const char *path)
{
    if (S_ISREG(st->st_mode))
        return TN_OK;
    return error_set(TN_EINVAL, "%s: is %s, not a regular file", path,
                     kind_of(st->st_mode));
}

/* Look before opening: opening alone may already do something to a device, and
 * says nothing of use about a socket. */
static tn_status examine_path(const char *path)
{
    struct stat st;
    int number = ask_path(FAULT_STAT, path, NULL);

    if (number == 0)
        number = NUMBER(stat(path, &st));
    if (number != 0)
        return error_from_errno(number, "%s", path);
    return require_regular(&st, path);
}

/* Note which file is behind f->fd. */
static tn_status examine_open(struct file *f)
{
    struct stat st;
    int number = ask(FAULT_STAT, f, 0, 0, NULL);

    if (number == 0)
        number = NUMBER(fstat(f->fd, &st));
    if (number != 0)
        return error_from_errno(number, "%s", f->path);
    f->device = st.st_dev;
    f->inode = st.st_ino;
    return require_regular(&st, f->path);
}

tn_status file_open(struct file *f, const char *path, bool writable)
{
    /* Not blocking, for what became a fifo since we looked at it. */
    int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct file opened = FILE_CLOSED;
    tn_status status = examine_path(path);
    int number;

    if (status != TN_OK)
        return status;
    opened.writable = writable;
    opened.path = strdup(path);
    if (opened.path == NULL)
        return error_from_errno(ENOMEM, "%s", path);

    number = ask_path(FAULT_OPEN, path, NULL);
    if (number == 0)
        number = NUMBER(opened.fd =
                            open(path, flags | (writable ? O_RDWR : O_RDONLY)));
    status = number != 0 ? error_from_errno(number, "%s", path)
                         : examine_open(&opened);
    if (status == TN_OK)
        *f = opened;
    else
        file_close(&opened);
    return status;
}

/* Creating */

static void proc_name(char name[static PROC_NAME], int fd)
{
    snprintf(name, PROC_NAME, "/proc/self/fd/%d", fd);
}

/* Can f be given a name later?  That takes /proc. */
static int find_in_proc(const struct file *f)
{
    char name[PROC_NAME];
    struct stat st;
    int number;

    proc_name(name, f->fd);
    number = ask_path(FAULT_STAT, name, NULL);
    return number != 0 ? number : NUMBER(stat(name, &st));
}

/* Open a file that has no name in the directory of f->path: 0 or an errno;
 * EOPNOTSUPP: that cannot be done here. */
static int create_nameless(struct file *f)
{
    char *directory = directory_of(f->path);
    int number;

    if (directory == NULL)
        return ENOMEM;
    number = ask_path(FAULT_CREATE, NULL, f->path);
    if (number == 0)
        number = NUMBER(
            f->fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    free(directory);

    /* Kernels and file systems without it have several ways to say so. */
    if (number == EINVAL || number == EISDIR || number == ENOSYS)
        return EOPNOTSUPP;
    if (number == 0 && find_in_proc(f) != 0) {
        close(f->fd);
        f->fd = -1;
        return EOPNOTSUPP;
    }
    return number;
}

/* Open a file under a new temporary name, kept in f->temporary. */
static int create_temporary(struct file *f)
{
    int number = EEXIST;

    for (int i = 0; number == EEXIST && i < CREATE_TRIES; i++) {
        char *name = temporary_name(f->path);

        if (name == NULL)
            return ENOMEM;
        number = ask_path(FAULT_CREATE, name, NULL);
        if (number == 0)
            number = NUMBER(
                f->fd = open(name,
                             O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW,
                             0600));
        if (number == 0)
            f->temporary = name;
        else
            free(name);
    }
    return number;
}

static tn_status set_mode(struct file *f, mode_t mode)
{
    int number = ask(FAULT_CHMOD, f, 0, 0, NULL);

    if (number == 0)
        number = NUMBER(fchmod(f->fd, mode));
    if (number != 0)
        return error_from_errno(number, "%s: cannot set its permissions",
                                f->path);
    return TN_OK;
}

tn_status file_create_unnamed(struct file *f, const char *path, mode_t mode)
{
    struct file made = FILE_CLOSED;
    tn_status status;
    int number;

    if (path[directory_length(path)] == '\0')
        return error_set(TN_EINVAL, "%s: not the name of a file", path);
    made.writable = true;
    made.unnamed = true;
    made.path = strdup(path);
    if (made.path == NULL)
        return error_from_errno(ENOMEM, "%s", path);

    number = create_nameless(&made);
    if (number == EOPNOTSUPP)
        number = create_temporary(&made);
    status = number != 0 ? error_from_errno(number, "%s: cannot create", path)
                         : examine_open(&made);
    if (status == TN_OK)
        status = set_mode(&made, mode);
    if (status == TN_OK)
        *f = made;
    else
        file_close(&made);
    return status;
}

/* Naming */

static int ask_name(enum fault_op op, const struct file *f, const char *path,
                    const char *path2, bool replace)
{
    return fault_point(&(struct fault_event){.op = op,
                                             .path = path,
                                             .path2 = path2,
                                             .device = f->device,
                                             .inode = f->inode,
                                             .size = replace});
}

/* Add the name to, which must not exist. */
static int link_to(const struct file *f, const char *to)
{
    char nameless[PROC_NAME];
    int number = ask_name(FAULT_LINK, f, f->temporary, to, false);

    if (number != 0)
        return number;
    if (f->temporary != NULL)
        return NUMBER(linkat(AT_FDCWD, f->temporary, AT_FDCWD, to, 0));
    proc_name(nameless, f->fd);
    return NUMBER(linkat(AT_FDCWD, nameless, AT_FDCWD, to, AT_SYMLINK_FOLLOW));
}

/* Give up the temporary name; if that fails it is left for file_close(). */
static void drop_temporary(struct file *f)
{
    int number = ask_name(FAULT_UNLINK, f, f->temporary, NULL, false);

    if (number == 0)
        number = NUMBER(unlink(f->temporary));
    if (number == 0 || number == ENOENT) {
        free(f->temporary);
        f->temporary = NULL;
    }
}

/* Turn the temporary name into path. */
static int rename_temporary(struct file *f, bool replace)
{
    int number = ask_name(FAULT_RENAME, f, f->temporary, f->path, replace);

    if (number == 0)
        number = NUMBER(renameat2(AT_FDCWD, f->temporary, AT_FDCWD, f->path,
                                  replace ? 0 : RENAME_NOREPLACE));
    if (number == 0) {
        free(f->temporary);
        f->temporary = NULL;
    }
    return number;
}

/* Not every file system can rename without replacing; then there are two names
 * for a moment, both of the whole file. */
static int rename_without_replacing(struct file *f)
{
    int number = rename_temporary(f, false);

    if (number != EINVAL && number != ENOSYS && number != EOPNOTSUPP)
        return number;
    number = link_to(f, f->path);
    if (number == 0)
        drop_temporary(f);
    return number;
}

/* No call puts a nameless file in the place of another, so it gets a temporary
 * name first.  If the second step fails it keeps that until it is closed, since
 * the kernel names a nameless file only once. */
static int link_and_replace(struct file *f)
{
    int number = EEXIST;

    for (int i = 0; number == EEXIST && i < CREATE_TRIES; i++) {
        char *name = temporary_name(f->path);

        if (name == NULL)
            return ENOMEM;
        number = link_to(f, name);
        if (number == 0)
            f->temporary = name;
        else
            free(name);
    }
    return number != 0 ? number : rename_temporary(f, true);
}

static int give_name(struct file *f, bool replace)
{
    if (f->temporary == NULL)
        return replace ? link_and_replace(f) : link_to(f, f->path);
    return replace ? rename_temporary(f, true) : rename_without_replacing(f);
}

tn_status file_publish(struct file *f, bool replace)
{
    int number;

    TN_ASSERT(f->fd >= 0 && f->unnamed);
    number = give_name(f, replace);
    if (number != 0)
        return error_from_errno(number, "%s: cannot create", f->path);
    f->unnamed = false;

    number = sync_directory(f->path);
    return number == 0 ? TN_OK : sync_failed(number, f->path, "its directory");
}

static void close_through(struct file *f)
{
    if (f->through >= 0)
        close(f->through);
    f->through = FILE_THROUGH_NEVER;
}

void file_close(struct file *f)
{
    if (f->temporary != NULL)
        drop_temporary(f);
    if (f->fd >= 0)
        close(f->fd);
    close_through(f);
    free(f->temporary);
    free(f->path);
    *f = (struct file)FILE_CLOSED;
}

/* Reading and writing */

/* Ends past what an off_t can say are past the end of any file. */
static bool range_fits(uint64_t offset, uint64_t size)
{
    return offset <= INT64_MAX && size <= INT64_MAX - offset;
}

/* Would the kernel refuse a file this long, or send a signal? */
static int check_limit(uint64_t end)
{
    struct rlimit limit;

    if (end > INT64_MAX)
        return EFBIG;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY && end > limit.rlim_cur)
        return EFBIG;
    return 0;
}

tn_status file_read(const struct file *f, void *buffer, size_t size,
                    uint64_t offset)
{
    char *p = buffer;
    uint64_t at = offset;

    if (!range_fits(offset, size))
        return error_set(TN_ESIZE, "%s: cannot read at %" PRIu64, f->path,
                         offset);
    while (size > 0) {
        int number = ask(FAULT_READ, f, at, size, NULL);
        ssize_t n = 0;

        if (number == 0)
            number = NUMBER(n = pread(f->fd, p, size, (off_t)at));
        if (number != 0)
            return error_from_errno(number, "%s: cannot read at %" PRIu64,
                                    f->path, at);
        if (n == 0)
            return error_set(TN_ESIZE,
                             "%s: ends at or before %" PRIu64
                             ", where %zu more bytes should be",
                             f->path, at, size);
        p += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return TN_OK;
}

/* 0 or an errno; *at is where it stopped.  Its end is within the limit. */
static int write_all(struct file *f, const char *p, size_t size, uint64_t *at)
{
    int number = 0;

    while (number == 0 && size > 0) {
        size_t piece = WRITE_PIECE - *at % WRITE_PIECE;
        ssize_t n = 0;

        if (piece > size)
            piece = size;
        number = ask(FAULT_WRITE, f, *at, piece, p);
        if (number == 0)
            number = NUMBER(n = pwrite(f->fd, p, piece, (off_t)*at));
        if (number != 0)
            break;
        if (n == 0)
            return EIO; /* never seen, but it must not be an endless loop */
        p += n;
        *at += (uint64_t)n;
        size -= (size_t)n;
    }
    return number;
}

tn_status file_write(struct file *f, const void *buffer, size_t size,
                     uint64_t offset)
{
    struct file_piece piece = {buffer, size, offset};

    return file_write_pieces(f, &piece, 1);
}

/* One look at the limit is enough for all: it is that of the farthest end. */
tn_status file_write_pieces(struct file *f, const struct file_piece *pieces,
                            size_t count)
{
    uint64_t end = 0, at = 0;
    int number = 0;

    for (size_t i = 0; i < count; i++) {
        at = pieces[i].offset;
        if (!range_fits(at, pieces[i].size))
            return error_from_errno(EFBIG, "%s: cannot write at %" PRIu64,
                                    f->path, at);
        if (at + pieces[i].size > end)
            end = at + pieces[i].size;
    }
    number = check_limit(end);
    for (size_t i = 0; number == 0 && i < count; i++) {
        at = pieces[i].offset;
        number = write_all(f, pieces[i].bytes, pieces[i].size, &at);
    }
    if (number != 0)
        return error_from_errno(number, "%s: cannot write at %" PRIu64, f->path,
                                at);
    return TN_OK;
}

/* Another descriptor of f; NEVER if the file system, or who we are now, does
 * not let us have it. */
static void open_through(struct file *f)
{
    char name[PROC_NAME];

    f->through = FILE_THROUGH_NEVER;
    proc_name(name, f->fd);
    if (ask_path(FAULT_OPEN, name, NULL) != 0)
        return;
    f->through = open(name, O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC);
    if (f->through < 0)
        f->through = FILE_THROUGH_NEVER;
}

/* Less than all counts as a failure of the disk. */
static int write_through(const struct file *f, const void *bytes, size_t size,
                         uint64_t offset)
{
    ssize_t n =
        TEMP_FAILURE_RETRY(pwrite(f->through, bytes, size, (off_t)offset));

    if (n < 0)
        return errno;
    return n == (ssize_t)size ? ask(FAULT_SYNC_RANGE, f, offset, size, NULL)
                              : EIO;
}

static tn_status write_and_sync(struct file *f, const void *buffer, size_t size,
                                uint64_t offset)
{
    tn_status status = file_write(f, buffer, size, offset);

    return status == TN_OK ? file_sync(f) : status;
}

tn_status file_write_through(struct file *f, const void *buffer, size_t size,
                             uint64_t offset)
{
    _Alignas(FILE_UNIT) char aligned[FILE_THROUGH_MOST];
    int number;

    TN_ASSERT(size <= sizeof(aligned) && (size | offset) % FILE_UNIT == 0);
    if (f->through == FILE_THROUGH_UNTRIED)
        open_through(f);
    if (f->through < 0)
        return write_and_sync(f, buffer, size, offset);
    memcpy(aligned, buffer, size);
    number = check_limit(offset + size);
    if (number == 0)
        number = ask(FAULT_WRITE, f, offset, size, aligned);
    if (number != 0)
        return error_from_errno(number, "%s: cannot write at %" PRIu64, f->path,
                                offset);
    number = write_through(f, aligned, size, offset);
    if (number != EINVAL && number != EOPNOTSUPP)
        return number == 0 ? TN_OK
                           : sync_failed(number, f->path, "what was written");
    close_through(f); /* not of this size, or not here */
    return write_and_sync(f, buffer, size, offset);
}

void file_expect(const struct file *f, uint64_t offset, uint64_t size)
{
    (void)posix_fadvise(f->fd, (off_t)offset, (off_t)size, POSIX_FADV_WILLNEED);
}

/* Sizes */

/* No times are asked for: once they were looked at, the next write would have
 * to note a new one, in finer steps than it would else, in the inode. */
static int look(const struct file *f, struct statx *out)
{
    struct stat st;
    int number;

    if (statx(f->fd, "", AT_EMPTY_PATH, STATX_SIZE | STATX_NLINK, out) == 0)
        return 0;
    number = NUMBER(fstat(f->fd, &st)); /* not every sandbox knows statx() */
    if (number == 0) {
        out->stx_size = (uint64_t)st.st_size;
        out->stx_nlink = (uint32_t)st.st_nlink;
    }
    return number;
}

tn_status file_size(const struct file *f, uint64_t *size)
{
    struct statx found;
    int number = ask(FAULT_STAT, f, 0, 0, NULL);

    if (number == 0)
        number = look(f, &found);
    if (number != 0)
        return error_from_errno(number, "%s", f->path);
    *size = found.stx_size;
    return TN_OK;
}

tn_status file_mode(const struct file *f, mode_t *mode)
{
    struct stat st;
    int number = ask(FAULT_STAT, f, 0, 0, NULL);

    if (number == 0)
        number = NUMBER(fstat(f->fd, &st));
    if (number != 0)
        return error_from_errno(number, "%s: cannot look at it", f->path);
    *mode = st.st_mode & 07777;
    return TN_OK;
}

static int truncate_to(struct file *f, uint64_t size)
{
    int number = ask(FAULT_TRUNCATE, f, 0, size, NULL);

    return number != 0 ? number : NUMBER(ftruncate(f->fd, (off_t)size));
}

/* What fallocate() does, where there is none. */
static int write_zeros(struct file *f, uint64_t from, uint64_t to)
{
    static char zeros[1 << 16]; /* never written to */
    int number = 0;

    while (number == 0 && from < to) {
        uint64_t size = to - from < sizeof(zeros) ? to - from : sizeof(zeros);

        number = write_all(f, zeros, size, &from);
    }
    return number;
}

/* Some file systems give back all they have allocated when a signal comes
 * (tmpfs in older kernels), and where signals come often that would go
 * on for ever; so what is interrupted is done in smaller pieces. */
static int allocate(struct file *f, uint64_t offset, uint64_t end)
{
    uint64_t piece = end - offset;

    while (offset < end) {
        int number;

        if (piece > end - offset)
            piece = end - offset;
        number = ask(FAULT_ALLOCATE, f, offset, piece, NULL);
        if (number == 0 &&
            fallocate(f->fd, 0, (off_t)offset, (off_t)piece) != 0)
            number = errno;
        if (number == 0)
            offset += piece;
        else if (number != EINTR)
            return number;
        else if (piece > SMALLEST_PIECE)
            piece /= 2;
    }
    return 0;
}

static int lengthen(struct file *f, uint64_t from, uint64_t old_size,
                    uint64_t size)
{
    int number = allocate(f, from, size);

    if (number == EOPNOTSUPP || number == ENOSYS)
        number = write_zeros(f, old_size, size);
    /* Also when the size is as it was: blocks past it may be there. */
    if (number != 0)
        truncate_to(f, old_size);
    return number;
}

/* Bytes from one place to another that have no blocks, or 0 if it cannot be
 * told.  Blocks that were never written to look like holes, but count in what
 * the file has on disk. */
static uint64_t bytes_missing(const struct file *f, uint64_t from,
                              uint64_t old_size, uint64_t size)
{
    uint64_t holes = size > old_size ? size - old_size : 0, start, end, disk;

    for (uint64_t at = from; at < old_size; at = end) {
        if (file_find_data(f, at, &start, &end) != TN_OK || end <= at)
            return 0;
        holes += start - at;
    }
    if (file_disk_bytes(f, &disk) != TN_OK || disk >= size)
        return 0;
    return holes < size - disk ? holes : size - disk;
}

/* Is it plain that the disk has no room for them?  To find out by trying would
 * leave it full for everybody. */
static bool lacks_room(const struct file *f, uint64_t from, uint64_t old_size,
                       uint64_t size)
{
    struct statvfs disk;
    uint64_t room;

    if (fstatvfs(f->fd, &disk) != 0 || disk.f_blocks == 0)
        return false;
    room = (uint64_t)disk.f_bfree * disk.f_frsize;
    return size > from && size - from > room &&
           bytes_missing(f, from, old_size, size) > room;
}

tn_status file_extend(struct file *f, uint64_t size)
{
    return file_extend_from(f, 0, size);
}

tn_status file_extend_from(struct file *f, uint64_t from, uint64_t size)
{
    uint64_t old_size;
    tn_status status = file_size(f, &old_size);
    int number;

    if (status != TN_OK || size == 0)
        return status;
    if (from > old_size)
        from = old_size;
    number = check_limit(size);
    if (number == 0 && lacks_room(f, from, old_size, size))
        number = ENOSPC;
    if (number == 0)
        number = lengthen(f, from, old_size, size);
    if (number != 0)
        return error_from_errno(
            number, "%s: cannot extend to %" PRIu64 " bytes", f->path, size);
    return TN_OK;
}

tn_status file_fill(struct file *f, uint64_t offset, uint64_t size)
{
    int number = allocate(f, offset, offset + size);

    if (number == 0 || number == EOPNOTSUPP || number == ENOSYS)
        return TN_OK;
    return error_from_errno(number, "%s: cannot allocate blocks at %" PRIu64,
                            f->path, offset);
}

static int seek(const struct file *f, uint64_t offset, int whence,
                uint64_t *found)
{
    off_t at = lseek(f->fd, (off_t)offset, whence);

    *found = (uint64_t)at;
    return at < 0 ? errno : 0;
}

/* ENXIO: there is nothing but a hole up to the end. */
tn_status file_find_data(const struct file *f, uint64_t offset, uint64_t *start,
                         uint64_t *end)
{
    uint64_t size, from = offset, to = 0;
    tn_status status = file_size(f, &size);
    int number;

    if (status != TN_OK)
        return status;
    number = seek(f, offset, SEEK_DATA, &from);
    if (number == 0)
        number = seek(f, from, SEEK_HOLE, &to);
    if (number == ENXIO)
        from = to = size;
    else if (number == EINVAL || number == EOPNOTSUPP) {
        from = offset < size ? offset : size;
        to = size;
    } else if (number != 0) {
        return error_from_errno(number, "%s: cannot look for holes", f->path);
    }
    *start = from;
    *end = to;
    return TN_OK;
}

tn_status file_is_dense(const struct file *f, uint64_t offset, uint64_t size,
                        bool *dense)
{
    uint64_t wanted = size / FILE_DENSITY, at = offset, stop = offset + size;
    uint64_t found = size < DENSE_FROM ? wanted : 0;

    while (found < wanted && at < stop) {
        uint64_t start, end;
        tn_status status = file_find_data(f, at, &start, &end);

        if (status != TN_OK)
            return status;
        if (start >= stop || end <= at)
            break;
        found += (end < stop ? end : stop) - start;
        at = end;
    }
    *dense = found >= wanted;
    return TN_OK;
}

tn_status file_disk_bytes(const struct file *f, uint64_t *bytes)
{
    struct stat st;
    int number = ask(FAULT_STAT, f, 0, 0, NULL);

    if (number == 0)
        number = NUMBER(fstat(f->fd, &st));
    if (number != 0)
        return error_from_errno(number, "%s: cannot look at it", f->path);
    *bytes = (uint64_t)st.st_blocks * 512;
    return TN_OK;
}

tn_status file_truncate(struct file *f, uint64_t size)
{
    int number = check_limit(size);

    if (number == 0)
        number = truncate_to(f, size);
    if (number != 0)
        return error_from_errno(
            number, "%s: cannot resize to %" PRIu64 " bytes", f->path, size);
    return TN_OK;
}

/* fallocate() for bytes that the file has; the number of an error. */
static int reallocate(struct file *f, enum fault_op op, int how,
                      uint64_t offset, uint64_t size)
{
    int number = size == 0 ? 0 : ask(op, f, offset, size, NULL);

    if (size == 0 || number != 0)
        return number;
    return NUMBER(fallocate(f->fd, how | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                            (off_t)size));
}

tn_status file_punch(struct file *f, uint64_t offset, uint64_t size)
{
    int number = reallocate(f, FAULT_PUNCH, FALLOC_FL_PUNCH_HOLE, offset, size);

    if (number != 0)
        return error_from_errno(number, "%s: cannot punch a hole at %" PRIu64,
                                f->path, offset);
    return TN_OK;
}

tn_status file_zero(struct file *f, uint64_t offset, uint64_t size)
{
    int number = reallocate(f, FAULT_ZERO, FALLOC_FL_ZERO_RANGE, offset, size);

    if (number != 0)
        return error_from_errno(number, "%s: cannot zero bytes at %" PRIu64,
                                f->path, offset);
    return TN_OK;
}

tn_status file_sync(struct file *f)
{
    int number = ask(FAULT_SYNC, f, 0, 0, NULL);

    if (number == 0)
        number = NUMBER(fdatasync(f->fd));
    return number == 0 ? TN_OK : sync_failed(number, f->path, "its data");
}

tn_status file_sync_directory(const struct file *f)
{
    int number = sync_directory(f->path);

    return number == 0 ? TN_OK : sync_failed(number, f->path, "its directory");
}

/* Names of files that are not open */

tn_status file_unlink(const char *path)
{
    int number = ask_path(FAULT_UNLINK, path, NULL);

    if (number == 0)
        number = NUMBER(unlink(path));
    if (number != 0)
        return error_from_errno(number, "%s: cannot remove", path);
    number = sync_directory(path);
    return number == 0 ? TN_OK : sync_failed(number, path, "its directory");
}

bool file_still_named(const struct file *f)
{
    struct stat st;

    return ask(FAULT_STAT, f, 0, 0, NULL) == 0 && stat(f->path, &st) == 0 &&
           st.st_dev == f->device && st.st_ino == f->inode;
}

bool file_has_name(const struct file *f)
{
    struct statx found;

    return ask(FAULT_STAT, f, 0, 0, NULL) == 0 && look(f, &found) == 0 &&
           found.stx_nlink > 0;
}

uint64_t file_identity(const struct file *f)
{
    const uint64_t key[2] = {f->device, f->inode};

    return digest64(key, sizeof(key)) | 1;
}
