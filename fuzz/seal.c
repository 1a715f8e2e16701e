/* seal.c - put checksums right, so that the fuzzer gets past them
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "seal.h"
#include "base/digest.h"
#include "heap/block.h"
#include "image/compress.h"
#include "image/index.h"
#include "index/kind.h"
#include "segment/layout.h"
#include "store/layout.h"

#include <string.h>

/* --- Bytes anywhere ------------------------------------------------------- */

static bool has(const struct image *image, uint64_t at, uint64_t n)
{
    return at <= image->size && n <= image->size - at;
}

static uint64_t get(const struct image *image, uint64_t at)
{
    uint64_t word = 0;

    if (has(image, at, sizeof(word)))
        memcpy(&word, image->bytes + at, sizeof(word));
    return word;
}

static void put(struct image *image, uint64_t at, uint64_t word)
{
    if (has(image, at, sizeof(word)))
        memcpy(image->bytes + at, &word, sizeof(word));
}

/* The sector at this place ends with a digest of all before it. */
static void seal_sector(struct image *image, uint64_t at)
{
    uint64_t covered = STORE_SECTOR - sizeof(uint64_t);

    if (has(image, at, STORE_SECTOR))
        put(image, at + covered, digest64(image->bytes + at, covered));
}

/* --- Objects -------------------------------------------------------------- */

/* As check_of() of index/record.c. */
static uint64_t record_check(uint64_t off, uint64_t type, uint64_t count)
{
    uint64_t x = (type ^ off << 13) * UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 29 ^ count) * UINT64_C(0xbf58476d1ce4e5b9);
    return x >> RECORD_CHECK_SHIFT;
}

/* Could this word be the first of a record that lies front bytes behind the
 * start of its block? */
static bool fits(uint64_t word, uint64_t front, uint64_t link)
{
    uint64_t length = word >> RECORD_NAME_SHIFT & RECORD_NAME_MASK;

    switch (word >> RECORD_KIND_SHIFT) {
    case TN_KIND_NAMED:
        return length != 0 && record_name_room(length) + link == front;
    case TN_KIND_UNIQUE:
        return length == 0 && front == link;
    case TN_KIND_ANONYMOUS:
        return length == 0 && front == 0;
    default:
        return false;
    }
}

/* An object lies in the block at off of the segment. */
static void seal_record(struct image *store, uint64_t off, uint64_t size,
                        uint64_t link)
{
    for (uint64_t front = 0; front + sizeof(struct record) < size &&
                             front <= TN_NAME_MAX + 64 + link;
         front += RECORD_ALIGN) {
        uint64_t at = STORE_SEGMENT_OFF + off + front;
        uint64_t type = get(store, at), count = get(store, at + 8);

        if (!fits(type, front, link))
            continue;
        count &= RECORD_COUNT_MASK;
        put(store, at + 8,
            count | record_check(off + front, type, count)
                        << RECORD_CHECK_SHIFT);
        return;
    }
}

/* --- Blocks --------------------------------------------------------------- */

static void seal_blocks(struct image *store)
{
    uint64_t heap = STORE_SEGMENT_OFF;
    uint64_t off = get(store, heap + offsetof(struct heap, first)), size = 1;
    uint32_t kind =
        (uint32_t)get(store, heap + offsetof(struct segment, named) +
                                 offsetof(struct index, kind));
    uint64_t link = kind == TN_INDEX_ISET ? sizeof(struct record_link) : 0;

    while (off >= sizeof(struct heap) && size != 0 &&
           has(store, heap + off - HEAP_OVERHEAD, HEAP_OVERHEAD)) {
        uint64_t at = heap + off - HEAP_OVERHEAD, word = get(store, at);

        size = word_size(word);
        put(store, at,
            word_make(off, size, word & HEAP_PREV_USED, word_state(word)));
        if (word_state(word) == BLOCK_OBJECT)
            seal_record(store, off, size, link);
        off += size;
    }
}

/* --- Page sums ------------------------------------------------------------ */

static void seal_sums(struct image *store)
{
    uint64_t off =
        get(store, STORE_SEGMENT_OFF + offsetof(struct segment, sums));
    uint64_t first = (off + STORE_SEGMENT_OFF) / STORE_PAGE;
    uint64_t word = get(store, STORE_SEGMENT_OFF + off - HEAP_OVERHEAD);
    uint64_t pages = word_size(word) / STORE_PAGE;

    if (off == 0 || off % STORE_PAGE != 0 || !has(store, 0, STORE_SECTOR))
        return;
    put(store, STORE_SEGMENT_OFF + off, digest64(store->bytes, STORE_SECTOR));
    for (uint64_t page = 1; has(store, page * STORE_PAGE, STORE_PAGE); page++)
        if (page < first || page - first >= pages)
            put(store, STORE_SEGMENT_OFF + off + page * sizeof(uint64_t),
                digest64(store->bytes + page * STORE_PAGE, STORE_PAGE));
}

static void seal_marks(struct image *store)
{
    for (uint64_t at = 0; at < sizeof(struct marks); at += sizeof(uint64_t))
        put(store, STORE_MARKS_OFF + at,
            mark_seal(get(store, STORE_MARKS_OFF + at)));
}

void seal_store(struct image *store)
{
    seal_sector(store, 0);
    seal_marks(store);
    seal_blocks(store);
    seal_sums(store);
}

/* --- The journal ---------------------------------------------------------- */

/* The newest header that says what it is; 0: none does. */
static uint64_t newest_header(const struct image *journal, uint64_t *at)
{
    uint64_t newest = 0;

    for (uint64_t slot = 0; slot < 2 * STORE_SECTOR; slot += STORE_SECTOR) {
        uint64_t generation =
            get(journal, slot + offsetof(struct journal_header, generation));

        if (get(journal, slot) == JOURNAL_MAGIC && generation > newest) {
            newest = generation;
            *at = slot;
        }
    }
    return newest;
}

