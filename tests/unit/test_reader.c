/* test_reader.c - a snapshot is believed in nothing
 *
 * Every bit, every length, and lies with checksums that fit.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/digest.h"
#include "image/compress.h"
#include "image/index.h"
#include "image/layout.h"
#include "lib/snapshots.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

static struct memory snapshot;

static void make_snapshot(void)
{
    tmpdir_enter();
    snapshots_make("s", TN_INDEX_MAP);
    snapshot = snapshots_take("s", NULL);
}

static void release(void)
{
    memory_free(&snapshot);
    tmpdir_leave();
}

TestSuite(reader, .init = make_snapshot, .fini = release, .timeout = 120);

static struct memory copy_of(const struct memory *m)
{
    struct memory copy = {malloc(m->size), m->size, 0};

    memcpy(copy.bytes, m->bytes, m->size);
    return copy;
}

/* Under a sanitizer, which takes its time, some bits of each byte. */
#ifdef __SANITIZE_ADDRESS__
enum { BITS_APART = 11 };
#else
enum { BITS_APART = 1 };
#endif

/* There is no bit that no checksum covers. */
Test(reader, notices_every_flipped_bit)
{
    OK(snapshots_verify(&snapshot));
    for (size_t bit = 0; bit < snapshot.size * 8; bit += BITS_APART) {
        char *byte = &snapshot.bytes[bit / 8];
        char was = *byte;
        tn_status status;

        *byte = (char)(was ^ 1 << bit % 8);
        status = snapshots_verify(&snapshot);
        cr_assert(status == TN_ECORRUPT || status == TN_ENOTSTORE ||
                      status == TN_EVERSION,
                  "bit %zu of byte %zu: %d", bit % 8, bit / 8, status);
        *byte = was;
    }
    OK(snapshots_verify(&snapshot));
}

Test(reader, notices_every_length_but_the_right_one)
{
    size_t size = snapshot.size;

    for (size_t n = 0; n < size; n++) {
        struct memory cut = {malloc(n + 1), n, 0};
        tn_status status;

        memcpy(cut.bytes, snapshot.bytes, n);
        status = snapshots_verify(&cut);
        cr_assert(status == TN_ECORRUPT || status == TN_ENOTSTORE, "%zu: %d", n,
                  status);
        memory_free(&cut);
    }
    memory_write(&snapshot, "", 1);
    FAILS(snapshots_verify(&snapshot), TN_ECORRUPT);
}

Test(reader, writes_nothing_that_was_not_verified)
{
    for (size_t at = 0; at < snapshot.size; at += 97) {
        snapshot.bytes[at] ^= 16;
        cr_assert(ne(int, snapshots_restore(&snapshot, "r"), TN_OK), "%zu", at);
        cr_assert(ne(int, access("r", F_OK), 0));
        snapshot.bytes[at] ^= 16;
    }
    cr_expect(eq(int, tmpdir_names(), 2), "the store and its journal");
    OK(snapshots_restore(&snapshot, "r"));
    cr_expect(stores_sound("r", 0));
}

/* --- Lies whose checksums fit --------------------------------------------- */

static const char *lie(void (*tell)(struct image_header *header))
{
    struct memory m = copy_of(&snapshot);
    tn_status status;

    tell(snapshots_header(&m));
    snapshots_reseal(&m);
    status = snapshots_verify(&m);
    memory_free(&m);
    cr_assert(status == TN_ECORRUPT || status == TN_EVERSION, "%d", status);
    return tn_errmsg();
}

static void tell_huge(struct image_header *h)
{
    h->image_bytes = IMAGE_MOST;
}

static void tell_impossible(struct image_header *h)
{
    h->image_bytes = UINT64_MAX - 4095;
}

static void tell_nothing(struct image_header *h)
{
    h->image_bytes = 0;
}

static void tell_odd(struct image_header *h)
{
    h->image_bytes += 1;
}

static void tell_longer(struct image_header *h)
{
    h->image_bytes += 4096;
}

static void tell_shorter(struct image_header *h)
{
    h->image_bytes -= 4096;
}

static void tell_other_chunks(struct image_header *h)
{
    h->chunk_bytes = 4096;
}

static void tell_other_store(struct image_header *h)
{
    h->uuid[3] ^= 1;
}

static void tell_other_commit(struct image_header *h)
{
    h->commit_number++;
}

