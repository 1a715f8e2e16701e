/* journal.c - the sidecar file that makes commits atomic
 *
 *        0  header of an even generation      newest valid one: in use
 *      512  header of an odd generation
 *     4096  record | record | record | what is left of older generations
 *           each begins at a sector
 *
 *   J1  A header is valid if magic, format and digest are right and its numbers
 *       are not used up (STORE_MOST_NUMBERS).  The one with the higher
 *       generation is in use; the other slot holds the generation before it, or
 *       nothing.
 *   J2  A record is valid if its salt is the header's, its number is the one
 *       after that of the record before it (the base's for the first), its
 *       chain is that record's digest (the salt for the first), its size and
 *       runs fit, its store is not shorter than that record's, and its digest
 *       is right.  It is not nearly all a hole of the file, either: what was
 *       written is not, and what only claims to be there would take memory for
 *       its size, and time.
 *   J3  The chain ends before the first record that is not valid.  If a later
 *       one of the same salt claims that the missing one was on disk before it
 *       was written (synced_through), that is damage and not an end.
 *   J4  Runs lie in the superblock or in the segment, inside file_size; those
 *       of zeros, which cost no bytes here, come in order of their places.
 *   J5  Between headers and records, and from a record to the next sector, all
 *       is zero.
 *   J6  The file is a multiple of 4096 bytes long, and at least 64 KiB.
 *
 * journal_check() tests them by these names.
 *
 * The salt makes records of older generations invalid without erasing them, and
 * the chain makes a record that survived a crash alone invalid: its number may
 * be right, but not the digest of a predecessor that was made anew, since every
 * commit has a random nonce.
 *
 * Nothing here syncs but the calls that say so.  What a crash leaves is said
 * step by step in docs/CRASH.md.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "store/journal.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/rule.h"
#include "os/random.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUN_UNIT = 8,
    CHUNK = 256 * 1024,  /* how much is read or written at a time */
    KEEP = 4 << 20,      /* and how much is made sure of */
    EXPECT = 256 * 1024, /* and brought into the page cache */
};

char *journal_path(const char *store_path)
{
    char *resolved = realpath(store_path, NULL), *path;

    if (resolved == NULL)
        return NULL;
    path = malloc(strlen(resolved) + sizeof("-journal"));
    if (path != NULL)
        strcat(strcpy(path, resolved), "-journal");
    free(resolved);
    return path;
}

/* --- Headers -------------------------------------------------------------- */

static uint64_t header_digest(const struct journal_header *header)
{
    return digest64(header, offsetof(struct journal_header, digest));
}

bool journal_header_is_valid(const struct journal_header *header)
{
    return header->magic == JOURNAL_MAGIC && header->format == JOURNAL_FORMAT &&
           header->digest == header_digest(header) &&
           header->generation < STORE_MOST_NUMBERS &&
           header->base_number < STORE_MOST_NUMBERS;
}

static uint64_t slot_of(uint64_t generation)
{
    return RULE(HDR2) ? generation % 2 * STORE_SECTOR : 0;
}

static tn_status write_header(struct journal *j, struct journal_header *header)
{
    header->magic = JOURNAL_MAGIC;
    header->format = JOURNAL_FORMAT;
    header->digest = header_digest(header);
    return file_write(&j->file, header, sizeof(*header),
                      slot_of(header->generation));
}

/* The newest valid header; generation 0: none. */
static tn_status newest_header(const struct journal *j,
                               struct journal_header *newest)
{
    struct journal_header slots[2];
    tn_status status = file_read(&j->file, slots, sizeof(slots), 0);

    if (status != TN_OK && status != TN_ESIZE)
        return status;
    memset(newest, 0, sizeof(*newest));
    for (int i = 0; status == TN_OK && i < 2; i++)
        if (journal_header_is_valid(&slots[i]) &&
            slots[i].generation > newest->generation)
            *newest = slots[i];
    return TN_OK;
}

struct journal_place journal_start(const struct journal *j)
{
    return (struct journal_place){.number = j->header.base_number,
                                  .nonce = j->header.base_nonce,
                                  .chain = j->header.salt,
                                  .off = JOURNAL_RECORDS_OFF};
}

