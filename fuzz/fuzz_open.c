/* fuzz_open.c - bytes as a store
 *
 *     byte 0    bit 0     put the checksums right before use
 *               bits 1-2  access to open it with
 *               bit 3     TN_RECOVER
 *               bits 4-5  not both zero: do not repair what is damaged
 *     then      the file, packed (packed.h)
 *
 * The file is checked, then opened with TN_VERIFY, and what passes is used by
 * every call: it must be safe, and sound afterwards.  What the check finds
 * sound must open; what it finds damaged must not, unless opening is what puts
 * it right.
 *
 * Built with libFuzzer the mutator below knows words and offsets; any other
 * fuzzer's own does too, since the checksums are put right here.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "packed.h"
#include "place.h"
#include "seal.h"
#include "use.h"

enum { SEAL = 1, ACCESS_SHIFT = 1, RECOVER = 8, NO_REPAIR = 0x30 };

__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size,
                                              size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);

static uint8_t memory[PACKED_LARGEST];

static void unpack(struct image *store, const uint8_t *data, size_t size)
{
    store->bytes = memory;
    packed_read(store, data + 1, size - 1);
    if ((data[0] & SEAL) != 0)
        seal_store(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = place_path("store");
    struct image store;
    unsigned flags;

    if (size < 2)
        return 0;
    unpack(&store, data, size);
    flags = data[0] >> ACCESS_SHIFT & TN_ACCESS_MASK;
    flags |= (data[0] & RECOVER) != 0 ? TN_RECOVER : 0;
    flags |= (data[0] & NO_REPAIR) != 0 ? USE_NO_REPAIR : 0;

    place_remove("store-journal");
    place_put("store", store.bytes, store.size);
    place_limit();
    use_file(path, flags);
    place_unlimit();
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed)
{
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    struct image store;
    size_t packed;

    if (size < 2 || packed_random(&random, 16) == 0)
        return LLVMFuzzerMutate != NULL ? LLVMFuzzerMutate(data, size, max_size)
                                        : size;
    if (packed_random(&random, 4) == 0)
        data[0] = (uint8_t)packed_random(&random, 64);
    if (packed_random(&random, 8) != 0)
        data[0] |= SEAL;
    unpack(&store, data, size);
    packed_mutate(&store, &random);
    packed = packed_write(&store, data + 1, max_size - 1);
    return packed != 0 ? packed + 1 : size;
}