static void tell_base(struct image_header *h)
{
    h->flags = IMAGE_SINCE;
}

static void tell_flags(struct image_header *h)
{
    h->flags = 6;
}

static void tell_format(struct image_header *h)
{
    h->format = 2;
}

static void tell_zero(struct image_header *h)
{
    h->zero[5] = 1;
}

static void tell_mode(struct image_header *h)
{
    h->mode = 0100644;
}

Test(reader, finds_out_what_a_header_claims)
{
    static void (*const lies[])(struct image_header *) = {
        tell_huge,         tell_impossible, tell_nothing,      tell_odd,
        tell_longer,       tell_shorter,    tell_other_chunks, tell_other_store,
        tell_other_commit, tell_flags,      tell_format,       tell_zero,
        tell_mode};

    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++)
        cr_expect(ne(str, (char *)lie(lies[i]), ""), "%zu", i);
}

/* It is then a snapshot that leaves nothing out, and its base is another. */
Test(reader, takes_no_base_that_is_not_named)
{
    struct memory m = copy_of(&snapshot);
    tn_snapshot_options options = {.base = "base"};

    stores_put("base", snapshot.bytes, snapshot.size);
    tell_base(snapshots_header(&m));
    snapshots_reseal(&m);
    FAILS(snapshots_restore(&m, "r"), TN_EINVAL);
    m.at = 0;
    FAILS(tn_snapshot_restore_from(memory_read, &m, "r", &options, NULL),
          TN_EINVAL);
    memory_free(&m);
}

/* --- Streams that are put together ---------------------------------------- */

/* A stream with this header, whose chunks come as they are told. */
struct made {
    struct memory m;
    struct coder *coder;
    struct index_frame index;
    struct digest_stream *whole;
};

static void begin(struct made *made, uint64_t image_bytes, uint32_t flags)
{
    made->m = (struct memory){0};
    made->coder = coder_open();
    made->whole = digest_stream_open();
    OK(index_open(&made->index, 100));
    index_begin(&made->index, 0, image_group_end(image_bytes, 0));
    memory_write(&made->m, snapshot.bytes,
                 sizeof(struct image_frame) + sizeof(struct image_header));
    snapshots_header(&made->m)->image_bytes = image_bytes;
    snapshots_header(&made->m)->flags = flags;
    snapshots_reseal(&made->m);
}

static void add_chunk(struct made *made, uint64_t number, const char *bytes,
                      size_t size)
{
    char *frame = malloc(compress_bound());
    struct digest128 digest = digest128(bytes, size);
    struct image_entry entry = {.number = number,
                                .low = digest.low,
                                .high = digest.high,
                                .chunk_bytes = (uint32_t)size};
    size_t length = 0;

    OK(compress_chunk(made->coder, bytes, size, 1, frame, &length));
    entry.frame_bytes = (uint32_t)length;
    entry.encoded = digest64(frame, length);
    memory_write(&made->m, frame, length);
    index_add(&made->index, &entry);
    digest_stream_add(made->whole, bytes, size);
    free(frame);
}

static void add_place(struct made *made, uint64_t number)
{
    struct image_frame frame = {FRAME_PLACE, sizeof(struct image_place)};
    struct image_place place = {number, digest64(&number, sizeof(number))};

    memory_write(&made->m, &frame, sizeof(frame));
    memory_write(&made->m, &place, sizeof(place));
}

static tn_status end(struct made *made)
{
    struct digest128 digest = digest_stream_value(made->whole);
    struct image_tail tail = {.last = 1,
                              .low = digest.low,
                              .high = digest.high,
                              .offset = made->m.size};
    size_t size = index_seal(&made->index, &tail);
    tn_status status;

    memory_write(&made->m, made->index.bytes, size);
    status = snapshots_verify(&made->m);
    memory_free(&made->m);
    index_close(&made->index);
    digest_stream_close(made->whole);
    coder_close(made->coder);
    return status;
}

/* The image of the store with this size, whose first page then says so. */
static char *image_of(size_t size)
{
    char *image = calloc(1, size + IMAGE_CHUNK);
    struct superblock sb;

    OK(snapshots_restore(&snapshot, "image"));
    stores_read("image", image, stores_length("image"), 0);
    stores_superblock("image", &sb);
    sb.file_size = size;
    stores_reseal("image", &sb);
    stores_read("image", image, 4096, 0);
    return image;
}

