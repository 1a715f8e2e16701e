/* test_heap_killed.c - death between any two instructions
 *
 * A child works on a heap in shared memory and is run one instruction at a
 * time.  Whenever the heap's bytes have changed, what the child's death would
 * leave is copied, and then:
 *
 *   - if the sequence is even, the copy is sound as it is;
 *   - heap_rebuild() makes it sound in any case;
 *   - every block that was given out and not taken back is there, with its
 *     size, its state and every byte of its mark;
 *   - of the one being resized, what is to be kept is there;
 *   - nothing else is in use but what was just being given out or taken back.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "heap/block.h"
#include "heap/heap.h"
#include "lib/arena.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 24, MOST = 65536, BULK = 4, NO_PTRACE = 77 };

enum operation {
    IDLE,
    ALLOC,
    FREE,
    ALLOC_ALIGNED,
    REALLOC,
    SHRINK,
    EXPAND,
    SET_STATE,
    ALLOC_MANY,
    FLUSH,
    GROW,
    SHRINK_HEAP,
    ZERO_FREE,
    REBUILD,
    OPERATIONS
};

/* A block that is held; off 0: none. */
struct slot {
    uint64_t off, n;
    enum block_state state;
};

/* What child and parent share.  The child says what it is about to do, and what
 * it holds when it has done it. */
struct stage {
    _Alignas(4096) unsigned char bytes[MOST];
    struct slot slots[SLOTS];
    volatile enum operation operation;
    volatile int slot;      /* the one concerned, -1: none */
    volatile uint64_t keep; /* of a resized block: bytes that stay */
    volatile int step;
};

struct setting {
    uint64_t seed;
    size_t size;
    tn_fit fit;
    unsigned most; /* log2 of the largest request */
};

static struct stage *stage;

static struct heap *heap(void)
{
    return (struct heap *)stage->bytes;
}

static unsigned char mark_of(int slot)
{
    return (unsigned char)(0x40 + slot);
}

/* --- The child ------------------------------------------------------------ */

static void hold(int slot, void *p)
{
    struct slot *s = &stage->slots[slot];

    if (p == NULL)
        return;
    s->n = heap_usable_size(heap(), p);
    s->state = heap_state(heap(), p);
    memset(p, mark_of(slot), s->n);
    s->off = heap_off(heap(), p);
}

static void give_back(int slot)
{
    void *p = heap_at(heap(), stage->slots[slot].off);

    if (heap_free(heap(), p) != TN_OK)
        _exit(1);
    stage->slots[slot].off = 0;
}

static void begin(enum operation operation, int slot, uint64_t keep)
{
    stage->slot = slot;
    stage->keep = keep;
    stage->operation = operation;
}

/* Resize what is in a slot; the slot is the child's again only afterwards. */
static void resize(enum operation operation, int slot, uint64_t *random,
                   unsigned most)
{
    struct slot *s = &stage->slots[slot];
    void *p = heap_at(heap(), s->off), *reuse = p;
    size_t n = arena_random_size(random, most), got = n;
    size_t usable = s->n;

    if (operation == SHRINK)
        got = n = n % (usable + 1);
    if (operation == EXPAND)
        got = n = usable + n;
    begin(operation, slot, n < usable ? n : usable);
    if (operation == REALLOC)
        p = heap_realloc(heap(), p, n);
    else if (operation == SHRINK)
        p = heap_resize(heap(), TN_TRY_SHRINK, SIZE_MAX, &got, &reuse, 1);
    else
        p = heap_resize(heap(), TN_EXPAND_FWD | TN_EXPAND_BWD | TN_ZERO, n,
                        &got, &reuse, 8 * (1 + arena_random(random, 3)));
    if (p != NULL)
        hold(slot, p);
}