tn_status journal_read_header(struct journal *j, const uint8_t uuid[16])
{
    struct journal_header header;
    tn_status status = newest_header(j, &header);

    if (status != TN_OK)
        return status;
    if (header.generation == 0)
        return error_set(TN_ENOENT, "%s: there is no valid header",
                         j->file.path);
    if (uuid != NULL && memcmp(header.uuid, uuid, sizeof(header.uuid)) != 0)
        return error_set(TN_EJOURNAL,
                         "%s: the journal belongs to another "
                         "store",
                         j->file.path);
    j->header = header;
    j->end = journal_start(j);
    return file_size(&j->file, &j->size);
}

uint64_t journal_generation(const struct journal *j)
{
    struct journal_header header;

    return newest_header(j, &header) == TN_OK ? header.generation : 0;
}

/* --- Making, opening ------------------------------------------------------ */

/* An unwritten block would make the first sync of a record write metadata as
 * well, so the zeros are really written. */
static tn_status write_zeros(struct journal *j, uint64_t from, uint64_t to)
{
    char *zeros = calloc(1, CHUNK);
    tn_status status = zeros != NULL ? TN_OK : TN_ENOMEM;

    while (status == TN_OK && from < to) {
        size_t n = to - from < CHUNK ? (size_t)(to - from) : CHUNK;

        status = file_write(&j->file, zeros, n, from);
        from += n;
    }
    free(zeros);
    return status;
}

/* J6. */
static uint64_t whole_size(uint64_t size)
{
    return round_up(size < JOURNAL_LEAST_SIZE ? JOURNAL_LEAST_SIZE : size,
                    4096);
}

tn_status journal_extend(struct journal *j, uint64_t size)
{
    tn_status status;

    size = whole_size(size);
    if (size <= j->size)
        return TN_OK;
    status = file_extend(&j->file, size);
    if (status == TN_OK)
        status = write_zeros(j, j->size, size);
    if (status == TN_OK)
        status = journal_sync(j);
    if (status == TN_OK)
        j->size = j->kept = size;
    return status;
}

/* Another handle may have made the file longer and failed to sync that: as with
 * the store's own size, blocks are asked for again where records are written, a
 * good deal at a time, so that the next sync covers it.  What the file claims
 * beyond may be a hole of any size. */
static tn_status keep_size(struct journal *j, uint64_t end)
{
    uint64_t size = round_up(end, KEEP);
    tn_status status;

    if (end <= j->kept || !RULE(GROWCOMMIT))
        return TN_OK;
    if (size > j->size)
        size = j->size;
    status = file_extend(&j->file, size);
    if (status == TN_OK)
        j->kept = size;
    return status;
}

tn_status journal_shorten(struct journal *j, uint64_t size)
{
    tn_status status;

    TN_ASSERT(j->end.number == j->header.base_number);
    size = whole_size(size);
    if (size >= j->size)
        return TN_OK;
    status = file_truncate(&j->file, size);
    if (status == TN_OK)
        j->size = j->kept = size;
    return status;
}

static tn_status first_header(struct journal *j, const struct superblock *sb)
{
    j->header = (struct journal_header){.generation = 1,
                                        .base_number = sb->commit_number,
                                        .base_nonce = sb->commit_nonce};
    memcpy(j->header.uuid, sb->uuid, sizeof(sb->uuid));
    return random_bytes(&j->header.salt, sizeof(j->header.salt));
}

tn_status journal_create(struct journal *j, const char *path,
                         const struct superblock *sb, uint64_t size,
                         mode_t mode)
{
    tn_status status;

    *j = (struct journal)JOURNAL_CLOSED;
    status = file_create_unnamed(&j->file, path, mode);
    if (status != TN_OK)
        return status;
    status = first_header(j, sb);
    if (status == TN_OK)
        status = journal_extend(j, size);
    if (status == TN_OK)
        status = write_header(j, &j->header);
    if (status == TN_OK)
        status = journal_sync(j);
    if (status == TN_OK)
        status = file_publish(&j->file, false);
    if (status == TN_OK)
        j->end = journal_start(j);
    else
        journal_close(j);
    return status;
}

