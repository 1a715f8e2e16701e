/* page_check.c - the first page of a store's file, and what is behind the last
 *
 * Page sums do not cover the first page, whose sectors change by themselves:
 *
 *        0  superblock           B1  it can be opened: its checksum is right
 *      512  state word           B2  it is one of the three
 *      520  zero                 B3  all that nothing is kept in is zero
 *     1024  marks                B4  each is whole; all are there, or none
 *     1072  zero                 B3
 *     4096  segment              B6  its header is as the superblock says; of
 *           ...                      a commit (store_check_superblock())
 *     file_size of the commit    B5  the file ends with a page, and is zero
 *           ...                      from here on
 *
 * Marks are of one boot and file, of which nothing is known in another, so B4
 * is about their form: durable use leaves all of them, shared use only boot.
 * What they say is compared with the journal (journal_pair.c).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "check/check.h"
#include "os/clock.h"
#include "store/superblock.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    TAIL_PIECE = 256 * 1024,
    LOOKS = 10,
    BETWEEN_LOOKS = 5 * 1000 * 1000, /* nanoseconds */
};

static bool is_in_use(const struct flock_handle *locks)
{
    return flock_taken(locks, STORE_LOCK_INIT, true) ||
           flock_taken(locks, STORE_LOCK_DUR, true) ||
           flock_taken(locks, STORE_LOCK_SHR, true);
}

static void check_zeros(const unsigned char *page, size_t from, size_t to,
                        struct report *report)
{
    for (size_t i = from; i < to; i++) {
        if (page[i] == 0)
            continue;
        report_add(report, "B3", i, NULL,
                   "byte %zu of the file is %#x, and should be zero", i,
                   page[i]);
        return; /* one for each gap */
    }
}

static void check_state(uint64_t state, struct report *report)
{
    if (state != STORE_CLEAN && state != STORE_LIVE && state != STORE_SHARED)
        report_add(report, "B2", STORE_STATE_OFF, NULL,
                   "the state word is %016" PRIx64 ", which is none", state);
}

/* Between zero and one set of marks lies nothing that a process can leave. */
static void check_marks(uint64_t state, const struct marks *m,
                        struct report *report)
{
    const uint64_t *words = (const uint64_t *)m;
    bool journal = m->synced != 0 && m->generation != 0 && m->journal != 0;
    bool none = m->synced == 0 && m->applied == 0 && m->generation == 0 &&
                m->journal == 0 && m->writer == 0;

    for (size_t i = 0; i < sizeof(*m) / sizeof(*words); i++) {
        if (mark_is_whole(words[i]))
            continue;
        report_add(report, "B4", STORE_MARKS_OFF + i * sizeof(*words), NULL,
                   "this mark, %016" PRIx64 ", does not fit its own check",
                   words[i]);
        return;
    }
    if (none || (state != STORE_SHARED && journal &&
                 mark_value(m->applied) <= mark_value(m->synced)))
        return;
    report_add(report, "B4", STORE_MARKS_OFF, NULL,
               "the marks contradict each other: synced %" PRIu64
               ", applied %" PRIu64 ", generation %" PRIu64
               ", journal %012" PRIx64,
               mark_value(m->synced), mark_value(m->applied),
               mark_value(m->generation), mark_value(m->journal));
}

static tn_status look(const struct file *f, struct report *report)
{
    union {
        unsigned char bytes[STORE_SEGMENT_OFF];
        uint64_t words[STORE_SEGMENT_OFF / 8];
    } page;
    uint64_t state;
    tn_status status = file_read(f, &page, sizeof(page), 0);

    if (status != TN_OK)
        return status;
    state = page.words[STORE_STATE_OFF / 8];
    report->layer = "superblock";
    check_state(state, report);
    check_marks(state, (const struct marks *)&page.bytes[STORE_MARKS_OFF],
                report);
    check_zeros(page.bytes, STORE_STATE_OFF + sizeof(state), STORE_MARKS_OFF,
                report);
    check_zeros(page.bytes, STORE_MARKS_OFF + sizeof(struct marks),
                STORE_SEGMENT_OFF, report);
    return TN_OK;
}

/* Openers and writers change it, one word after the other; what they have not
 * put right by and by is wrong. */
tn_status page_check(const struct file *f, const struct flock_handle *locks,
                     struct report *report)
{
    struct report quiet;
    tn_status status = TN_OK;

    for (int i = 0; i < LOOKS && is_in_use(locks); i++) {
        quiet = (struct report){0};
        status = look(f, &quiet);
        if (status != TN_OK || quiet.findings == 0)
            return status;
        clock_sleep(BETWEEN_LOOKS, NULL);
    }
    return look(f, report);
}

/* --- B5 ------------------------------------------------------------------ */

static bool find_nonzero(const char *bytes, size_t n, size_t *at)
{
    for (*at = 0; *at < n; ++*at)
        if (bytes[*at] != 0)
            return true;
    return false;
}

/* The next bytes from *at on that may be other than zero, a piece at most; none
 * if *at is the end then. */
static tn_status next_piece(const struct file *f, uint64_t *at, uint64_t end,
                            char *piece, size_t *n)
{
    uint64_t start, hole;
    tn_status status = file_find_data(f, *at, &start, &hole);

    if (status != TN_OK)
        return status;
    *at = start < end ? start : end;
    *n = end - *at < TAIL_PIECE ? (size_t)(end - *at) : TAIL_PIECE;
    return file_read(f, piece, *n, *at);
}

tn_status page_check_tail(const struct file *f, uint64_t size,
                          struct report *report)
{
    char *piece = malloc(TAIL_PIECE);
    uint64_t end, off = size;
    size_t at, n;
    tn_status status = piece != NULL ? file_size(f, &end) : TN_ENOMEM;

    report->layer = "superblock";
    if (status == TN_OK && end % STORE_PAGE != 0)
        report_add(
            report, "B5", end, NULL,
            "the file does not end with a page: it has %" PRIu64 " bytes", end);
    for (; status == TN_OK && off < end; off += n) {
        status = next_piece(f, &off, end, piece, &n);
        if (status != TN_OK || !find_nonzero(piece, n, &at))
            continue;
        report_add(report, "B5", off + at, NULL,
                   "behind the end of the store the file is not zero");
        break;
    }
    free(piece);
    return status;
}