/* Make what lies at off follow the record before; its size, 0: it is none. */
static uint64_t seal_record_at(struct image *journal, uint64_t off,
                               uint64_t salt, uint64_t number, uint64_t chain)
{
    struct journal_record record;

    if (!has(journal, off, sizeof(record)))
        return 0;
    memcpy(&record, journal->bytes + off, sizeof(record));
    if ((record.salt != salt && record.number != number) ||
        record.bytes < sizeof(record) || !has(journal, off, record.bytes))
        return 0;
    record.salt = salt;
    record.number = number;
    record.chain = chain;
    memcpy(journal->bytes + off, &record, sizeof(record));
    put(journal, off,
        digest64(journal->bytes + off + sizeof(uint64_t),
                 record.bytes - sizeof(uint64_t)));
    return record.bytes;
}

void seal_journal(struct image *journal)
{
    uint64_t at = 0, off = JOURNAL_RECORDS_OFF, salt, number, chain, bytes = 1;

    seal_sector(journal, 0);
    seal_sector(journal, STORE_SECTOR);
    if (newest_header(journal, &at) == 0)
        return;
    salt = chain = get(journal, at + offsetof(struct journal_header, salt));
    number = get(journal, at + offsetof(struct journal_header, base_number));
    while (bytes != 0) {
        bytes = seal_record_at(journal, off, salt, ++number, chain);
        chain = get(journal, off);
        off += round_up(bytes, STORE_SECTOR);
    }
}

/* --- Snapshots ------------------------------------------------------------ */

enum { FRAME = sizeof(struct image_frame), CHUNKS = 64 };

/* A walk over the frames of a snapshot. */
struct frames {
    struct image *snapshot;
    struct image_header header;
    uint64_t at, number; /* of the frame, and of the chunk that comes next */
    struct index_frame index;
    struct digest_stream *whole;
    struct coder *coder;
};

static uint8_t chunk[IMAGE_CHUNK];

static bool seal_chunk(struct frames *f)
{
    const uint8_t *frame = f->snapshot->bytes + f->at;
    struct image_entry entry = {.number = f->number};
    struct digest128 digest;
    size_t length = 0;
    bool whole = false;

    if (f->number >= image_chunks(f->header.image_bytes) ||
        f->index.count == CHUNKS ||
        compress_measure(frame, f->snapshot->size - f->at, &length, &whole) !=
            TN_OK ||
        !whole)
        return false;
    entry.chunk_bytes =
        (uint32_t)image_chunk_bytes(f->header.image_bytes, f->number);
    if (decompress_chunk(f->coder, frame, length, chunk, entry.chunk_bytes) !=
        TN_OK)
        return false;
    digest = digest128(chunk, entry.chunk_bytes);
    digest_stream_add(f->whole, chunk, entry.chunk_bytes);
    entry.low = digest.low;
    entry.high = digest.high;
    entry.encoded = digest64(frame, length);
    entry.frame_bytes = (uint32_t)length;
    index_add(&f->index, &entry);
    f->at += length;
    f->number++;
    return true;
}

static bool seal_place(struct frames *f)
{
    uint64_t at = f->at + FRAME;

    if (!has(f->snapshot, at, sizeof(struct image_place)))
        return false;
    put(f->snapshot, at + 8, digest64(f->snapshot->bytes + at, 8));
    f->number = get(f->snapshot, at);
    f->at = at + sizeof(struct image_place);
    return true;
}

/* Put the index of what was met here, and nothing behind it. */
static void put_index(struct frames *f)
{
    struct image_tail tail = {.last = 1, .offset = f->at};
    struct digest128 whole = digest_stream_value(f->whole);
    size_t size = index_frame_bytes(f->index.count);
    uint64_t old = f->snapshot->size - sizeof(tail);

    tail.low = whole.low;
    tail.high = whole.high;
    if ((f->header.flags & IMAGE_SINCE) != 0) {
        tail.low = get(f->snapshot, old + offsetof(struct image_tail, low));
        tail.high = get(f->snapshot, old + offsetof(struct image_tail, high));
    }
    index_seal(&f->index, &tail);
    if (size > PACKED_LARGEST - f->at)
        return;
    memcpy(f->snapshot->bytes + f->at, f->index.bytes, size);
    f->snapshot->size = f->at + size;
}

static void seal_frames(struct frames *f)
{
    bool more = true;

    while (more && has(f->snapshot, f->at, FRAME)) {
        uint32_t magic;

        memcpy(&magic, f->snapshot->bytes + f->at, sizeof(magic));
        if (magic == FRAME_INDEX)
            put_index(f);
        more = (magic == FRAME_CHUNK && seal_chunk(f)) ||
               (magic == FRAME_PLACE && seal_place(f));
    }
}

void seal_snapshot(struct image *snapshot)
{
    struct frames f = {.snapshot = snapshot, .at = FRAME + sizeof(f.header)};
    uint64_t digest = FRAME + offsetof(struct image_header, digest);

    if (!has(snapshot, 0, f.at))
        return;
    put(snapshot, digest, digest64(snapshot->bytes + FRAME, digest - FRAME));
    memcpy(&f.header, snapshot->bytes + FRAME, sizeof(f.header));
    f.whole = digest_stream_open();
    f.coder = coder_open();
    if (f.whole != NULL && f.coder != NULL &&
        index_open(&f.index, CHUNKS) == TN_OK) {
        index_begin(&f.index, 0, image_group_end(f.header.image_bytes, 0));
        seal_frames(&f);
        index_close(&f.index);
    }
    digest_stream_close(f.whole);
    coder_close(f.coder);
}
