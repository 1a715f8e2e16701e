/* test_region.c - mapping files into more addresses than they fill
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/faults.h"
#include "lib/tmpdir.h"
#include "os/region.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

enum { MIB = 1 << 20, FILE_BYTES = 256 << 10 };

static struct file file = FILE_CLOSED;
static size_t page;

/* A file of 256 KiB, each byte the number of its 4 KiB piece. */
static void make_file(void)
{
    char piece[4096];

    tmpdir_enter();
    page = region_page_size();
    OK(file_create_unnamed(&file, "a", 0600));
    for (int i = 0; i < FILE_BYTES / 4096; i++) {
        memset(piece, i, sizeof(piece));
        OK(file_write(&file, piece, sizeof(piece), (uint64_t)i * 4096));
    }
    OK(file_publish(&file, false));
}

static void remove_file(void)
{
    file_close(&file);
    tmpdir_leave();
}

TestSuite(region, .init = make_file, .fini = remove_file, .timeout = 30);

static char byte_in_file(uint64_t offset)
{
    char byte = 0;

    OK(file_read(&file, &byte, 1, offset));
    return byte;
}

/* The lines of /proc/self/maps, to see what is left mapped. */
static int mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    int c, lines = 0;

    while ((c = getc(maps)) != EOF)
        lines += c == '\n';
    fclose(maps);
    return lines;
}

static size_t address_space(void)
{
    FILE *statm = fopen("/proc/self/statm", "r");
    size_t pages = 0;

    cr_assert(eq(int, fscanf(statm, "%zu", &pages), 1));
    fclose(statm);
    return pages * page;
}

/* Does touching it in this way kill? */

struct touch {
    volatile char *p;
    bool write;
};

static int touch(struct child *parent, void *arg)
{
    struct touch *t = arg;

    (void)parent;
    if (t->write)
        *t->p = 1;
    return *t->p & 0;
}

static int signal_of(char *p, bool write)
{
    struct touch t = {p, write};
    struct child child;

    child_start(&child, touch, &t);
    return -child_wait(&child);
}

Test(region, a_file_is_seen_from_a_multiple_of_2_mib)
{
    struct region r;

    for (int access = REGION_READ; access <= REGION_PRIVATE; access++)
        for (size_t size = 1; size <= 8 * MIB; size = size * 3 + 1) {
            OK(region_map(&r, &file, access, size, NULL));
            cr_assert(eq(u64, (uintptr_t)r.base % (2 * MIB), 0));
            cr_assert(ge(sz, r.size, size));
            cr_assert(eq(sz, r.size % page, 0));
            cr_assert(eq(chr, r.base[0], 0));
            if (size > 5000)
                cr_assert(eq(chr, r.base[5000], 1));
            region_unmap(&r);
        }
}

/* Neither reservations nor alignment ends stay behind. */
Test(region, unmapping_gives_all_addresses_back)
{
    size_t before;
    int lines;
    struct region r[8];

    for (int round = 0; round < 3; round++) {
        lines = mappings();
        before = address_space();
        for (int i = 0; i < 8; i++)
            OK(region_map(&r[i], &file, i % 3, (size_t)(i + 1) * 777777, NULL));
        for (int i = 0; i < 8; i++)
            before += r[i].size;
        if (round > 0) /* stdio's own buffers are there by now */
            cr_expect(eq(sz, address_space(), before));
        for (int i = 0; i < 8; i++) {
            before -= r[i].size;
            region_unmap(&r[i]);
            cr_expect(eq(ptr, r[i].base, NULL));
        }
        if (round > 0) {
            cr_expect(eq(sz, address_space(), before));
            cr_expect(eq(int, mappings(), lines));
        }
    }
}

Test(region, unmapping_an_empty_region_does_nothing)
{
    struct region r = {0};

    region_unmap(&r);
    region_unmap(&r);
    cr_expect(eq(sz, r.size, 0));
}

Test(region, it_stays_when_the_file_is_closed)
{
    struct file f = FILE_CLOSED;
    struct region r;

    OK(file_open(&f, "a", true));
    OK(region_map(&r, &f, REGION_SHARED, FILE_BYTES, NULL));
    file_close(&f);
    r.base[8192] = 'x';
    cr_expect(eq(chr, byte_in_file(8192), 'x'));
    region_unmap(&r);
}

