/* order.c - what is written, and synced, before what
 *
 *     order [CASE | --stop]
 *
 * The rules of docs/CRASH.md that are about order can be read from the list of
 * operations that a step makes (ground.h).  A process that died, or a sync that
 * failed, is where they matter: what the page cache shows then is not proof of
 * what is on disk.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "ground.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "os/region.h"
#include "store/durable.h"

static tn_segment *w;
static const tn_segment *view;

static uint64_t synced(const tn_store *store)
{
    return mark_load(&store->durable->marks->synced);
}

static uint64_t applied(const tn_store *store)
{
    return mark_load(&store->durable->marks->applied);
}

static tn_status commit_unsynced(tn_store *store, int i, uint64_t value)
{
    OK(tn_begin(store, &w));
    ground_set(w, i, value);
    return tn_commit_with(store, TN_NO_SYNC);
}

/* Commit, and die at the operation that is named in arg. */
static int commit_and_die_at(void *arg)
{
    tn_store *a = ground_open();

    OK(ground_commit(a, 0, 1));
    ground_refuse(arg, 0, ground_die, false);
    ground_commit(a, 0, 2);
    tn_checkpoint(a);
    return 0;
}

/* Put the number in the file back to 0, as if its page had been dropped after
 * its write failed and were read again from the disk. */
static void put_number_back(uint64_t number)
{
    const uint64_t zero = 0;
    uint64_t now = 0;
    int fd = open("store", O_RDWR);
    off_t at = STORE_SEGMENT_OFF;

    while (pread(fd, &now, sizeof(now), at) == sizeof(now) && now != number)
        at += 8;
    CLAIM(now == number);
    CLAIM(pwrite(fd, &zero, sizeof(zero), at) == sizeof(zero));
    close(fd);
}

/* --- A commit ------------------------------------------------------------- */

static void a_commit_is_one_sync(void)
{
    tn_store *a;

    ground_make();
    a = ground_open();
    OK(ground_commit(a, 0, 1));
    ground_note();
    OK(ground_commit(a, 0, 2));
    CLAIM(ground_order("Jw Js Sw"));
    CLAIM(ground_count("Js") == 1 && ground_count("Ss") == 0);
    ground_note();
    OK(tn_begin(a, &w));
    OK(tn_commit(a));
    OK(tn_begin(a, &w));
    ground_set(w, 0, 2); /* what is there already */
    OK(tn_commit(a));
    CLAIM(ground_read(a, 0) == 2);
    CLAIM(ground_noted()[0] == '\0');
    OK(tn_store_close(a));
}

/* Not past records that are not on disk, nor past readers, who read J. */
static void a_lone_commit_is_written_past_the_cache(void)
{
    const struct journal *j;
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    b = ground_open();
    j = &a->durable->journal;
    for (uint64_t value = 1; value < 4; value++) {
        ground_note();
        OK(ground_commit(a, 0, value));
        CLAIM(ground_order("Jw Js Sw"));
        CLAIM(j->uncached == (value == 3 && j->file.through >= 0));
    }
    if (j->file.through < 0)
        printf("skipped: this file system writes nothing past its cache\n");
    OK(commit_unsynced(a, 0, 4));
    ground_note();
    OK(ground_commit(a, 0, 5));
    CLAIM(ground_order("Jw Js Sw") && !j->uncached);
    OK(ground_commit(a, 0, 6));
    CLAIM(j->uncached == (j->file.through >= 0));

    OK(tn_read_begin(b, &view));
    OK(ground_commit(a, 0, 7));
    OK(ground_commit(a, 0, 8));
    CLAIM(!j->uncached);
    OK(tn_read_end(b, view));
    CLAIM(ground_read(b, 0) == 8);
    OK(ground_commit(a, 0, 9));
    OK(ground_commit(a, 0, 10));
    OK(ground_commit(b, 0, 11));
    OK(ground_commit(a, 0, 12));
    CLAIM(!j->uncached);
    CLAIM(ground_read(b, 0) == 12);
    OK(tn_store_close(b));
    OK(tn_store_close(a));
}

static void a_handles_first_commit_puts_live_on_disk(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    b = ground_open();
    ground_note();
    OK(ground_commit(a, 0, 1));
    CLAIM(ground_order("Sh Ss Jw Js"));
    ground_note(); /* the one who wrote it may have died before its sync */
    OK(ground_commit(b, 0, 2));
    CLAIM(ground_order("Ss Jw Js"));
    OK(tn_store_close(a));
    OK(tn_store_close(b));
}

