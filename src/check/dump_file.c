/* dump_file.c - the first page of a store and its journal, in words
 *
 * Both are printed from bytes that were mapped, as they lie there now.  What
 * makes a header or a record valid stands in store/journal.c (J1 to J4); here
 * each condition is judged by itself, so that the one that fails can be seen.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/digest.h"
#include "base/error.h"
#include "check/dump.h"
#include "os/region.h"
#include "store/journal.h"
#include "store/superblock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_UNIT = 8 };

/* --- First page ----------------------------------------------------------- */

static void print_uuid(struct dump *d, const char *name, const uint8_t uuid[16])
{
    dump_field(d, name, "%s", "");
    for (int i = 0; i < 16; i++)
        fprintf(d->out, "%s%02x",
                i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

static void print_digest(struct dump *d, uint64_t says, uint64_t is)
{
    char wrong[64];

    snprintf(wrong, sizeof(wrong), "the bytes have %016" PRIx64, is);
    dump_field(d, "digest", "%016" PRIx64, says);
    dump_judge(d, says == is, wrong);
}

static void print_identity(struct dump *d, const struct superblock *sb)
{
    dump_field(d, "magic", "%s", "");
    dump_name(d, sb->magic, sizeof(sb->magic));
    dump_judge(d, memcmp(sb->magic, STORE_MAGIC, sizeof(sb->magic)) == 0,
               "this is not a store");
    dump_field(d, "format", "%" PRIu32, sb->format);
    dump_judge(d, sb->format == STORE_FORMAT, "this version does not know it");
    dump_field(d, "byte order", "%08" PRIx32, sb->byte_order);
    dump_judge(d, sb->byte_order == STORE_BYTE_ORDER,
               "this machine would write 01020304");
    dump_field(d, "compat", "%#" PRIx64 ", may be ignored\n", sb->compat);
    dump_field(d, "ro_compat", "%#" PRIx64, sb->ro_compat);
    dump_judge(d, (sb->ro_compat & ~STORE_KNOWN_RO_COMPAT) == 0,
               "features with which this version can only read it");
    dump_field(d, "incompat", "%#" PRIx64, sb->incompat);
    dump_judge(d, (sb->incompat & ~STORE_KNOWN_INCOMPAT) == 0,
               "features that this version does not know");
    print_uuid(d, "uuid", sb->uuid);
    fputc('\n', d->out);
}

static void print_sizes(struct dump *d, const struct superblock *sb,
                        uint64_t size)
{
    dump_field(d, "page size", "%" PRIu64, sb->page_size);
    dump_judge(d, sb->page_size == region_page_size(),
               "this machine has another");
    dump_field(d, "file size", "%" PRIu64 ", when it was last closed",
               sb->file_size);
    dump_judge(d,
               sb->file_size >= STORE_SEGMENT_OFF && sb->file_size <= size &&
                   sb->file_size % STORE_PAGE == 0,
               "the file is shorter, or no whole pages");
    dump_field(d, "segment size", "%" PRIu64, sb->segment_size);
    dump_judge(d,
               sb->file_size >= STORE_SEGMENT_OFF &&
                   sb->segment_size <= sb->file_size - STORE_SEGMENT_OFF,
               "more than the file has");
    dump_field(d, "maximum size", "%" PRIu64, sb->max_size);
    dump_judge(d,
               sb->max_size >= sb->file_size && sb->max_size % STORE_PAGE == 0,
               "less than the file has, or no whole pages");
    dump_field(d, "commit", "%" PRIu64 ", nonce %016" PRIx64 "\n",
               sb->commit_number, sb->commit_nonce);
    dump_field(d, "zeroed", "%" PRIu64 ", %s\n", sb->zeroed,
               sb->zeroed != 0 && sb->zeroed == sb->commit_number
                   ? "this commit: all free memory is zero"
                   : "says nothing of this commit");
}

static const char *word_for_index(uint32_t index)
{
    static const char *const words[] = {"?",   "iset", "flat_map",
                                        "map", "hash", "null"};

    return index < sizeof(words) / sizeof(*words) ? words[index] : "?";
}

static const char *word_for_state(uint64_t state)
{
    if (state == STORE_CLEAN)
        return "CLEAN: closed in order";
    if (state == STORE_SHARED)
        return "SHARED: in shared use, or was when something died";
    if (state == STORE_LIVE)
        return "LIVE: in durable use, or was when something died";
    return "none of the three, which counts as LIVE";
}

static void print_state(struct dump *d, const char *page)
{
    uint64_t state;

    memcpy(&state, page + STORE_STATE_OFF, sizeof(state));
    dump_heading(d, "state, at %d of the file", STORE_STATE_OFF);
    dump_field(d, "word", "%016" PRIx64 ", %s", state, word_for_state(state));
    dump_judge(
        d, state == STORE_CLEAN || state == STORE_SHARED || state == STORE_LIVE,
        "it is one of three");
}

static const char *word_for_boot(const struct file *f, uint64_t boot)
{
    if (boot == 0)
        return "none: nothing in the page cache counts";
    if (boot == STORE_BOOT_UNKNOWN)
        return "the machine did not tell its boot";
    return boot == superblock_boot(f) ? "this boot and this file"
                                      : "another boot, or another file";
}

static void print_marks(struct dump *d, const struct file *f, const char *page)
{
    struct marks marks;

    memcpy(&marks, page + STORE_MARKS_OFF, sizeof(marks));
    dump_heading(d, "marks, at %d of the file: what is true of the page cache",
                 STORE_MARKS_OFF);
    dump_field(d, "boot", "%016" PRIx64 ", %s\n", mark_value(marks.boot),
               word_for_boot(f, mark_value(marks.boot)));
    dump_field(d, "synced", "%" PRIu64 ", the last commit on disk\n",
               mark_value(marks.synced));
    dump_field(d, "applied", "%" PRIu64 ", the last commit in this file\n",
               mark_value(marks.applied));
    dump_field(d, "generation", "%" PRIu64 ", of the journal\n",
               mark_value(marks.generation));
    dump_field(d, "journal", "%016" PRIx64 ", which file it is\n",
               mark_value(marks.journal));
    dump_field(d, "writer", "%016" PRIx64 ", the handle that wrote last\n",
               mark_value(marks.writer));
}

static void print_rest(struct dump *d, const char *page)
{
    static const size_t gaps[][2] = {
        {STORE_STATE_OFF + sizeof(uint64_t), STORE_MARKS_OFF},
        {STORE_MARKS_OFF + sizeof(struct marks), STORE_SEGMENT_OFF},
    };

    for (int i = 0; i < 2; i++)
        if (!dump_is_zero(page + gaps[i][0], gaps[i][1] - gaps[i][0]))
            dump_wrong(d, "bytes from %zu to %zu are not all zero", gaps[i][0],
                       gaps[i][1]);
}

void dump_superblock(struct dump *d, const struct file *f, const char *bytes,
                     uint64_t size)
{
    struct superblock sb;

    dump_heading(d, "superblock, at 0 of the file");
    if (size < sizeof(sb)) {
        dump_wrong(d, "the file has %" PRIu64 " bytes, too few for one", size);
        return;
    }
    memcpy(&sb, bytes, sizeof(sb));
    print_identity(d, &sb);
    print_sizes(d, &sb, size);
    dump_field(d, "index", "%" PRIu32 ", %s", sb.index,
               word_for_index(sb.index));
    dump_judge(d, sb.index >= TN_INDEX_ISET && sb.index <= TN_INDEX_NULL,
               "there is no such kind");
    dump_field(d, "fit", "%" PRIu32 ", %s", sb.fit,
               sb.fit == TN_FIT_SEQ ? "seq" : "best");
    dump_judge(d, sb.fit <= TN_FIT_SEQ, "there is no such fit");
    dump_field(d, "reserved", "%zu bytes", sizeof(sb.reserved));
    dump_judge(d, dump_is_zero(sb.reserved, sizeof(sb.reserved)),
               "they are not all zero");
    print_digest(d, sb.digest,
                 digest64(&sb, offsetof(struct superblock, digest)));
    if (size < STORE_SEGMENT_OFF) {
        dump_wrong(d, "the file ends in its first page");
        return;
    }
    print_state(d, bytes);
    print_marks(d, f, bytes);
    print_rest(d, bytes);
}

/* --- Headers of a journal ------------------------------------------------- */

/* A journal's bytes, and the generation in use. */
struct sidecar {
    const struct file *file;
    const char *bytes;
    uint64_t size;
    struct journal_header header; /* generation 0: none */
};

static bool header_is_valid(const struct journal_header *header)
{
    return header->magic == JOURNAL_MAGIC && header->format == JOURNAL_FORMAT &&
           header->digest ==
               digest64(header, offsetof(struct journal_header, digest));
}

static void print_header(struct dump *d, const struct journal_header *header,
                         const struct superblock *sb)
{
    dump_field(d, "magic", "%016" PRIx64, header->magic);
    dump_judge(d, header->magic == JOURNAL_MAGIC, "this is no header");
    dump_field(d, "format", "%" PRIu32, header->format);
    dump_judge(d, header->format == JOURNAL_FORMAT,
               "this version does not know it");
    dump_field(d, "generation", "%" PRIu64 "\n", header->generation);
    dump_field(d, "salt", "%016" PRIx64 "\n", header->salt);
    dump_field(d, "goes on from", "commit %" PRIu64 ", nonce %016" PRIx64 "\n",
               header->base_number, header->base_nonce);
    print_uuid(d, "uuid", header->uuid);
    dump_judge(d, memcmp(header->uuid, sb->uuid, sizeof(sb->uuid)) == 0,
               "it is not that of the store");
    dump_field(d, "zeros", "%zu bytes", sizeof(header->zero));
    dump_judge(d, dump_is_zero(header->zero, sizeof(header->zero)),
               "they are not all zero");
    print_digest(d, header->digest,
                 digest64(header, offsetof(struct journal_header, digest)));
}

static void print_headers(struct dump *d, struct sidecar *j,
                          const struct superblock *sb)
{
    static const char *const parity[] = {"even", "odd"};
    struct journal_header slots[2];

    memcpy(slots, j->bytes, sizeof(slots));
    for (int i = 0; i < 2; i++)
        if (header_is_valid(&slots[i]) &&
            slots[i].generation > j->header.generation)
            j->header = slots[i];
    for (int i = 0; i < 2; i++) {
        bool empty = dump_is_zero(&slots[i], sizeof(slots[i]));

        dump_heading(d, "journal header of %s generations, at %d%s", parity[i],
                     i * STORE_SECTOR,
                     empty                         ? ": empty"
                     : !header_is_valid(&slots[i]) ? ": not valid"
                     : slots[i].generation == j->header.generation
                         ? ": in use"
                         : ": valid, but an older one");
        if (!empty)
            print_header(d, &slots[i], sb);
    }
    if (j->header.generation == 0)
        dump_wrong(d, "no header is valid, so that no record counts");
}

/* --- Records -------------------------------------------------------------- */

static void print_place(struct dump *d, const char *what, uint64_t at)
{
    fprintf(d->out, "%s, byte %" PRIu64 " of it", what, at);
}

/* What lies in the segment at off, in a few words. */
static void print_segment_place(struct dump *d, uint64_t off)
{
    struct dump_piece piece;

    if (off < sizeof(struct heap)) {
        print_place(d, "header of the heap", off);
    } else if (off < sizeof(struct segment)) {
        print_place(d, "header of the segment", off);
    } else if (d->base == NULL || !dump_find_piece(d, off, &piece)) {
        fprintf(d->out, "no block that is known");
    } else if (!piece.is_block) {
        fprintf(d->out, "damage in the chain of blocks");
    } else if (off < piece.off) {
        fprintf(d->out, "header of block %" PRIu64 ": ", piece.off);
        dump_content(d, &piece);
    } else {
        fprintf(d->out,
                "block %" PRIu64 ", byte %" PRIu64 " of it: ", piece.off,
                off - piece.off);
        dump_content(d, &piece);
    }
}

static void print_run(struct dump *d, const struct journal_run *run)
{
    fprintf(d->out, "    %10" PRIu64 " %8" PRIu64 "  ", run->offset,
            run->length & ~JOURNAL_ZEROS);
    if ((run->length & JOURNAL_ZEROS) != 0)
        fprintf(d->out, "zeros; ");
    if (run->offset < STORE_SECTOR)
        print_place(d, "superblock", run->offset);
    else if (run->offset < STORE_SEGMENT_OFF)
        fprintf(d->out, "first page");
    else
        print_segment_place(d, run->offset - STORE_SEGMENT_OFF);
    fputc('\n', d->out);
}

/* J4 of a run; end is the file's size after the commit. */
static bool run_fits(const struct journal_run *run, uint64_t end)
{
    uint64_t length = run->length & ~JOURNAL_ZEROS;

    if (length == 0 || run->offset > end || length > end - run->offset)
        return false;
    return run->offset >= STORE_SEGMENT_OFF ||
           run->offset + length <= STORE_SECTOR;
}

/* False: what should be a run is none. */
static bool print_runs(struct dump *d, const char *record,
                       const struct journal_record *head)
{
    uint64_t at = sizeof(*head);
    struct journal_run run;
    bool zeros;

    fprintf(d->out, "    %10s %8s  what lies there now\n", "offset", "bytes");
    while (at < head->bytes) {
        if (head->bytes - at < sizeof(run))
            break;
        memcpy(&run, record + at, sizeof(run));
        at += sizeof(run);
        zeros = (run.length & JOURNAL_ZEROS) != 0;
        if ((!zeros && run.length > head->bytes - at) ||
            !run_fits(&run, head->file_size)) {
            dump_wrong(d,
                       "a run of %" PRIu64 " bytes at %" PRIu64
                       " fits neither record nor store",
                       run.length, run.offset);
            return false;
        }
        print_run(d, &run);
        at += zeros ? 0 : round_up(run.length, RUN_UNIT);
    }
    if (at == head->bytes)
        return true;
    dump_wrong(d, "the runs do not end with the record");
    return false;
}

/* Why what lies at place is no record that follows; NULL: it is one. */
static const char *why_not_next(const struct sidecar *j,
                                const struct journal_place *place,
                                const struct journal_record *head)
{
    uint64_t room = j->size - place->off;
    bool dense;

    if (head->salt != j->header.salt)
        return dump_is_zero(head, sizeof(*head))
                   ? "zeros follow"
                   : "what follows is of an older generation, or no record";
    if (head->number != place->number + 1)
        return "what follows has this salt, but not the next number";
    if (head->chain != place->chain)
        return "what follows has this salt and the next number, but was "
               "written after another record";
    if (head->bytes < sizeof(*head) || head->bytes % RUN_UNIT != 0 ||
        head->bytes > room)
        return "what follows claims a size that cannot be";
    if (file_is_dense(j->file, place->off, head->bytes, &dense) != TN_OK ||
        !dense)
        return "what follows claims bytes that are a hole";
    return NULL;
}

/* Print the record at place and move behind it; false: there is none. */
static bool print_record(struct dump *d, const struct sidecar *j,
                         struct journal_place *place)
{
    const char *bytes = j->bytes + place->off;
    struct journal_record head;
    uint64_t digest;

    memcpy(&head, bytes, sizeof(head));
    digest = digest64(bytes + sizeof(digest), head.bytes - sizeof(digest));
    dump_heading(d, "record of commit %" PRIu64 ", at %" PRIu64, head.number,
                 place->off);
    dump_field(d, "nonce", "%016" PRIx64 "\n", head.nonce);
    dump_field(d, "chain", "%016" PRIx64 "\n", head.chain);
    dump_field(d, "bytes", "%" PRIu64 "\n", head.bytes);
    dump_field(d, "synced through", "%" PRIu64 "\n", head.synced_through);
    dump_field(d, "file size", "%" PRIu64 "\n", head.file_size);
    print_digest(d, head.digest, digest);
    if (head.digest != digest || !print_runs(d, bytes, &head))
        return false;
    *place = (struct journal_place){.number = head.number,
                                    .nonce = head.nonce,
                                    .chain = head.digest,
                                    .off = place->off +
                                           round_up(head.bytes, STORE_SECTOR)};
    return true;
}

static void print_records(struct dump *d, const struct sidecar *j)
{
    struct journal_place place = {.number = j->header.base_number,
                                  .chain = j->header.salt,
                                  .off = JOURNAL_RECORDS_OFF};
    struct journal_record head;
    uint64_t records = 0;
    const char *why = "the file ends";

    while (place.off <= j->size && j->size - place.off >= sizeof(head)) {
        memcpy(&head, j->bytes + place.off, sizeof(head));
        why = why_not_next(j, &place, &head);
        if (why != NULL)
            break;
        why = "the last one is no record";
        if (!print_record(d, j, &place))
            break;
        records++;
        why = "the file ends";
    }
    dump_heading(d, "%" PRIu64 " record%s; the chain ends at %" PRIu64 ": %s",
                 records, records == 1 ? "" : "s", place.off, why);
}

/* --- The journal ---------------------------------------------------------- */

static void print_journal(struct dump *d, const struct file *f,
                          const struct superblock *sb)
{
    struct region region = {0};
    struct sidecar j = {.file = f};
    tn_status status = file_size(f, &j.size);

    if (status == TN_OK && j.size >= JOURNAL_RECORDS_OFF &&
        j.size <= SIZE_MAX / 2)
        status = region_map(&region, f, REGION_PRIVATE, j.size, NULL);
    dump_heading(d, "journal beside it, %" PRIu64 " bytes", j.size);
    if (status != TN_OK) {
        dump_wrong(d, "%s", tn_errmsg());
    } else if (j.size < JOURNAL_RECORDS_OFF || region.base == NULL) {
        dump_wrong(d, "that is too few, or too many, for a journal");
    } else {
        j.bytes = region.base;
        print_headers(d, &j, sb);
        if (j.header.generation != 0)
            print_records(d, &j);
    }
    region_unmap(&region);
}

void dump_journal(struct dump *d, const char *path, const struct superblock *sb)
{
    struct file f = FILE_CLOSED;
    char *beside = journal_path(path);
    tn_status status;

    if (beside == NULL) {
        d->refused = TN_ENOMEM;
        snprintf(d->why, sizeof(d->why), "%s: no memory", path);
        return;
    }
    status = file_open(&f, beside, false);
    if (status == TN_OK) {
        print_journal(d, &f, sb);
    } else if (status == TN_ENOENT) {
        dump_heading(d, "journal: there is none");
    } else {
        dump_heading(d, "journal: it cannot be read");
        dump_wrong(d, "%s", tn_errmsg());
    }
    file_close(&f);
    free(beside);
}
