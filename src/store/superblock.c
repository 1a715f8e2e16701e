/* superblock.c - read, verify and write the first page of a store
 *
 * Whatever the file's first bytes are, the answer is a sentence about them; the
 * order of the tests goes from "something else" over "not for us" to "damaged",
 * so that a picture is not called a damaged store, nor a store of next year.
 *
 * The superblock is one sector, which disks write whole, and it is written with
 * one pwrite(), which a killed process has done or not.  But a reader may see a
 * half of it meanwhile; so it is written under INIT exclusive and read under
 * INIT.  Only the magic, which never changes, is looked at without.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "store/superblock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/rule.h"
#include "os/clock.h"
#include "os/random.h"
#include "os/region.h"
#include "tenon/segment.h"

#include <inttypes.h>
#include <string.h>

enum { LOOKS = 3, BETWEEN_LOOKS = 1000 * 1000 }; /* nanoseconds */

static uint64_t digest_of(const struct superblock *sb)
{
    return digest64(sb, offsetof(struct superblock, digest));
}

static tn_status verify_identity(const struct file *f,
                                 const struct superblock *sb)
{
    if (memcmp(sb->magic, STORE_MAGIC, sizeof(sb->magic)) != 0)
        return error_set(TN_ENOTSTORE, "%s: this is not a store", f->path);
    if (sb->byte_order == __builtin_bswap32(STORE_BYTE_ORDER))
        return error_set(TN_EVERSION,
                         "%s: the store was made on a machine of another byte "
                         "order",
                         f->path);
    if (sb->format != STORE_FORMAT)
        return error_set(TN_EVERSION,
                         "%s: the store has format %" PRIu32
                         "; this version knows format %d",
                         f->path, sb->format, STORE_FORMAT);
    if (sb->digest != digest_of(sb))
        return error_set(TN_ECORRUPT,
                         "%s: the superblock is damaged: its checksum is "
                         "%016" PRIx64 ", not %016" PRIx64,
                         f->path, sb->digest, digest_of(sb));
    return TN_OK;
}

static tn_status verify_features(const struct file *f, bool writing,
                                 const struct superblock *sb)
{
    uint64_t strange = sb->incompat & ~STORE_KNOWN_INCOMPAT;

    if (strange != 0)
        return error_set(TN_EVERSION,
                         "%s: the store uses features that this version does "
                         "not know (incompat %#" PRIx64 ")",
                         f->path, strange);
    strange = sb->ro_compat & ~STORE_KNOWN_RO_COMPAT;
    if (strange != 0 && writing)
        return error_set(TN_EVERSION,
                         "%s: the store uses features with which this version "
                         "can only read it (ro_compat %#" PRIx64 ")",
                         f->path, strange);
    if (sb->page_size != region_page_size())
        return error_set(TN_EVERSION,
                         "%s: the store was made for pages of %" PRIu64
                         " bytes; this machine has pages of %zu",
                         f->path, sb->page_size, region_page_size());
    return TN_OK;
}

static tn_status verify_sizes(const struct file *f, uint64_t size,
                              const struct superblock *sb)
{
    if (size < sb->file_size)
        return error_set(TN_ESIZE,
                         "%s: the file has %" PRIu64
                         " bytes, but the store has %" PRIu64
                         ": it has been cut off",
                         f->path, size, sb->file_size);
    if (sb->file_size < STORE_SEGMENT_OFF ||
        sb->segment_size > sb->file_size - STORE_SEGMENT_OFF ||
        sb->file_size % sb->page_size != 0 || sb->max_size < sb->file_size ||
        sb->max_size % sb->page_size != 0 ||
        sb->commit_number >= STORE_MOST_NUMBERS || sb->index < TN_INDEX_ISET ||
        sb->index > TN_INDEX_NULL || sb->fit > TN_FIT_SEQ)
        return error_set(TN_ECORRUPT, "%s: the superblock contradicts itself",
                         f->path);
    return TN_OK;
}

tn_status superblock_read_state(const struct file *f, uint64_t *state)
{
    tn_status status = file_read(f, state, sizeof(*state), STORE_STATE_OFF);

    if (status == TN_OK && *state != STORE_CLEAN && *state != STORE_SHARED)
        *state = STORE_LIVE;
    return status;
}

static tn_status require_superblock(const struct file *f, uint64_t *size)
{
    tn_status status = file_size(f, size);

    if (status != TN_OK || *size >= sizeof(struct superblock))
        return status;
    return error_set(TN_ENOTSTORE,
                     "%s: this is not a store: it has %" PRIu64 " bytes",
                     f->path, *size);
}