/* While the journal is synced nobody may be shown the commit. */
static void look_at_marks(void *arg)
{
    const tn_store *store = arg;

    CLAIM(synced(store) < store->durable->journal.end.number);
    CLAIM(applied(store) < store->durable->journal.end.number);
}

static void a_commit_is_shown_after_its_sync(void)
{
    tn_store *a;

    ground_make();
    a = ground_open();
    OK(ground_commit(a, 0, 1));
    ground_interrupt("Js", look_at_marks, a);
    OK(ground_commit(a, 0, 2));
    CLAIM(synced(a) == applied(a));
    ground_interrupt("Sw", look_at_marks, NULL);
    ground_allow();
    OK(tn_store_close(a));
}

static void a_failed_apply_leaves_the_commit_pending(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    b = ground_open();
    OK(ground_commit(a, 0, 1));
    ground_refuse("Sw", 0, EIO, false);
    OK(ground_commit(a, 0, 2));
    CLAIM(applied(a) < synced(a));
    CLAIM(ground_read(a, 0) == 2 && ground_read(b, 0) == 2);
    OK(ground_commit(b, 1, 3));
    CLAIM(applied(a) == synced(a));
    CLAIM(ground_read(b, 0) == 2 && ground_read(b, 1) == 3);
    OK(tn_store_close(a));
    OK(tn_store_close(b));
}

/* The file goes on from where views take it to be, never back, wherever an
 * apply ends. */
static void an_apply_writes_only_what_is_pending(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    b = ground_open();
    OK(ground_commit(a, 0, 1));
    for (uint64_t i = 2; i < 12; i++) {
        OK(ground_commit(a, 0, i));
        OK(tn_read_begin(b, &view));
        OK(ground_commit(a, 1, i));
        OK(tn_read_end(b, view));
        ground_refuse("Sw", (int)i - 2, EIO, true);
        OK(tn_begin(a, &w));
        ground_allow();
        CLAIM(ground_read(b, 0) == i && ground_read(b, 1) == i);
        OK(tn_rollback(a));
    }
    OK(tn_store_close(a));
    OK(tn_store_close(b));
}

static void nothing_unsynced_is_applied(void)
{
    tn_store *a;

    ground_make();
    a = ground_open();
    OK(ground_commit(a, 0, 1));
    OK(commit_unsynced(a, 0, 2));
    ground_note();
    OK(commit_unsynced(a, 1, 2));
    CLAIM(ground_count("Sw") == 0 && ground_count("Js") == 0);
    CLAIM(applied(a) <= synced(a));
    OK(tn_checkpoint(a));
    CLAIM(ground_order("Js Sw Ss Jh Js"));
    OK(tn_store_close(a));
}

/* --- Growth --------------------------------------------------------------- */

static void a_new_size_is_on_disk_before_the_record(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    b = ground_open();
    OK(ground_commit(a, 0, 1));
    OK(ground_commit(b, 0, 2));
    OK(tn_begin(a, &w));
    OK(tn_segment_grow(w, 65536));
    OK(tn_rollback(a));
    OK(tn_begin(b, &w));
    OK(tn_segment_grow(w, 65536));
    ground_note(); /* another has made the file so long, perhaps not on disk */
    OK(tn_commit(b));
    CLAIM(ground_order("Sa Ss Jw Js"));
    OK(tn_store_close(a));
    OK(tn_store_close(b));
}

/* --- Closing -------------------------------------------------------------- */

static void a_journal_is_shortened_when_it_is_not_needed(void)
{
    tn_store *a;

    ground_make();
    a = ground_open();
    OK(tn_begin(a, &w));
    memset(tn_alloc(w, 200000), 1, 200000);
    OK(tn_commit(a));
    ground_note();
    OK(tn_store_close(a));
    CLAIM(ground_order("Ss Jh Js Sh Ss Jt"));
    CLAIM(ground_count("Jt") == 1);
    a = ground_open();
    ground_sound(a);
    ground_note();
    OK(tn_store_close(a));
    CLAIM(ground_count("Jt") == 0);
}

/* --- Trimming ------------------------------------------------------------- */

/* Two pages and more of bytes that were freed again, at the same place. */
static void store_and_free(tn_store *store)
{
    void *bytes;

    OK(tn_begin(store, &w));
    bytes = tn_alloc(w, 10000);
    CLAIM(bytes != NULL);
    memset(bytes, 1, 10000);
    OK(tn_commit(store));
    OK(tn_begin(store, &w));
    OK(tn_free(w, bytes));
    OK(tn_commit(store));
}