Test(region, shared_writes_are_the_files)
{
    struct region r, other;

    OK(region_map(&r, &file, REGION_SHARED, FILE_BYTES, NULL));
    OK(region_map(&other, &file, REGION_READ, FILE_BYTES, NULL));
    r.base[9000] = 'x';
    cr_expect(eq(chr, other.base[9000], 'x'));
    cr_expect(eq(chr, byte_in_file(9000), 'x'));
    OK(file_write(&file, "y", 1, 9001));
    cr_expect(eq(chr, r.base[9001], 'y'));
    region_unmap(&r);
    region_unmap(&other);
}

Test(region, private_writes_stay_here)
{
    struct file f = FILE_CLOSED;
    struct region r;

    OK(file_open(&f, "a", false)); /* reading permission is enough */
    OK(region_map(&r, &f, REGION_PRIVATE, FILE_BYTES, NULL));
    r.base[9000] = 'x';
    cr_expect(eq(chr, r.base[9000], 'x'));
    cr_expect(eq(chr, byte_in_file(9000), 2));
    OK(file_write(&file, "y", 1, 20000));
    cr_expect(eq(chr, r.base[20000], 'y'), "pages not written follow the file");
    region_unmap(&r);
    file_close(&f);
}

Test(region, sharing_needs_a_writable_file)
{
    struct file f = FILE_CLOSED;
    struct region r = {0};

    int lines;

    OK(file_open(&f, "a", false));
    mappings(); /* stdio's own buffers are there now */
    lines = mappings();
    FAILS(region_map(&r, &f, REGION_SHARED, FILE_BYTES, NULL), TN_EACCES);
    cr_expect(eq(int, mappings(), lines), "no reservation stays");
    cr_expect(eq(sz, r.size, 0));
    file_close(&f);
}

Test(region, reading_regions_cannot_be_written)
{
    struct region r;

    OK(region_map(&r, &file, REGION_READ, FILE_BYTES, NULL));
    cr_expect(eq(int, signal_of(r.base, false), 0));
    cr_expect(eq(int, signal_of(r.base, true), SIGSEGV));
    region_unmap(&r);
}

/* In every kind of region, at the same addresses, in other processes too. */
Test(region, a_growing_file_becomes_usable_without_mapping_anew)
{
    struct region r[3];

    for (int access = REGION_READ; access <= REGION_PRIVATE; access++)
        OK(region_map(&r[access], &file, access, 64 * MIB, NULL));
    for (int access = REGION_READ; access <= REGION_PRIVATE; access++)
        cr_expect(eq(int, signal_of(r[access].base + 10 * MIB, false), SIGBUS));
    OK(file_extend(&file, 20 * MIB));
    OK(file_write(&file, "x", 1, 10 * MIB));
    for (int access = REGION_READ; access <= REGION_PRIVATE; access++) {
        cr_expect(eq(int, signal_of(r[access].base + 10 * MIB, false), 0));
        cr_expect(eq(chr, r[access].base[10 * MIB], 'x'));
        cr_expect(eq(int, signal_of(r[access].base + 30 * MIB, false), SIGBUS));
    }
    r[REGION_SHARED].base[15 * MIB] = 'y';
    cr_expect(eq(chr, r[REGION_READ].base[15 * MIB], 'y'));
    for (int access = REGION_READ; access <= REGION_PRIVATE; access++)
        region_unmap(&r[access]);
}

