/* snapshot.c - write a committed state of a store as a stream of LZ4 frames
 *
 *     view of the state     source.c       chunks of the image
 *                           pipeline.c     by several threads: read, digest,
 *                                          compress
 *     this file             in order: digest of the whole, frames, indexes
 *     stream.c              file without a name, descriptor, function
 *
 * The same state and level give the same bytes, with any number of threads.
 *
 * A chunk that lies in free memory is neither read nor compressed: its frame is
 * made once.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "image/base.h"
#include "image/header.h"
#include "image/image.h"
#include "image/index.h"
#include "image/pipeline.h"
#include "image/source.h"
#include "store/superblock.h"

#include <stdlib.h>
#include <string.h>

struct writing {
    const tn_snapshot_options *options;
    struct stream *out;
    struct source source;
    struct base *base; /* NULL: none */
    struct pipeline *pipeline;
    struct digest_stream *whole;
    struct index_frame index;
    struct image_header header;
    struct slot zero;        /* a chunk of zeros */
    struct digest128 digest; /* of the whole, at the end */
    mode_t mode;             /* of the store's file */
    uint64_t number;         /* of the chunk that comes next in the stream */
    uint64_t previous;       /* where the index before begins */
    uint64_t held;           /* chunks */
};

/* --- What threads do ------------------------------------------------------ */

static tn_status encode(struct writing *w, struct worker *worker,
                        struct slot *slot)
{
    tn_status status =
        compress_chunk(worker->coder, slot->bytes, slot->size,
                       w->options->level, slot->frame, &slot->frame_size);

    if (status == TN_OK)
        slot->encoded = digest64(slot->frame, slot->frame_size);
    return status;
}

static tn_status make_chunk(void *arg, struct worker *worker, struct slot *slot)
{
    struct writing *w = arg;
    tn_status status = source_read(&w->source, slot->number, slot->bytes,
                                   worker->scratch, &slot->zero);

    if (status != TN_OK)
        return status;
    if (slot->zero && slot->size != IMAGE_CHUNK) {
        memset(slot->bytes, 0, slot->size);
        slot->zero = false;
    }
    slot->digest =
        slot->zero ? w->zero.digest : digest128(slot->bytes, slot->size);
    slot->left_out =
        slot->has_wanted && digest_equal(slot->digest, slot->wanted);
    return slot->zero || slot->left_out ? TN_OK : encode(w, worker, slot);
}

/* --- In order ------------------------------------------------------------- */

static tn_status put_place(struct writing *w, uint64_t number)
{
    struct {
        struct image_frame frame;
        struct image_place place;
    } bytes = {{FRAME_PLACE, sizeof(struct image_place)}, {.number = number}};

    bytes.place.digest = digest64(&number, sizeof(number));
    return stream_put(w->out, &bytes, sizeof(bytes));
}

static tn_status put_chunk(struct writing *w, const struct slot *slot)
{
    const struct slot *shown = slot->zero ? &w->zero : slot;
    struct image_entry entry = {.number = slot->number,
                                .low = slot->digest.low,
                                .high = slot->digest.high,
                                .encoded = shown->encoded,
                                .frame_bytes = (uint32_t)shown->frame_size,
                                .chunk_bytes = (uint32_t)slot->size};
    tn_status status = TN_OK;

    digest_stream_add(w->whole, shown->bytes, slot->size);
    if (slot->left_out)
        return TN_OK;
    if (slot->number != w->number)
        status = put_place(w, slot->number);
    if (status == TN_OK)
        status = stream_put(w->out, shown->frame, shown->frame_size);
    w->number = slot->number + 1;
    w->held++;
    index_add(&w->index, &entry);
    return status;
}

static tn_status put_index(struct writing *w, uint64_t end)
{
    struct image_tail tail = {.previous = w->previous,
                              .last = end == image_chunks(w->source.size),
                              .offset = stream_offset(w->out)};
    size_t size;

    if (tail.last)
        w->digest = digest_stream_value(w->whole);
    tail.low = w->digest.low;
    tail.high = w->digest.high;
    size = index_seal(&w->index, &tail);
    w->previous = tail.offset;
    return stream_put(w->out, w->index.bytes, size);
}

/* Take the oldest chunk. */
static tn_status take(struct writing *w)
{
    const struct slot *slot = pipeline_take(w->pipeline);
    uint64_t next = slot->number + 1;
    tn_status status = slot->status;

    if (status != TN_OK)
        error_set(status, "%s", slot->why);
    else
        status = put_chunk(w, slot);
    pipeline_release(w->pipeline);
    if (status == TN_OK && next == image_group_end(w->source.size, next - 1)) {
        status = put_index(w, next);
        index_begin(&w->index, next, image_group_end(w->source.size, next));
    }
    return status == TN_OK ? image_progress(w->options, w->out->name, next - 1,
                                            w->source.size)
                           : status;
}

