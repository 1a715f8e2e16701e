/* ledger.h - the work of a process that may be killed, and what it has to show
 *
 * A worker makes, uses and destroys objects and blocks of a segment, and keeps
 * a ledger of it in shared memory, which outlives it:
 *
 *     absent --> coming --> present --> going --> absent
 *               construct()            destroy()
 *
 * Whoever finds a ledger whose worker is dead can tell what must be in the
 * segment, with which contents, and what must not; only of the one thing that
 * was coming or going may either be true.  A block that the worker had just
 * got, or was just giving back, is lost: one for each kill at most.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TESTS_LIB_LEDGER_H
#define TESTS_LIB_LEDGER_H

#include <tenon.h>

#include <stdint.h>

enum { LEDGER_NAMES = 32, LEDGER_BLOCKS = 32 };

enum ledger_state {
    LEDGER_ABSENT,
    LEDGER_COMING,
    LEDGER_PRESENT,
    LEDGER_GOING
};

/* What workers work with: where the segment keeps no names, only blocks; where
 * nothing may get lost, only names. */
enum ledger_work { LEDGER_ALL, LEDGER_ONLY_NAMES, LEDGER_ONLY_BLOCKS };

/* An object with a name; what it holds follows from serial. */
struct ledger_name {
    _Atomic int state;
    uint64_t serial;
    size_t count;
};

/* A raw allocation, or an anonymous object. */
struct ledger_block {
    _Atomic tn_handle handle; /* 0: none */
    bool object;
    uint64_t serial;
    size_t count;
};

struct ledger {
    unsigned number; /* of the worker: its names begin with it */
    enum ledger_work work;
    uint64_t random;
    uint64_t serial;
    _Atomic uint64_t steps; /* done by all workers that had this ledger */
    struct ledger_name names[LEDGER_NAMES];
    struct ledger_block blocks[LEDGER_BLOCKS];
};

/* Ledgers 0 to count - 1, empty, in memory that forked children share. */
struct ledger *ledger_open(unsigned count, enum ledger_work work);
void ledger_close(struct ledger *ledgers, unsigned count);

/* Do one thing at random, and note it.  Ends the process with a message if the
 * segment is not as the ledger says, or answers what it should not. */
void ledger_step(struct ledger *l, tn_segment *seg);

/* After the worker's death: compare all of it with the segment, and settle what
 * was coming or going.  Ends the process if they differ.  Changes the ledger
 * alone. */
void ledger_settle(struct ledger *l, tn_segment *seg);

/* How many named objects and blocks it says there are. */
size_t ledger_names(const struct ledger *l);
size_t ledger_blocks(const struct ledger *l);

/* Destroy and free all of it. */
void ledger_clear(struct ledger *l, tn_segment *seg);

/* The next number of a ledger's own, below n. */
uint64_t ledger_random(struct ledger *l, uint64_t n);

#endif
