/* full.c - a disk that is really full, and the same handle goes on
 *
 *     full
 *
 * On a small file system in memory and on a small ext4 in a file, mounted where
 * only this process sees them: the store grows, and the journal of a store that
 * a reader holds still, until there is no room.  Then a file is removed, and
 * the call that was refused succeeds.  Where nothing can be mounted the program
 * says so and is skipped.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "ground.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SKIPPED = 77, MB = 1 << 20, PIECE = 200 * 1000, MOST = 400 };

static char directory[PATH_MAX];

static const tn_options options = {
    .size = 65536, .journal_size = 65536, .lock_timeout_ms = 1};

/* Something that takes room and will be removed. */
static void make_filler(void)
{
    int fd = open("filler", O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CLAIM(fd >= 0 && posix_fallocate(fd, 0, 2 * MB) == 0 && close(fd) == 0);
}

static void make_room(void)
{
    CLAIM(unlink("filler") == 0);
}

static uint64_t *pieces_of(const tn_segment *view)
{
    void *found;

    OK(tn_find(view, "pieces", TN_BYTES, &found, NULL));
    return found;
}

static tn_store *make_store(size_t size)
{
    tn_segment *w;
    tn_store *store;

    OK(tn_store_open(&store, "store", TN_DURABLE | TN_CREATE, &options));
    OK(tn_begin(store, &w));
    OK(tn_construct(w, "pieces", TN_BYTES, size, NULL, NULL));
    OK(tn_commit(store));
    make_filler();
    return store;
}

static void end_store(tn_store *store, uint64_t last)
{
    OK(tn_store_close(store));
    OK(tn_store_open(&store, "store", TN_READ_ONLY | TN_VERIFY, NULL));
    CLAIM(pieces_of(tn_store_segment(store))[0] == last);
    OK(tn_store_close(store));
    CLAIM(unlink("store") == 0);
    unlink("store-journal");
}

/* One more piece in the segment; false: no room. */
static bool add_piece(tn_segment *w)
{
    void *piece = tn_alloc(w, PIECE);

    if (piece == NULL)
        return false;
    memset(piece, 1, PIECE);
    pieces_of(w)[0]++;
    return true;
}

static void the_store_grows(void)
{
    tn_store *store = make_store(64);
    tn_segment *w;
    uint64_t pieces = 0;
    tn_status status = TN_OK;
    bool added = true;

    while (status == TN_OK && added && pieces < MOST) {
        OK(tn_begin(store, &w));
        added = add_piece(w);
        if (added)
            status = tn_commit(store);
        pieces += added && status == TN_OK;
    }
    CLAIM(pieces > 2 && (!added || status == TN_ENOSPC));
    make_room();
    if (!added)
        CLAIM(add_piece(w));
    OK(tn_commit(store)); /* the transaction was still open */
    end_store(store, pieces + 1);
}

static void the_journal_grows(void)
{
    tn_store *store = make_store(PIECE);
    const tn_segment *view;
    tn_segment *w;
    uint64_t commits = 0;
    tn_status status = TN_OK;

    OK(tn_read_begin(store, &view));
    while (status == TN_OK && commits < MOST) {
        OK(tn_begin(store, &w));
        memset(pieces_of(w), (int)commits, PIECE);
        pieces_of(w)[0] = commits + 1;
        status = tn_commit(store);
        commits += status == TN_OK;
    }
    CLAIM(commits > 2 && status == TN_ENOSPC);
    CLAIM(pieces_of(view)[0] == 0);
    make_room();
    OK(tn_commit(store));
    CLAIM(pieces_of(view)[0] == 0);
    OK(tn_read_end(store, view));
    end_store(store, commits + 1);
}

/* --- File systems --------------------------------------------------------- */

static bool mount_memory(void)
{
    return mount("none", directory, "tmpfs", 0, "size=16m") == 0;
}

static bool mount_image(void)
{
    char command[5 * PATH_MAX];

    snprintf(command, sizeof(command),
             "exec 2>/dev/null; truncate -s 24M %s.img && "
             "mkfs.ext4 -q -F -m 0 -O ^has_journal %s.img && "
             "mount -o loop %s.img %s",
             directory, directory, directory, directory);
    return system(command) == 0;
}

/* In a process with mounts of its own. */
static int try_on(bool (*mount_it)(void))
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        alarm(60);
        if (unshare(CLONE_NEWNS) != 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            !mount_it() || chdir(directory) != 0)
            _exit(SKIPPED);
        the_store_grows();
        the_journal_grows();
        _exit(chdir("/") != 0 || umount2(directory, MNT_DETACH) != 0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        exit(2);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

int main(void)
{
    static bool (*const systems[])(void) = {mount_memory, mount_image};
    const char *const names[] = {"in memory", "ext4"};
    char image[PATH_MAX + 8];
    int passed = 0, failed = 0;

    snprintf(directory, sizeof(directory), "%s/full", ground_directory("full"));
    snprintf(image, sizeof(image), "%s.img", directory);
    CLAIM(mkdir(directory, 0700) == 0);
    for (int i = 0; i < 2; i++) {
        int status = try_on(systems[i]);

        if (status == SKIPPED)
            printf("a file system %s cannot be mounted here\n", names[i]);
        else if (status != 0)
            printf("failed on a file system %s\n", names[i]);
        passed += status == 0;
        failed += status != 0 && status != SKIPPED;
    }
    unlink(image);
    rmdir(directory);
    if (passed + failed == 0)
        return SKIPPED;
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
