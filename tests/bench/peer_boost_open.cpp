/* peer_boost_open.cpp - how long Boost.Interprocess takes to open a file
 *
 * Only for reading, as its fastest way is.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <boost/interprocess/managed_mapped_file.hpp>
#include <cstdint>

static void open_make(const char *path, size_t size);
static uint64_t open_find(const char *path, const char *name);
static void open_close(void);
static void open_remove(const char *path);

#include "open.h"

namespace ipc = boost::interprocess;

static ipc::managed_mapped_file *segment;

static void open_make(const char *path, size_t size)
{
    ipc::managed_mapped_file made(ipc::create_only, path, size);
    char name[16];

    for (uint32_t i = 0; i < OPEN_NAMES; i++) {
        open_name(name, i);
        made.construct<uint64_t>(name)(i);
    }
    bench_require(made.allocate(made.get_free_memory() - size / 64,
                                std::nothrow) != NULL);
}

static uint64_t open_find(const char *path, const char *name)
{
    segment = new ipc::managed_mapped_file(ipc::open_read_only, path);
    return *segment->find_no_lock<uint64_t>(name).first;
}

static void open_close(void)
{
    delete segment;
}

static void open_remove(const char *path)
{
    unlink(path);
}

int main(int argc, char **argv)
{
    if (argc != 3 || strcmp(argv[1], "open") != 0)
        return BENCH_NOT_OFFERED;
    return open_run(argv[2]);
}
