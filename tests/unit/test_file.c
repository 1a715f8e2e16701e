/* test_file.c - creating, naming, reading, writing and sizing files
 *
 * The creating tests run in each way of naming a file: without a name first,
 * under a temporary name because the file system or /proc is not up to it, and
 * without renaming that spares others' files.  Those ways are forced through
 * the hook of os/fault.h.  When an operation fails, at whatever point and for
 * whatever reason, no descriptor and no temporary name may be left, and the
 * name is there with the whole file, or not at all.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/faults.h"
#include "lib/tmpdir.h"
#include "os/file.h"

static void enter(void)
{
    tmpdir_enter();
}

TestSuite(file, .init = enter, .fini = tmpdir_leave, .timeout = 60);

#define OK(call) cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define SKIP(why)                                                              \
    do {                                                                       \
        fprintf(stderr, "skipped: %s\n", why);                                 \
        cr_skip_test(why);                                                     \
    } while (0)
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

/* Ways to make a file */

enum way { BY_LINK, NO_TMPFILE, NO_PROC, NO_NOREPLACE, WAYS };

/* What the hook refuses besides, always. */
static enum way way;
static int refuse_at, refuse_with, asked;

static int by_way(const struct fault_event *event)
{
    if (event->op == FAULT_CREATE && event->path == NULL)
        return way == NO_TMPFILE || way == NO_NOREPLACE ? EOPNOTSUPP : 0;
    if (event->op == FAULT_STAT && event->path != NULL &&
        strncmp(event->path, "/proc/", 6) == 0)
        return way == NO_PROC ? ENOENT : 0;
    if (event->op == FAULT_RENAME && event->size == 0)
        return way == NO_NOREPLACE ? EINVAL : 0;
    return 0;
}

static int hook(void *arg, const struct fault_event *event)
{
    int refused = by_way(event);

    (void)arg;
    if (refused != 0)
        return refused;
    return asked++ == refuse_at ? refuse_with : 0;
}

/* Take this way from now on, and fail operation number at. */
static void go(enum way new_way, int at, int with)
{
    way = new_way;
    refuse_at = at;
    refuse_with = with;
    asked = 0;
    fault_set_hook(hook, NULL);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The bytes of a small file, as text; "-" if it is not there. */
static char *text_of(const char *path)
{
    static char text[100];
    FILE *f = fopen(path, "r");

    strcpy(text, "-");
    if (f != NULL) {
        text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
        fclose(f);
    }
    return text;
}

static tn_status make(const char *path, const char *text, bool replace)
{
    struct file f = FILE_CLOSED;
    tn_status status = file_create_unnamed(&f, path, 0644);

    if (status == TN_OK)
        status = file_write(&f, text, strlen(text), 0);
    if (status == TN_OK)
        status = file_publish(&f, replace);
    file_close(&f);
    return status;
}

ParameterizedTestParameters(file, a_file_appears_whole_and_under_its_name_only)
{
    static enum way ways[] = {BY_LINK, NO_TMPFILE, NO_PROC, NO_NOREPLACE};

    return cr_make_param_array(enum way, ways, WAYS);
}

ParameterizedTest(enum way *w, file,
                  a_file_appears_whole_and_under_its_name_only)
{
    struct file f = FILE_CLOSED;
    int before = faults_descriptors();

    go(*w, -1, 0);
    OK(file_create_unnamed(&f, "a", 0644));
    cr_expect(eq(int, tmpdir_names(), *w == BY_LINK ? 0 : 1));
    cr_expect(not(exists("a")));
    OK(file_write(&f, "hello", 5, 0));
    OK(file_publish(&f, false));
    cr_expect(eq(str, text_of("a"), "hello"));
    cr_expect(eq(int, tmpdir_names(), 1));
    cr_expect(file_still_named(&f));
    OK(file_write(&f, "J", 1, 0));
    file_close(&f);
    cr_expect(eq(str, text_of("a"), "Jello"));
    cr_expect(eq(int, f.fd, -1));
    cr_expect(eq(int, faults_descriptors(), before));
}

ParameterizedTestParameters(file, an_unnamed_file_is_gone_when_closed)
{
    static enum way ways[] = {BY_LINK, NO_TMPFILE, NO_PROC, NO_NOREPLACE};

    return cr_make_param_array(enum way, ways, WAYS);
}

ParameterizedTest(enum way *w, file, an_unnamed_file_is_gone_when_closed)
{
    struct file f = FILE_CLOSED;

    go(*w, -1, 0);
    OK(file_create_unnamed(&f, "a", 0644));
    file_close(&f);
    cr_expect(eq(int, tmpdir_names(), 0));
    file_close(&f); /* once more does no harm */
}

ParameterizedTestParameters(file, a_taken_name_is_left_to_its_owner)
{
    static enum way ways[] = {BY_LINK, NO_TMPFILE, NO_PROC, NO_NOREPLACE};

    return cr_make_param_array(enum way, ways, WAYS);
}

ParameterizedTest(enum way *w, file, a_taken_name_is_left_to_its_owner)
{
    struct file f = FILE_CLOSED;

    go(*w, -1, 0);
    OK(make("a", "old", false));
    OK(file_create_unnamed(&f, "a", 0644));
    OK(file_write(&f, "new", 3, 0));
    FAILS(file_publish(&f, false), TN_EEXIST);
    cr_expect(eq(str, text_of("a"), "old"));
    cr_expect(not(file_still_named(&f)));

    /* It is still unnamed, and may have the name when that is free. */
    OK(file_unlink("a"));
    OK(file_publish(&f, false));
    file_close(&f);
    cr_expect(eq(str, text_of("a"), "new"));
    cr_expect(eq(int, tmpdir_names(), 1));
}

ParameterizedTestParameters(file, replacing_takes_the_name_over)
{
    static enum way ways[] = {BY_LINK, NO_TMPFILE, NO_PROC, NO_NOREPLACE};

    return cr_make_param_array(enum way, ways, WAYS);
}

ParameterizedTest(enum way *w, file, replacing_takes_the_name_over)
{
    struct file old = FILE_CLOSED;
    char byte = 0;

    go(*w, -1, 0);
    OK(make("a", "old", true));
    OK(file_open(&old, "a", false));
    OK(make("a", "new", true));
    cr_expect(eq(str, text_of("a"), "new"));
    cr_expect(eq(int, tmpdir_names(), 1));

    cr_expect(not(file_still_named(&old)));
    OK(file_read(&old, &byte, 1, 0));
    cr_expect(eq(chr, byte, 'o'), "who has the old one open keeps it");
    file_close(&old);
}

/* Names and modes */

Test(file, names_may_lie_in_any_directory)
{
    char home[500], absolute[600], longest[256];

    cr_assert(ne(ptr, getcwd(home, sizeof(home)), NULL));
    mkdir("dir", 0755);
    OK(make("dir/a", "1", false));
    OK(make("dir//b", "2", true));
    OK(make("./c", "3", false));
    snprintf(absolute, sizeof(absolute), "%s/dir/d", home);
    OK(make(absolute, "4", true));
    cr_expect(eq(str, text_of("dir/a"), "1"));
    cr_expect(eq(str, text_of("dir/b"), "2"));
    cr_expect(eq(str, text_of("c"), "3"));
    cr_expect(eq(str, text_of("dir/d"), "4"));

    memset(longest, 'x', 255);
    longest[255] = '\0';
    for (int w = 0; w < WAYS; w++) {
        go(w, -1, 0);
        OK(make(longest, "5", true));
    }
    fault_set_hook(NULL, NULL);
    FAILS(make("nowhere/a", "", false), TN_ENOENT);
    FAILS(make("c/a", "", false), TN_ENOENT);
    FAILS(make("dir/", "", false), TN_EINVAL);
    FAILS(make("", "", false), TN_EINVAL);
    FAILS(make("dir", "", false), TN_EEXIST);
    FAILS(make("dir", "", true), TN_EINVAL);
}

Test(file, the_root_directory_can_hold_a_file)
{
    struct file f = FILE_CLOSED;
    tn_status status = file_create_unnamed(&f, "/tenon-test-root", 0600);

    if (geteuid() == 0)
        cr_expect(eq(int, status, TN_OK), "%s", tn_errmsg());
    else
        cr_expect(status == TN_EACCES || status == TN_EROFS);
    file_close(&f);
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

Test(file, permissions_are_as_asked_whatever_the_umask)
{
    static const mode_t modes[] = {0644, 0600, 0666, 0400, 0660};

    umask(077);
    for (int w = 0; w < WAYS; w++)
        for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
            struct file f = FILE_CLOSED;

            go(w, -1, 0);
            OK(file_create_unnamed(&f, "a", modes[i]));
            OK(file_publish(&f, true));
            file_close(&f);
            cr_expect(eq(uint, mode_of("a"), modes[i]), "way %d", w);
        }
}

/* Opening */

Test(file, only_regular_files_are_opened)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    static const char *const others[] = {".", "fifo", "socket", "/dev/null"};
    static const char *const kinds[] = {"directory", "fifo", "socket",
                                        "device"};
    struct file f = FILE_CLOSED;
    int before;

    mkfifo("fifo", 0600);
    cr_assert(eq(int, bind(fd, (struct sockaddr *)&name, sizeof(name)), 0));
    close(fd);
    before = faults_descriptors();
    for (int i = 0; i < 4; i++)
        for (int writable = 0; writable < 2; writable++) {
            FAILS(file_open(&f, others[i], writable), TN_EINVAL);
            cr_expect(ne(ptr, strstr(tn_errmsg(), kinds[i]), NULL));
            cr_expect(
                eq(ptr, strstr(tn_errmsg(), others[i]), (char *)tn_errmsg()));
        }
    cr_expect(eq(int, faults_descriptors(), before));
    cr_expect(eq(int, f.fd, -1));
}