static void holes_are_made_when_the_journal_is_empty(void)
{
    tn_store *a;

    ground_make();
    a = ground_open();
    store_and_free(a);
    ground_note();
    OK(tn_trim(a, NULL));
    CLAIM(ground_order("Jw Js Sw Ss Jh Js Sp"));
    ground_sound(a);
    OK(tn_store_close(a));
}

/* Long zeros are not written, where that can be had. */
static void zeros_come_before_their_checkpoint(void)
{
    tn_store *a;
    void *bytes;

    ground_make();
    a = ground_open();
    for (int i = 0; i < 2; i++) {
        OK(tn_begin(a, &w));
        bytes = tn_alloc(w, 200000);
        CLAIM(bytes != NULL);
        memset(bytes, 1, 200000);
        OK(tn_commit(a));
        OK(tn_begin(a, &w));
        OK(tn_free(w, bytes));
        OK(tn_commit(a));
        if (i == 1)
            ground_refuse("Sz", 0, EOPNOTSUPP, true);
        ground_note();
        OK(tn_trim(a, NULL));
        ground_allow();
        CLAIM(ground_order(i == 0 ? "Jw Js Sz Ss Jh Js Sp"
                                  : "Jw Js Sz Sw Ss Jh Js Sp"));
        ground_sound(a);
    }
    OK(tn_store_close(a));
}

/* A hole in memory that only looks like a file is filled by who reads it, and
 * comparing reads all. */
static bool finding_changes_fills_holes(tn_store *store)
{
    tn_store_info info;
    struct statfs fs;

    OK(tn_store_describe(store, &info));
    CLAIM(statfs("store", &fs) == 0);
    return info.tracker == TN_TRACKER_COMPARE && fs.f_type == TMPFS_MAGIC;
}

static void a_hole_is_filled_before_the_record(void)
{
    tn_store *a, *b;
    bool filled;

    ground_make();
    a = ground_open();
    b = ground_open();
    for (int i = 0; i < 3; i++) {
        store_and_free(a);
        OK(tn_trim(i == 1 ? b : a, NULL));
        ground_note();
        store_and_free(a);
        filled = finding_changes_fills_holes(a);
        CLAIM(filled || ground_order("Sa Ss Jw Js"));
        CLAIM(filled || ground_count("Sa") == 1);
    }
    OK(tn_store_close(a));
    OK(tn_store_close(b));
}

static void a_hole_that_cannot_be_filled(void)
{
    tn_store *a;
    void *bytes;

    ground_make();
    a = ground_open();
    store_and_free(a);
    OK(tn_trim(a, NULL));
    if (finding_changes_fills_holes(a)) {
        OK(tn_store_close(a));
        return;
    }
    OK(tn_begin(a, &w));
    bytes = tn_alloc(w, 10000);
    CLAIM(bytes != NULL);
    memset(bytes, 1, 10000);
    ground_refuse("Sa", 0, ENOSPC, true);
    ground_note();
    ANSWERS(tn_commit(a), TN_ENOSPC);
    CLAIM(ground_count("Jw") == 0);
    ANSWERS(tn_commit(a), TN_ENOSPC);
    ground_refuse("Sa", 0, ENOSPC, false); /* of all its window, it has not */
    OK(tn_commit(a));
    ground_allow();
    ground_sound(a);
    OK(tn_store_close(a));
}

/* --- What the dead leave -------------------------------------------------- */

static void a_dead_writers_record_is_written_again_and_synced(void)
{
    tn_store *a;

    ground_make();
    CLAIM(ground_elsewhere(commit_and_die_at, "Js") < 0);
    ground_note();
    a = ground_open();
    CLAIM(ground_order("Jh Jh Jw Js Ds Sw Ss Jh Js"));
    CLAIM(ground_read(a, 0) == 2);
    OK(tn_store_close(a));
}

static int join_and_die(void *arg)
{
    tn_store *a = ground_open();

    OK(ground_commit(a, 0, 1));
    if (arg != NULL) {
        ground_refuse(arg, 0, ground_die, false);
        tn_checkpoint(a);
    }
    OK(commit_unsynced(a, 0, 2));
    return 0;
}

