/* disk.c - a disk that remembers what a power cut may leave of it
 *
 *     file      inode, sectors, sizes
 *     sector    values: [0] on disk, [1..] may be on disk; last: in the cache
 *     name      inodes: likewise
 *
 *     write     a value more for each sector it touches
 *     sync      the last value written since the last failed sync is the only
 *               one
 *     of bytes  the same for their sectors alone
 *     failed    all values stay; those written so far are no longer covered by
 *     sync      a later sync
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "disk.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "os/fault.h"

enum { FILES = 16, NAMES = 16, DEPTH = 4 };

/* Values of one thing, oldest first.  Those below covered were there before a
 * sync that failed: no later sync makes them certain. */
struct values {
    uint64_t *at; /* a number, or the index of a sector's bytes */
    size_t count, capacity, covered;
};

struct file_record {
    uint64_t inode;
    struct values size;
    struct values *sectors;
    size_t sector_count;
};

struct name_record {
    char name[NAME_MAX + 1];
    struct values inode; /* 0: no such name */
};

struct disk {
    char directory[PATH_MAX];
    struct file_record files[FILES];
    size_t file_count;
    struct name_record names[NAMES];
    size_t name_count;
    char (*bytes)[SECTOR]; /* all values of sectors; [0] is zeros */
    uint64_t *digests;     /* of each */
    size_t bytes_count, bytes_capacity;
    disk_step_fn *step;
    void *step_arg;
    disk_during_fn *during;
    void *during_arg;
};

/* Disks of crashes during the recovery from crashes lie on each other. */
static struct disk disks[DEPTH];
static size_t depth;
#define disk (disks[depth])

/* --- Values -------------------------------------------------------------- */

static void values_add(struct values *v, uint64_t value)
{
    if (v->count > 0 && v->at[v->count - 1] == value && v->covered != v->count)
        return;
    if (v->count == v->capacity) {
        v->capacity = v->capacity == 0 ? 4 : 2 * v->capacity;
        v->at = realloc(v->at, v->capacity * sizeof(v->at[0]));
        assert(v->at != NULL);
    }
    v->at[v->count++] = value;
}

static uint64_t values_last(const struct values *v)
{
    return v->count == 0 ? 0 : v->at[v->count - 1];
}

/* A sync: what was written since the last failed one is certain. */
static void values_settle(struct values *v)
{
    if (v->count <= 1 || v->count == v->covered)
        return;
    v->at[0] = v->at[v->count - 1];
    v->count = 1;
    v->covered = 0;
}

static void values_fail(struct values *v)
{
    if (v->count > 1)
        v->covered = v->count;
}

static uint64_t values_choose(const struct values *v, disk_choose_fn *choose,
                              void *arg)
{
    if (v->count == 0)
        return 0;
    return v->at[v->count == 1 ? 0 : choose(arg, v->count)];
}

/* --- Files and names ----------------------------------------------------- */

static struct file_record *find_file(uint64_t inode)
{
    for (size_t i = 0; i < disk.file_count; i++)
        if (disk.files[i].inode == inode)
            return &disk.files[i];
    assert(disk.file_count < FILES);
    disk.files[disk.file_count] = (struct file_record){.inode = inode};
    values_add(&disk.files[disk.file_count].size, 0);
    return &disk.files[disk.file_count++];
}

static struct values *sector_of(struct file_record *f, size_t number)
{
    while (f->sector_count <= number) {
        size_t count = f->sector_count == 0 ? 256 : 2 * f->sector_count;

        f->sectors = realloc(f->sectors, count * sizeof(f->sectors[0]));
        assert(f->sectors != NULL);
        memset(f->sectors + f->sector_count, 0,
               (count - f->sector_count) * sizeof(f->sectors[0]));
        f->sector_count = count;
    }
    if (f->sectors[number].count == 0)
        values_add(&f->sectors[number], 0);
    return &f->sectors[number];
}

/* Is the name below the directory that is watched, and what is it there? */
static const char *inside(const char *path)
{
    size_t n = strlen(disk.directory);

    if (path == NULL || strncmp(path, disk.directory, n) != 0 || path[n] != '/')
        return NULL;
    return path + n + 1;
}