/* The path is looked at before; what if it becomes a fifo after that? */
static int swap_for_fifo(void *arg, const struct fault_event *event)
{
    (void)arg;
    if (event->op == FAULT_OPEN) {
        unlink("a");
        mkfifo("a", 0600);
    }
    return 0;
}

Test(file, a_fifo_put_in_its_place_does_not_hang_the_opener)
{
    struct file f = FILE_CLOSED;
    int before = faults_descriptors();

    for (int writable = 0; writable < 2; writable++) {
        unlink("a");
        OK(make("a", "", false));
        fault_set_hook(swap_for_fifo, NULL);
        FAILS(file_open(&f, "a", writable), TN_EINVAL);
        fault_set_hook(NULL, NULL);
    }
    cr_expect(eq(int, faults_descriptors(), before));
}

Test(file, a_missing_file_and_a_loop_are_refused_by_name)
{
    struct file f = FILE_CLOSED;

    FAILS(file_open(&f, "missing", false), TN_ENOENT);
    cr_expect(
        eq(str, (char *)tn_errmsg(), "missing: No such file or directory"));
    cr_assert(eq(int, symlink("loop", "loop"), 0));
    FAILS(file_open(&f, "loop", false), TN_ESYS);
}

static int open_forbidden(struct child *parent, void *arg)
{
    struct file f = FILE_CLOSED;

    (void)parent;
    (void)arg;
    if (geteuid() == 0 && setuid(65534) != 0)
        return 1;
    if (file_open(&f, "closed", false) != TN_EACCES)
        return 2;
    if (file_open(&f, "readable", true) != TN_EACCES)
        return 3;
    if (file_open(&f, "readable", false) != TN_OK || f.writable)
        return 4;
    if (file_unlink("readable") != TN_EACCES)
        return 5;
    return make("new", "", false) == TN_EACCES ? 0 : 6;
}

Test(file, what_is_forbidden_is_not_done)
{
    struct child child;

    OK(make("closed", "", false));
    OK(make("readable", "", false));
    chmod("closed", 0);
    chmod("readable", 0444);
    chmod(".", 0555);
    child_start(&child, open_forbidden, NULL);
    cr_expect(eq(int, child_wait(&child), 0));
}

/* A directory that may be written to but not read cannot be opened to be
 * synced. */
static int make_and_remove(struct child *parent, void *arg)
{
    (void)parent;
    (void)arg;
    if (geteuid() == 0 && setuid(65534) != 0)
        return 1;
    if (make("dir/a", "1", false) != TN_OK)
        return 2;
    return file_unlink("dir/a") == TN_OK ? 0 : 3;
}