tn_status superblock_recognise(const struct file *f)
{
    char magic[sizeof(STORE_MAGIC) - 1];
    uint64_t size;
    tn_status status = require_superblock(f, &size);

    if (status == TN_OK)
        status = file_read(f, magic, sizeof(magic), 0);
    if (status == TN_OK && memcmp(magic, STORE_MAGIC, sizeof(magic)) != 0)
        status = error_set(TN_ENOTSTORE, "%s: this is not a store", f->path);
    return status;
}

/* In a store in durable use somebody may be applying a commit just now: a
 * checksum that is wrong is looked at again before it is called damage. */
static tn_status read_and_identify(const struct file *f, struct superblock *sb)
{
    uint64_t state = STORE_LIVE;
    tn_status status = TN_ECORRUPT;

    for (int look = 0; look < LOOKS && status == TN_ECORRUPT; look++) {
        if (look > 0)
            clock_sleep(BETWEEN_LOOKS, NULL);
        status = file_read(f, sb, sizeof(*sb), 0);
        if (status == TN_OK)
            status = verify_identity(f, sb);
        if (status == TN_ECORRUPT &&
            (superblock_read_state(f, &state) != TN_OK || state != STORE_LIVE))
            break;
    }
    return status;
}

tn_status superblock_read(const struct file *f, bool writing,
                          struct superblock *sb, uint64_t *state)
{
    struct superblock read;
    uint64_t size;
    tn_status status = require_superblock(f, &size);

    if (status == TN_OK)
        status = read_and_identify(f, &read);
    if (status == TN_OK)
        status = verify_features(f, writing, &read);
    if (status == TN_OK)
        status = verify_sizes(f, size, &read);
    if (status == TN_OK)
        status = superblock_read_state(f, state);
    if (status == TN_OK)
        *sb = read;
    return status;
}

tn_status superblock_new_uuid(struct superblock *sb)
{
    tn_status status = random_bytes(sb->uuid, sizeof(sb->uuid));

    /* The bits that make it a random UUID of RFC 9562, version 4. */
    sb->uuid[6] = (uint8_t)((sb->uuid[6] & 0x0f) | 0x40);
    sb->uuid[8] = (uint8_t)((sb->uuid[8] & 0x3f) | 0x80);
    return status;
}

tn_status superblock_new_commit(struct superblock *sb)
{
    sb->commit_number++;
    if (!RULE(NONCE))
        return TN_OK;
    return random_bytes(&sb->commit_nonce, sizeof(sb->commit_nonce));
}

bool superblock_is_sealed(const struct superblock *sb)
{
    return sb->digest == digest_of(sb);
}

void superblock_seal(struct superblock *sb)
{
    sb->digest = digest_of(sb);
}

tn_status superblock_write(struct file *f, struct superblock *sb)
{
    superblock_seal(sb);
    return file_write(f, sb, sizeof(*sb), 0);
}

tn_status superblock_set_state(struct file *f, uint64_t state)
{
    tn_status status = file_write(f, &state, sizeof(state), STORE_STATE_OFF);

    return status == TN_OK ? file_sync(f) : status;
}

/* A copy of the file is another inode, so the mark that was copied with it does
 * not hold there. */
uint64_t superblock_boot(const struct file *f)
{
    uint64_t words[] = {region_boot_id(), f->device, f->inode};
    uint64_t mark = mark_value(digest64(words, sizeof(words)));

    if (words[0] == 0)
        return STORE_BOOT_UNKNOWN;
    return mark == 0 || mark == STORE_BOOT_UNKNOWN ? 1 : mark;
}

tn_status superblock_read_mark(const struct file *f, enum store_mark *mark)
{
    uint64_t boot;
    tn_status status = file_read(
        f, &boot, sizeof(boot), STORE_MARKS_OFF + offsetof(struct marks, boot));

    if (status != TN_OK)
        return status;
    if (boot == 0)
        *mark = STORE_MARK_NONE;
    else if (boot == mark_seal(superblock_boot(f)) &&
             mark_value(boot) != STORE_BOOT_UNKNOWN)
        *mark = STORE_MARK_HERE;
    else
        *mark = STORE_MARK_ELSEWHERE;
    return TN_OK;
}

static tn_status write_mark(struct file *f, uint64_t boot)
{
    struct marks marks = {.boot = mark_seal(boot)};

    return file_write(f, &marks, sizeof(marks), STORE_MARKS_OFF);
}

tn_status superblock_mark_boot(struct file *f)
{
    return write_mark(f, superblock_boot(f));
}

tn_status superblock_doubt(struct file *f)
{
    return write_mark(f, 0);
}