static struct values *name_of(const char *path)
{
    const char *name = inside(path);

    for (size_t i = 0; i < disk.name_count; i++)
        if (strcmp(disk.names[i].name, name) == 0)
            return &disk.names[i].inode;
    assert(disk.name_count < NAMES);
    disk.names[disk.name_count] = (struct name_record){0};
    snprintf(disk.names[disk.name_count].name, NAME_MAX + 1, "%s", name);
    values_add(&disk.names[disk.name_count].inode, 0);
    return &disk.names[disk.name_count++].inode;
}

static uint64_t keep_bytes(const char *bytes)
{
    if (disk.bytes_count + 1 >= disk.bytes_capacity) {
        disk.bytes_capacity =
            disk.bytes_capacity == 0 ? 4096 : 2 * disk.bytes_capacity;
        disk.bytes = realloc(disk.bytes, disk.bytes_capacity * SECTOR);
        disk.digests = realloc(disk.digests,
                               disk.bytes_capacity * sizeof(disk.digests[0]));
        assert(disk.bytes != NULL && disk.digests != NULL);
        if (disk.bytes_count == 0)
            memset(disk.bytes[disk.bytes_count++], 0, SECTOR);
    }
    memcpy(disk.bytes[disk.bytes_count], bytes, SECTOR);
    disk.digests[disk.bytes_count] = digest64(bytes, SECTOR);
    return disk.bytes_count++;
}

/* --- Recording ----------------------------------------------------------- */

static void record_write(struct file_record *f, uint64_t offset,
                         const char *data, uint64_t size)
{
    uint64_t end = offset + size;

    while (size > 0) {
        struct values *sector = sector_of(f, offset / SECTOR);
        char bytes[SECTOR];
        size_t at = offset % SECTOR,
               n = SECTOR - at < size ? SECTOR - at : (size_t)size;
        uint64_t last = values_last(sector);

        if (last != 0)
            memcpy(bytes, disk.bytes[last], SECTOR);
        else
            memset(bytes, 0, SECTOR);
        memcpy(bytes + at, data, n);
        if (last != 0 && memcmp(bytes, disk.bytes[last], SECTOR) == 0)
            values_add(sector, last);
        else
            values_add(sector, keep_bytes(bytes));
        offset += n;
        data += n;
        size -= n;
    }
    if (end > values_last(&f->size))
        values_add(&f->size, end);
}

/* A hole, or zeros that are not written, which a cut may leave or not, sector
 * by sector.  They may begin and end inside one. */
static void record_zeros(struct file_record *f, uint64_t offset, uint64_t size)
{
    static const char zeros[SECTOR];

    for (uint64_t n; size > 0; offset += n, size -= n) {
        n = size < SECTOR ? size : SECTOR;
        record_write(f, offset, zeros, n);
    }
}

static void for_all_sectors(struct file_record *f,
                            void (*change)(struct values *v))
{
    change(&f->size);
    for (size_t i = 0; i < f->sector_count; i++)
        change(&f->sectors[i]);
}

static void for_sectors(const struct fault_event *e,
                        void (*change)(struct values *v))
{
    struct file_record *f = find_file(e->inode);

    for (uint64_t at = e->offset; at < e->offset + e->size; at += SECTOR)
        change(sector_of(f, at / SECTOR));
}

static void record_name(const char *path, uint64_t inode)
{
    if (inside(path) != NULL)
        values_add(name_of(path), inode);
}

