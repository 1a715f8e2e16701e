/* peer_boost.cpp - churn, names and shared with Boost.Interprocess
 *
 * Compiled once for each index and place that is compared:
 *
 *     -DPEER_INDEX=iset_index   or another of Boost's four
 *     -DPEER_SHARED             in a mapped file and with a mutex, as managed
 *                               mapped files are; else in plain memory without
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <boost/interprocess/indexes/flat_map_index.hpp>
#include <boost/interprocess/indexes/iset_index.hpp>
#include <boost/interprocess/indexes/iunordered_set_index.hpp>
#include <boost/interprocess/indexes/map_index.hpp>
#include <boost/interprocess/managed_external_buffer.hpp>
#include <boost/interprocess/managed_mapped_file.hpp>

#include "bench.h"

namespace ipc = boost::interprocess;

#ifdef PEER_SHARED
typedef ipc::basic_managed_mapped_file<
    char, ipc::rbtree_best_fit<ipc::mutex_family>, ipc::PEER_INDEX>
    managed;
#else
typedef ipc::basic_managed_external_buffer<
    char, ipc::rbtree_best_fit<ipc::null_mutex_family>, ipc::PEER_INDEX>
    managed;
#endif

static managed *segment;

static void make_segment(size_t size)
{
#ifdef PEER_SHARED
    const char *path = bench_path("boost");

    segment = new managed(ipc::create_only, path, size);
    unlink(path);
#else
    segment = new managed(ipc::create_only, bench_memory(size), size);
#endif
}

static inline void *churn_alloc(size_t size)
{
    return segment->allocate(size, std::nothrow);
}

static inline void churn_free(void *p)
{
    segment->deallocate(p);
}

#include "churn.h"

struct names_object;
static inline void names_create(const char *name, uint64_t i);
static inline uint64_t names_find(const char *name);
static inline void names_destroy(const char *name);
static inline double names_bytes(void);

#include "names.h"

static inline void names_create(const char *name, uint64_t i)
{
    segment->construct<names_object>(name)()->i = i;
}

static inline uint64_t names_find(const char *name)
{
    names_object *object = segment->find<names_object>(name).first;

    bench_require(object != NULL);
    return object->i;
}

static inline void names_destroy(const char *name)
{
    bench_require(segment->destroy<names_object>(name));
}

static inline double names_bytes(void)
{
    return (double)(segment->get_size() - segment->get_free_memory());
}

#ifdef PEER_SHARED
static void shared_open(const char *path, bool create)
{
    if (create)
        segment = new managed(ipc::create_only, path, (size_t)256 << 20);
    else
        segment = new managed(ipc::open_only, path);
}

#include "shared.h"
#else
static int shared_run(int, char **)
{
    return BENCH_NOT_OFFERED;
}
#endif

/* Inserting into flat_map moves all names behind the new one. */
static bool too_slow_in_random_order(uint32_t n)
{
    return n > 100000 && strstr(typeid(managed).name(), "flat_map") != NULL;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "churn") == 0) {
        make_segment((size_t)256 << 20);
        return churn_run(argv[2]);
    }
    if (argc >= 3 && strcmp(argv[1], "names") == 0) {
        uint32_t n = bench_number(argv[2]);

        make_segment(n * (size_t)256 + ((size_t)4 << 20));
        return names_run(n, argv[3], too_slow_in_random_order(n));
    }
    return shared_run(argc, argv);
}
