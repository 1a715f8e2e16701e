/* source.c - the image of a committed state, chunk by chunk
 *
 * The image is what the file would be if the store were closed now and its free
 * memory wiped.  The view is only read; what differs is put right in the copy:
 *
 *     first page       the superblock of the state, CLEAN, no marks
 *     locks            zero: they mean nothing on disk
 *     free memory      zero, but for the headers and links of the blocks
 *     page sums        those of the image's pages
 *
 * Chunks are read in any order and by several threads, so a walk over the chain
 * of blocks must be able to begin anywhere: source_open() walks it once and
 * notes, every stride bytes, a block from which the next walk may start.
 *
 *     marks[i]: from here, the next block is the one that holds byte i * stride
 *               of the segment, or one before it
 *
 * The number of marks is bounded, and so the stride grows with the store.
 *
 * A page that loses bytes needs another sum.  Its old one is verified first, or
 * damage would get a sum that vouches for it; the sums of all other pages are
 * copied, right or wrong.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "image/source.h"
#include "base/error.h"
#include "store/sums.h"
#include "store/superblock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_PAGES = IMAGE_CHUNK / STORE_PAGE,
    SUMS_A_PAGE = STORE_PAGE / sizeof(uint64_t),
};
_Static_assert(CHUNK_PAGES == 64, "a word has a bit for each page of a chunk");

#define MOST_MARKS ((uint64_t)1 << 20)

/* --- Opening -------------------------------------------------------------- */

static tn_status contradiction(const char *what)
{
    return error_set(TN_ECORRUPT,
                     "the store is damaged: %s; tenon check tells more", what);
}

/* Walk the chain once. */
static tn_status set_marks(struct source *source)
{
    uint64_t off = 0, before = 0, next, start, size;
    size_t i = 0;

    do {
        next = heap_next_idle(source->heap, off, &start, &size);
        while (i < source->mark_count &&
               (next == 0 || i * source->stride < next))
            source->marks[i++] = before;
        before = off;
        off = next;
    } while (next != 0 && next != HEAP_BROKEN);
    return next == 0 ? TN_OK : contradiction("its chain of blocks is broken");
}

static tn_status make_marks(struct source *source)
{
    uint64_t size = heap_size(source->heap);

    source->stride = IMAGE_CHUNK;
    while (size / source->stride >= MOST_MARKS)
        source->stride *= 2;
    source->mark_count = size / source->stride + 1;
    source->marks = malloc(source->mark_count * sizeof(*source->marks));
    if (source->marks == NULL)
        return error_set(TN_ENOMEM, "no memory for a snapshot");
    return set_marks(source);
}

static tn_status find_sums(struct source *source, const tn_segment *view)
{
    uint64_t pages = source->size / STORE_PAGE;

    if (view->base->sums == 0)
        return TN_OK;
    if (!sums_suffice(view, pages) ||
        !sums_find(view, &source->sums_first, &source->sums_pages) ||
        source->sums_pages > pages ||
        source->sums_first > pages - source->sums_pages)
        return contradiction("its page sums are not where they should be");
    return TN_OK;
}

tn_status source_open(struct source *source, const tn_segment *view,
                      const struct superblock *sb)
{
    static const char zeros[STORE_PAGE];
    tn_status status;

    *source =
        (struct source){.bytes = (const char *)view->base - STORE_SEGMENT_OFF,
                        .heap = &view->base->heap,
                        .sb = *sb,
                        .size = sb->file_size};
    if (sb->file_size > IMAGE_MOST || sb->file_size % STORE_PAGE != 0 ||
        sb->file_size < STORE_SEGMENT_OFF + sb->segment_size ||
        sb->file_size - STORE_SEGMENT_OFF > view->reach ||
        sb->segment_size != heap_size(source->heap))
        return contradiction("its superblock and its segment disagree");
    superblock_seal(&source->sb);
    source->sum_of_zeros = sums_of(zeros);
    status = find_sums(source, view);
    if (status == TN_OK)
        status = make_marks(source);
    if (status != TN_OK)
        source_close(source);
    return status;
}

void source_close(struct source *source)
{
    free(source->marks);
    source->marks = NULL;
}

/* --- What is not there in the image --------------------------------------- */

/* A chunk: where it lies in the file, and which of its pages lose some of their
 * bytes, and which all. */
struct piece {
    uint64_t from, to;
    uint64_t touched, wiped;
    char *out; /* NULL: only looking */
};

/* The bits of the pages from first up to end, which are at most 64. */
static uint64_t bits(uint64_t first, uint64_t end)
{
    uint64_t below = end == 64 ? UINT64_MAX : (UINT64_C(1) << end) - 1;

    return first >= end ? 0 : below & ~((UINT64_C(1) << first) - 1);
}

/* Zero the bytes of the file from start up to end as far as they are in it. */
static void clear(struct piece *piece, uint64_t start, uint64_t end)
{
    if (start < piece->from)
        start = piece->from;
    if (end > piece->to)
        end = piece->to;
    if (start >= end)
        return;
    start -= piece->from;
    end -= piece->from;
    if (piece->out != NULL)
        memset(piece->out + start, 0, end - start);
    piece->touched |=
        bits(start / STORE_PAGE, (end + STORE_PAGE - 1) / STORE_PAGE);
    piece->wiped |=
        bits((start + STORE_PAGE - 1) / STORE_PAGE, end / STORE_PAGE);
}

