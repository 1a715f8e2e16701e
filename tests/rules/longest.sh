#!/bin/sh
# longest.sh - no function is longer than 70 lines, no line than 80 columns
#
# usage: longest.sh [DIRECTORY]       the tree to look at, the current one else
#
# A function is what stands between a { and a } in column 0, both counted.
# clang-format leaves long comments and strings alone, so columns are counted
# here.
#
# SPDX-License-Identifier: BSD-2-Clause

cd "${1:-.}" || exit 2

find include src tools tests fuzz -name '*.[ch]' -o -name '*.cpp' 2>/dev/null |
    sort | LC_ALL=C xargs awk '
length($0) > 80 {
    line = $0
    gsub(/[\200-\277]/, "", line) # all but the first byte of a character
    if (length(line) > 80) {
        printf "%s:%d: %d columns\n", FILENAME, FNR, length(line)
        offences++
    }
}
/^{/ { start = FNR }
/^}/ {
    if (start > 0 && FNR - start + 1 > 70) {
        printf "%s:%d: a function of %d lines\n", FILENAME, start,
               FNR - start + 1
        offences++
    }
    start = 0
}
END { exit offences > 0 }
'