Test(file, a_directory_that_cannot_be_read_is_no_obstacle)
{
    struct child child;

    mkdir("dir", 0700);
    chmod(".", 0755);
    chmod("dir", 0333);
    child_start(&child, make_and_remove, NULL);
    cr_expect(eq(int, child_wait(&child), 0));
}

Test(file, a_descriptor_does_not_outlive_exec)
{
    struct file f = FILE_CLOSED, g = FILE_CLOSED;

    OK(make("a", "", false));
    OK(file_open(&f, "a", true));
    cr_expect(ne(int, fcntl(f.fd, F_GETFD) & FD_CLOEXEC, 0));
    for (int w = 0; w < WAYS; w++) {
        go(w, -1, 0);
        OK(file_create_unnamed(&g, "b", 0600));
        cr_expect(ne(int, fcntl(g.fd, F_GETFD) & FD_CLOEXEC, 0));
        file_close(&g);
    }
    file_close(&f);
}

/* Reading and writing */

Test(file, reading_past_the_end_is_an_error_and_not_a_short_read)
{
    struct file f = FILE_CLOSED;
    char buffer[10];

    OK(make("a", "0123456789", false));
    OK(file_open(&f, "a", false));
    OK(file_read(&f, buffer, 10, 0));
    cr_expect(eq(int, memcmp(buffer, "0123456789", 10), 0));
    OK(file_read(&f, buffer, 3, 7));
    cr_expect(eq(int, memcmp(buffer, "789", 3), 0));
    OK(file_read(&f, buffer, 0, 10));
    FAILS(file_read(&f, buffer, 10, 1), TN_ESIZE);
    FAILS(file_read(&f, buffer, 1, 10), TN_ESIZE);
    FAILS(file_read(&f, buffer, 1, INT64_MAX), TN_ESIZE);
    FAILS(file_read(&f, buffer, 1, UINT64_MAX), TN_ESIZE);
    FAILS(file_write(&f, "x", 1, 0), TN_ESYS);
    file_close(&f);
}

Test(file, writing_past_the_end_leaves_zeros_between)
{
    struct file f = FILE_CLOSED;
    char buffer[5];
    uint64_t size = 0;

    OK(file_create_unnamed(&f, "a", 0600));
    OK(file_write(&f, "z", 1, 4));
    OK(file_size(&f, &size));
    cr_expect(eq(u64, size, 5));
    OK(file_read(&f, buffer, 5, 0));
    cr_expect(eq(int, memcmp(buffer, "\0\0\0\0z", 5), 0));
    OK(file_write(&f, NULL, 0, 100));
    OK(file_size(&f, &size));
    cr_expect(eq(u64, size, 5), "writing nothing does nothing");
    FAILS(file_write(&f, "z", 1, INT64_MAX), TN_ENOSPC);
    FAILS(file_write(&f, "z", 1, UINT64_MAX), TN_ENOSPC);
    file_close(&f);
}

static void ignore(int signal)
{
    (void)signal;
}

/* Signals without SA_RESTART, as fast as the timer gives them. */
Test(file, signals_disturb_no_operation)
{
    struct sigaction action = {.sa_handler = ignore};
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    size_t size = 8 << 20;
    char *out = malloc(size), *in = calloc(1, size);
    struct file f = FILE_CLOSED;

    for (size_t i = 0; i < size; i++)
        out[i] = (char)(i * 31 >> 4);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    OK(file_create_unnamed(&f, "a", 0600));
    OK(file_extend(&f, size));
    OK(file_write(&f, out, size, 0));
    OK(file_sync(&f));
    OK(file_publish(&f, true));
    OK(file_read(&f, in, size, 0));
    OK(file_truncate(&f, 1));
    setitimer(ITIMER_REAL, &never, NULL);
    cr_expect(eq(int, memcmp(in, out, size), 0));
    file_close(&f);
    free(in);
    free(out);
}

static uint64_t bytes_on_disk(const struct file *f)
{
    struct stat st;

    cr_assert(eq(int, fstat(f->fd, &st), 0));
    return (uint64_t)st.st_blocks * 512;
}

/* Signals that come faster than a large piece can be had. */
static int interrupt_large_pieces(void *arg, const struct fault_event *event)
{
    if (event->op != FAULT_ALLOCATE)
        return 0;
    ++*(int *)arg;
    return event->size > 300000 ? EINTR : 0;
}

Test(file, an_allocation_that_is_interrupted_is_done_in_pieces)
{
    struct file f = FILE_CLOSED;
    uint64_t size = 0;
    int tries = 0;

    OK(file_create_unnamed(&f, "a", 0600));
    fault_set_hook(interrupt_large_pieces, &tries);
    OK(file_extend(&f, (10 << 20) + 1));
    fault_set_hook(NULL, NULL);
    OK(file_size(&f, &size));
    cr_expect(eq(u64, size, (10 << 20) + 1));
    cr_expect(ge(u64, bytes_on_disk(&f), 10 << 20));
    cr_expect(gt(int, tries, 35));
    cr_expect(lt(int, tries, 100));

    faults_refuse_op(FAULT_ALLOCATE, 0, EINTR);
    OK(file_extend(&f, (10 << 20) + 2));
    cr_expect(faults_end());
    file_close(&f);
}

/* Signals of real life, in a file system that was once disturbed by them. */
Test(file, signals_do_not_keep_a_file_in_memory_from_growing)
{
    struct sigaction action = {.sa_handler = ignore};
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    struct file f = FILE_CLOSED;

    if (access("/dev/shm", W_OK) != 0)
        SKIP("there is no /dev/shm");
    OK(file_create_unnamed(&f, "/dev/shm/tenon-test", 0600));
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    OK(file_extend(&f, 16 << 20));
    setitimer(ITIMER_REAL, &never, NULL);
    cr_expect(ge(u64, bytes_on_disk(&f), 16 << 20));
    file_close(&f);
}

/* Sizes */

static uint64_t size_of(const struct file *f)
{
    uint64_t size = 0;

    OK(file_size(f, &size));
    return size;
}

