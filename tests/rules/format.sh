#!/bin/sh
# format.sh - the sources are as clang-format 14 with our .clang-format leaves
# them
#
# usage: format.sh [DIRECTORY]        the tree to look at, the current one else
#
# Other versions break lines in other places, so without version 14 (Debian
# 12's) this is skipped; where CI is set, that is a failure.
#
# SPDX-License-Identifier: BSD-2-Clause

cd "${1:-.}" || exit 2

for format in clang-format-14 clang-format none; do
    $format --version 2>/dev/null | grep -q 'version 14\.' && break
done
if [ $format = none ]; then
    echo 'clang-format 14 is not there'
    [ -n "$CI" ] && exit 1
    exit 77
fi

find include src tools tests fuzz -name '*.[ch]' -o -name '*.cpp' 2>/dev/null |
    sort | xargs $format --dry-run -Werror