tn_status journal_open(struct journal *j, const char *path, bool writable)
{
    *j = (struct journal)JOURNAL_CLOSED;
    return file_open(&j->file, path, writable);
}

void journal_close(struct journal *j)
{
    file_close(&j->file);
    free(j->buffer);
    *j = (struct journal)JOURNAL_CLOSED;
}

uint64_t journal_identity(const struct journal *j)
{
    return mark_value(file_identity(&j->file));
}

/* --- Reading records ------------------------------------------------------ */

static tn_status reserve(struct journal *j, size_t bytes)
{
    size_t capacity = j->capacity != 0 ? j->capacity : 4096;
    char *buffer;

    if (bytes <= j->capacity)
        return TN_OK;
    while (capacity < bytes)
        if (!bytes_mul(capacity, 2, &capacity))
            return error_set(TN_ENOMEM, "a record is too large");
    buffer = realloc(j->buffer, capacity);
    if (buffer == NULL)
        return error_set(TN_ENOMEM, "no memory for a record of %zu bytes",
                         bytes);
    j->buffer = buffer;
    j->capacity = capacity;
    return TN_OK;
}

static struct journal_record *record_in(const struct journal *j)
{
    return (struct journal_record *)j->buffer;
}

static uint64_t record_digest(const struct journal_record *record)
{
    return digest64(&record->salt,
                    record->bytes - offsetof(struct journal_record, salt));
}

static size_t room_for(size_t bytes)
{
    return round_up(bytes, STORE_SECTOR);
}

/* J4 for all runs of the record in the buffer. */
static bool runs_are_valid(const struct journal *j)
{
    uint64_t end = record_in(j)->file_size;
    size_t at = sizeof(struct journal_record);
    uint64_t zeros_end = 0;
    struct journal_run run;
    bool zeros;

    while (at < j->used) {
        if (j->used - at < sizeof(run))
            return false;
        memcpy(&run, j->buffer + at, sizeof(run));
        at += sizeof(run);
        zeros = (run.length & JOURNAL_ZEROS) != 0;
        run.length &= ~JOURNAL_ZEROS;
        if (run.length == 0 || (!zeros && run.length > j->used - at) ||
            run.offset > end || run.length > end - run.offset)
            return false;
        if (run.offset < STORE_SEGMENT_OFF &&
            run.offset + run.length > STORE_SECTOR)
            return false;
        if (!zeros) {
            at += round_up(run.length, RUN_UNIT);
            continue;
        }
        if (run.offset < zeros_end)
            return false;
        zeros_end = run.offset + run.length;
    }
    return at == j->used;
}

/* Can what begins like this at off be a record of this generation?  It takes
 * memory of its size to look, so that must have been written. */
static tn_status is_possible(const struct journal *j, uint64_t off,
                             const struct journal_record *head, bool *possible)
{
    *possible = head->salt == j->header.salt && head->bytes >= sizeof(*head) &&
                head->bytes % RUN_UNIT == 0 && head->bytes <= j->size - off &&
                room_for(head->bytes) <= j->size - off;
    return *possible ? file_is_dense(&j->file, off, head->bytes, possible)
                     : TN_OK;
}

/* Read what may be a record at off into the buffer.  TN_OK, with used 0 if it
 * is none of this generation that is whole. */
static tn_status load(struct journal *j, uint64_t off)
{
    struct journal_record head;
    bool possible;
    tn_status status;

    j->used = 0;
    if (off > j->size || j->size - off < sizeof(head))
        return TN_OK;
    status = file_read(&j->file, &head, sizeof(head), off);
    if (status == TN_ESIZE) /* shortened meanwhile, so it was empty */
        return TN_OK;
    if (status == TN_OK)
        status = is_possible(j, off, &head, &possible);
    if (status != TN_OK || !possible)
        return status;
    status = reserve(j, head.bytes);
    if (status == TN_OK)
        status = file_read(&j->file, j->buffer, head.bytes, off);
    if (status != TN_OK)
        return status;
    if (record_in(j)->bytes != head.bytes ||
        record_in(j)->digest != record_digest(record_in(j)))
        return TN_OK;
    j->used = head.bytes;
    return TN_OK;
}