Test(file, extending_puts_blocks_under_all_bytes)
{
    struct file f = FILE_CLOSED;
    char byte = 1;

    OK(file_create_unnamed(&f, "a", 0600));
    OK(file_write(&f, "x", 1, 0));
    OK(file_extend(&f, 1 << 20));
    cr_expect(eq(u64, size_of(&f), 1 << 20));
    cr_expect(ge(u64, bytes_on_disk(&f), 1 << 20));
    OK(file_read(&f, &byte, 1, (1 << 20) - 1));
    cr_expect(eq(chr, byte, 0));
    OK(file_read(&f, &byte, 1, 0));
    cr_expect(eq(chr, byte, 'x'), "old bytes stay");

    OK(file_extend(&f, 4096));
    OK(file_extend(&f, 0));
    cr_expect(eq(u64, size_of(&f), 1 << 20), "it never shortens");
    file_close(&f);
}

/* One that fills the disk would leave it full for everybody. */
Test(file, extending_does_not_try_what_cannot_be)
{
    struct file f;
    struct statvfs disk;
    uint64_t size, before, after;

    cr_assert(eq(int, statvfs(".", &disk), 0));
    size = (disk.f_bfree * disk.f_frsize + (1 << 30)) & ~UINT64_C(4095);
    OK(file_create_unnamed(&f, "f", 0600));
    OK(file_write(&f, "x", 1, 0));
    OK(file_disk_bytes(&f, &before));
    FAILS(file_extend(&f, size), TN_ENOSPC);
    if (file_truncate(&f, size) == TN_OK) /* now it has that hole */
        FAILS(file_extend(&f, size), TN_ENOSPC);
    OK(file_disk_bytes(&f, &after));
    cr_expect(eq(u64, after, before));
    cr_expect(eq(int, faults_seen(FAULT_ALLOCATE), 0));
    file_close(&f);
}

Test(file, is_dense_if_enough_of_it_is_no_hole)
{
    enum { LARGE = 256 << 20, PART = LARGE / FILE_DENSITY };
    static char bytes[PART / 2];
    uint64_t start, end;
    struct file f;
    bool dense;

    memset(bytes, 'x', sizeof(bytes));
    OK(file_create_unnamed(&f, "f", 0600));
    OK(file_truncate(&f, LARGE));
    OK(file_find_data(&f, 0, &start, &end));
    if (start == 0)
        SKIP("this file system has no holes");
    OK(file_is_dense(&f, 0, LARGE, &dense));
    cr_expect(not(dense));
    OK(file_is_dense(&f, LARGE - 4096, 4096, &dense));
    cr_expect(dense, "too little to matter");
    OK(file_write(&f, bytes, sizeof(bytes), LARGE / 2));
    OK(file_is_dense(&f, 0, LARGE, &dense));
    cr_expect(not(dense));
    OK(file_is_dense(&f, LARGE / 4, LARGE / 2, &dense));
    cr_expect(dense, "half as long, and all of it is inside");
    OK(file_write(&f, bytes, sizeof(bytes), LARGE - sizeof(bytes)));
    OK(file_is_dense(&f, 0, LARGE, &dense));
    cr_expect(dense);
    OK(file_is_dense(&f, 0, LARGE - 2 * sizeof(bytes), &dense));
    cr_expect(not(dense), "what lies behind does not count");
    file_close(&f);
}

static void expect_bytes(const struct file *f, uint64_t offset, size_t size,
                         char value)
{
    char bytes[2 * FILE_UNIT];

    OK(file_read(f, bytes, size, offset));
    for (size_t i = 0; i < size; i++)
        cr_assert(eq(chr, bytes[i], value), "byte %zu", i);
}

/* Also beside and over what lies in the page cache, not synced. */
Test(file, writing_through_is_writing_and_syncing)
{
    char a[4 * FILE_UNIT], b[FILE_UNIT];
    struct file f;

    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    OK(file_create_unnamed(&f, "f", 0600));
    OK(file_write(&f, a, sizeof(a), 0));
    OK(file_write_through(&f, b, sizeof(b), FILE_UNIT));
    expect_bytes(&f, 0, FILE_UNIT, 'a');
    expect_bytes(&f, FILE_UNIT, FILE_UNIT, 'b');
    expect_bytes(&f, 2 * FILE_UNIT, 2 * FILE_UNIT, 'a');
    OK(file_write(&f, a, 8, FILE_UNIT));
    expect_bytes(&f, FILE_UNIT, 8, 'a');
    OK(file_write_through(&f, b, sizeof(b), FILE_UNIT));
    expect_bytes(&f, FILE_UNIT, FILE_UNIT, 'b');
    if (f.through == FILE_THROUGH_NEVER)
        SKIP("this file system writes nothing past its cache");

    faults_refuse_op(FAULT_SYNC_RANGE, 1, EIO);
    OK(file_write_through(&f, b, sizeof(b), 0));
    cr_expect(eq(int, faults_seen(FAULT_SYNC), 0));
    FAILS(file_write_through(&f, b, sizeof(b), 0), TN_EIO);
    faults_refuse_op(FAULT_WRITE, 0, ENOSPC);
    FAILS(file_write_through(&f, a, sizeof(b), 0), TN_ENOSPC);
    faults_end();
    expect_bytes(&f, 0, FILE_UNIT, 'b');
    file_close(&f);
    cr_expect(eq(int, f.through, FILE_THROUGH_UNTRIED));
}

Test(file, what_cannot_be_written_through_is_written_and_synced)
{
    char b[FILE_UNIT];
    struct file f;

    memset(b, 'b', sizeof(b));
    OK(file_create_unnamed(&f, "f", 0600));
    faults_refuse_op(FAULT_OPEN, 0, EINVAL);
    OK(file_write_through(&f, b, sizeof(b), 0));
    cr_expect(eq(int, f.through, FILE_THROUGH_NEVER));
    cr_expect(eq(int, faults_seen(FAULT_SYNC), 1));
    cr_expect(eq(int, faults_seen(FAULT_SYNC_RANGE), 0));
    faults_end();
    expect_bytes(&f, 0, FILE_UNIT, 'b');
    f.through = open("/dev/full", O_WRONLY); /* no such writes there either */
    cr_assert(ge(int, f.through, 0));
    FAILS(file_write_through(&f, b, sizeof(b), 0), TN_EIO);
    file_close(&f);
}

