/* dump_blocks.c - the header of a segment, its blocks and types, in words
 *
 * The chain of blocks is walked by its headers alone.  Where one is damaged,
 * the next place that looks like a block is looked for, granule by granule: a
 * sound header whose block ends at another sound header.  So a walk is as long
 * as the segment, whatever is in it.
 *
 * Errors come with names, and names may be changed by others in a segment that
 * is at work: every length is checked against the segment, and no string is
 * expected to end.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "check/dump.h"
#include "heap/block.h"
#include "index/kind.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { STRETCH = 64 * 1024 }; /* searched before it is asked for holes */

/* --- Walking -------------------------------------------------------------- */

static bool check_is_right(uint64_t off, uint64_t word)
{
    return (word ^ word_check(off, word_size(word))) >> HEAP_CHECK_SHIFT == 0;
}

static bool is_end(uint64_t off, uint64_t word)
{
    return word_size(word) == 0 && word_state(word) == BLOCK_FIXED &&
           check_is_right(off, word);
}

/* Does a block begin at off, which is between first and end? */
static bool is_block(const struct dump *d, uint64_t off, uint64_t word)
{
    return word_size(word) >= HEAP_MIN_BLOCK &&
           word_size(word) <= d->end - off && check_is_right(off, word);
}

/* The same, and does something follow it that could? */
static bool is_likely_block(const struct dump *d, uint64_t off)
{
    uint64_t word = word_load(d->h, off), next = off + word_size(word);

    if (!is_block(d, off, word))
        return is_end(off, word);
    word = word_load(d->h, next);
    return next == d->end || is_block(d, next, word) || is_end(next, word);
}

/* Where to look for a block after at.  In a hole of the file there is none, but
 * for what a journal lays there. */
static uint64_t next_place(const struct dump *d, uint64_t at)
{
    uint64_t next = at + HEAP_GRANULE, start, end;

    if (next % STRETCH != 0 || d->file == NULL ||
        file_find_data(d->file, STORE_SEGMENT_OFF + next, &start, &end) !=
            TN_OK ||
        start < STORE_SEGMENT_OFF + next)
        return next;
    start = round_down(start - STORE_SEGMENT_OFF, HEAP_GRANULE);
    return start < d->end ? start : d->end;
}

bool dump_next_piece(const struct dump *d, struct dump_piece *piece)
{
    uint64_t off = piece->off == 0 ? d->first : piece->off + piece->bytes, at;

    if (off > d->end - HEAP_MIN_BLOCK || d->end < HEAP_MIN_BLOCK)
        return false;
    piece->off = off;
    piece->word = word_load(d->h, off);
    if (is_end(off, piece->word))
        return false;
    piece->is_block = is_block(d, off, piece->word);
    if (piece->is_block) {
        piece->bytes = word_size(piece->word);
        return true;
    }
    for (at = off + HEAP_GRANULE; at < d->end; at = next_place(d, at))
        if (is_likely_block(d, at))
            break;
    piece->bytes = at - off;
    return true;
}

/* --- Finding -------------------------------------------------------------- */

/* Landmark i is the first piece at or behind its part of the segment. */
static void note_landmarks(struct dump *d)
{
    uint64_t step = d->size / DUMP_LANDMARKS + 1;
    struct dump_piece piece = {0};
    uint64_t i = 0;

    d->landmarks = calloc(DUMP_LANDMARKS, sizeof(*d->landmarks));
    if (d->landmarks == NULL)
        return;
    while (dump_next_piece(d, &piece))
        for (; i < DUMP_LANDMARKS && i * step < piece.off + piece.bytes; i++)
            d->landmarks[i] = piece.off;
}

/* Pieces are known by their payload, and begin a word before it. */
bool dump_find_piece(struct dump *d, uint64_t off, struct dump_piece *out)
{
    uint64_t place = off + HEAP_OVERHEAD;
    struct dump_piece piece = {0};

    if (d->landmarks == NULL)
        note_landmarks(d);
    if (d->landmarks == NULL || place >= d->size)
        return false;
    piece.off = d->landmarks[place / (d->size / DUMP_LANDMARKS + 1)];
    piece.bytes = 0; /* the first step stays where the landmark is */
    while (dump_next_piece(d, &piece)) {
        if (place < piece.off)
            return false;
        if (place < piece.off + piece.bytes) {
            *out = piece;
            return true;
        }
    }
    return false;
}

