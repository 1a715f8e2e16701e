#!/bin/sh
# rules.sh - take each rule of the commit protocol out, and see it missed
#
# usage: rules.sh [IMAGES] [RULE...]
#
# Builds the tests of crashes once for each RULE() in the library with that one
# rule taken out (base/rule.h), runs them one after the other until one fails,
# and prints a line a rule: which test caught it, or that none did.
# docs/CRASH.md explains those that are not caught.  Fails if fewer than the
# wanted number are.
#
# SPDX-License-Identifier: BSD-2-Clause

images=${1:-4000} wanted=28 caught=0 missed=0
[ $# -eq 0 ] || shift
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM

CC=${CC:-cc}
flags='-std=gnu11 -O1 -w -D_GNU_SOURCE -Iinclude -Isrc -Itests/crash'
programs='living order kill power'

for source in src/*/*.c tests/crash/*.c; do
    $CC $flags -c "$source" -o "$work/$(echo "$source" | tr / _).o" || exit 2
done

# Run the tests of what is in $work/without; true if one fails, said in $how.
is_caught()
{
    rm -f "$work/without.a"
    ar rcs "$work/without.a" "$work"/without/src_*.o
    for program in $programs; do
        case $program in
        power) arguments="--images $images --stop" ;;
        kill) arguments='--points 150 --stop' ;;
        *) arguments=--stop ;;
        esac
        $CC "$work/without/tests_crash_$program.c.o" \
            "$work/without/tests_crash_disk.c.o" \
            "$work/without/tests_crash_ground.c.o" \
            "$work/without/tests_crash_workload.c.o" \
            "$work/without.a" -o "$work/$program" -pthread || exit 2
        # shellcheck disable=SC2086
        timeout 60 "$work/$program" $arguments >"$work/out" 2>&1 && continue
        how="$program: $(head -n 1 "$work/out" | cut -c 1-70)"
        return 0
    done
    return 1
}

rules=${*:-$(grep -oh 'RULE([A-Z0-9]*)' src/*/*.c | tr -d ')' |
    cut -d'(' -f2 | sort -u)}
for rule in $rules; do
    mkdir "$work/without" && cp "$work"/*.o "$work/without"
    for source in $(grep -l "RULE($rule)" src/*/*.c); do
        $CC $flags -DTN_WITHOUT="RULE_$rule" -c "$source" \
            -o "$work/without/$(echo "$source" | tr / _).o" || exit 2
    done
    if is_caught; then
        caught=$((caught + 1))
        printf 'caught      %-12s %s\n' "$rule" "$how"
    else
        missed=$((missed + 1))
        echo "not caught  $rule"
    fi
    rm -r "$work/without"
done
echo "rules: $caught caught, $missed not caught"
[ $caught -ge $wanted ] || [ $missed -eq 0 ]