static tn_status feed(struct writing *w, struct slot *slot, uint64_t number)
{
    tn_status status = TN_OK;

    slot->number = number;
    slot->size = image_chunk_bytes(w->source.size, number);
    if (w->base != NULL)
        status = base_digest(w->base, number, slot->size, &slot->wanted,
                             &slot->has_wanted);
    if (status == TN_OK)
        pipeline_feed(w->pipeline);
    return status;
}

static tn_status put_all(struct writing *w)
{
    uint64_t chunks = image_chunks(w->source.size), fed = 0, taken = 0;
    struct slot *slot;
    tn_status status = header_put(w->out, &w->header);

    index_begin(&w->index, 0, image_group_end(w->source.size, 0));
    while (status == TN_OK && taken < chunks) {
        slot = fed < chunks ? pipeline_room(w->pipeline) : NULL;
        if (slot != NULL) {
            status = feed(w, slot, fed++);
        } else {
            status = take(w);
            taken++;
        }
    }
    return status == TN_OK ? stream_flush(w->out) : status;
}

/* --- A snapshot of a view ------------------------------------------------- */

static void fill_header(struct writing *w)
{
    const struct superblock *sb = &w->source.sb;
    struct image_header *header = &w->header;

    *header = (struct image_header){.magic = IMAGE_MAGIC,
                                    .format = IMAGE_FORMAT,
                                    .commit_number = sb->commit_number,
                                    .commit_nonce = sb->commit_nonce,
                                    .image_bytes = w->source.size,
                                    .chunk_bytes = IMAGE_CHUNK,
                                    .mode = w->mode};
    memcpy(header->uuid, sb->uuid, sizeof(header->uuid));
    if (w->base != NULL)
        base_describe(w->base, header);
}

static tn_status prepare(struct writing *w)
{
    uint64_t chunks = image_chunks(w->source.size);
    tn_status status =
        index_open(&w->index, chunks < IMAGE_GROUP ? chunks : IMAGE_GROUP);

    w->whole = digest_stream_open();
    if (status == TN_OK && w->whole == NULL)
        status = error_set(TN_ENOMEM, "no memory for a digest");
    if (status == TN_OK)
        status = image_make_zeros(&w->zero, w->source.size, w->options->level);
    if (status == TN_OK)
        status = pipeline_open(&w->pipeline, w->options->threads, chunks,
                               make_chunk, w);
    return status;
}

static void release(struct writing *w)
{
    pipeline_close(w->pipeline);
    index_close(&w->index);
    digest_stream_close(w->whole);
    image_free_zeros(&w->zero);
    source_close(&w->source);
}

/* A view begins with the superblock of its commit. */
static void superblock_of_view(const tn_store *store, const tn_segment *view,
                               struct superblock *sb)
{
    memcpy(sb, (const char *)view->base - STORE_SEGMENT_OFF, sizeof(*sb));
    if (!superblock_is_sealed(sb) ||
        memcmp(sb->uuid, store->superblock.uuid, sizeof(sb->uuid)) != 0)
        *sb = store->superblock;
}

static tn_status write_view(struct writing *w, const tn_store *store,
                            const tn_segment *view)
{
    struct superblock sb;
    tn_status status;

    superblock_of_view(store, view, &sb);
    status = w->base != NULL ? base_match(w->base, sb.uuid) : TN_OK;
    if (status == TN_OK)
        status = source_open(&w->source, view, &sb);
    if (status == TN_ECORRUPT)
        status = error_prefix(status, "%s", store->path);
    if (status == TN_OK)
        status = prepare(w);
    if (status == TN_OK) {
        fill_header(w);
        status = put_all(w);
    }
    return status;
}

/* A store that has no commits is copied first. */
static tn_status write_copy(struct writing *w, tn_store *store)
{
    const char *beside =
        w->out->file != NULL ? w->out->file->path : store->path;
    tn_store *copy;
    tn_status status = store_copy(&copy, store, beside);

    if (status != TN_OK)
        return status;
    status = write_view(w, copy, &copy->segment);
    release(w);
    store_copy_close(copy);
    return status;
}

static tn_status write_commit(struct writing *w, tn_store *store)
{
    const tn_segment *view;
    tn_status status;

    if (store->segment.live)
        return error_set(TN_EBUSY,
                         "%s: the store is in shared use, and a view for "
                         "reading only cannot hold it still",
                         store->path);
    if (!store->held_commit || store->access == TN_PRIVATE)
        return write_copy(w, store);
    if (store->access != TN_DURABLE) {
        status = write_view(w, store, &store->segment);
        release(w);
        return status;
    }
    status = tn_read_begin(store, &view);
    if (status != TN_OK)
        return status;
    status = write_view(w, store, view);
    release(w);
    tn_read_end(store, view);
    return status;
}