bool journal_has_rest(const struct journal *j)
{
    uint64_t salt;

    return file_read(&j->file, &salt, sizeof(salt),
                     j->end.off + offsetof(struct journal_record, salt)) ==
               TN_OK &&
           salt == j->header.salt;
}

/* J2: is what was loaded the record that follows this place? */
static bool follows(const struct journal *j, const struct journal_place *place)
{
    const struct journal_record *record = record_in(j);

    return j->used != 0 && record->number == place->number + 1 &&
           record->chain == place->chain &&
           record->file_size >= place->file_size && runs_are_valid(j);
}

static void step(const struct journal *j, struct journal_place *place)
{
    const struct journal_record *record = record_in(j);

    place->number = record->number;
    place->nonce = record->nonce;
    place->chain = record->digest;
    place->off += room_for(record->bytes);
    place->file_size = record->file_size;
}

tn_status journal_read(struct journal *j, struct journal_place *place)
{
    tn_status status = load(j, place->off);

    if (status != TN_OK)
        return status;
    if (!follows(j, place))
        return error_set(TN_ECORRUPT,
                         "%s: the record of commit %" PRIu64 " has changed",
                         j->file.path, place->number + 1);
    step(j, place);
    return TN_OK;
}

tn_status journal_passes(struct journal *j, struct commit_id id, bool *passes)
{
    struct journal_place place = journal_start(j);
    tn_status status = TN_OK;

    for (;;) {
        *passes = status == TN_OK && place.number == id.number &&
                  place.nonce == id.nonce;
        if (*passes || status != TN_OK || place.number >= j->end.number)
            return status;
        status = journal_read(j, &place);
    }
}

/* Is the record at off, if there is one, proof that the missing one was on
 * disk? */
static tn_status is_proof(struct journal *j, uint64_t off, bool *proof)
{
    uint64_t missing = j->end.number + 1;
    tn_status status = load(j, off);

    *proof = status == TN_OK && j->used != 0 &&
             record_in(j)->number > missing &&
             (record_in(j)->synced_through >= missing || !RULE(TAILRULE)) &&
             record_in(j)->synced_through < record_in(j)->number;
    return status;
}

/* Look through n bytes that lie at off.  *work counts what it took. */
static tn_status look_at_chunk(struct journal *j, const char *chunk, size_t n,
                               uint64_t off, uint64_t *work, bool *proof)
{
    tn_status status = TN_OK;

    for (size_t at = 0;
         status == TN_OK && !*proof &&
         at + sizeof(struct journal_record) <= n && *work < 8 * j->size;
         at += STORE_SECTOR) {
        struct journal_record *head = (struct journal_record *)(chunk + at);

        if (head->salt != j->header.salt)
            continue;
        status = is_proof(j, off + at, proof);
        *work += STORE_SECTOR;
        if (head->bytes <= j->size) /* else load() did not look */
            *work += head->bytes;
    }
    return status;
}

/* Move *off over a hole to the next sector that is none. */
static tn_status skip_hole(const struct journal *j, uint64_t *off)
{
    uint64_t start, end;
    tn_status status = file_find_data(&j->file, *off, &start, &end);

    if (status == TN_OK && start > *off)
        *off = start < j->size ? round_down(start, STORE_SECTOR) : j->size;
    return status;
}

/* J3: does anything behind the end of the chain prove that what should be there
 * was on disk?  Only sectors that begin like a record of this generation are
 * looked at closely, and no more bytes of them than eight times the file. */
