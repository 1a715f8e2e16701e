/* stores.c - a small store whose contents are known, and ways to hurt its file
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/stores.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "lib/child.h"
#include "os/fault.h"

const tn_type stores_item = {.name = "struct stores_item",
                             .size = sizeof(struct stores_item),
                             .align = _Alignof(struct stores_item)};

const tn_options stores_options = {
    .size = STORES_SIZE, .max_size = STORES_MAX, .lock_timeout_ms = 1000};

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s: %s\n", what, tn_errmsg());
    abort();
}

static void item_name(char name[32], int i)
{
    snprintf(name, 32, "item/%03d", i);
}

static void fill(tn_segment *seg)
{
    void *raw[8];
    char name[32];

    for (int i = 0; i < 8; i++) {
        raw[i] = tn_alloc(seg, 100 + 300 * (size_t)i);
        require(raw[i] != NULL, "tn_alloc");
        memset(raw[i], 0xa5, 100 + 300 * (size_t)i);
    }
    for (uint64_t i = 0; i < STORES_OBJECTS; i++) {
        struct stores_item item = {i, 2 * i};

        item_name(name, (int)i);
        require(tn_construct(seg, name, &stores_item, 1, &item, NULL) == TN_OK,
                name);
    }
    require(tn_construct(seg, TN_UNIQUE, &stores_item, 3, NULL, NULL) == TN_OK,
            "unique");
    for (int i = 0; i < 4; i++)
        require(tn_construct(seg, TN_ANONYMOUS, &stores_item, 1, NULL, NULL) ==
                    TN_OK,
                "anonymous");
    for (int i = 0; i < 8; i += 2)
        require(tn_free(seg, raw[i]) == TN_OK, "tn_free");
}

void stores_make(const char *path, tn_index index)
{
    tn_options options = stores_options;
    tn_store *store;

    options.index = index;
    require(tn_store_open(&store, path, TN_SHARED | TN_CREATE | TN_EXCLUSIVE,
                          &options) == TN_OK,
            path);
    fill(tn_store_segment(store));
    require(tn_store_close(store) == TN_OK, path);
}

bool stores_holds(const tn_segment *seg)
{
    struct stores_item *item;
    char name[32];
    size_t count;
    void *p;

    for (uint64_t i = 0; i < STORES_OBJECTS; i++) {
        tn_status status;

        item_name(name, (int)i);
        status = tn_find(seg, name, &stores_item, &p, &count);
        item = p;
        if (status != TN_OK || count != 1 || item->number != i ||
            item->twice != 2 * i) {
            fprintf(stderr, "%s is not what it was: %d\n", name, status);
            return false;
        }
    }
    if (tn_find(seg, TN_UNIQUE, &stores_item, NULL, &count) == TN_OK &&
        count == 3)
        return true;
    fprintf(stderr, "the unique object is not there\n");
    return false;
}

static void print_finding(void *arg, const tn_finding *f)
{
    fprintf(stderr, "%s: %s at %" PRIu64 ": %s\n", (const char *)arg, f->rule,
            f->offset, f->what);
}

bool stores_sound(const char *path, unsigned flags)
{
    tn_store *store;
    bool holds;

    if (tn_store_open(&store, path, TN_SHARED | TN_VERIFY | flags,
                      &stores_options) != TN_OK) {
        fprintf(stderr, "%s\n", tn_errmsg());
        return false;
    }
    holds = stores_holds(tn_store_segment(store));
    if (tn_store_close(store) == TN_OK &&
        tn_check_file(path, NULL, print_finding, (void *)path) == TN_OK)
        return holds;
    fprintf(stderr, "%s\n", tn_errmsg());
    return false;
}

bool stores_documented(tn_status status)
{
    switch (status) {
    case TN_OK:
    case TN_EINVAL:
    case TN_ENOMEM:
    case TN_ENOSPC:
    case TN_EEXIST:
    case TN_ENOENT:
    case TN_EBUSY:
    case TN_ECORRUPT:
    case TN_ENOTSTORE:
    case TN_EVERSION:
    case TN_EDIRTY:
    case TN_EJOURNAL:
    case TN_EROFS:
    case TN_EACCES:
    case TN_EIO:
    case TN_ESIZE:
        return true;
    default:
        return false;
    }
}

/* Bytes of the file */

static int open_file(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    require(fd >= 0, path);
    return fd;
}

void stores_read(const char *path, void *bytes, size_t size, uint64_t offset)
{
    int fd = open_file(path, O_RDONLY);

    require(pread(fd, bytes, size, (off_t)offset) == (ssize_t)size, path);
    close(fd);
}

