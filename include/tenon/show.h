/* show.h - show names to people
 *
 * Names are any bytes but NUL, and whoever filled a store chose them: printed
 * as they are, they could play tricks on a terminal.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_SHOW_H
#define TENON_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tenon/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Read the UTF-8 character that begins at bytes, of which there are n > 0, into
 * *out; returns its length.  0: there is none (it is cut short, overlong, a
 * surrogate or beyond U+10FFFF), and *out is not written. */
TN_API size_t tn_utf8_read(const char *bytes, size_t n, uint32_t *out);

/* The most bytes that one character is shown as. */
#define TN_SHOWN_MAX 16

/* Take the next character, or byte that is part of none, of n > 0 bytes; put
 * what to show for it into out and the length of that into *shown, and return
 * how many bytes were taken.  Characters that a terminal obeys (controls, those
 * that turn the direction of writing or break lines) and bytes that are not
 * UTF-8 are shown as \n, \t or \033; with reversible also a backslash as two,
 * so that no two names look alike. */
TN_API size_t tn_show_next(const char *bytes, size_t n, bool reversible,
                           char out[TN_SHOWN_MAX], size_t *shown);

#ifdef __cplusplus
}
#endif
#endif
