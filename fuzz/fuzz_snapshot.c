/* fuzz_snapshot.c - bytes as a snapshot
 *
 *     byte 0       bit 0     put the checksums right before use
 *                  bits 1-2  access to open with what was restored
 *                  bit 3     read by two threads
 *                  bits 4-5  pieces that the stream comes in
 *     bytes 4-7    bytes of the base
 *     then         the base and the snapshot; there is no base if it has none
 *
 * Verifying and restoring must agree; what was refused leaves no file, and what
 * was restored is a file like any other: it is checked, opened and used.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "packed.h"
#include "place.h"
#include "seal.h"
#include "use.h"

#include <string.h>
#include <unistd.h>

enum {
    SEAL = 1,
    ACCESS_SHIFT = 1,
    TWO_THREADS = 8,
    PIECES_SHIFT = 4,
    HEAD = 8,
};

__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size,
                                              size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);

static uint8_t memory[PACKED_LARGEST];

/* A stream that gives what it has piece by piece. */
struct pieces {
    struct image all;
    size_t at, piece;
};

static tn_status give(void *arg, void *bytes, size_t size, size_t *got)
{
    struct pieces *p = arg;
    size_t n = p->all.size - p->at;

    n = n < size ? n : size;
    n = n < p->piece ? n : p->piece;
    memcpy(bytes, p->all.bytes + p->at, n);
    p->at += n;
    *got = n;
    return TN_OK;
}

/* How many bytes the base has. */
static size_t base_size(const uint8_t *data, size_t size)
{
    uint32_t n;

    memcpy(&n, data + 4, sizeof(n));
    return n < size - HEAD ? n : size - HEAD;
}

static struct image take(const uint8_t *data, size_t size)
{
    struct image snapshot = {.bytes = memory};
    size_t base = base_size(data, size);

    snapshot.size = size - HEAD - base;
    if (snapshot.size > PACKED_LARGEST)
        snapshot.size = PACKED_LARGEST;
    memcpy(memory, data + HEAD + base, snapshot.size);
    if ((data[0] & SEAL) != 0)
        seal_snapshot(&snapshot);
    return snapshot;
}

static tn_status restore(struct pieces *pieces,
                         const tn_snapshot_options *options)
{
    const char *path = place_path("restored");
    tn_status status;

    place_remove("restored");
    place_remove("restored-journal");
    pieces->at = 0;
    status = tn_snapshot_restore_from(give, pieces, path, options, NULL);
    REQUIRE((access(path, F_OK) == 0) == (status == TN_OK));
    return status;
}

static tn_status verify(struct pieces *pieces,
                        const tn_snapshot_options *options)
{
    tn_snapshot_info info;
    tn_status status, again;

    pieces->at = 0;
    status = tn_snapshot_verify_from(give, pieces, options, &info);
    REQUIRE(status != TN_OK || info.snapshot_size == pieces->all.size);
    place_put("snapshot", pieces->all.bytes, pieces->all.size);
    again = tn_snapshot_verify(place_path("snapshot"), options, NULL);
    REQUIRE(status == again);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t piece[] = {SIZE_MAX, 4096, 100, 7};
    tn_snapshot_options options = {.threads = 1};
    struct pieces pieces;
    tn_status verified, restored;
    size_t base;

    if (size < HEAD)
        return 0;
    base = base_size(data, size);
    pieces.all = take(data, size);
    pieces.piece = piece[data[0] >> PIECES_SHIFT & 3];
    options.threads += (data[0] & TWO_THREADS) != 0;
    if (base != 0) {
        place_put("base", data + HEAD, base);
        options.base = place_path("base");
    }
    place_limit();
    verified = verify(&pieces, &options);
    restored = restore(&pieces, &options);
    REQUIRE(verified == restored || restored == TN_ENOSPC ||
            (base == 0 && restored == TN_EINVAL));
    if (restored == TN_OK)
        use_file(place_path("restored"),
                 data[0] >> ACCESS_SHIFT & TN_ACCESS_MASK);
    place_unlimit();
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed)
{
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    struct image part = {.bytes = memory};
    size_t start;

    if (size < HEAD || packed_random(&random, 4) == 0)
        return LLVMFuzzerMutate != NULL ? LLVMFuzzerMutate(data, size, max_size)
                                        : size;
    if (packed_random(&random, 4) == 0)
        data[0] = (uint8_t)packed_random(&random, 64);
    if (packed_random(&random, 4) != 0)
        data[0] |= SEAL;
    start = HEAD;
    if (packed_random(&random, 4) != 0) /* mostly the snapshot */
        start += base_size(data, size);
    part.size = size - start;
    if (part.size > PACKED_LARGEST / 2)
        return size;
    memcpy(memory, data + start, part.size);
    packed_mutate(&part, &random);
    if (part.size > max_size - start)
        part.size = max_size - start;
    memcpy(data + start, memory, part.size);
    return start + part.size;
}
