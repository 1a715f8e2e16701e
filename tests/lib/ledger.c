/* ledger.c - the work of a process that may be killed, and what it has to show
 *
 *   L1  A state or handle is stored after everything it speaks for, so that a
 *       worker killed between any two instructions leaves a true ledger.
 *   L2  A worker has at most one thing coming or going.
 *
 * Nobody reads a ledger while its worker lives; so these are orders for the
 * compiler alone.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    MOST = 60,          /* elements of an object or a block, mostly */
    LARGE = 6000,       /* and seldom */
    LARGEST = 16 << 20, /* bytes of a segment that is made larger by call */
};

#define MUST(condition, ...)                                                   \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: worker %u: ", __FILE__, __LINE__,          \
                    l->number);                                                \
            fprintf(stderr, __VA_ARGS__);                                      \
            fprintf(stderr, " (%s)\n", tn_errmsg());                           \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

struct ledger *ledger_open(unsigned count, enum ledger_work work)
{
    struct ledger *ledgers =
        mmap(NULL, count * sizeof(*ledgers), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (ledgers == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    for (unsigned i = 0; i < count; i++) {
        ledgers[i].number = i;
        ledgers[i].work = work;
        ledgers[i].random = 88172645463325252u + i * 7919u;
    }
    return ledgers;
}

void ledger_close(struct ledger *ledgers, unsigned count)
{
    munmap(ledgers, count * sizeof(*ledgers));
}

uint64_t ledger_random(struct ledger *l, uint64_t n)
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return (l->random >> 11) % n;
}

static size_t random_count(struct ledger *l)
{
    return ledger_random(l, 50) == 0 ? ledger_random(l, LARGE)
                                     : 1 + ledger_random(l, MOST);
}

/* --- Contents ------------------------------------------------------------- */

static uint64_t content(uint64_t serial, size_t i)
{
    return (serial * 0x9e3779b97f4a7c15u + i) * 0xc2b2ae3d27d4eb4fu;
}

static void fill(uint64_t *p, uint64_t serial, size_t count)
{
    for (size_t i = 0; i < count; i++)
        p[i] = content(serial, i);
}

static bool is_filled(const uint64_t *p, uint64_t serial, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (p[i] != content(serial, i))
            return false;
    return true;
}

static tn_status make_element(tn_segment *seg, void *element, size_t index,
                              void *arg)
{
    (void)seg;
    *(uint64_t *)element = content(*(uint64_t *)arg, index);
    return TN_OK;
}

static tn_status make_all(tn_segment *seg, void *elements, size_t count,
                          void *arg)
{
    (void)seg;
    fill(elements, *(uint64_t *)arg, count);
    return TN_OK;
}

static const tn_type number_type = {.name = "number",
                                    .size = sizeof(uint64_t),
                                    .align = _Alignof(uint64_t),
                                    .init = make_element};

/* --- Names ---------------------------------------------------------------- */

/* Long and short ones, with much in common. */
static const char *name_of(const struct ledger *l, int i)
{
    static char name[128];

    snprintf(name, sizeof(name), "worker/%u/%s%d", l->number,
             i % 3 == 0 ? "a rather long name that does not fit a cache line/"
                        : "",
             i);
    return name;
}

static tn_status construct_name(struct ledger *l, tn_segment *seg, int i)
{
    struct ledger_name *e = &l->names[i];
    const char *name = name_of(l, i);
    bool created;
    tn_status status;

    switch (ledger_random(l, 3)) {
    case 0:
        return tn_construct(seg, name, &number_type, e->count, &e->serial,
                            NULL);
    case 1:
        return tn_construct_with(seg, name, &number_type, e->count, make_all,
                                 &e->serial, NULL);
    default:
        status = tn_find_or_construct(seg, name, &number_type, e->count,
                                      &e->serial, NULL, &created);
        MUST(status != TN_OK || created, "%s was there already", name);
        return status;
    }
}

static void make_name(struct ledger *l, tn_segment *seg, int i)
{
    struct ledger_name *e = &l->names[i];
    tn_status status;

    e->serial = ++l->serial;
    e->count = random_count(l);
    e->state = LEDGER_COMING;
    status = construct_name(l, seg, i);
    e->state = status == TN_OK ? LEDGER_PRESENT : LEDGER_ABSENT;
    MUST(status == TN_OK || status == TN_ENOMEM, "construct answers %d",
         status);
}

/* The object is there, whole and right: where?  NULL: it is not there. */
static void *find_name(const struct ledger *l, tn_segment *seg, int i)
{
    const struct ledger_name *e = &l->names[i];
    const char *name = name_of(l, i);
    uint64_t *found;
    size_t count;
    tn_status status =
        tn_find(seg, name, &number_type, (void **)&found, &count);

    if (status == TN_ENOENT)
        return NULL;
    MUST(status == TN_OK, "finding %s answers %d", name, status);
    MUST(count == e->count, "%s has %zu elements, not %zu", name, count,
         e->count);
    MUST(is_filled(found, e->serial, count), "%s has wrong contents", name);
    return found;
}

static void drop_name(struct ledger *l, tn_segment *seg, int i, void *object)
{
    tn_status status;

    l->names[i].state = LEDGER_GOING;
    if (ledger_random(l, 2) == 0)
        status = tn_destroy(seg, name_of(l, i), &number_type);
    else
        status = tn_destroy_ptr(seg, object, &number_type);
    MUST(status == TN_OK, "destroying %s answers %d", name_of(l, i), status);
    l->names[i].state = LEDGER_ABSENT;
}

static void step_name(struct ledger *l, tn_segment *seg)
{
    int i = (int)ledger_random(l, LEDGER_NAMES);
    void *object = find_name(l, seg, i);

    MUST((object != NULL) == (l->names[i].state == LEDGER_PRESENT),
         "%s is there or not, and the ledger says otherwise", name_of(l, i));
    if (object == NULL)
        make_name(l, seg, i);
    else if (ledger_random(l, 3) != 0)
        drop_name(l, seg, i, object);
}

/* --- Blocks --------------------------------------------------------------- */

static void put_block(struct ledger_block *b, tn_segment *seg, uint64_t *p)
{
    fill(p, b->serial, b->count);
    b->handle = tn_handle_of(seg, p);
}

static void make_block(struct ledger *l, tn_segment *seg,
                       struct ledger_block *b)
{
    uint64_t *p = NULL;

