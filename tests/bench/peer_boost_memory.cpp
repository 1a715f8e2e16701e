/* peer_boost_memory.cpp - what memory Boost.Interprocess needs
 *
 * Its best fit, in a segment without a file.  A block is resized in place where
 * that can be, as the library's own containers do it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <boost/interprocess/indexes/iset_index.hpp>
#include <boost/interprocess/managed_external_buffer.hpp>

#include "bench.h"

namespace ipc = boost::interprocess;

typedef ipc::basic_managed_external_buffer<
    char, ipc::rbtree_best_fit<ipc::null_mutex_family>, ipc::iset_index>
    managed;

static managed *segment;

static void *memory_alloc(size_t size)
{
    return segment->allocate(size, std::nothrow);
}

static void memory_free(void *p)
{
    segment->deallocate(p);
}

static void *memory_realloc(void *p, size_t size)
{
    managed::segment_manager *manager = segment->get_segment_manager();
    size_t old = manager->size(p), got = size;
    char *reuse = static_cast<char *>(p), *to;

    if (p == NULL)
        return memory_alloc(size);
    if (size <= old) {
        manager->allocation_command<char>(ipc::try_shrink_in_place |
                                              ipc::nothrow_allocation,
                                          old, got, reuse);
        return p;
    }
    to = manager->allocation_command<char>(ipc::expand_fwd | ipc::allocate_new |
                                               ipc::nothrow_allocation,
                                           size, got, reuse);
    if (to != NULL && reuse == NULL) {
        memcpy(to, p, old);
        memory_free(p);
    }
    return to;
}

/* The largest block is found by trying. */
static void memory_report(double live)
{
    size_t least = 0, most = segment->get_free_memory();

    segment->get_segment_manager()->shrink_to_fit();
    bench_print_in("ratio", "file", (double)segment->get_size() / live);
    while (most - least > 16) {
        size_t size = least + (most - least) / 2;
        void *p = segment->allocate(size, std::nothrow);

        (p == NULL ? most : least) = size;
        if (p != NULL)
            segment->deallocate(p);
    }
    bench_print_in("ratio", "split",
                   (double)segment->get_free_memory() / (double)least);
}

#include "memory.h"

int main(int argc, char **argv)
{
    size_t size = (size_t)1 << 30;

    setenv("BENCH_FAULT_IN", "1", 1);
    segment = new managed(ipc::create_only, bench_memory(size), size);
    return memory_run(argc, argv);
}