enum { TWO = 2 * IMAGE_CHUNK };

Test(reader, takes_a_stream_that_was_put_together)
{
    char *image = image_of(TWO);
    struct made made;

    begin(&made, TWO, 0);
    add_chunk(&made, 0, image, IMAGE_CHUNK);
    add_chunk(&made, 1, image + IMAGE_CHUNK, IMAGE_CHUNK);
    OK(end(&made));
    begin(&made, TWO, IMAGE_SINCE);
    add_place(&made, 1);
    add_chunk(&made, 1, image + IMAGE_CHUNK, IMAGE_CHUNK);
    OK(end(&made));
    free(image);
}

Test(reader, wants_each_chunk_once_and_in_order)
{
    char *image = image_of(TWO);
    struct made made;

    begin(&made, TWO, 0); /* too few */
    add_chunk(&made, 0, image, IMAGE_CHUNK);
    FAILS(end(&made), TN_ECORRUPT);
    begin(&made, TWO, 0); /* too many */
    for (uint64_t i = 0; i < 3; i++)
        add_chunk(&made, i, image, IMAGE_CHUNK);
    FAILS(end(&made), TN_ECORRUPT);
    begin(&made, TWO, 0); /* in another order */
    add_chunk(&made, 1, image + IMAGE_CHUNK, IMAGE_CHUNK);
    add_chunk(&made, 0, image, IMAGE_CHUNK);
    FAILS(end(&made), TN_ECORRUPT);
    begin(&made, TWO, 0); /* shorter than a chunk is */
    add_chunk(&made, 0, image, IMAGE_CHUNK);
    add_chunk(&made, 1, image, IMAGE_CHUNK - 4096);
    FAILS(end(&made), TN_ECORRUPT);
    begin(&made, TWO, 0); /* no store */
    add_chunk(&made, 0, image + IMAGE_CHUNK, IMAGE_CHUNK);
    add_chunk(&made, 1, image, IMAGE_CHUNK);
    FAILS(end(&made), TN_ECORRUPT);
    free(image);
}

Test(reader, wants_places_only_where_something_is_left_out)
{
    char *image = image_of(TWO);
    static const uint64_t wrong[] = {0, 2, 3, UINT64_MAX};
    struct made made;

    begin(&made, TWO, 0);
    add_place(&made, 1);
    add_chunk(&made, 1, image + IMAGE_CHUNK, IMAGE_CHUNK);
    FAILS(end(&made), TN_ECORRUPT);
    for (int i = 0; i < 4; i++) {
        begin(&made, TWO, IMAGE_SINCE);
        add_place(&made, wrong[i]);
        add_chunk(&made, wrong[i], image + IMAGE_CHUNK, IMAGE_CHUNK);
        FAILS(end(&made), TN_ECORRUPT);
    }
    begin(&made, TWO, IMAGE_SINCE); /* back to where it was */
    add_chunk(&made, 0, image, IMAGE_CHUNK);
    add_place(&made, 0);
    add_chunk(&made, 0, image, IMAGE_CHUNK);
    FAILS(end(&made), TN_ECORRUPT);
    begin(&made, TWO, IMAGE_SINCE); /* two, or none behind it */
    add_place(&made, 1);
    add_place(&made, 1);
    add_chunk(&made, 1, image, IMAGE_CHUNK);
    FAILS(end(&made), TN_ECORRUPT);
    begin(&made, TWO, IMAGE_SINCE);
    add_place(&made, 1);
    FAILS(end(&made), TN_ECORRUPT);
    free(image);
}

/* --- More chunks than one index is for ------------------------------------ */

enum { GROUPS_CHUNKS = IMAGE_GROUP + 3 };
#define GROUPS_BYTES ((uint64_t)GROUPS_CHUNKS * IMAGE_CHUNK)

/* A sparse store of 16 GiB: what is behind its segment is not there. */
static void make_large_store(void)
{
    struct superblock sb;

    stores_make("large", TN_INDEX_MAP);
    stores_superblock("large", &sb);
    sb.file_size = sb.max_size = GROUPS_BYTES;
    stores_reseal("large", &sb);
    cr_assert(eq(int, truncate("large", GROUPS_BYTES), 0));
}