static void alloc_many(uint64_t *random, unsigned most)
{
    tn_chain chain = TN_CHAIN_INIT;
    size_t sizes[BULK];
    void *p[BULK];

    for (int i = 0; i < BULK; i++)
        sizes[i] = arena_random_size(random, most);
    begin(ALLOC_MANY, -1, 0);
    if (heap_alloc_many_sizes(heap(), sizes, BULK, 1, &chain) != TN_OK)
        return;
    p[0] = chain.first;
    for (int i = 1; i < BULK; i++)
        p[i] = *(void **)p[i - 1];
    for (int slot = 0, i = 0; i < BULK; slot++)
        if (slot >= SLOTS)
            heap_free(heap(), p[i++]);
        else if (stage->slots[slot].off == 0)
            hold(slot, p[i++]);
        else
            continue;
}

static void resize_heap(enum operation operation, uint64_t *random)
{
    size_t size = heap_size(heap()) + arena_random(random, 900);

    begin(operation, -1, 0);
    if (operation == SHRINK_HEAP)
        heap_shrink(heap());
    else if (size <= MOST)
        heap_grow(heap(), size);
}

static void work_on_slot(enum operation operation, int slot, uint64_t *random,
                         unsigned most)
{
    size_t n = arena_random_size(random, most);
    enum block_state state = BLOCK_RAW + (enum block_state)(n % 5);
    struct slot *s = &stage->slots[slot];

    if (s->off == 0) {
        begin(operation, slot, 0);
        hold(slot, operation == ALLOC_ALIGNED
                       ? heap_alloc_aligned(heap(), n, 32 << n % 4, 0, state)
                       : heap_alloc(heap(), n, state));
    } else if (operation == SET_STATE) {
        begin(operation, slot, s->n);
        heap_set_state(heap(), heap_at(heap(), s->off), state);
        s->state = state;
    } else if (operation == REALLOC || operation == SHRINK ||
               operation == EXPAND) {
        resize(operation, slot, random, most);
    } else {
        begin(FREE, slot, 0);
        give_back(slot);
    }
}

static void work(const struct setting *s, int steps)
{
    uint64_t random = s->seed;

    for (int step = 0; step < steps; step++) {
        enum operation operation = arena_random(&random, OPERATIONS);

        stage->step = step;
        if (operation >= FLUSH && arena_random(&random, 3) != 0)
            operation = FREE;
        if (operation == ALLOC_MANY)
            alloc_many(&random, s->most);
        else if (operation == GROW || operation == SHRINK_HEAP)
            resize_heap(operation, &random);
        else if (operation >= FLUSH) {
            begin(operation, -1, 0);
            if (operation == FLUSH)
                heap_flush(heap());
            else if (operation == ZERO_FREE)
                heap_zero_free(heap());
            else
                heap_rebuild(heap());
        } else {
            work_on_slot(operation, (int)arena_random(&random, SLOTS), &random,
                         s->most);
        }
        stage->operation = IDLE;
    }
}

/* --- The parent ----------------------------------------------------------- */

static _Alignas(4096) unsigned char bytes[MOST], seen[MOST];
static struct heap *const copy = (struct heap *)bytes;

static bool has_mark(const void *p, uint64_t n, int slot)
{
    for (uint64_t i = 0; i < n; i++)
        if (((const unsigned char *)p)[i] != mark_of(slot))
            return false;
    return true;
}

static int slot_at(uint64_t off)
{
    for (int i = 0; i < SLOTS; i++)
        if (stage->slots[i].off == off)
            return i;
    return -1;
}

/* Is the part to be kept of the block being resized in a block in use, where it
 * was, or, after realloc, at the start of one that no slot holds? */
static bool kept_somewhere(void)
{
    const struct slot *s = &stage->slots[stage->slot];
    uint64_t off = 0, keep = stage->keep;
    enum block_state state;
    size_t n;
    void *p;

    while ((off = heap_next_block(copy, off, &p, &state, &n)) != 0) {
        uint64_t at = heap_off(copy, p);

        if (state < BLOCK_RAW || state == BLOCK_FIXED)
            continue;
        if (at <= s->off && at + n >= s->off + keep &&
            has_mark(heap_at(copy, s->off), keep, stage->slot))
            return true;
        if (stage->operation == REALLOC && slot_at(at) < 0 && n >= keep &&
            has_mark(p, keep, stage->slot))
            return true;
    }
    return false;
}