/* An address that was free a moment ago. */
static char *free_address(size_t size)
{
    void *p = mmap(NULL, size, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    cr_assert(ne(ptr, p, MAP_FAILED));
    munmap(p, size);
    return p;
}

Test(region, an_address_asked_for_is_the_one_given)
{
    char *address = free_address(64 * MIB) + page;
    struct region r;

    OK(region_map(&r, &file, REGION_SHARED, 3 * MIB, address));
    cr_expect(eq(ptr, r.base, address));
    cr_expect(eq(sz, r.size, 3 * MIB));
    cr_expect(eq(chr, r.base[5000], 1));
    region_unmap(&r);
}

Test(region, what_is_mapped_already_is_never_covered)
{
    struct region r = {0}, other;
    int lines;

    OK(region_map(&other, &file, REGION_PRIVATE, 2 * MIB, NULL));
    other.base[100] = 'x';
    lines = mappings();
    FAILS(region_map(&r, &file, REGION_SHARED, 2 * MIB, other.base), TN_EBUSY);
    FAILS(region_map(&r, &file, REGION_SHARED, 2 * MIB, other.base - MIB),
          TN_EBUSY);
    FAILS(region_map(&r, &file, REGION_READ, page, other.base + MIB), TN_EBUSY);
    cr_expect(eq(int, mappings(), lines));
    cr_expect(eq(chr, other.base[100], 'x'));
    cr_expect(eq(sz, r.size, 0));
    region_unmap(&other);
}

Test(region, an_address_inside_a_page_makes_no_sense)
{
    char *address = free_address(64 * MIB);
    struct region r = {0};

    FAILS(region_map(&r, &file, REGION_READ, MIB, address + 1), TN_EINVAL);
    FAILS(region_map(&r, &file, REGION_READ, MIB, address + page / 2),
          TN_EINVAL);
    FAILS(region_map(&r, &file, REGION_READ, 0, NULL), TN_EINVAL);
    cr_expect(eq(sz, r.size, 0));
}

Test(region, sizes_beyond_all_addresses_are_no_room)
{
    static const size_t sizes[] = {SIZE_MAX,         SIZE_MAX - 4095,
                                   SIZE_MAX / 2 + 1, SIZE_MAX / 2,
                                   (size_t)1 << 60,  (size_t)1 << 48};
    struct region r = {0};
    int lines = mappings();

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        FAILS(region_map(&r, &file, REGION_READ, sizes[i], NULL), TN_ENOMEM);
        FAILS(region_map_most(&r, &file, REGION_READ, sizes[i], sizes[i], NULL),
              TN_ENOMEM);
        cr_expect(eq(sz, r.size, 0));
    }
    cr_expect(eq(int, mappings(), lines));
}

Test(region, the_most_is_what_was_asked_when_it_is_to_be_had)
{
    struct region r;

    OK(region_map_most(&r, &file, REGION_SHARED, (size_t)1 << 36, page, NULL));
    cr_expect(eq(sz, r.size, (size_t)1 << 36));
    region_unmap(&r);
}

/* As under ulimit -v. */
Test(region, under_a_limit_the_most_is_what_fits)
{
    struct rlimit limit = {address_space() + 64 * MIB, RLIM_INFINITY};
    struct region r = {0};

    cr_assert(eq(int, setrlimit(RLIMIT_AS, &limit), 0));
    FAILS(region_map(&r, &file, REGION_SHARED, (size_t)1 << 40, NULL),
          TN_ENOMEM);
    OK(region_map_most(&r, &file, REGION_SHARED, (size_t)1 << 40, MIB, NULL));
    cr_expect(ge(sz, r.size, 16 * MIB));
    cr_expect(lt(sz, r.size, 64 * MIB));
    cr_expect(eq(u64, (uintptr_t)r.base % (2 * MIB), 0));
    cr_expect(eq(chr, r.base[5000], 1));
    region_unmap(&r);

    FAILS(region_map_most(&r, &file, REGION_SHARED, (size_t)1 << 40, 128 * MIB,
                          NULL),
          TN_ENOMEM);
    cr_expect(eq(sz, r.size, 0));
}

Test(region, the_most_at_an_address_ends_before_what_is_there)
{
    char *address = free_address(64 * MIB);
    struct region r, wall;

    OK(region_map(&wall, &file, REGION_READ, page, address + 9 * MIB));
    OK(region_map_most(&r, &file, REGION_READ, 64 * MIB, MIB, address));
    cr_expect(eq(ptr, r.base, address));
    cr_expect(eq(sz, r.size, 8 * MIB));
    region_unmap(&r);
    FAILS(region_map_most(&r, &file, REGION_READ, 64 * MIB, 10 * MIB, address),
          TN_EBUSY);
    region_unmap(&wall);
}

/* The file system says so, as ext4 with small blocks or vfat would. */
Test(region, a_region_longer_than_a_file_can_be_is_no_room)
{
    struct region r = {0};

    faults_refuse(0, EOVERFLOW);
    FAILS(region_map(&r, &file, REGION_READ, MIB, NULL), TN_ENOMEM);
    faults_refuse(0, EOVERFLOW);
    OK(region_map_most(&r, &file, REGION_READ, 2 * MIB, page, NULL));
    cr_expect(eq(sz, r.size, MIB));
    faults_end();
    region_unmap(&r);
}