/* --- What a block holds --------------------------------------------------- */

static const char *word_for_state(enum block_state state)
{
    static const char *const words[] = {"free",   "waiting", "raw",  "object",
                                        "making", "index",   "type", "own"};

    return words[state & HEAP_STATE_MASK];
}

static const char *word_for_kind(tn_kind kind)
{
    return kind == TN_KIND_NAMED    ? "named"
           : kind == TN_KIND_UNIQUE ? "unique"
                                    : "anonymous";
}

static void print_object(struct dump *d, uint64_t off)
{
    uint64_t record = record_in_block(d->h, d->index, heap_at(d->h, off));
    const struct type_descriptor *type;
    const char *name;
    size_t length;

    if (record == 0) {
        fprintf(d->out, "wrong: the description of the object is damaged");
        d->wrong++;
        return;
    }
    type = record_type(d->h, record);
    fprintf(d->out, "%s ", word_for_kind(record_kind(d->h, record)));
    name = record_name(d->h, d->index, record, &length);
    if (name != NULL && record_kind(d->h, record) == TN_KIND_NAMED) {
        dump_name(d, name, length);
        fputs(", ", d->out);
    }
    fprintf(d->out, "%zu of ", record_count(d->h, record));
    dump_name(d, type->name, type->name_length);
    fprintf(d->out, ", %" PRIu32 " byte%s each, at %" PRIu64, type->size,
            type->size == 1 ? "" : "s",
            record + (uint64_t)sizeof(struct record));
}

static void print_type(struct dump *d, uint64_t off)
{
    const struct type_descriptor *type = heap_at(d->h, off);

    if (!type_verify(d->h, off)) {
        fprintf(d->out, "wrong: the description of the type is damaged");
        d->wrong++;
        return;
    }
    dump_name(d, type->name, type->name_length);
    fprintf(
        d->out,
        ", %" PRIu32 " byte%s, aligned to %" PRIu64 ", %" PRIu64 " object%s",
        type->size, type->size == 1 ? "" : "s", UINT64_C(1) << type->align_log2,
        type->objects, type->objects == 1 ? "" : "s");
}

static void print_own(struct dump *d, uint64_t off)
{
    if (off == d->base->heap.tables || d->assumed) {
        fprintf(d->out, "the heap's tables of bins and quick lists");
        return;
    }
    fprintf(d->out, "wrong: no block of the heap's own is here");
    d->wrong++;
}

void dump_content(struct dump *d, const struct dump_piece *piece)
{
    enum block_state state = word_state(piece->word);

    if (!d->header_sound) {
        fprintf(d->out, "%s", word_for_state(state));
        return;
    }
    switch (state) {
    case BLOCK_FREE:
    case BLOCK_QUICK:
        fprintf(d->out, "free memory");
        break;
    case BLOCK_RAW:
        fprintf(d->out, "a program's own bytes");
        break;
    case BLOCK_OBJECT:
        print_object(d, piece->off);
        break;
    case BLOCK_BUILDING:
        fprintf(d->out, "an object that is being made or destroyed");
        break;
    case BLOCK_INDEX:
        if (piece->off == d->base->sums)
            fprintf(d->out, "page sums");
        else if (piece->off == d->base->magazines)
            fprintf(d->out, "magazines, for those who share the store");
        else
            dump_index_memory(d, piece->off);
        break;
    case BLOCK_TYPE:
        print_type(d, piece->off);
        break;
    case BLOCK_FIXED:
        print_own(d, piece->off);
        break;
    }
}

/* --- The list of blocks --------------------------------------------------- */