/* As from a disk whose sectors are larger than what is written. */
Test(file, a_refusal_to_write_through_counts_for_ever)
{
    char b[FILE_UNIT];
    struct file f;

    memset(b, 'b', sizeof(b));
    OK(file_create_unnamed(&f, "f", 0600));
    f.through = open("/proc/self/oom_score_adj", O_WRONLY);
    if (f.through < 0)
        SKIP("no file is known that answers EINVAL");
    OK(file_write_through(&f, b, sizeof(b), 0));
    cr_expect(eq(int, f.through, FILE_THROUGH_NEVER));
    expect_bytes(&f, 0, FILE_UNIT, 'b');
    file_close(&f);
}

Test(file, extending_fills_old_holes)
{
    struct file f = FILE_CLOSED;

    OK(file_create_unnamed(&f, "a", 0600));
    OK(file_truncate(&f, 1 << 20));
    cr_expect(lt(u64, bytes_on_disk(&f), 1 << 20));
    OK(file_extend(&f, 1 << 20));
    cr_expect(ge(u64, bytes_on_disk(&f), 1 << 20));
    file_close(&f);
}

Test(file, without_fallocate_zeros_are_written)
{
    struct file f = FILE_CLOSED;

    OK(file_create_unnamed(&f, "a", 0600));
    OK(file_write(&f, "x", 1, 0));
    faults_refuse_all(FAULT_ALLOCATE, EOPNOTSUPP);
    OK(file_extend(&f, (1 << 20) + 1));
    cr_expect(gt(int, faults_seen(FAULT_WRITE), 1));
    faults_end();
    cr_expect(eq(u64, size_of(&f), (1 << 20) + 1));
    cr_expect(ge(u64, bytes_on_disk(&f), 1 << 20));
    file_close(&f);
}

/* In each part of the work, and however far it got, a full disk puts the size
 * back. */
Test(file, a_failed_extension_leaves_the_size_as_it_was)
{
    struct file f = FILE_CLOSED;

    OK(file_create_unnamed(&f, "a", 0600));
    OK(file_write(&f, "x", 1, 9999));
    for (int n = 0; n < 4; n++) {
        faults_refuse_op(FAULT_ALLOCATE, 0, ENOSPC);
        FAILS(file_extend(&f, 1 << 20), TN_ENOSPC);
        cr_expect(eq(u64, size_of(&f), 10000));
    }
    faults_end();
    OK(file_extend(&f, 1 << 20));
    file_close(&f);
}

struct late_fault {
    int writes;
};

static int no_fallocate_and_full_later(void *arg,
                                       const struct fault_event *event)
{
    struct late_fault *late = arg;

    if (event->op == FAULT_ALLOCATE)
        return EOPNOTSUPP;
    return event->op == FAULT_WRITE && late->writes-- == 0 ? ENOSPC : 0;
}

Test(file, a_disk_full_half_way_through_zeros_leaves_the_size_as_it_was)
{
    struct file f = FILE_CLOSED;

    OK(file_create_unnamed(&f, "a", 0600));
    OK(file_write(&f, "x", 1, 9999));
    for (int n = 0; n < 4; n++) {
        struct late_fault late = {n};

        fault_set_hook(no_fallocate_and_full_later, &late);
        FAILS(file_extend(&f, 1 << 20), TN_ENOSPC);
        cr_expect(eq(int, late.writes, -1), "it happened");
        fault_set_hook(NULL, NULL);
        cr_expect(eq(u64, size_of(&f), 10000));
    }
    file_close(&f);
}

/* No handler is set for SIGXFSZ, which would kill. */
Test(file, a_limit_on_sizes_is_an_answer_and_not_a_signal)
{
    struct rlimit limit = {1 << 20, RLIM_INFINITY};
    struct file f = FILE_CLOSED;
    char text[4096] = "x";

    OK(file_create_unnamed(&f, "a", 0600));
    OK(file_extend(&f, 4096));
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
    FAILS(file_extend(&f, (1 << 20) + 1), TN_ENOSPC);
    FAILS(file_truncate(&f, (1 << 20) + 1), TN_ENOSPC);
    FAILS(file_write(&f, text, 4096, (1 << 20) - 4095), TN_ENOSPC);
    cr_expect(eq(u64, size_of(&f), 4096), "and nothing was done");
    OK(file_write(&f, text, 4096, (1 << 20) - 4096));
    OK(file_extend(&f, 1 << 20));

    FAILS(file_extend(&f, (uint64_t)INT64_MAX + 1), TN_ENOSPC);
    FAILS(file_truncate(&f, UINT64_MAX), TN_ENOSPC);
    file_close(&f);
}

Test(file, pieces_are_written_all_or_refused_together)
{
    struct rlimit limit = {1 << 20, RLIM_INFINITY};
    struct file f = FILE_CLOSED;
    struct file_piece pieces[] = {
        {"late", 4, 4096}, {"first", 5, 10}, {"1234", 4, 12}, {"", 0, 99}};
    char read[5], past[4] = "past";

    OK(file_create_unnamed(&f, "a", 0600));
    OK(file_extend(&f, 8192));
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
    OK(file_write_pieces(&f, pieces, 4));
    OK(file_read(&f, read, 4, 4096));
    cr_expect(eq(int, memcmp(read, "late", 4), 0));
    OK(file_read(&f, read, 5, 10));
    cr_expect(eq(int, memcmp(read, "fi123", 5), 0), "in their order");

    pieces[0].bytes = past;
    pieces[3] = (struct file_piece){past, 4, (1 << 20) - 3};
    FAILS(file_write_pieces(&f, pieces, 4), TN_ENOSPC);
    pieces[3].offset = UINT64_MAX - 1;
    FAILS(file_write_pieces(&f, pieces, 4), TN_ENOSPC);
    OK(file_read(&f, read, 4, 4096));
    cr_expect(eq(int, memcmp(read, "late", 4), 0), "none was begun");
    file_close(&f);
}

