/* journal_check.c - are the bytes of a journal what journal.c says they are?
 *
 * Tests J1 to J6 of journal.c on a file whose bytes may be anything.  What lies
 * behind the end of the chain is left of older generations, and no promise is
 * about it, except that it must not prove that the chain once went on (J3).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "store/journal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- J1 ------------------------------------------------------------------ */

static void check_slot(const struct journal_header *slots, int i,
                       struct report *report)
{
    const struct journal_header *slot = &slots[i];
    uint64_t off = (uint64_t)i * STORE_SECTOR;

    if (!journal_header_is_valid(slot)) {
        if (!bytes_are_zero(slot, sizeof(*slot)))
            report_add(report, "J1", off, NULL,
                       "this header is damaged: its checksum is wrong");
        return;
    }
    if (slot->generation == 0 || slot->generation % 2 != (uint64_t)i)
        report_add(report, "J1", off, NULL,
                   "the header of generation %" PRIu64
                   " does not belong in this place",
                   slot->generation);
    if (slot->reserved != 0 || !bytes_are_zero(slot->zero, sizeof(slot->zero)))
        report_add(report, "J1", off, NULL,
                   "this header has bytes that nobody can have written");
}

static void check_slots(const struct journal_header slots[2],
                        const uint8_t uuid[16], struct report *report)
{
    const struct journal_header *even = &slots[0], *odd = &slots[1];

    check_slot(slots, 0, report);
    check_slot(slots, 1, report);
    if (!journal_header_is_valid(even) || !journal_header_is_valid(odd))
        return;
    if (even->generation + 1 != odd->generation &&
        odd->generation + 1 != even->generation)
        report_add(report, "J1", 0, NULL,
                   "the two headers, of generations %" PRIu64 " and %" PRIu64
                   ", do not follow each other",
                   even->generation, odd->generation);
    for (int i = 0; i < 2; i++)
        if (memcmp(slots[i].uuid, uuid, sizeof(slots[i].uuid)) != 0)
            report_add(report, "J1", (uint64_t)i * STORE_SECTOR, NULL,
                       "this header is that of another store's journal");
}

/* --- J2 to J6 ------------------------------------------------------------ */

static tn_status check_zero(const struct journal *j, uint64_t from, uint64_t to,
                            struct report *report)
{
    char bytes[JOURNAL_RECORDS_OFF];
    tn_status status = file_read(&j->file, bytes, to - from, from);

    if (status == TN_OK && !bytes_are_zero(bytes, to - from))
        report_add(report, "J5", from, NULL,
                   "the %" PRIu64 " bytes from here on should be zero",
                   to - from);
    return status;
}

/* J5 of every record, which are all read once more for it. */
static tn_status check_records(struct journal *j, struct report *report)
{
    struct journal_place place = journal_start(j);
    tn_status status = TN_OK;

    while (status == TN_OK && place.number != j->end.number) {
        uint64_t off = place.off;

        status = journal_read(j, &place);
        if (status == TN_OK && off + j->used < place.off)
            status = check_zero(j, off + j->used, place.off, report);
    }
    return status;
}

/* A damaged record, as journal_find_end() and journal_read() tell of it. */
static tn_status note_damage(tn_status status, const struct journal *j,
                             struct report *report)
{
    if (status != TN_ECORRUPT)
        return status;
    report_add(report, "J3", j->end.off, NULL,
               "the record of commit %" PRIu64
               " is damaged, and it had been on disk",
               j->end.number + 1);
    return TN_OK;
}

static tn_status check_chain(struct journal *j, struct report *report)
{
    tn_status status = journal_find_end(j);

    if (status == TN_OK)
        status = check_records(j, report);
    status = note_damage(status, j, report);
    if (status == TN_OK && j->size >= JOURNAL_RECORDS_OFF)
        status = check_zero(j, 2 * STORE_SECTOR, JOURNAL_RECORDS_OFF, report);
    return status;
}

tn_status journal_check(struct journal *j, const uint8_t uuid[16],
                        struct report *report)
{
    struct journal_header slots[2];
    tn_status status = file_read(&j->file, slots, sizeof(slots), 0);

    report->layer = "journal";
    if (status == TN_OK)
        status = journal_read_header(j, uuid);
    if (status != TN_OK)
        return status;
    check_slots(slots, uuid, report);
    if (j->size < JOURNAL_LEAST_SIZE || j->size % 4096 != 0)
        report_add(report, "J6", j->size, NULL,
                   "no journal is %" PRIu64
                   " bytes long: it has been cut off or added to",
                   j->size);
    return check_chain(j, report);
}