/* Blocks in use that no slot holds, or the slot concerned. */
static int strays(void)
{
    uint64_t off = 0;
    enum block_state state;
    int count = 0;
    size_t n;
    void *p;

    while ((off = heap_next_block(copy, off, &p, &state, &n)) != 0)
        if (state >= BLOCK_RAW && state != BLOCK_FIXED) {
            int slot = slot_at(heap_off(copy, p));

            count += slot < 0 || slot == stage->slot;
        }
    return count;
}

static bool is_held(int slot)
{
    const struct slot *s = &stage->slots[slot];
    const void *p = heap_at(copy, s->off);

    return heap_owns(copy, p) && heap_usable_size(copy, p) == s->n &&
           heap_state(copy, p) == s->state && has_mark(p, s->n, slot);
}

/* NULL, or what is wrong with what a death now would leave. */
static const char *autopsy(void)
{
    enum operation operation = stage->operation;
    int allowed = operation == ALLOC_MANY ? BULK : operation == REALLOC ? 2 : 1;

    memcpy(bytes, stage->bytes, sizeof(bytes));
    if (heap_sequence(copy) % 2 == 0 && !arena_check(copy, true))
        return "the sequence is even and the heap unsound";
    if (heap_verify_header(copy, sizeof(bytes)) != TN_OK)
        return "nobody could open it";
    if (heap_rebuild(copy) != TN_OK)
        return "it cannot be rebuilt";
    if (!arena_check(copy, true))
        return "it is not sound after rebuilding";
    for (int i = 0; i < SLOTS; i++)
        if (stage->slots[i].off != 0 && i != stage->slot && !is_held(i))
            return "a block is lost or changed";
    if ((operation == REALLOC || operation == SHRINK || operation == EXPAND) &&
        stage->keep != 0 && !kept_somewhere())
        return "the contents of a block being resized are lost";
    return strays() <= allowed ? NULL : "more is in use than was given out";
}

/* Run the child to its end.  Returns how many different states were seen. */
static size_t watch(pid_t child, const struct setting *s)
{
    size_t states = 0;
    int status;

    for (;;) {
        cr_assert(eq(int, waitpid(child, &status, 0), child));
        if (WIFEXITED(status) && WEXITSTATUS(status) == NO_PTRACE)
            cr_skip("this process may not trace its child");
        if (WIFEXITED(status)) {
            cr_assert(zero(int, WEXITSTATUS(status)));
            return states;
        }
        cr_assert(eq(int, WIFSTOPPED(status), true));
        if (stage->operation != IDLE &&
            memcmp(seen, stage->bytes, sizeof(seen)) != 0) {
            const char *wrong = autopsy();

            cr_assert(zero(ptr, (void *)wrong),
                      "seed %" PRIu64 ", step %d, operation %d: %s", s->seed,
                      stage->step, (int)stage->operation, wrong);
            memcpy(seen, stage->bytes, sizeof(seen));
            states++;
        }
        cr_assert(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0);
    }
}

TestSuite(heap_killed, .timeout = 250);

ParameterizedTestParameters(heap_killed, loses_nothing_at_any_instruction)
{
    static struct setting settings[] = {
        {1, 20000, TN_FIT_BEST, 9},  {2, 20000, TN_FIT_BEST, 11},
        {3, 16500, TN_FIT_BEST, 11}, {4, 15800, TN_FIT_BEST, 10},
        {5, 4000, TN_FIT_BEST, 7},   {6, 4000, TN_FIT_SEQ, 7},
    };

    return cr_make_param_array(struct setting, settings,
                               sizeof(settings) / sizeof(settings[0]));
}

ParameterizedTest(struct setting *s, heap_killed,
                  loses_nothing_at_any_instruction)
{
    enum { STEPS = 80 };
    pid_t child;
    size_t states;

    stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(ne(ptr, stage, MAP_FAILED));
    cr_assert(
        eq(int, heap_init(heap(), s->size, ARENA_RESERVED, s->fit), TN_OK));
    child = fork();
    cr_assert(ge(int, child, 0));
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(NO_PTRACE);
        raise(SIGSTOP);
        work(s, STEPS);
        _exit(0);
    }
    states = watch(child, s);
    cr_expect(gt(sz, states, STEPS), "it has seen something");
}