/* What of a block's header is not as the block before has it: H2, H3. */
static void print_neighbour(struct dump *d, const struct dump_piece *piece,
                            const struct dump_piece *before)
{
    bool prev_used = (piece->word & HEAP_PREV_USED) != 0;
    bool free_before = before->off != 0 && before->is_block &&
                       word_state(before->word) == BLOCK_FREE;

    if (before->off != 0 && !before->is_block)
        return; /* nobody knows */
    if (prev_used == free_before) {
        fprintf(d->out, "; wrong: P says that the one before is %s",
                prev_used ? "in use" : "free");
        d->wrong++;
    }
    if (free_before && *footer_before(d->h, piece->off) != before->bytes) {
        fprintf(d->out, "; wrong: the one before ends with %" PRIu64,
                *footer_before(d->h, piece->off));
        d->wrong++;
    }
    if (free_before && word_state(piece->word) == BLOCK_FREE) {
        fprintf(d->out, "; wrong: two free ones in a row");
        d->wrong++;
    }
}

static void print_piece(struct dump *d, const struct dump_piece *piece,
                        const struct dump_piece *before)
{
    fprintf(d->out, "  %12" PRIu64 " %12" PRIu64 "  ", piece->off,
            piece->bytes);
    if (!piece->is_block) {
        fprintf(d->out, "wrong: no block begins here (%016" PRIx64 ")\n",
                piece->word);
        d->wrong++;
        return;
    }
    fprintf(d->out, "%-7s  %d  ok     ",
            word_for_state(word_state(piece->word)),
            (piece->word & HEAP_PREV_USED) != 0);
    dump_content(d, piece);
    print_neighbour(d, piece, before);
    fputc('\n', d->out);
}

static void print_end(struct dump *d, const struct dump_piece *last)
{
    uint64_t off = last->off == 0 ? d->first : last->off + last->bytes;
    uint64_t word = word_load(d->h, off);

    if (is_end(off, word) && (off == d->end || !d->header_sound))
        fprintf(d->out, "  %12" PRIu64 " %12d  end      %d  ok\n", off, 0,
                (word & HEAP_PREV_USED) != 0);
    else if (is_end(off, word))
        dump_wrong(d,
                   "the chain ends at %" PRIu64 ", and the heap's header "
                   "says at %" PRIu64,
                   off, d->end);
    else
        dump_wrong(d, "there is no end block at %" PRIu64, off);
}

void dump_blocks(struct dump *d)
{
    struct dump_piece piece = {0}, before = {0};

    dump_heading(d, "blocks, from %" PRIu64 " to %" PRIu64 " of the segment",
                 d->first, d->end);
    fprintf(d->out, "  %12s %12s  %-7s  %s  %s  %s\n", "offset", "bytes",
            "state", "P", "check", "what it holds");
    while (dump_next_piece(d, &piece)) {
        print_piece(d, &piece, &before);
        before = piece;
    }
    print_end(d, &before);
}

void dump_types(struct dump *d)
{
    struct dump_piece piece = {0};

    dump_heading(d, "types, as their blocks lie; root of the tree %" PRIu64,
                 d->base->types);
    while (dump_next_piece(d, &piece)) {
        if (!piece.is_block || word_state(piece.word) != BLOCK_TYPE)
            continue;
        fprintf(d->out, "  %12" PRIu64 "  ", piece.off);
        dump_content(d, &piece);
        fputc('\n', d->out);
    }
}

/* --- The header ----------------------------------------------------------- */

static void print_sequence(struct dump *d, const char *name, uint64_t sequence)
{
    dump_field(d, name, "%" PRIu64 "%s\n", sequence,
               sequence % 2 == 0 ? ", at rest"
                                 : ", odd: a change is under way");
}