    b->serial = ++l->serial;
    b->count = random_count(l);
    b->object = ledger_random(l, 3) == 0;
    if (b->object)
        tn_construct(seg, TN_ANONYMOUS, &number_type, b->count, &b->serial,
                     (void **)&p);
    else if (ledger_random(l, 4) == 0)
        p = tn_alloc_aligned(seg, b->count * sizeof(*p), 256);
    else
        p = tn_alloc(seg, b->count * sizeof(*p));
    if (p != NULL)
        put_block(b, seg, p);
}

static uint64_t *look_at_block(const struct ledger *l, tn_segment *seg,
                               const struct ledger_block *b)
{
    uint64_t *p = tn_at(seg, b->handle);

    MUST(p != NULL, "a block lies beyond the segment");
    MUST(is_filled(p, b->serial, b->count), "a block has wrong contents");
    return p;
}

static void drop_block(struct ledger *l, tn_segment *seg,
                       struct ledger_block *b)
{
    void *p = look_at_block(l, seg, b);
    tn_status status;

    b->handle = 0;
    status = b->object ? tn_destroy_ptr(seg, p, &number_type) : tn_free(seg, p);
    MUST(status == TN_OK, "giving back a block answers %d", status);
}

static void resize_block(struct ledger *l, tn_segment *seg,
                         struct ledger_block *b)
{
    uint64_t *p = look_at_block(l, seg, b), *moved;
    size_t count = random_count(l);

