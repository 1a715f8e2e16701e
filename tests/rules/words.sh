#!/bin/sh
# words.sh - words that have no place in what is published
#
# usage: words.sh [DIRECTORY]         the tree to look at, the current one else
#
# Paths of somebody's machine, and notes that something is to be done: what is
# to be done is not in the tree, and what is in the tree is done.
#
# SPDX-License-Identifier: BSD-2-Clause

cd "${1:-.}" || exit 2

# The brackets keep this file from finding itself.
words='(^|[^A-Za-z0-9_./-])/(w[o]rk|h[o]me|r[o]ot)/|\<(T[O]DO|F[I]XME|X[X]X|H[A]CK)\>'

{ git ls-files 2>/dev/null || find . -type f -not -path '*/build/*'; } |
    while read -r file; do
        [ ! -f "$file" ] || grep -HnIE "$words" "$file"
    done | {
    found=0
    while read -r line; do
        echo "$line"
        found=1
    done
    exit $found
}