/* --- To wherever ---------------------------------------------------------- */

static void fill_info(const struct writing *w, tn_snapshot_info *info)
{
    image_describe(&w->header, info);
    info->snapshot_size = stream_offset(w->out);
    info->chunks_held = w->held;
    image_put_digest(info->digest, w->digest);
}

static tn_status write_stream(struct stream *out, tn_store *store,
                              const tn_snapshot_options *options,
                              tn_snapshot_info *info)
{
    struct writing w = {.options = options, .out = out};
    tn_status status = file_mode(&store->file, &w.mode);

    if (status == TN_OK)
        status = stream_open(out);
    if (status == TN_OK && options->base != NULL)
        status = base_open(&w.base, options->base);
    if (status == TN_OK)
        status = write_commit(&w, store);
    if (status == TN_OK && info != NULL)
        fill_info(&w, info);
    base_close(w.base);
    stream_close(out);
    return status;
}

static tn_status check(const tn_store *store, const tn_snapshot_options *given,
                       tn_snapshot_options *options)
{
    tn_status status = store_usable(store);

    return status == TN_OK ? image_options(given, options) : status;
}

/* Is it one of those that must not be replaced by a snapshot of the store? */
static bool is_needed(const struct file *found, const tn_store *store,
                      const char *base)
{
    const char *const needed[] = {store->path, store->journal_path, base};
    bool same = false;

    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed) && !same; i++) {
        struct file f = FILE_CLOSED;

        if (needed[i] == NULL || file_open(&f, needed[i], false) != TN_OK)
            continue;
        same = f.device == found->device && f.inode == found->inode;
        file_close(&f);
    }
    return same;
}

/* May there be a new file at path? */
static tn_status check_path(const tn_store *store, const char *path,
                            const tn_snapshot_options *options)
{
    struct file found = FILE_CLOSED;
    tn_status status = file_open(&found, path, false);
    bool needed;

    if (status == TN_ENOENT)
        return TN_OK;
    if (status != TN_OK)
        return status;
    needed = is_needed(&found, store, options->base);
    file_close(&found);
    if (needed)
        return error_set(TN_EINVAL,
                         "%s: it is the store itself, its journal or the base",
                         path);
    return options->force
               ? TN_OK
               : error_set(TN_EEXIST, "%s: the file is there already", path);
}

static tn_status write_file(tn_store *store, const char *path,
                            const tn_snapshot_options *options,
                            tn_snapshot_info *info)
{
    struct file file = FILE_CLOSED;
    struct stream out = {.file = &file, .name = path};
    mode_t mode = options->mode;
    tn_status status = check_path(store, path, options);

    if (status == TN_OK && mode == 0)
        status = file_mode(&store->file, &mode);
    if (status == TN_OK)
        status = file_create_unnamed(&file, path, mode);
    if (status == TN_OK)
        status = write_stream(&out, store, options, info);
    if (status == TN_OK)
        status = file_sync(&file);
    if (status == TN_OK)
        status = file_publish(&file, options->force);
    file_close(&file);
    return status;
}

TN_API tn_status tn_snapshot_write(tn_store *store, const char *path,
                                   const tn_snapshot_options *given,
                                   tn_snapshot_info *info)
{
    tn_snapshot_options options;
    tn_status status = check(store, given, &options);

    if (status == TN_OK && (path == NULL || path[0] == 0))
        status = error_set(TN_EINVAL, "a snapshot needs a path");
    return status == TN_OK ? write_file(store, path, &options, info) : status;
}

TN_API tn_status tn_snapshot_write_fd(tn_store *store, int fd,
                                      const tn_snapshot_options *given,
                                      tn_snapshot_info *info)
{
    struct stream out = {.fd = fd, .name = "the snapshot"};
    tn_snapshot_options options;
    tn_status status = check(store, given, &options);

    return status == TN_OK ? write_stream(&out, store, &options, info) : status;
}

TN_API tn_status tn_snapshot_write_to(tn_store *store, tn_write_fn *write,
                                      void *arg,
                                      const tn_snapshot_options *given,
                                      tn_snapshot_info *info)
{
    struct stream out = {.write = write, .arg = arg, .name = "the snapshot"};
    tn_snapshot_options options;
    tn_status status = check(store, given, &options);

    if (status == TN_OK && write == NULL)
        status = error_set(TN_EINVAL, "there is no function to write with");
    return status == TN_OK ? write_stream(&out, store, &options, info) : status;
}