static tn_status look_for_proof(struct journal *j, bool *proof)
{
    uint64_t work = 0, off = j->end.off;
    tn_status status = TN_OK;
    char *chunk = malloc(CHUNK);

    *proof = false;
    if (chunk == NULL)
        return error_set(TN_ENOMEM, "no memory to read the journal");
    while (status == TN_OK && !*proof && off < j->size) {
        size_t n;

        status = skip_hole(j, &off);
        n = j->size - off < CHUNK ? (size_t)(j->size - off) : CHUNK;
        if (status == TN_OK)
            status = file_read(&j->file, chunk, n, off);
        if (status == TN_OK)
            status = look_at_chunk(j, chunk, n, off, &work, proof);
        off += n;
    }
    free(chunk);
    return status;
}

tn_status journal_advance(struct journal *j)
{
    tn_status status;

    for (;;) {
        status = load(j, j->end.off);
        if (status != TN_OK || !follows(j, &j->end))
            return status;
        step(j, &j->end);
    }
}

tn_status journal_find_end(struct journal *j)
{
    tn_status status = journal_advance(j);
    bool damaged = false;

    if (status == TN_OK)
        status = look_for_proof(j, &damaged);
    if (status == TN_OK && damaged)
        return error_set(TN_ECORRUPT,
                         "%s: the record of commit %" PRIu64
                         " is damaged, and it had been on disk",
                         j->file.path, j->end.number + 1);
    return status;
}

bool journal_next_run(const struct journal *j, size_t *at, uint64_t *offset,
                      const void **bytes, size_t *length)
{
    struct journal_run run;

    if (*at == 0)
        *at = sizeof(struct journal_record);
    if (*at >= j->used)
        return false;
    memcpy(&run, j->buffer + *at, sizeof(run));
    *offset = run.offset;
    *length = run.length & ~JOURNAL_ZEROS;
    *bytes = NULL;
    *at += sizeof(run);
    if (*length == run.length) {
        *bytes = j->buffer + *at;
        *at += round_up(run.length, RUN_UNIT);
    }
    return true;
}

bool journal_holds(const struct journal *j, uint64_t number)
{
    return j->used != 0 && record_in(j)->salt == j->header.salt &&
           record_in(j)->number == number;
}

uint64_t journal_file_size(const struct journal *j)
{
    return record_in(j)->file_size;
}

/* --- Writing records ------------------------------------------------------ */

tn_status journal_begin(struct journal *j)
{
    tn_status status = reserve(j, sizeof(struct journal_record));

    if (status != TN_OK)
        return status;
    memset(j->buffer, 0, sizeof(struct journal_record)); /* it is no record */
    j->used = sizeof(struct journal_record);
    j->zeros = 0;
    return TN_OK;
}

tn_status journal_add(struct journal *j, uint64_t offset, const void *bytes,
                      size_t length)
{
    struct journal_run run = {.offset = offset, .length = length};
    size_t padded = round_up(length, RUN_UNIT);
    tn_status status = reserve(j, j->used + sizeof(run) + padded);
    char *to;

    if (status != TN_OK)
        return status;
    to = j->buffer + j->used;
    memcpy(to, &run, sizeof(run));
    memcpy(to + sizeof(run), bytes, length);
    memset(to + sizeof(run) + length, 0, padded - length);
    j->used += sizeof(run) + padded;
    j->zeros = 0;
    return TN_OK;
}

tn_status journal_add_zeros(struct journal *j, uint64_t offset, uint64_t length)
{
    struct journal_run run;
    tn_status status;

    if (j->zeros != 0) {
        memcpy(&run, j->buffer + j->zeros, sizeof(run));
        if (run.offset + (run.length & ~JOURNAL_ZEROS) == offset) {
            run.length += length;
            memcpy(j->buffer + j->zeros, &run, sizeof(run));
            return TN_OK;
        }
    }
    status = reserve(j, j->used + sizeof(run));
    if (status != TN_OK)
        return status;
    run = (struct journal_run){offset, length | JOURNAL_ZEROS};
    memcpy(j->buffer + j->used, &run, sizeof(run));
    j->zeros = j->used;
    j->used += sizeof(run);
    return TN_OK;
}

size_t journal_record_size(const struct journal *j)
{
    return room_for(j->used);
}

/* The file may have been cut off before its first record. */
uint64_t journal_room(const struct journal *j)
{
    return j->size > j->end.off ? j->size - j->end.off : 0;
}