/* A real disk of 1 MiB, where the system lets us have one: in a name space of
 * mounts that ends with the child. */
enum { NOT_PERMITTED = 77 };

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    close(fd);
    return written;
}

/* Become the root of a name space of users, if we are not root anyway. */
static bool become_root(void)
{
    char users[50], groups[50];

    if (geteuid() == 0)
        return unshare(CLONE_NEWNS) == 0;
    snprintf(users, sizeof(users), "0 %d 1", (int)geteuid());
    snprintf(groups, sizeof(groups), "0 %d 1", (int)getegid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
           write_text("/proc/self/setgroups", "deny") &&
           write_text("/proc/self/uid_map", users) &&
           write_text("/proc/self/gid_map", groups);
}

static int fill_a_disk(struct child *parent, void *arg)
{
    struct file f = FILE_CLOSED;
    uint64_t size = 0;

    (void)parent;
    (void)arg;
    if (!become_root() ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "disk", "tmpfs", 0, "size=1m") != 0)
        return NOT_PERMITTED;

    if (make("disk/a", "old", false) != TN_OK ||
        file_open(&f, "disk/a", true) != TN_OK)
        return 1;
    if (file_extend(&f, 2 << 20) != TN_ENOSPC)
        return 2;
    if (file_size(&f, &size) != TN_OK || size != 3)
        return 3;
    if (file_extend(&f, 512 << 10) != TN_OK) /* the blocks were given back */
        return 4;
    faults_refuse_all(FAULT_ALLOCATE, EOPNOTSUPP);
    if (file_extend(&f, 2 << 20) != TN_ENOSPC)
        return 5;
    if (file_size(&f, &size) != TN_OK || size != 512 << 10)
        return 6;
    faults_end();
    if (file_truncate(&f, 2 << 20) != TN_OK || /* a hole */
        file_extend(&f, 2 << 20) != TN_ENOSPC || file_size(&f, &size) != TN_OK)
        return 7;
    return size == 2 << 20 ? 0 : 8;
}

Test(file, a_full_disk_changes_nothing)
{
    struct child child;
    int result;

    mkdir("disk", 0755);
    child_start(&child, fill_a_disk, NULL);
    result = child_wait(&child);
    if (result == NOT_PERMITTED)
        SKIP("a disk of its own cannot be mounted here");
    cr_expect(eq(int, result, 0));
}

Test(file, truncating_shortens_and_lengthens)
{
    struct file f = FILE_CLOSED;
    char buffer[3] = "xxx";

    OK(file_create_unnamed(&f, "a", 0600));
    OK(file_write(&f, "abc", 3, 0));
    OK(file_truncate(&f, 1));
    cr_expect(eq(u64, size_of(&f), 1));
    OK(file_truncate(&f, 3));
    OK(file_read(&f, buffer, 3, 0));
    cr_expect(eq(int, memcmp(buffer, "a\0\0", 3), 0));
    file_close(&f);
}

Test(file, a_hole_reads_as_zeros_and_gives_its_blocks_back)
{
    struct file f = FILE_CLOSED;
    char text[65536], back[65536];
    tn_status status;
    uint64_t before;

    memset(text, 'x', sizeof(text));
    OK(file_create_unnamed(&f, "a", 0600));
    OK(file_write(&f, text, sizeof(text), 0));
    OK(file_sync(&f));
    before = bytes_on_disk(&f);
    status = file_punch(&f, 16384, 32768);
    if (status == TN_ENOTSUP)
        SKIP("the file system has no holes");
    OK(status);
    cr_expect(lt(u64, bytes_on_disk(&f), before));
    cr_expect(eq(u64, size_of(&f), sizeof(text)));
    memset(text + 16384, 0, 32768);
    OK(file_read(&f, back, sizeof(back), 0));
    cr_expect(eq(int, memcmp(text, back, sizeof(text)), 0));
    OK(file_punch(&f, 5, 0));

    faults_refuse_op(FAULT_PUNCH, 0, EOPNOTSUPP);
    FAILS(file_punch(&f, 0, 4096), TN_ENOTSUP);
    file_close(&f);
}

Test(file, zeros_that_are_not_written_keep_their_blocks)
{
    struct file f = FILE_CLOSED;
    char text[65536], back[65536];
    tn_status status;
    uint64_t before;

    memset(text, 'x', sizeof(text));
    OK(file_create_unnamed(&f, "a", 0600));
    OK(file_write(&f, text, sizeof(text), 0));
    OK(file_sync(&f));
    before = bytes_on_disk(&f);
    status = file_zero(&f, 16384 + 5, 32768);
    if (status == TN_ENOTSUP)
        SKIP("the file system has to write zeros");
    OK(status);
    cr_expect(ge(u64, bytes_on_disk(&f), before));
    cr_expect(eq(u64, size_of(&f), sizeof(text)));
    memset(text + 16384 + 5, 0, 32768);
    OK(file_read(&f, back, sizeof(back), 0));
    cr_expect(eq(int, memcmp(text, back, sizeof(text)), 0));
    OK(file_zero(&f, 5, 0));

    faults_refuse_op(FAULT_ZERO, 0, EOPNOTSUPP);
    FAILS(file_zero(&f, 0, 4096), TN_ENOTSUP);
    file_close(&f);
}

/* Syncs and names */

Test(file, every_failed_sync_is_an_io_error)
{
    static const int numbers[] = {EIO, ENOSPC, EDQUOT, EROFS, EINVAL};
    struct file f = FILE_CLOSED;

    OK(file_create_unnamed(&f, "a", 0600));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        faults_refuse_op(FAULT_SYNC, 0, numbers[i]);
        FAILS(file_sync(&f), TN_EIO);
    }
    faults_end();
    OK(file_sync(&f));
    file_close(&f);
}