static void print_heap(struct dump *d)
{
    const struct heap *h = &d->header.heap;

    dump_heading(d,
                 "heap, at 0 of the segment, which is at %d of a store's file",
                 STORE_SEGMENT_OFF);
    dump_field(d, "size", "%" PRIu64, h->size);
    dump_judge(d, h->size != 0 && h->size <= d->size, "there are others here");
    dump_field(d, "first block", "%" PRIu64, h->first);
    dump_judge(d, h->first == d->first, "it lies elsewhere");
    dump_field(d, "end block", "%" PRIu64, h->end);
    dump_judge(d, h->end <= d->size && h->end >= d->first, "outside");
    print_sequence(d, "sequence", h->sequence);
    dump_field(d, "taken", "%" PRIu64 " bytes, waiting ones among them\n",
               h->taken);
    dump_field(d, "waiting", "%" PRIu64 " bytes, of %" PRIu64 " that may\n",
               h->waiting, h->room);
    dump_field(d, "tables", "%" PRIu64 "\n", h->tables);
    dump_field(d, "tree", "%" PRIu64 "\n", h->tree);
    dump_field(d, "list", "%" PRIu64 "\n", h->list);
    dump_field(d, "own", "%" PRIu64 " bytes\n", h->fixed);
    dump_field(d, "held", "%d, %s\n", h->held,
               h->held == HEAP_HELD_NOT ? "no block waits in a magazine"
               : h->held == HEAP_HELD   ? "blocks may wait in magazines"
                                        : "and the heap is to be rebuilt");
    dump_field(d, "fit", "%" PRIu32 ", %s", h->fit,
               h->fit == TN_FIT_SEQ ? "seq" : "best");
    dump_judge(d, h->fit <= TN_FIT_SEQ, "there is no such fit");
}

/* --- Where the heap looks for free blocks --------------------------------- */

/* Follow a list of blocks of this size and state for as many links as there
 * can be blocks.  False: it leads to something else, or in circles. */
static bool count_list(const struct dump *d, uint64_t off, uint64_t size,
                       enum block_state state, uint64_t *count)
{
    uint64_t most = d->size / HEAP_MIN_BLOCK;

    for (*count = 0; off != 0; ++*count) {
        if (*count == most || !block_is(d->h, off, size, state))
            return false;
        off = links_at(d->h, off)->next & QUICK_OFF;
    }
    return true;
}

static void print_list(struct dump *d, const char *what, uint64_t size,
                       uint64_t first, enum block_state state)
{
    uint64_t count;

    if (first == 0)
        return;
    if (count_list(d, first, size, state, &count)) {
        fprintf(d->out,
                "  %-10s %5" PRIu64 " bytes: %" PRIu64
                " block%s, the first at %" PRIu64 "\n",
                what, size, count, count == 1 ? "" : "s", first);
        return;
    }
    dump_wrong(d,
               "the %s of %" PRIu64 " bytes leads elsewhere after %" PRIu64
               " blocks",
               what, size, count);
}

static void print_lists(struct dump *d)
{
    const struct heap_tables *tables;

    if (!d->header_sound || d->assumed || d->moving || d->h->tables == 0)
        return;
    tables = tables_of(d->h);
    dump_heading(d, "bins and quick lists, at %" PRIu64, d->h->tables);
    for (uint64_t bin = 0; bin < HEAP_BINS; bin++)
        print_list(d, "bin", bin_size(bin), tables->bins[bin], BLOCK_FREE);
    for (uint64_t bin = 0; bin < HEAP_QUICKS; bin++)
        print_list(d, "quick list", bin_size(bin),
                   tables->quick[bin] & QUICK_OFF, BLOCK_QUICK);
}

void dump_segment_header(struct dump *d)
{
    const struct segment *base = &d->header;

    print_heap(d);
    dump_heading(d, "segment, at %zu of the segment", sizeof(struct heap));
    dump_field(d, "magic", "%016" PRIx64, base->magic);
    dump_judge(d, base->magic == SEGMENT_MAGIC, "this is no segment");
    dump_field(d, "version", "%" PRIu32, base->version);
    dump_judge(d, base->version == SEGMENT_VERSION,
               "this version does not know it");
    print_sequence(d, "names", base->names_sequence);
    print_sequence(d, "types", base->types_sequence);
    dump_field(d, "building", "%" PRIu64 " under a name, %" PRIu64 " alone\n",
               base->building, base->building_alone);
    dump_field(d, "sharers", "%" PRIu64 "\n", base->sharers);
    dump_field(d, "page sums", "%" PRIu64 "%s\n", base->sums,
               base->sums == 0 ? ", none" : "");
    dump_field(d, "magazines", "%" PRIu64 "%s\n", base->magazines,
               base->magazines == 0 ? ", none" : "");
    dump_field(d, "sections", "%" PRIu64 " open, %" PRIu64 " until now\n",
               base->sections % SEGMENT_ONE_SECTION,
               base->sections / SEGMENT_ONE_SECTION);
    print_lists(d);
}