    b->handle = 0;
    moved = tn_realloc(seg, p, count * sizeof(*p));
    if (moved != NULL) {
        MUST(is_filled(moved, b->serial, count < b->count ? count : b->count),
             "a resized block has wrong contents");
        b->count = count;
        p = moved;
    }
    put_block(b, seg, p);
}

static void step_block(struct ledger *l, tn_segment *seg)
{
    struct ledger_block *b = &l->blocks[ledger_random(l, LEDGER_BLOCKS)];

    if (b->handle == 0)
        make_block(l, seg, b);
    else if (!b->object && ledger_random(l, 3) == 0)
        resize_block(l, seg, b);
    else
        drop_block(l, seg, b);
}

/* --- Steps ---------------------------------------------------------------- */

/* What is done seldom, and must do no harm either. */
static void step_aside(struct ledger *l, tn_segment *seg)
{
    tn_chain chain = TN_CHAIN_INIT;
    tn_status status = TN_OK;
    tn_stats stats;

    switch (ledger_random(l, 6)) {
    case 0:
        status = tn_segment_stats(seg, &stats);
        break;
    case 1:
        if (l->work != LEDGER_ONLY_BLOCKS)
            status = tn_reserve_named(seg, 200);
        break;
    case 2:
        status = tn_shrink_indexes(seg);
        break;
    case 3:
        status = tn_zero_free(seg);
        break;
    case 4:
        if (tn_segment_size(seg) < LARGEST)
            status = tn_segment_grow(seg, 4096);
        break;
    case 5:
        if (l->work != LEDGER_ONLY_NAMES)
            status = tn_alloc_many(seg, 50, 20, &chain);
        if (status == TN_OK)
            status = tn_free_many(seg, &chain);
        break;
    }
    MUST(status == TN_OK || status == TN_ENOMEM || status == TN_ESIZE,
         "it answers %d", status);
}

static tn_status step(tn_segment *seg, void *arg)
{
    struct ledger *l = arg;

    if (ledger_random(l, 50) == 0)
        step_aside(l, seg);
    else if (l->work == LEDGER_ONLY_BLOCKS ||
             (l->work == LEDGER_ALL && ledger_random(l, 2) == 0))
        step_block(l, seg);
    else
        step_name(l, seg);
    return TN_OK;
}

/* Three things that others see at once. */
static tn_status three_steps(tn_segment *seg, void *arg)
{
    for (int i = 0; i < 3; i++)
        step(seg, arg);
    return TN_OK;
}

void ledger_step(struct ledger *l, tn_segment *seg)
{
    if (ledger_random(l, 10) == 0)
        MUST(tn_atomic(seg, three_steps, l) == TN_OK, "an atomic section");
    else
        step(seg, l);
    l->steps++;
}

/* --- Afterwards ----------------------------------------------------------- */

static void settle_name(struct ledger *l, tn_segment *seg, int i)
{
    struct ledger_name *e = &l->names[i];
    bool there = find_name(l, seg, i) != NULL;

    MUST(there || e->state != LEDGER_PRESENT, "%s is lost", name_of(l, i));
    MUST(!there || e->state != LEDGER_ABSENT, "%s is back", name_of(l, i));
    e->state = there ? LEDGER_PRESENT : LEDGER_ABSENT;
}

void ledger_settle(struct ledger *l, tn_segment *seg)
{
    for (int i = 0; i < LEDGER_NAMES && l->work != LEDGER_ONLY_BLOCKS; i++)
        settle_name(l, seg, i);
    for (int i = 0; i < LEDGER_BLOCKS; i++)
        if (l->blocks[i].handle != 0)
            look_at_block(l, seg, &l->blocks[i]);
}

size_t ledger_names(const struct ledger *l)
{
    size_t count = 0;

    for (int i = 0; i < LEDGER_NAMES; i++)
        count += l->names[i].state == LEDGER_PRESENT;
    return count;
}

size_t ledger_blocks(const struct ledger *l)
{
    size_t count = 0;

    for (int i = 0; i < LEDGER_BLOCKS; i++)
        count += l->blocks[i].handle != 0;
    return count;
}

void ledger_clear(struct ledger *l, tn_segment *seg)
{
    for (int i = 0; i < LEDGER_NAMES; i++)
        if (l->names[i].state == LEDGER_PRESENT)
            drop_name(l, seg, i, find_name(l, seg, i));
    for (int i = 0; i < LEDGER_BLOCKS; i++)
        if (l->blocks[i].handle != 0)
            drop_block(l, seg, &l->blocks[i]);
}