static void the_next_writer_adopts_the_tail(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    CLAIM(ground_elsewhere(join_and_die, NULL) == 0);
    CLAIM(ground_read(a, 0) == 1);
    b = ground_open();
    ground_note();
    OK(tn_begin(a, &w));
    CLAIM(ground_order("Jh Jh Jw Js Sw"));
    CLAIM(ground_get(w, 0) == 2 && synced(a) == applied(a));
    OK(tn_rollback(a));
    CLAIM(ground_read(b, 0) == 2);
    OK(tn_store_close(a));
    OK(tn_store_close(b));
}

/* It dies when the header is written and not synced. */
static void the_next_writer_adopts_the_header(void)
{
    tn_store *a;

    ground_make();
    a = ground_open();
    OK(ground_commit(a, 1, 1));
    CLAIM(ground_elsewhere(join_and_die, "Js") < 0);
    ground_note();
    OK(ground_commit(a, 0, 3));
    CLAIM(ground_order("Jh Jh Js Jw Js"));
    CLAIM(ground_read(a, 0) == 3);
    OK(tn_store_close(a));
}

static void an_opener_syncs_the_directory(void)
{
    tn_store *a;

    ground_make();
    OK(tn_store_close(ground_open()));
    ground_note();
    a = ground_open();
    CLAIM(ground_order("Js Ds"));
    OK(tn_store_close(a));
}

/* --- Checkpoints ---------------------------------------------------------- */

static void a_checkpoint_syncs_the_file_and_then_the_header(void)
{
    tn_store *a;

    ground_make();
    a = ground_open();
    OK(ground_commit(a, 0, 1));
    ground_note();
    OK(tn_checkpoint(a));
    CLAIM(ground_order("Ss Jh Js"));
    CLAIM(ground_count("Sw") == 0);
    ground_note();
    OK(ground_commit(a, 0, 2));
    CLAIM(ground_order("Jw Js"));
    CLAIM(ground_count("Jh") == 0);
    OK(tn_store_close(a));
}

/* It may have missed that a sync of the file failed. */
static void one_who_joined_writes_the_file_again(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    OK(ground_commit(a, 0, 1));
    b = ground_open();
    ground_note();
    OK(tn_checkpoint(b));
    CLAIM(ground_order("Sw Ss Jh Js"));
    OK(tn_store_close(a));
    OK(tn_store_close(b));
}

/* Headers alternate, so that one is whole whatever a cut leaves. */
static void headers_alternate(void)
{
    struct journal_header slots[2];
    tn_store *a;
    int fd;

    ground_make();
    a = ground_open();
    OK(ground_commit(a, 0, 1));
    OK(tn_checkpoint(a));
    fd = open("store-journal", O_RDONLY);
    CLAIM(read(fd, slots, sizeof(slots)) == sizeof(slots));
    close(fd);
    CLAIM(slots[0].generation != 0 && slots[1].generation != 0);
    CLAIM(slots[0].generation + slots[1].generation == 3);
    OK(tn_store_close(a));
}

/* --- Syncs that fail ------------------------------------------------------ */

static void a_failed_sync_of_the_journal(void)
{
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    b = ground_open();
    OK(ground_commit(a, 0, 1));
    ground_refuse("Js", 0, EIO, false);
    ANSWERS(ground_commit(a, 0, 2), TN_EIO);
    ANSWERS(tn_begin(a, &w), TN_EIO);
    ANSWERS(tn_sync(a), TN_EIO);
    ANSWERS(tn_checkpoint(a), TN_EIO);
    CLAIM(ground_read(a, 0) == 1 && ground_read(b, 0) == 1);
    ground_note();
    OK(tn_begin(b, &w)); /* the record is whole: the commit took place */
    CLAIM(ground_order("Jw Js"));
    CLAIM(ground_get(w, 0) == 2);
    OK(tn_rollback(b));
    CLAIM(ground_read(a, 0) == 2);
    OK(tn_store_close(a));
    OK(tn_store_close(b));
    a = ground_open();
    CLAIM(ground_read(a, 0) == 2);
    OK(tn_store_close(a));
}

/* A checkpoint fails; a page of the file comes back old; a reader keeps it from
 * being written again.  All who look see the last commit all the same. */