static void record(const struct fault_event *e)
{
    struct file_record *f = e->inode != 0 ? find_file(e->inode) : NULL;

    switch (e->op) {
    case FAULT_WRITE:
        record_write(f, e->offset, e->data, e->size);
        break;
    case FAULT_ALLOCATE:
        /* Whoever asks for blocks has the size written again. */
        values_add(&f->size, e->offset + e->size > values_last(&f->size)
                                 ? e->offset + e->size
                                 : values_last(&f->size));
        break;
    case FAULT_TRUNCATE:
        values_add(&f->size, e->size);
        break;
    case FAULT_PUNCH:
    case FAULT_ZERO:
        record_zeros(f, e->offset, e->size);
        break;
    case FAULT_SYNC:
        for_all_sectors(f, values_settle);
        break;
    case FAULT_SYNC_RANGE:
        for_sectors(e, values_settle);
        break;
    case FAULT_LINK:
        record_name(e->path2, e->inode);
        break;
    case FAULT_RENAME:
        record_name(e->path2, e->inode);
        record_name(e->path, 0);
        break;
    case FAULT_UNLINK:
        record_name(e->path, 0);
        break;
    case FAULT_SYNC_DIRECTORY:
        for (size_t i = 0; i < disk.name_count; i++)
            values_settle(&disk.names[i].inode);
        break;
    default:
        break;
    }
}

static const char *word_for(enum fault_op op)
{
    switch (op) {
    case FAULT_WRITE:
        return "write";
    case FAULT_ALLOCATE:
        return "allocate";
    case FAULT_TRUNCATE:
        return "truncate";
    case FAULT_PUNCH:
        return "punch";
    case FAULT_ZERO:
        return "zero";
    case FAULT_SYNC:
    case FAULT_SYNC_RANGE:
        return "sync";
    case FAULT_LINK:
        return "link";
    case FAULT_RENAME:
        return "rename";
    case FAULT_UNLINK:
        return "unlink";
    case FAULT_SYNC_DIRECTORY:
        return "sync directory";
    default:
        return NULL;
    }
}

static int hook(void *arg, const struct fault_event *e)
{
    const char *word = word_for(e->op);
    int number = 0;

    (void)arg;
    if (word == NULL)
        return 0;
    if (disk.step != NULL)
        number = disk.step(disk.step_arg, word);
    if (number == 0)
        record(e);
    else if (e->op == FAULT_SYNC)
        for_all_sectors(find_file(e->inode), values_fail);
    else if (e->op == FAULT_SYNC_RANGE)
        for_sectors(e, values_fail);
    if (disk.during != NULL)
        disk.during(disk.during_arg, word, e->path);
    return number;
}

/* --- Starting ------------------------------------------------------------ */

static void forget(void)
{
    for (size_t i = 0; i < disk.file_count; i++) {
        for (size_t k = 0; k < disk.files[i].sector_count; k++)
            free(disk.files[i].sectors[k].at);
        free(disk.files[i].sectors);
        free(disk.files[i].size.at);
    }
    for (size_t i = 0; i < disk.name_count; i++)
        free(disk.names[i].inode.at);
    disk.file_count = disk.name_count = 0;
    disk.bytes_count = disk.bytes_count > 0 ? 1 : 0;
}

void disk_start(const char *directory)
{
    forget();
    snprintf(disk.directory, sizeof(disk.directory), "%s", directory);
    fault_set_hook(hook, NULL);
}

void disk_stop(void)
{
    fault_set_hook(NULL, NULL);
}

void disk_push(void)
{
    disk_stop();
    assert(depth + 1 < DEPTH);
    depth++;
}

void disk_pop(void)
{
    disk_stop();
    depth--;
    fault_set_hook(hook, NULL);
}

void disk_on_step(disk_step_fn *step, void *arg)
{
    disk.step = step;
    disk.step_arg = arg;
}

void disk_on_during(disk_during_fn *during, void *arg)
{
    disk.during = during;
    disk.during_arg = arg;
}

static void load_file(const char *path)
{
    int fd = open(path, O_RDONLY);
    char bytes[SECTOR];
    uint64_t offset = 0;
    struct file_record *f;
    struct stat st;
    ssize_t n;

    assert(fd >= 0 && fstat(fd, &st) == 0);
    f = find_file(st.st_ino);
    while ((n = pread(fd, bytes, SECTOR, (off_t)offset)) > 0) {
        record_write(f, offset, bytes, (uint64_t)n);
        offset += (uint64_t)n;
    }
    close(fd);
    for_all_sectors(f, values_settle);
    record_name(path, st.st_ino);
    values_settle(name_of(path));
}