/* Complete the record that was built; *room is what it takes in the file. */
static tn_status finish_record(struct journal *j, struct commit_id id,
                               uint64_t synced_through, uint64_t file_size,
                               size_t *room)
{
    struct journal_record *record;
    tn_status status;

    *room = room_for(j->used);
    if (*room > journal_room(j))
        return error_set(TN_ESIZE, "%s: the journal is full", j->file.path);
    status = reserve(j, *room);
    if (status != TN_OK)
        return status;
    record = record_in(j);
    *record = (struct journal_record){.salt = j->header.salt,
                                      .number = id.number,
                                      .nonce = id.nonce,
                                      .chain = j->end.chain,
                                      .synced_through = synced_through,
                                      .file_size = file_size,
                                      .bytes = j->used};
    record->digest = record_digest(record);
    memset(j->buffer + j->used, 0, *room - j->used);
    return TN_OK;
}

tn_status journal_write(struct journal *j, struct commit_id id,
                        uint64_t synced_through, uint64_t file_size)
{
    size_t room;
    tn_status status = finish_record(j, id, synced_through, file_size, &room);

    if (status == TN_OK)
        status = keep_size(j, j->end.off + room);
    if (status == TN_OK && j->uncached)
        file_expect(&j->file, j->end.off, EXPECT);
    j->uncached = false;
    if (status == TN_OK)
        status = file_write(&j->file, j->buffer, room, j->end.off);
    if (status == TN_OK)
        step(j, &j->end);
    return status;
}

bool journal_can_write_through(const struct journal *j)
{
    size_t room = room_for(j->used);

    return room <= FILE_THROUGH_MOST && room <= journal_room(j) &&
           j->end.off + room <= j->kept;
}

tn_status journal_write_through(struct journal *j, struct commit_id id,
                                uint64_t synced_through, uint64_t file_size)
{
    size_t room;
    tn_status status = finish_record(j, id, synced_through, file_size, &room);

    TN_ASSERT(journal_can_write_through(j));
    if (status == TN_OK)
        status = file_write_through(&j->file, j->buffer, room, j->end.off);
    if (status != TN_OK)
        return status;
    j->uncached = true;
    step(j, &j->end);
    return TN_OK;
}

tn_status journal_sync(struct journal *j)
{
    return file_sync(&j->file);
}

/* --- Adopting ------------------------------------------------------------- */

static tn_status rewrite_headers(struct journal *j)
{
    struct journal_header slots[2];
    tn_status status = file_read(&j->file, slots, sizeof(slots), 0);

    for (int i = 0; status == TN_OK && i < 2; i++) {
        if (!RULE(OTHERSLOT) && slots[i].generation != j->header.generation)
            continue;
        if (!journal_header_is_valid(&slots[i]))
            memset(&slots[i], 0, sizeof(slots[i]));
        status = file_write(&j->file, &slots[i], sizeof(slots[i]),
                            (uint64_t)i * STORE_SECTOR);
    }
    return status;
}

tn_status journal_rewrite(struct journal *j, struct journal_place from)
{
    tn_status status =
        from.number < j->end.number ? keep_size(j, j->end.off) : TN_OK;

    if (status == TN_OK)
        status = rewrite_headers(j);
    while (status == TN_OK && from.number < j->end.number) {
        uint64_t off = from.off;

        status = journal_read(j, &from);
        if (status == TN_OK)
            status = reserve(j, room_for(j->used));
        if (status != TN_OK)
            break;
        memset(j->buffer + j->used, 0, room_for(j->used) - j->used);
        status = file_write(&j->file, j->buffer, room_for(j->used), off);
    }
    return status;
}

tn_status journal_next_generation(struct journal *j, struct commit_id base)
{
    struct journal_header next = j->header;
    tn_status status;

    next.generation++;
    next.base_number = base.number;
    next.base_nonce = base.nonce;
    status = random_bytes(&next.salt, sizeof(next.salt));
    if (status == TN_OK)
        status = write_header(j, &next);
    if (status != TN_OK)
        return status;
    j->header = next;
    j->end = journal_start(j);
    return TN_OK;
}
