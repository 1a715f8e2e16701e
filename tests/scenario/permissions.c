/* permissions.c - a new store has the mode that was asked for, umask or not
 *
 * And what the mode forbids is TN_EACCES, with the name of the file.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/child.h"
#include "lib/tmpdir.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static mode_t mode_of(const char *path)
{
    struct stat st;

    CLAIM(stat(path, &st) == 0);
    return st.st_mode & 07777;
}

static void make(const char *path, mode_t mode)
{
    const tn_options options = {.mode = mode};
    tn_store *store;

    OK(tn_store_open(&store, path, TN_SHARED | TN_CREATE, &options));
    OK(tn_construct(tn_store_segment(store), "one", TN_TYPE(int), 1, NULL,
                    NULL));
    OK(tn_store_close(store));
}

static void umask_is_no_matter(void)
{
    static const mode_t umasks[] = {0, 022, 077, 0777};
    static const mode_t modes[] = {0600, 0640, 0644, 0660, 0666};
    char path[32];

    for (size_t u = 0; u < 4; u++)
        for (size_t m = 0; m < 5; m++) {
            snprintf(path, sizeof(path), "%zu.%zu.tn", u, m);
            umask(umasks[u]);
            make(path, modes[m]);
            CLAIM(mode_of(path) == modes[m]);
        }
    make("default.tn", 0);
    CLAIM(mode_of("default.tn") == 0644);
    umask(022);
}

static void is_refused(const char *path, unsigned flags)
{
    tn_store *store;

    ANSWERS(tn_store_open(&store, path, flags, NULL), TN_EACCES);
    CLAIM(strstr(tn_errmsg(), path) != NULL);
}

/* As somebody who does not own the files. */
static int open_as_nobody(struct child *parent, void *arg)
{
    tn_store *store;

    (void)parent;
    (void)arg;
    CLAIM(geteuid() != 0 || (setgid(NOBODY) == 0 && setuid(NOBODY) == 0));
    is_refused("private.tn", TN_SHARED);
    is_refused("private.tn", TN_READ_ONLY);
    is_refused("private.tn", TN_PRIVATE);
    is_refused("readable.tn", TN_SHARED);
    is_refused("readable.tn", TN_SHARED | TN_CREATE);
    OK(tn_store_open(&store, "readable.tn", TN_READ_ONLY | TN_VERIFY, NULL));
    OK(tn_find(tn_store_segment(store), "one", TN_TYPE(int), NULL, NULL));
    OK(tn_store_close(store));
    OK(tn_store_open(&store, "readable.tn", TN_PRIVATE, NULL));
    OK(tn_destroy(tn_store_segment(store), "one", TN_TYPE(int)));
    OK(tn_store_close(store));
    is_refused("new.tn", TN_SHARED | TN_CREATE);
    return 0;
}

int main(void)
{
    const char *directory = tmpdir_enter();
    bool is_root = geteuid() == 0;
    struct child c;

    umask_is_no_matter();
    make("private.tn", 0600);
    make("readable.tn", 0644);
    if (!is_root) { /* the same for the owner, by modes that forbid him */
        CLAIM(chmod("private.tn", 0) == 0);
        CLAIM(chmod("readable.tn", 0444) == 0);
    }
    CLAIM(chmod(directory, is_root ? 0755 : 0555) == 0);
    child_start(&c, open_as_nobody, NULL);
    CLAIM(child_wait(&c) == 0);
    CLAIM(chmod(directory, 0755) == 0);
    tmpdir_leave();
    return 0;
}