Test(file, names_are_synced_with_their_directory)
{
    faults_refuse_all(FAULT_SYNC_DIRECTORY, 0);
    OK(make("a", "", false));
    cr_expect(eq(int, faults_seen(FAULT_SYNC_DIRECTORY), 1));
    OK(make("a", "", true));
    cr_expect(eq(int, faults_seen(FAULT_SYNC_DIRECTORY), 2));
    OK(file_unlink("a"));
    cr_expect(eq(int, faults_seen(FAULT_SYNC_DIRECTORY), 3));

    faults_refuse_all(FAULT_SYNC_DIRECTORY, EIO);
    FAILS(make("a", "whole", false), TN_EIO);
    cr_expect(eq(str, text_of("a"), "whole"), "others may use it by now");
    FAILS(file_unlink("a"), TN_EIO);
    cr_expect(not(exists("a")));
    faults_refuse_all(FAULT_SYNC_DIRECTORY, EINVAL);
    OK(make("a", "", false));
    faults_end();
}

Test(file, removing_takes_the_name_and_nothing_else)
{
    struct file f = FILE_CLOSED;
    char byte = 0;

    OK(make("a", "x", false));
    OK(file_open(&f, "a", false));
    cr_expect(file_still_named(&f));
    OK(file_unlink("a"));
    cr_expect(not(file_still_named(&f)));
    OK(file_read(&f, &byte, 1, 0));
    FAILS(file_unlink("a"), TN_ENOENT);
    OK(make("a", "x", false));
    cr_expect(not(file_still_named(&f)), "the name is another file's now");
    file_close(&f);
}

ParameterizedTestParameters(file, a_failed_replacement_can_be_tried_again)
{
    static enum way ways[] = {BY_LINK, NO_TMPFILE, NO_PROC, NO_NOREPLACE};

    return cr_make_param_array(enum way, ways, WAYS);
}

ParameterizedTest(enum way *w, file, a_failed_replacement_can_be_tried_again)
{
    OK(make("a", "old", false));
    for (int at = 0; at < 2; at++) {
        struct file f = FILE_CLOSED;

        go(*w, -1, 0);
        OK(file_create_unnamed(&f, "a", 0644));
        OK(file_write(&f, "new", 3, 0));
        faults_refuse_op(FAULT_RENAME, 0, EIO);
        FAILS(file_publish(&f, true), TN_EIO);
        cr_expect(faults_end());
        cr_expect(eq(str, text_of("a"), "old"));
        cr_expect(f.unnamed);
        if (at == 1)
            OK(file_publish(&f, true));
        file_close(&f);
        cr_expect(eq(str, text_of("a"), at == 1 ? "new" : "old"));
        cr_expect(eq(int, tmpdir_names(), 1));
    }
}

/* Any failure anywhere */

static const int numbers[] = {EIO,    ENOSPC, ENOMEM,     EMFILE, EACCES,
                              EEXIST, EROFS,  EOPNOTSUPP, EINVAL, EINTR};
enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

/* One failing creation: what must hold after it, whatever it was. */
static void check_creation(tn_status status, bool replace, bool was_there,
                           int descriptors)
{
    char *text;

    fault_set_hook(NULL, NULL);
    text = text_of("a");
    cr_assert(eq(int, faults_descriptors(), descriptors));
    if (status == TN_OK)
        cr_assert(eq(str, text, replace || !was_there ? "new" : "old"));
    else
        cr_assert(strcmp(text, "new") == 0 ||
                  strcmp(text, was_there ? "old" : "-") == 0);
    cr_assert(eq(int, tmpdir_names(), strcmp(text, "-") == 0 ? 0 : 1),
              "way %d, operation %d, errno %d: a name is left", way, refuse_at,
              refuse_with);
}

/* A name that cannot be removed at the first try is removed at the second, by
 * file_close(), so one fault never leaves it. */
static int creations_until_none_fails(enum way w, int number, bool replace,
                                      bool was_there)
{
    int failures = 0, descriptors = faults_descriptors();

    for (int n = 0; n < 100; n++) {
        tn_status status;

        unlink("a");
        if (was_there)
            OK(make("a", "old", false));
        go(w, n, number);
        status = make("a", "new", replace);
        fault_set_hook(NULL, NULL);
        if (asked <= n)
            return failures;
        failures += status != TN_OK;
        check_creation(status, replace, was_there, descriptors);
    }
    cr_assert(false, "there is no end to it");
    return 0;
}

ParameterizedTestParameters(file, no_failure_leaves_anything_behind)
{
    static enum way ways[] = {BY_LINK, NO_TMPFILE, NO_PROC, NO_NOREPLACE};

    return cr_make_param_array(enum way, ways, WAYS);
}

ParameterizedTest(enum way *w, file, no_failure_leaves_anything_behind)
{
    for (int i = 0; i < NUMBERS; i++)
        for (int kind = 0; kind < 3; kind++) {
            int failures =
                creations_until_none_fails(*w, numbers[i], kind > 0, kind == 2);

            cr_expect(gt(int, failures, 2));
        }
}

Test(file, a_failure_to_open_leaves_nothing_open)
{
    struct file f = FILE_CLOSED;
    int before = faults_descriptors();

    OK(make("a", "", false));
    for (int i = 0; i < NUMBERS; i++)
        for (int n = 0; n < 3; n++) {
            faults_refuse(n, numbers[i]);
            cr_expect(lt(int, file_open(&f, "a", true), 0));
            cr_expect(eq(int, f.fd, -1));
            cr_expect(faults_end());
            cr_expect(eq(int, faults_descriptors(), before));
        }
}

Test(file, each_failure_is_told_with_the_name_and_the_reason)
{
    struct file f = FILE_CLOSED;
    char buffer[4];

    OK(file_create_unnamed(&f, "dir.tn", 0600));
    faults_refuse(0, EIO);
    FAILS(file_read(&f, buffer, 4, 0), TN_EIO);
    cr_expect(eq(str, (char *)tn_errmsg(),
                 "dir.tn: cannot read at 0: Input/output error"));
    faults_refuse(0, ENOSPC);
    FAILS(file_write(&f, buffer, 4, 8), TN_ENOSPC);
    cr_expect(eq(str, (char *)tn_errmsg(),
                 "dir.tn: cannot write at 8: No space left on device"));
    faults_refuse_op(FAULT_ALLOCATE, 0, ENOSPC);
    FAILS(file_extend(&f, 4096), TN_ENOSPC);
    cr_expect(
        eq(str, (char *)tn_errmsg(),
           "dir.tn: cannot extend to 4096 bytes: No space left on device"));
    faults_refuse(0, EIO);
    FAILS(file_truncate(&f, 4096), TN_EIO);
    faults_refuse(0, EIO);
    FAILS(file_size(&f, &(uint64_t){0}), TN_EIO);
    faults_refuse(0, EIO);
    FAILS(file_unlink("x"), TN_EIO);
    cr_expect(
        eq(str, (char *)tn_errmsg(), "x: cannot remove: Input/output error"));
    faults_end();
    file_close(&f);
}

