/* text.h - names and numbers for people, for pipes and as JSON
 *
 * Names are any bytes but NUL.  Three ways to write one:
 *
 *   visible   for people: whatever could play tricks on a terminal, and bytes
 *             that are no UTF-8, appear as \n, \t or \033; not reversible
 *   escaped   the same, and a backslash as two: reversible, one line
 *   JSON      a string with exactly these characters; if the bytes are not
 *             UTF-8, the escaped form, and a member beside it that says so
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_TEXT_H
#define TENON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <tenon.h>

void text_visible(FILE *f, const char *bytes, size_t n);
void text_escaped(FILE *f, const char *bytes, size_t n);

/* Columns that the escaped form takes on a terminal, counting every character
 * as one wide. */
size_t text_width(const char *bytes, size_t n);

/* Write "key": "bytes", and if they are not UTF-8 also "key_escaped": true. */
void json_name(FILE *f, const char *key, const char *bytes, size_t n);

/* Write bytes as a string, in escaped form if they are not UTF-8. */
void json_bytes(FILE *f, const char *bytes, size_t n);
void json_text(FILE *f, const char *bytes);

/* Write n and, from 1 KiB on, about how much that is: 65536 (64.0 KiB). */
void text_bytes(FILE *f, uint64_t n);

/* n in a few characters, such as 1.5 GiB, in buffer, which is returned. */
#define TEXT_SHORT 16
char *text_short_bytes(char buffer[TEXT_SHORT], uint64_t n);

/* The ending of a noun that n things have. */
const char *text_plural(size_t n);

/* Words for what the library has numbers for. */
const char *text_of_index(tn_index index);
const char *text_of_fit(tn_fit fit);
const char *text_of_kind(tn_kind kind);
const char *text_of_state(tn_state state);
const char *text_of_journal(tn_journal journal);
const char *text_of_tracker(tn_tracker tracker);

#endif