static void clear_free(const struct source *source, struct piece *piece)
{
    uint64_t segment =
        piece->from < STORE_SEGMENT_OFF ? 0 : piece->from - STORE_SEGMENT_OFF;
    uint64_t mark = segment / source->stride, off, start, size;

    if (mark >= source->mark_count)
        return;
    off = source->marks[mark];
    do {
        off = heap_next_idle(source->heap, off, &start, &size);
        start += STORE_SEGMENT_OFF;
        clear(piece, start, start + size);
    } while (off != 0 && off != HEAP_BROKEN && start < piece->to);
}

static void clear_all(const struct source *source, struct piece *piece)
{
    uint64_t locks = STORE_SEGMENT_OFF + offsetof(struct segment, names_lock);

    clear(piece, locks, STORE_SEGMENT_OFF + sizeof(struct segment));
    clear_free(source, piece);
    clear(piece, STORE_SEGMENT_OFF + heap_size(source->heap), source->size);
}

static struct piece piece_of(const struct source *source, uint64_t number,
                             void *out)
{
    uint64_t from = number * IMAGE_CHUNK;

    return (struct piece){.from = from,
                          .to = from + image_chunk_bytes(source->size, number),
                          .out = out};
}

static bool is_on_sums(const struct source *source, uint64_t page)
{
    return page - source->sums_first < source->sums_pages;
}

/* --- Page sums ------------------------------------------------------------ */

static tn_status verify_page(const struct source *source, uint64_t page,
                             uint64_t sum)
{
    if (sums_of(source->bytes + page * STORE_PAGE) == sum)
        return TN_OK;
    return error_set(TN_ECORRUPT,
                     "the store is damaged: the page at %" PRIu64
                     " is not what its sum says; tenon check tells more",
                     page * STORE_PAGE);
}

/* The sums of the pages of a chunk: sums holds those that the store has. */
static tn_status renew_sums(const struct source *source, uint64_t number,
                            char *scratch, uint64_t *sums)
{
    struct piece piece = piece_of(source, number, NULL);
    uint64_t first = number * CHUNK_PAGES, pages, renewed;
    tn_status status = TN_OK;

    pages = (piece.to - piece.from) / STORE_PAGE;
    clear_all(source, &piece);
    renewed = piece.touched & ~piece.wiped;
    for (uint64_t i = 0; i < pages && status == TN_OK; i++) {
        if ((renewed >> i & 1) == 0 || first + i == 0 ||
            is_on_sums(source, first + i))
            continue;
        status = verify_page(source, first + i, sums[i]);
        memcpy(scratch + i * STORE_PAGE,
               source->bytes + (first + i) * STORE_PAGE, STORE_PAGE);
    }
    if (status != TN_OK)
        return status;
    piece.out = scratch;
    if (renewed != 0)
        clear_all(source, &piece);
    for (uint64_t i = 0; i < pages; i++) {
        if (first + i == 0)
            sums[i] = sums_of_superblock(&source->sb);
        else if (is_on_sums(source, first + i))
            sums[i] = 0;
        else if (piece.wiped >> i & 1)
            sums[i] = source->sum_of_zeros;
        else if (renewed >> i & 1)
            sums[i] = sums_of(scratch + i * STORE_PAGE);
    }
    return TN_OK;
}

/* Make the page of the image that is this one of the pages of sums. */
static tn_status read_sums(const struct source *source, uint64_t index,
                           char *scratch, void *out)
{
    uint64_t *sums = out, chunks = image_chunks(source->size);
    uint64_t number = index * SUMS_A_PAGE / CHUNK_PAGES;
    tn_status status = TN_OK;

    for (unsigned i = 0; i < SUMS_A_PAGE && status == TN_OK; i += CHUNK_PAGES) {
        if (number < chunks)
            status = renew_sums(source, number, scratch, sums + i);
        number++;
    }
    return status;
}

static tn_status put_sums(const struct source *source, uint64_t number,
                          char *scratch, char *out)
{
    struct piece piece = piece_of(source, number, NULL);
    tn_status status = TN_OK;

    for (uint64_t at = piece.from; at < piece.to && status == TN_OK;
         at += STORE_PAGE)
        if (is_on_sums(source, at / STORE_PAGE))
            status = read_sums(source, at / STORE_PAGE - source->sums_first,
                               scratch, out + (at - piece.from));
    return status;
}

/* --- Reading -------------------------------------------------------------- */

static void put_first_page(const struct source *source, char *out)
{
    const uint64_t state = STORE_CLEAN;

    memset(out, 0, STORE_PAGE);
    memcpy(out, &source->sb, sizeof(source->sb));
    memcpy(out + STORE_STATE_OFF, &state, sizeof(state));
}

tn_status source_read(const struct source *source, uint64_t number, void *out,
                      void *scratch, bool *zero)
{
    struct piece piece = piece_of(source, number, NULL);
    uint64_t pages = (piece.to - piece.from) / STORE_PAGE;

    clear_all(source, &piece);
    *zero = piece.wiped == bits(0, pages);
    if (*zero)
        return TN_OK;
    memcpy(out, source->bytes + piece.from, piece.to - piece.from);
    if (piece.touched != 0) {
        piece.out = out;
        clear_all(source, &piece);
    }
    if (number == 0)
        put_first_page(source, out);
    return source->sums_pages == 0 ? TN_OK
                                   : put_sums(source, number, scratch, out);
}
