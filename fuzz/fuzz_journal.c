/* fuzz_journal.c - bytes as a journal beside a store in use
 *
 *     byte 0       bit 0     put the store's checksums right before use
 *                  bits 1-2  access to open it with
 *                  bit 3     put the journal's checksums right
 *                  bit 4     the marks in the store are of this boot
 *                  bit 5     first open and close it without a check
 *                  bits 6-7  not both zero: do not repair what is damaged
 *     bytes 4-7    bytes of the packed store
 *     then         the store and the journal, packed (packed.h)
 *
 * Opening recovers.  Whatever the journal is, that must end in a store which
 * passes the check and is safe to use, or in a refusal.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "packed.h"
#include "place.h"
#include "seal.h"
#include "store/journal.h"
#include "store/layout.h"
#include "store/superblock.h"
#include "use.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
    SEAL = 1,
    ACCESS_SHIFT = 1,
    SEAL_JOURNAL = 8,
    THIS_BOOT = 16,
    UNCHECKED = 32,
    NO_REPAIR = 0xc0,
    HEAD = 8,
};

__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size,
                                              size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);

static uint8_t memory[2][PACKED_LARGEST];

static void unpack(struct image *store, struct image *journal,
                   const uint8_t *data, size_t size)
{
    uint32_t n;

    memcpy(&n, data + 4, sizeof(n));
    if (n > size - HEAD)
        n = (uint32_t)(size - HEAD);
    store->bytes = memory[0];
    journal->bytes = memory[1];
    packed_read(store, data + HEAD, n);
    packed_read(journal, data + HEAD + n, size - HEAD - n);
    if ((data[0] & SEAL) != 0)
        seal_store(store);
    if ((data[0] & SEAL_JOURNAL) != 0)
        seal_journal(journal);
}

/* Have the marks believed: they are of this machine's run, this file and this
 * journal. */
static void mark(const char *path)
{
    struct journal j;
    struct file f;
    struct marks marks;

    REQUIRE(file_open(&f, path, true) == TN_OK);
    REQUIRE(journal_open(&j, place_path("store-journal"), true) == TN_OK);
    if (pread(f.fd, &marks, sizeof(marks), STORE_MARKS_OFF) == sizeof(marks)) {
        marks.boot = mark_seal(superblock_boot(&f));
        marks.journal = mark_seal(journal_identity(&j));
        REQUIRE(file_write(&f, &marks, sizeof(marks), STORE_MARKS_OFF) ==
                TN_OK);
    }
    file_close(&f);
    journal_close(&j);
}

/* A journal may make a store unsound, and only a check would have told. */
static void open_and_close(const char *path, unsigned access)
{
    tn_store *store;

    if (tn_store_open(&store, path, access, &use_options) == TN_OK)
        tn_store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = place_path("store");
    struct image store, journal;
    unsigned access;

    if (size < HEAD)
        return 0;
    unpack(&store, &journal, data, size);
    access = data[0] >> ACCESS_SHIFT & TN_ACCESS_MASK;
    place_put("store", store.bytes, store.size);
    place_put("store-journal", journal.bytes, journal.size);
    place_limit();
    if ((data[0] & THIS_BOOT) != 0)
        mark(path);
    if ((data[0] & UNCHECKED) != 0)
        open_and_close(path, access);
    use_file(path, access | ((data[0] & NO_REPAIR) != 0 ? USE_NO_REPAIR : 0));
    place_unlimit();
    return 0;
}

/* Both files again; the size, 0: there is no room. */
static size_t pack(const struct image *store, const struct image *journal,
                   uint8_t *data, size_t room)
{
    size_t first = packed_write(store, data + HEAD, room - HEAD), second;
    uint32_t n = (uint32_t)first;

    if (first == 0)
        return 0;
    second = packed_write(journal, data + HEAD + first, room - HEAD - first);
    memcpy(data + 4, &n, sizeof(n));
    return second == 0 ? 0 : HEAD + first + second;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed)
{
    static uint8_t packed[2 * PACKED_LARGEST];
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    struct image store, journal;
    size_t n;

    if (size < HEAD || packed_random(&random, 20) == 0)
        return LLVMFuzzerMutate != NULL ? LLVMFuzzerMutate(data, size, max_size)
                                        : size;
    if (packed_random(&random, 4) == 0)
        data[0] = (uint8_t)packed_random(&random, 256);
    if (packed_random(&random, 8) != 0)
        data[0] |= SEAL_JOURNAL;
    unpack(&store, &journal, data, size);
    packed_mutate(packed_random(&random, 5) == 0 ? &store : &journal, &random);
    n = max_size < sizeof(packed) ? max_size : sizeof(packed);
    n = pack(&store, &journal, packed, n);
    memcpy(packed, data, 4);
    if (n == 0)
        return size;
    memcpy(data, packed, n);
    return n;
}