Test(region, refused_operations_leave_all_as_it_was)
{
    struct region r = {0}, made;
    int lines = mappings();

    faults_refuse_all(FAULT_MAP, EPERM);
    FAILS(region_map(&r, &file, REGION_READ, MIB, NULL), TN_EACCES);
    faults_end();
    cr_expect(eq(int, mappings(), lines));
    cr_expect(eq(sz, r.size, 0));

    OK(region_map(&made, &file, REGION_PRIVATE, MIB, NULL));
    lines = mappings();
    faults_refuse(0, ENOMEM);
    FAILS(region_map_zero(&made, 0, page), TN_ENOMEM);
    faults_refuse(0, ENOMEM);
    FAILS(region_protect(&made, 0, page, false), TN_ENOMEM);
    faults_refuse(0, ENOSPC);
    FAILS(region_flush(&made, 0, page), TN_EIO);
    faults_end();
    cr_expect(eq(int, mappings(), lines));
    cr_expect(eq(int, signal_of(made.base, true), 0));
    region_unmap(&made);
}

Test(region, zeroed_memory_covers_the_file_and_is_nobody_elses)
{
    struct region r;

    OK(region_map(&r, &file, REGION_PRIVATE, 4 * MIB, NULL));
    r.base[page] = 'x';
    OK(region_map_zero(&r, page, page));
    for (size_t i = page; i < 2 * page; i++)
        cr_assert(eq(chr, r.base[i], 0));
    cr_expect(eq(chr, r.base[2 * page], (char)(2 * page / 4096)));
    r.base[page + 1] = 'y';
    cr_expect(ne(chr, byte_in_file(page + 1), 'y'));

    OK(region_map_zero(&r, 2 * MIB, 2 * MIB)); /* beyond the file's end */
    r.base[3 * MIB] = 'z';
    cr_expect(eq(chr, r.base[3 * MIB], 'z'));
    OK(region_map_zero(&r, 0, 0));
    region_unmap(&r);
}

Test(region, flushing_any_bytes_of_it_succeeds)
{
    struct region r;

    OK(region_map(&r, &file, REGION_SHARED, 4 * MIB, NULL));
    memset(r.base + 1000, 'x', 100000);
    OK(region_flush(&r, 1000, 100000));
    OK(region_flush(&r, 4097, 1));
    OK(region_flush(&r, 0, 0));
    OK(region_flush(&r, 0, FILE_BYTES));
    OK(region_flush(&r, 0, r.size)); /* beyond the file's end, too */
    OK(region_flush(&r, r.size, 0));
    region_unmap(&r);
}

Test(region, protection_covers_just_these_pages)
{
    struct region r;

    OK(region_map(&r, &file, REGION_PRIVATE, MIB, NULL));
    OK(region_protect(&r, page, page, false));
    cr_expect(eq(int, signal_of(r.base + page - 1, true), 0));
    cr_expect(eq(int, signal_of(r.base + page, true), SIGSEGV));
    cr_expect(eq(int, signal_of(r.base + 2 * page - 1, true), SIGSEGV));
    cr_expect(eq(int, signal_of(r.base + 2 * page, true), 0));
    cr_expect(eq(int, signal_of(r.base + page, false), 0));
    OK(region_protect(&r, page, page, true));
    cr_expect(eq(int, signal_of(r.base + page, true), 0));
    OK(region_protect(&r, 0, 0, false));
    region_unmap(&r);
}

Test(region, the_page_size_is_a_power_of_two_of_at_least_4096)
{
    cr_expect(ge(sz, page, 4096));
    cr_expect(eq(sz, page & (page - 1), 0));
}

static int same_boot(struct child *parent, void *arg)
{
    (void)parent;
    return region_boot_id() == *(uint64_t *)arg ? 0 : 1;
}

Test(region, one_boot_has_one_number)
{
    uint64_t id = region_boot_id();
    struct child child;

    if (access("/proc/sys/kernel/random/boot_id", R_OK) != 0) {
        cr_expect(eq(u64, id, 0));
        return;
    }
    cr_expect(ne(u64, id, 0));
    cr_expect(eq(u64, region_boot_id(), id));
    child_start(&child, same_boot, &id);
    cr_expect(eq(int, child_wait(&child), 0));
}
