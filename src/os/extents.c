/* extents.c - which bytes of a file have blocks on the disk
 *
 * Where data begins and ends (file_find_data()) does not tell it: a block that
 * was allocated and never written to looks like a hole there, and one that only
 * the page cache has looks like data.  The FIEMAP ioctl tells them apart
 * (Documentation/filesystems/fiemap.rst in the Linux sources):
 *
 *                                       UNWRITTEN   DELALLOC or UNKNOWN
 *     a block, written to                   -               -
 *     a block, reads as zeros              yes              -
 *     no block yet, or none to be told      -              yes
 *     a hole                            no extent
 *
 * Looking is worth it only while it is short, so it ends after LOOKS calls.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/extents.h"
#include "os/fault.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    EXTENTS = 64, /* that are looked at together */
    LOOKS = 16,
};

/* A file's extents, one after the other. */
struct extents {
    const struct file *file;
    uint64_t at, size; /* looked at so far; of the file */
    int looks;
    uint32_t next, count;
    union {
        struct fiemap head;
        char room[sizeof(struct fiemap) +
                  EXTENTS * sizeof(struct fiemap_extent)];
    } list;
};

static bool is_refused(const struct file *f)
{
    return fault_point(&(struct fault_event){.op = FAULT_STAT,
                                             .path = f->path,
                                             .device = f->device,
                                             .inode = f->inode}) != 0;
}

static void list_extents(struct extents *e)
{
    struct fiemap *list = &e->list.head;

    e->next = e->count = 0;
    if (e->looks++ == LOOKS || is_refused(e->file))
        return;
    memset(list, 0, sizeof(*list));
    list->fm_start = e->at;
    list->fm_length = e->size - e->at;
    list->fm_extent_count = EXTENTS;
    if (TEMP_FAILURE_RETRY(ioctl(e->file->fd, FS_IOC_FIEMAP, list)) == 0)
        e->count = list->fm_mapped_extents;
}

/* NULL: that was the last, if at is size; or it cannot be told. */
static const struct fiemap_extent *next_extent(struct extents *e)
{
    const struct fiemap_extent *extent;

    if (e->next == e->count && e->at < e->size)
        list_extents(e);
    if (e->next >= e->count || e->next >= EXTENTS)
        return NULL;
    extent = &e->list.head.fm_extents[e->next++];
    if (extent->fe_length == 0 ||
        extent->fe_logical + extent->fe_length <= e->at)
        return NULL;
    e->at = extent->fe_logical + extent->fe_length;
    if (e->at > e->size || (extent->fe_flags & FIEMAP_EXTENT_LAST) != 0)
        e->at = e->size;
    return extent;
}

bool extents_cover(const struct file *f, uint64_t size)
{
    struct extents e = {.file = f, .size = size};
    const uint32_t vague = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC;
    const struct fiemap_extent *extent;
    uint64_t end = 0;

    while (end < size && (extent = next_extent(&e)) != NULL) {
        if (extent->fe_logical > end || (extent->fe_flags & vague) != 0)
            return false;
        end = extent->fe_logical + extent->fe_length;
    }
    return end >= size;
}

/* From one place to another there is nothing: more than what was found yet? */
static void note_blank(uint64_t from, uint64_t to, uint64_t *start,
                       uint64_t *end)
{
    if (to <= from || to - from <= *end - *start)
        return;
    *start = from;
    *end = to;
}

tn_status extents_find_blank(const struct file *f, uint64_t *start,
                             uint64_t *end)
{
    struct extents e = {.file = f};
    const struct fiemap_extent *extent;
    tn_status status = file_size(f, &e.size);
    uint64_t written = 0;

    *start = *end = e.size;
    while (status == TN_OK && (extent = next_extent(&e)) != NULL) {
        if ((extent->fe_flags & FIEMAP_EXTENT_UNWRITTEN) != 0)
            continue;
        note_blank(written, extent->fe_logical, start, end);
        written = extent->fe_logical + extent->fe_length;
    }
    if (e.at == e.size)
        note_blank(written, e.size, start, end);
    return status;
}
