/* create.c - a new store, complete before it has a name
 *
 *     unnamed file, real blocks for all of it
 *     segment formatted in a private mapping, its touched pages written
 *     superblock, state CLEAN
 *     fdatasync
 *     link to the name, sync the directory
 *
 * A creator that dies leaves nothing.  Of several that race, one makes the name
 * and the others get TN_EEXIST, upon which they open what is there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "store/store.h"
#include "store/superblock.h"

#include <string.h>

#define DEFAULT_SIZE     ((size_t)1 << 20)
#define DEFAULT_MAX_SIZE ((size_t)1 << 40)
#define LARGEST_SIZE     ((size_t)1 << 47) /* what addresses there are */

enum { CHUNK = 64 * 1024 }; /* unit of writing and of looking for zeros */

/* The sizes of a new file, in whole pages. */
static tn_status choose_sizes(const char *path, const tn_options *options,
                              size_t *size, size_t *max_size)
{
    size_t page = region_page_size();
    size_t least =
        round_up(STORE_SEGMENT_OFF + tn_segment_min_size(options), page);

    *size =
        options != NULL && options->size != 0 ? options->size : DEFAULT_SIZE;
    *max_size = options != NULL && options->max_size != 0 ? options->max_size
                                                          : DEFAULT_MAX_SIZE;
    if (*size > LARGEST_SIZE || *max_size > LARGEST_SIZE)
        return error_set(TN_ESIZE, "%s: a store has at most %zu bytes", path,
                         LARGEST_SIZE);
    *size = round_up(*size, page);
    *max_size = round_up(*max_size, page);
    if (*size < least)
        return error_set(TN_ESIZE,
                         "%s: %zu bytes are too few for a store; it needs %zu",
                         path, *size, least);
    if (*max_size < *size && (options == NULL || options->max_size == 0))
        *max_size = *size;
    if (*max_size < *size)
        return error_set(TN_ESIZE,
                         "%s: the size of %zu bytes exceeds the maximum of %zu",
                         path, *size, *max_size);
    return TN_OK;
}

tn_status store_write_range(struct file *f, const char *segment, size_t start,
                            size_t end)
{
    tn_status status = TN_OK;

    for (size_t n; start < end && status == TN_OK; start += n) {
        n = end - start < CHUNK ? end - start : CHUNK;
        if (!bytes_are_zero(segment + start, n))
            status =
                file_write(f, segment + start, n, STORE_SEGMENT_OFF + start);
    }
    return status;
}

/* A fresh segment has bytes only at its two ends. */
static tn_status write_fresh(struct file *f, const char *segment, size_t size)
{
    size_t middle = size < 4 * CHUNK ? size : 2 * CHUNK;
    tn_status status = store_write_range(f, segment, 0, middle);

    if (status == TN_OK && middle < size)
        status = store_write_range(f, segment, size - CHUNK, size);
    return status;
}

static tn_status format_segment(struct file *f, size_t size,
                                const tn_options *options,
                                struct superblock *sb)
{
    struct region region;
    struct segment *base;
    tn_status status = region_map(&region, f, REGION_PRIVATE, size, NULL);

    if (status != TN_OK)
        return status;
    region_expect_blank(&region, 0, size);
    base = (struct segment *)(region.base + STORE_SEGMENT_OFF);
    status = segment_format(base, size - STORE_SEGMENT_OFF, options);
    if (status == TN_OK) {
        sb->segment_size = heap_size(&base->heap);
        sb->index = base->named.kind;
        sb->fit = base->heap.fit;
        status = write_fresh(f, (const char *)base, sb->segment_size);
    }
    region_unmap(&region);
    return status;
}

static tn_status describe(struct superblock *sb, size_t size, size_t max_size)
{
    tn_status status;

    memset(sb, 0, sizeof(*sb));
    memcpy(sb->magic, STORE_MAGIC, sizeof(sb->magic));
    sb->format = STORE_FORMAT;
    sb->byte_order = STORE_BYTE_ORDER;
    sb->page_size = region_page_size();
    sb->file_size = size;
    sb->max_size = max_size;
    status = superblock_new_uuid(sb);
    return status == TN_OK ? superblock_new_commit(sb) : status;
}

tn_status store_complete(struct file *f, struct superblock *sb)
{
    tn_status status = superblock_write(f, sb);

    if (status == TN_OK)
        status = superblock_set_state(f, STORE_CLEAN); /* syncs everything */
    return status == TN_OK ? file_publish(f, false) : status;
}

tn_status store_create(const char *path, const tn_options *options)
{
    mode_t mode = options != NULL && options->mode != 0 ? options->mode
                                                        : STORE_DEFAULT_MODE;
    struct file f = FILE_CLOSED;
    struct superblock sb;
    size_t size, max_size;
    tn_status status = choose_sizes(path, options, &size, &max_size);

    if (status == TN_OK)
        status = file_create_unnamed(&f, path, mode);
    if (status != TN_OK)
        return status;
    status = file_extend(&f, size);
    if (status == TN_OK)
        status = describe(&sb, size, max_size);
    if (status == TN_OK)
        status = format_segment(&f, size, options, &sb);
    if (status == TN_OK)
        status = store_complete(&f, &sb);
    file_close(&f);
    return status;
}