/* What the hook is told */

struct record {
    int count;
    struct fault_event last[FAULT_OPS];
};

static int record(void *arg, const struct fault_event *event)
{
    struct record *r = arg;

    r->count++;
    r->last[event->op] = *event;
    return 0;
}

Test(file, the_hook_is_told_what_is_about_to_happen)
{
    struct record r = {0};
    struct fault_event *last = r.last;
    struct file f = FILE_CLOSED;

    OK(file_create_unnamed(&f, "a", 0600));
    fault_set_hook(record, &r);
    OK(file_write(&f, "abc", 3, 5));
    cr_expect(eq(str, (char *)last[FAULT_WRITE].path, "a"));
    cr_expect(eq(u64, last[FAULT_WRITE].inode, f.inode));
    cr_expect(eq(u64, last[FAULT_WRITE].device, f.device));
    cr_expect(eq(u64, last[FAULT_WRITE].offset, 5));
    cr_expect(eq(u64, last[FAULT_WRITE].size, 3));
    cr_expect(eq(int, memcmp(last[FAULT_WRITE].data, "abc", 3), 0));
    OK(file_extend(&f, 9000));
    cr_expect(eq(u64, last[FAULT_ALLOCATE].offset, 0));
    cr_expect(eq(u64, last[FAULT_ALLOCATE].size, 9000));
    OK(file_truncate(&f, 10));
    cr_expect(eq(u64, last[FAULT_TRUNCATE].size, 10));
    OK(file_sync(&f));
    cr_expect(eq(u64, last[FAULT_SYNC].inode, f.inode));
    OK(file_publish(&f, true));
    cr_expect(eq(str, (char *)last[FAULT_RENAME].path2, "a"));
    cr_expect(eq(u64, last[FAULT_RENAME].inode, f.inode));
    cr_expect(eq(u64, last[FAULT_LINK].inode, f.inode));
    cr_expect(eq(ptr, (void *)last[FAULT_LINK].path, NULL));
    file_close(&f);
}

/* Races */

enum { RACERS = 6, ROUNDS = 15 };

/* Every racer makes every file, with its own number in it; its status is the
 * number of times it won. */
static int race(struct child *parent, void *arg)
{
    int number = *(int *)arg, won = 0;
    char text[20], name[20];

    go(number % WAYS, -1, 0);
    snprintf(text, sizeof(text), "%05d", number);
    child_tell(parent);
    if (!child_await(parent))
        return 255;
    for (int i = 0; i < ROUNDS; i++) {
        tn_status status;

        snprintf(name, sizeof(name), "f%d", i);
        status = make(name, text, false);
        if (status != TN_OK && status != TN_EEXIST)
            return 255;
        won += status == TN_OK;
        if (strlen(text_of(name)) != 5)
            return 254; /* half made */
    }
    return won;
}

Test(file, of_racing_creators_exactly_one_wins)
{
    struct child racers[RACERS];
    int number[RACERS], won[RACERS] = {0}, total = 0;

    for (int i = 0; i < RACERS; i++) {
        number[i] = i;
        child_start(&racers[i], race, &number[i]);
        cr_assert(child_await(&racers[i]));
    }
    for (int i = 0; i < RACERS; i++)
        child_tell(&racers[i]);
    for (int i = 0; i < RACERS; i++) {
        won[i] = child_wait(&racers[i]);
        cr_expect(ge(int, won[i], 0));
        cr_expect(le(int, won[i], ROUNDS));
        total += won[i];
    }
    cr_expect(eq(int, total, ROUNDS));
    cr_expect(eq(int, tmpdir_names(), ROUNDS), "and no temporary name is left");
    for (int i = 0; i < ROUNDS; i++) {
        char name[20];

        snprintf(name, sizeof(name), "f%d", i);
        won[atoi(text_of(name))]--;
    }
    for (int i = 0; i < RACERS; i++)
        cr_expect(eq(int, won[i], 0), "each file is its winner's");
}

/* A reader that always finds the name, and always a whole file. */
static int look(struct child *parent, void *arg)
{
    (void)arg;
    child_tell(parent);
    while (exists("a"))
        if (strlen(text_of("a")) != 5)
            return strcmp(text_of("a"), "-") == 0 ? 0 : 1;
    return 0;
}

Test(file, while_a_file_is_replaced_one_or_the_other_is_there)
{
    struct child reader;

    OK(make("a", "00000", false));
    child_start(&reader, look, NULL);
    cr_assert(child_await(&reader));
    for (int i = 0; i < 100; i++) {
        char text[20];

        snprintf(text, sizeof(text), "%05d", i);
        go(i % WAYS, -1, 0);
        OK(make("a", text, true));
        cr_assert(eq(str, text_of("a"), text));
    }
    OK(file_unlink("a"));
    cr_expect(eq(int, child_wait(&reader), 0));
}

static int die_before_naming(struct child *parent, void *arg)
{
    struct file f = FILE_CLOSED;

    (void)arg;
    if (file_create_unnamed(&f, "a", 0644) != TN_OK ||
        file_write(&f, "x", 1, 0) != TN_OK)
        return 1;
    child_tell(parent);
    child_await(parent);
    return 2;
}

Test(file, a_creator_that_is_killed_leaves_nothing)
{
    struct file probe = FILE_CLOSED;
    struct child creator;

    OK(file_create_unnamed(&probe, "a", 0600));
    if (probe.temporary != NULL)
        SKIP("the file system has no files without a name");
    file_close(&probe);
    child_start(&creator, die_before_naming, NULL);
    cr_assert(child_await(&creator));
    cr_expect(eq(int, child_kill(&creator), -SIGKILL));
    cr_expect(eq(int, tmpdir_names(), 0));
}