static void a_failed_sync_of_the_file(void)
{
    tn_store *a, *b, *c;
    const uint64_t number = UINT64_C(0x123456789abcdef);

    ground_make();
    a = ground_open();
    b = ground_open();
    c = ground_open();
    OK(ground_commit(b, 0, number));
    OK(tn_begin(b, &w));
    OK(tn_rollback(b));
    OK(tn_read_begin(c, &view));
    ground_refuse("Ss", 0, EIO, false);
    ANSWERS(tn_checkpoint(a), TN_EIO);
    put_number_back(number);
    CLAIM(ground_read(a, 0) == number);
    OK(tn_begin(b, &w));
    CLAIM(ground_get(w, 0) == number);
    ground_set(w, 1, 1);
    OK(tn_commit(b));
    OK(tn_read_end(c, view));
    CLAIM(ground_read(c, 0) == number);
    OK(tn_begin(b, &w)); /* now it can be written again */
    OK(tn_rollback(b));
    CLAIM(applied(c) == synced(c));
    CLAIM(ground_read(c, 0) == number);
    OK(tn_store_close(a));
    OK(tn_store_close(b));
    OK(tn_store_close(c));
}

/* Making the journal longer syncs what was not synced yet as well. */
static void a_failed_sync_of_a_longer_journal(void)
{
    tn_store *a, *b;
    tn_status status = TN_OK;

    ground_make();
    a = ground_open();
    b = ground_open();
    OK(ground_commit(a, 0, 1));
    OK(tn_read_begin(b, &view));
    OK(ground_commit(a, 0, 2));
    ground_refuse("Js", 0, EIO, false);
    for (uint64_t i = 3; status == TN_OK && i < 1000; i++)
        status = commit_unsynced(a, (int)(i % NUMBERS), i);
    CLAIM(status == TN_EIO);
    ANSWERS(tn_begin(a, &w), TN_EIO);
    OK(tn_read_end(b, view));
    CLAIM(ground_read(b, 0) == 2);
    OK(tn_store_close(a));
    OK(tn_store_close(b));
}

/* --- Full disks ----------------------------------------------------------- */

static void a_full_disk_ends_nothing(void)
{
    static const char *const places[] = {"Jw", "Sa", "Ja"};
    tn_store *a, *b;

    ground_make();
    a = ground_open();
    b = ground_open();
    OK(ground_commit(a, 0, 1));
    OK(tn_read_begin(b, &view));
    for (int i = 0; i < 3; i++) {
        uint64_t value = (uint64_t)i + 5;
        char *bytes;

        OK(tn_begin(a, &w));
        ground_set(w, i, value);
        if (i > 0)
            bytes = tn_alloc(w, 200000);
        if (i > 0)
            CLAIM(bytes != NULL);
        if (i == 2) /* more than the journal holds */
            memset(bytes, 1, 200000);
        ground_refuse(places[i], 0, ENOSPC, true);
        ANSWERS(tn_commit(a), TN_ENOSPC);
        ANSWERS(tn_commit(a), TN_ENOSPC);
        CLAIM(ground_read(b, i) != value);
        ground_allow();
        OK(tn_commit(a));
        CLAIM(ground_read(b, i) == value);
    }
    OK(tn_read_end(b, view));
    OK(tn_store_close(a));
    OK(tn_store_close(b));
    a = ground_open();
    CLAIM(ground_read(a, 0) == 5 && ground_read(a, 1) == 6);
    ground_sound(a);
    OK(tn_store_close(a));
}

/* --- Readers without marks of this boot ----------------------------------- */

static void make_marks_of_another_boot(void)
{
    struct marks marks = {.boot = mark_seal(region_boot_id() ^ 3),
                          .synced = mark_seal(99),
                          .applied = mark_seal(99),
                          .generation = mark_seal(9)};
    int fd = open("store", O_WRONLY);

    CLAIM(pwrite(fd, &marks, sizeof(marks), STORE_MARKS_OFF) == sizeof(marks));
    close(fd);
}

static int defer_and_die(void *arg)
{
    tn_store *a = ground_open();

    (void)arg;
    OK(tn_read_begin(a, &view));
    OK(ground_commit(a, 0, 1));
    return 0;
}

static void marks_of_another_boot_are_not_believed(void)
{
    tn_store *r;

    ground_make();
    CLAIM(ground_elsewhere(defer_and_die, NULL) == 0);
    make_marks_of_another_boot();
    OK(tn_store_open(&r, "store", TN_READ_ONLY, NULL));
    CLAIM(ground_get(tn_store_segment(r), 0) == 1);
    OK(tn_store_close(r));
}

static tn_store *newcomer;

static void open_and_write_unsynced(void *arg)
{
    (void)arg;
    newcomer = ground_open();
    OK(commit_unsynced(newcomer, 0, 2));
}

/* A writer comes while a reader looks through the journal.  What it has not
 * synced is not shown: a cut could still take it. */
