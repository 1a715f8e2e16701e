/* place.h - a directory in memory for the files of one run, and what it says
 * when something is wrong
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef FUZZ_PLACE_H
#define FUZZ_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the fuzzer calls, and replay.c. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Make the directory, below $TMPDIR or else in memory, and remove it with all
 * that is in it.  place_path() makes it when first called, and then it goes
 * when the program ends. */
void place_enter(void);
void place_leave(void);

/* The path of a name in it; valid until the program ends.  name is one of a
 * dozen at most. */
const char *place_path(const char *name);

/* The file of this name becomes these bytes, or a copy of another; or goes, if
 * it is there. */
void place_put(const char *name, const void *bytes, size_t size);
void place_copy(const char *from, const char *to);
void place_remove(const char *name);

/* From now on no file becomes larger than this: a store that wants to grow
 * finds the disk full, and memory is not. */
enum { PLACE_LARGEST = 4 * 1024 * 1024 };
void place_limit(void);
void place_unlimit(void);

/* Stop the program with a message, and what the library says, unless holds. */
#define REQUIRE(holds)                                                         \
    ((holds) ? (void)0 : place_stop(__FILE__, __LINE__, #holds))
_Noreturn void place_stop(const char *file, int line, const char *what);

#endif
