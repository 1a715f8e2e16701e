#!/bin/sh
# headers.sh - each public header compiles by itself, in C and in C++
#
# usage: headers.sh [DIRECTORY]       the tree to look at, the current one else
#
# C11 and C++17, as programs compile it that care more about warnings than we
# do.  C++ compilers that are not there are passed over, but not where CI is
# set.  Names of macros begin with TN_ or tn_, or with TENON_ for include guards.
#
# SPDX-License-Identifier: BSD-2-Clause

cd "${1:-.}" || exit 2
warn='-Wall -Wextra -Wshadow -Werror -fsyntax-only -Iinclude'
status=0

for header in include/*.h include/tenon/*.h; do
    line="#include \"${header#include/}\""
    text=$(printf '%s\n%s\n' "$line" "$line")

    echo "$text" | ${CC:-cc} -std=c11 -pedantic $warn -x c - || status=1
    for cxx in g++ clang++; do
        if command -v $cxx >/dev/null; then
            echo "$text" | $cxx -std=c++17 $warn -x c++ - || status=1
        elif [ -n "$CI" ]; then
            echo "$cxx is missing"
            status=1
        fi
    done
done

if grep -nE '^[ 	]*#[ 	]*define[ 	]' include/*.h include/tenon/*.h |
    grep -vE 'define[ 	]+(TN_|tn_|TENON_)'; then
    echo 'a macro in a public header begins with TN_, tn_ or TENON_'
    status=1
fi
exit $status