static void a_reader_without_marks_looks_again(void)
{
    tn_store *r;

    ground_make();
    CLAIM(ground_elsewhere(defer_and_die, NULL) == 0);
    make_marks_of_another_boot();
    ground_interrupt("Jr", open_and_write_unsynced, NULL);
    OK(tn_store_open(&r, "store", TN_READ_ONLY, NULL));
    CLAIM(newcomer != NULL);
    CLAIM(ground_get(tn_store_segment(r), 0) == 1);
    OK(tn_store_close(r));
    OK(tn_sync(newcomer));
    CLAIM(ground_read(newcomer, 0) == 2);
    OK(tn_store_close(newcomer));
}

/* --- Damage --------------------------------------------------------------- */

/* One byte of the n-th record from the end of what is there. */
static void damage_record(int n)
{
    char sector[STORE_SECTOR];
    uint64_t salt = 0;
    off_t at = JOURNAL_RECORDS_OFF, last[3] = {0};
    int fd = open("store-journal", O_RDWR);

    CLAIM(pread(fd, &salt, 8, at + 8) == 8);
    for (; pread(fd, sector, sizeof(sector), at) == sizeof(sector);
         at += STORE_SECTOR)
        if (memcmp(sector + 8, &salt, 8) == 0) {
            last[2] = last[1];
            last[1] = last[0];
            last[0] = at;
        }
    CLAIM(last[n] != 0 && pread(fd, sector, 1, last[n] + 100) == 1);
    sector[0] ^= 1;
    CLAIM(pwrite(fd, sector, 1, last[n] + 100) == 1);
    close(fd);
}

static int commit_twice(void *arg)
{
    tn_store *a = ground_open();

    OK(ground_commit(a, 0, 1));
    for (int i = 0; i < 2; i++)
        if (arg != NULL)
            OK(commit_unsynced(a, i, 2));
        else
            OK(ground_commit(a, i, 2));
    return 0;
}

static void a_gap_in_what_was_never_synced_is_the_end(void)
{
    tn_store *a;

    ground_make();
    CLAIM(ground_elsewhere(commit_twice, "") == 0);
    damage_record(1);
    a = ground_open();
    CLAIM(ground_read(a, 0) == 1 && ground_read(a, 1) == 0);
    OK(tn_store_close(a));
}

static void a_gap_in_what_was_synced_is_damage(void)
{
    tn_store *a;

    ground_make();
    CLAIM(ground_elsewhere(commit_twice, NULL) == 0);
    damage_record(1);
    ANSWERS(tn_store_open(&a, "store", TN_DURABLE, &ground_options),
            TN_ECORRUPT);
}

#define CASE(name)                                                             \
    {                                                                          \
#name, name                                                            \
    }

static const struct ground_case cases[] = {
    CASE(a_commit_is_one_sync),
    CASE(a_lone_commit_is_written_past_the_cache),
    CASE(a_handles_first_commit_puts_live_on_disk),
    CASE(a_commit_is_shown_after_its_sync),
    CASE(a_failed_apply_leaves_the_commit_pending),
    CASE(an_apply_writes_only_what_is_pending),
    CASE(nothing_unsynced_is_applied),
    CASE(a_new_size_is_on_disk_before_the_record),
    CASE(a_journal_is_shortened_when_it_is_not_needed),
    CASE(holes_are_made_when_the_journal_is_empty),
    CASE(zeros_come_before_their_checkpoint),
    CASE(a_hole_is_filled_before_the_record),
    CASE(a_hole_that_cannot_be_filled),
    CASE(a_dead_writers_record_is_written_again_and_synced),
    CASE(the_next_writer_adopts_the_tail),
    CASE(the_next_writer_adopts_the_header),
    CASE(an_opener_syncs_the_directory),
    CASE(a_checkpoint_syncs_the_file_and_then_the_header),
    CASE(one_who_joined_writes_the_file_again),
    CASE(headers_alternate),
    CASE(a_failed_sync_of_the_journal),
    CASE(a_failed_sync_of_the_file),
    CASE(a_failed_sync_of_a_longer_journal),
    CASE(a_full_disk_ends_nothing),
    CASE(marks_of_another_boot_are_not_believed),
    CASE(a_reader_without_marks_looks_again),
    CASE(a_gap_in_what_was_never_synced_is_the_end),
    CASE(a_gap_in_what_was_synced_is_damage),
};

int main(int argc, char **argv)
{
    return ground_run(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