void disk_load(void)
{
    DIR *d = opendir(disk.directory);
    struct dirent *entry;
    char path[PATH_MAX + NAME_MAX + 2];

    assert(d != NULL);
    while ((entry = readdir(d)) != NULL)
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof(path), "%s/%s", disk.directory,
                     entry->d_name);
            load_file(path);
        }
    closedir(d);
}

/* --- Cutting ------------------------------------------------------------- */

size_t disk_choices(void)
{
    size_t choices = 0;

    for (size_t i = 0; i < disk.file_count; i++) {
        choices += disk.files[i].size.count > 1;
        for (size_t k = 0; k < disk.files[i].sector_count; k++)
            choices += disk.files[i].sectors[k].count > 1;
    }
    for (size_t i = 0; i < disk.name_count; i++)
        choices += disk.names[i].inode.count > 1;
    return choices;
}

/* What the last choice was: files, each a part of the sectors. */
struct chosen_sector {
    uint64_t number, value;
};

struct chosen_file {
    size_t name;
    uint64_t size;
    size_t first, count;
};

static struct {
    struct chosen_file files[NAMES];
    size_t file_count;
    struct chosen_sector *sectors;
    size_t sector_count, capacity;
} chosen;

static void choose_sector(uint64_t number, uint64_t value)
{
    if (chosen.sector_count == chosen.capacity) {
        chosen.capacity = chosen.capacity == 0 ? 1024 : 2 * chosen.capacity;
        chosen.sectors = realloc(chosen.sectors,
                                 chosen.capacity * sizeof(chosen.sectors[0]));
        assert(chosen.sectors != NULL);
    }
    chosen.sectors[chosen.sector_count++] =
        (struct chosen_sector){number, value};
}

static uint64_t choose_file(size_t name, const struct file_record *f,
                            disk_choose_fn *choose, void *arg)
{
    struct chosen_file *file = &chosen.files[chosen.file_count++];
    uint64_t hash;

    file->name = name;
    file->size = hash = values_choose(&f->size, choose, arg);
    file->first = chosen.sector_count;
    for (size_t i = 0; i < f->sector_count; i++) {
        uint64_t value = values_choose(&f->sectors[i], choose, arg);

        if (value == 0 || i * SECTOR >= file->size)
            continue;
        choose_sector(i, value);
        hash = (hash ^ disk.digests[value] ^ i) * UINT64_C(0x9e3779b97f4a7c15);
    }
    file->count = chosen.sector_count - file->first;
    return hash;
}

uint64_t disk_choose(disk_choose_fn *choose, void *arg)
{
    uint64_t hash = 0;

    chosen.file_count = chosen.sector_count = 0;
    for (size_t i = 0; i < disk.name_count; i++) {
        uint64_t inode = values_choose(&disk.names[i].inode, choose, arg);

        if (inode != 0)
            hash =
                hash * 31 + choose_file(i, find_file(inode), choose, arg) + i;
    }
    return hash;
}

/* Sectors that follow each other go out with one write. */
static void write_sectors(int fd, const struct chosen_file *file)
{
    static char bytes[256 * SECTOR];
    const struct chosen_sector *s = chosen.sectors + file->first;
    size_t n;

    for (size_t i = 0; i < file->count; i += n) {
        uint64_t offset = s[i].number * SECTOR, left = file->size - offset;
        size_t length;

        for (n = 0; n < 256 && i + n < file->count &&
                    s[i + n].number == s[i].number + n;
             n++)
            memcpy(bytes + n * SECTOR, disk.bytes[s[i + n].value], SECTOR);
        length = n * SECTOR < left ? n * SECTOR : (size_t)left;
        if (pwrite(fd, bytes, length, (off_t)offset) != (ssize_t)length)
            abort();
    }
}

void disk_write(const char *path)
{
    char target[PATH_MAX + NAME_MAX + 2];

    for (size_t i = 0; i < chosen.file_count; i++) {
        const struct chosen_file *file = &chosen.files[i];
        int fd;

        snprintf(target, sizeof(target), "%s/%s", path,
                 disk.names[file->name].name);
        fd = open(target, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd < 0 || ftruncate(fd, (off_t)file->size) != 0)
            abort();
        write_sectors(fd, file);
        close(fd);
    }
}