static void take_to(const char *path, const char *base)
{
    tn_snapshot_options options = {.base = base};
    tn_store *store;

    OK(tn_store_open(&store, "large", TN_READ_ONLY, NULL));
    OK(tn_snapshot_write(store, path, &options, NULL));
    OK(tn_store_close(store));
}

Test(reader, reads_more_than_one_group)
{
    static const tn_options without = {.page_sums = TN_SUMS_OFF};
    tn_snapshot_options options = {.base = "base"};
    tn_snapshot_info info;
    tn_store *store;
    tn_segment *seg;

    make_large_store();
    take_to("base", NULL);
    OK(tn_snapshot_verify("base", NULL, &info));
    cr_expect(eq(u64, info.chunks, GROUPS_CHUNKS));
    OK(tn_store_open(&store, "large", TN_DURABLE, &without));
    OK(tn_begin(store, &seg));
    OK(tn_construct(seg, "more", TN_TYPE(int), 1, NULL, NULL));
    OK(tn_commit(store));
    OK(tn_store_close(store));
    take_to("since", "base");
    OK(tn_snapshot_verify("since", NULL, &info));
    cr_expect(lt(u64, info.chunks_held, 5));
    cr_expect(lt(u64, info.snapshot_size, 1 << 20));
    OK(tn_snapshot_restore("since", "r", &options, NULL));
    OK(tn_store_open(&store, "r", TN_READ_ONLY, NULL));
    OK(tn_find(tn_store_segment(store), "more", NULL, NULL, NULL));
    OK(tn_store_close(store));
}

/* --- Without end ---------------------------------------------------------- */

/* A function that gives the header and then the same again and again. */
struct endless {
    struct memory head;
    const char *bytes;
    size_t size;
    uint64_t given;
};

static tn_status give_more(void *arg, void *bytes, size_t size, size_t *got)
{
    struct endless *e = arg;

    if (e->head.at < e->head.size)
        return memory_read(&e->head, bytes, size, got);
    *got = e->size < size ? e->size : size;
    memcpy(bytes, e->bytes, *got);
    e->given += *got;
    return TN_OK;
}

/* A sanitizer takes more than that for itself. */
static void limit_memory(size_t bytes)
{
    struct rlimit limit = {bytes, bytes};

#ifndef __SANITIZE_ADDRESS__
    cr_assert(eq(int, setrlimit(RLIMIT_DATA, &limit), 0));
#else
    (void)limit;
#endif
}

static void expect_refusal(const char *bytes, size_t size)
{
    tn_snapshot_options options = {.threads = 1};
    struct endless e = {
        .head = {snapshot.bytes,
                 sizeof(struct image_frame) + sizeof(struct image_header), 0},
        .bytes = bytes,
        .size = size};

    FAILS(tn_snapshot_verify_from(give_more, &e, &options, NULL), TN_ECORRUPT);
    cr_expect(le(u64, e.given, 1 << 20));
}

Test(reader, reads_no_endless_stream_to_its_end)
{
    /* An index of 4 GiB, a frame to skip, a frame whose blocks never end: of
     * one byte each, not compressed. */
    static const char index[] = "\x56\x2a\x4d\x18\xff\xff\xff\xff";
    static const char skipped[] = "\x50\x2a\x4d\x18\x08\0\0\0zzzzzzzz";
    static const char zeros[512];
    char frame[15 + 5 * 8192] = "\x04\x22\x4d\x18\x60\x50\xfb";

    limit_memory(64 << 20);
    for (size_t at = 7; at + 5 <= sizeof(frame); at += 5)
        memcpy(frame + at, "\x01\0\0\x80x", 5);
    expect_refusal(index, sizeof(index) - 1);
    expect_refusal(skipped, sizeof(skipped) - 1);
    expect_refusal(zeros, sizeof(zeros));
    expect_refusal(frame, sizeof(frame));
    expect_refusal(snapshot.bytes + 136, 4000);
}

/* A chunk of zeros is as many bytes as LZ4 makes of it: an image that is large
 * takes a stream that is. */
Test(reader, makes_no_large_image_of_a_short_stream)
{
    struct made made;

    limit_memory(64 << 20);
    begin(&made, IMAGE_MOST, 0);
    FAILS(end(&made), TN_ECORRUPT);
    begin(&made, IMAGE_MOST, IMAGE_SINCE);
    FAILS(end(&made), TN_ECORRUPT);
}