void stores_write(const char *path, const void *bytes, size_t size,
                  uint64_t offset)
{
    int fd = open_file(path, O_WRONLY);

    require(pwrite(fd, bytes, size, (off_t)offset) == (ssize_t)size, path);
    close(fd);
}

size_t stores_length(const char *path)
{
    struct stat st;

    require(stat(path, &st) == 0, path);
    return (size_t)st.st_size;
}

void stores_put(const char *path, const void *bytes, size_t size)
{
    int fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);

    require(write(fd, bytes, size) == (ssize_t)size, path);
    close(fd);
}

void stores_superblock(const char *path, struct superblock *out)
{
    stores_read(path, out, sizeof(*out), 0);
}

void stores_reseal(const char *path, struct superblock *sb)
{
    sb->digest = digest64(sb, offsetof(struct superblock, digest));
    stores_write(path, sb, sizeof(*sb), 0);
}

uint64_t stores_state(const char *path)
{
    uint64_t state;

    stores_read(path, &state, sizeof(state), STORE_STATE_OFF);
    return state;
}

void stores_set_state(const char *path, uint64_t state)
{
    stores_write(path, &state, sizeof(state), STORE_STATE_OFF);
}

/* Using it */

static void look_at_all(tn_segment *seg, tn_kind kind)
{
    tn_iter *iter;
    tn_object object;
    unsigned sum = 0;
    tn_object kept = {0};

    if (tn_iter_open(seg, kind, NULL, &iter) != TN_OK)
        return;
    for (int i = 0; i < 1000 && tn_iter_next(iter, &object); i++) {
        const unsigned char *bytes = object.address;

        for (size_t b = 0; b < object.count * object.size; b++)
            sum += bytes[b];
        if (object.name != NULL)
            sum += (unsigned)strlen(object.name);
        sum += (unsigned)strlen(object.type);
        kept = object;
    }
    tn_iter_close(iter);
    if (kept.address != NULL)
        tn_destroy_ptr(seg, kept.address, NULL);
    __asm__ volatile("" ::"r"(sum));
}

void stores_use(tn_segment *seg)
{
    char name[32];
    void *p[16];

    for (int i = 0; i < STORES_OBJECTS; i++) {
        item_name(name, i);
        tn_find(seg, name, &stores_item, &p[0], NULL);
    }
    for (int kind = TN_KIND_NAMED; kind <= TN_KIND_ANONYMOUS; kind++)
        look_at_all(seg, (tn_kind)kind);
    for (size_t i = 0; i < 16; i++) {
        p[i] = tn_alloc(seg, 40 + i * i * 30);
        if (p[i] != NULL)
            memset(p[i], 1, 40 + i * i * 30);
    }
    for (size_t i = 0; i < 16; i += 2)
        tn_free(seg, p[i]);
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "new/%d", i);
        tn_construct(seg, name, &stores_item, 2, NULL, NULL);
    }
    for (int i = 0; i < STORES_OBJECTS; i += 3) {
        item_name(name, i);
        tn_destroy(seg, name, NULL);
    }
    for (size_t i = 1; i < 16; i += 2)
        tn_free(seg, p[i]);
}

/* Dying */

static int kill_at(void *arg, const struct fault_event *event)
{
    int *left = arg;

    (void)event;
    if ((*left)-- == 0)
        raise(SIGKILL);
    return 0;
}

static int work_until_killed(struct child *parent, void *arg)
{
    struct stores_victim *victim = arg;

    (void)parent;
    fault_set_hook(kill_at, &victim->n);
    return victim->work(victim->arg);
}

void stores_start_victim(struct child *c, struct stores_victim *victim)
{
    child_start(c, work_until_killed, victim);
}

static int open_and_wait(struct child *parent, void *arg)
{
    tn_store *store;

    if (tn_store_open(&store, arg, TN_SHARED | TN_RECOVER, NULL) != TN_OK)
        return 1;
    child_tell(parent);
    child_await(parent);
    return 2;
}

void stores_abandon(const char *path)
{
    struct child c;

    child_start(&c, open_and_wait, (void *)path);
    require(child_await(&c), "the child could not open it");
    child_kill(&c);
}

bool stores_killed_at(int n, int (*work)(void *arg), void *arg)
{
    struct stores_victim victim = {n, work, arg};
    struct child c;
    int how;

    stores_start_victim(&c, &victim);
    how = child_wait(&c);
    if (how == -SIGKILL)
        return true;
    require(how == 0, "the child neither ended well nor was killed");
    return false;
}
