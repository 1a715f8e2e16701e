#!/bin/sh
# symbols.sh - the library's names are those of its headers, and no others
#
# usage: symbols.sh [DIRECTORY [INCLUDE]]     where libtenon.so and libtenon.a
#                                             are, $B else; and the headers
#
# Neither the shared library nor the archive defines a global name that does
# not begin with tn_; and what the headers declare as TN_API is what the shared
# library exports, no more and no less.
#
# SPDX-License-Identifier: BSD-2-Clause

b=${1:-${B:-build}}
include=${2:-include}
status=0

for library in "$b/libtenon.so" "$b/libtenon.a"; do
    dynamic=
    [ "${library%.so}" = "$library" ] || dynamic=-D
    names=$(nm $dynamic --defined-only --extern-only "$library") || exit 2
    if [ "$(echo "$names" | grep -c ' tn_')" -eq 0 ]; then
        echo "$library: no tn_ name at all"
        status=1
    fi
    # Sanitizers add names of their own.
    other=$(echo "$names" |
        awk 'NF == 3 && $3 !~ /^(tn_|__asan_|__odr_asan)/ { print $3 }')
    for name in $other; do
        echo "$library: $name is not ours to export"
        status=1
    done
done

# Comments go first; then the last name before ( or [ or ; of a declaration.
declared=$(cat "$include"/*.h "$include"/tenon/*.h |
    ${CC:-cc} -fpreprocessed -dD -E -P -x c - 2>/dev/null | tr '\n' ' ' |
    grep -oE 'TN_API [^;([]*[;([]' | grep -oE 'tn_[a-z0-9_]+ *[;([]$' |
    grep -oE '[a-z0-9_]+' | sort)
exported=$(nm -D --defined-only --extern-only "$b/libtenon.so" |
    awk '$3 ~ /^tn_/ { print $3 }' | sort)
for name in $(printf '%s\n' $declared $exported | sort | uniq -u); do
    echo "$name is declared but not exported, or exported but not declared"
    status=1
done
exit $status
