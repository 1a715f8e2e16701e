#!/bin/sh
# demo.sh - see tenon work on the files of this machine
#
# usage: demo.sh [TENON]              the command, build/tenon else
#
# Copies files of /usr/include and /usr/share, 200 MB at most, to a temporary
# directory, loads them into a store, reads while it is written, kills a load in
# the middle, checks what it left and finishes it, and takes everything out
# again.  Shows each command before it runs
# it, stops at the first that fails, and leaves nothing behind.
#
# SPDX-License-Identifier: BSD-2-Clause

set -eu
LC_ALL=C
export LC_ALL

most_bytes=200000000
tenon=${1:-build/tenon}
[ -x "$tenon" ] || { echo "demo: $tenon is not there: run make first"; exit 2; }
tenon=$(cd "$(dirname "$tenon")" && pwd)/$(basename "$tenon")

# Copies, two stores and what is saved take about five times the files.
place=${TMPDIR:-/tmp}
free=$(($(df -Pk "$place" | awk 'NR == 2 { print $4 }') * 1024 / 6))
[ "$free" -gt $most_bytes ] || most_bytes=$free
dir=$(mktemp -d "$place/tenon-demo.XXXXXX")
writer=
clean_up()
{
    [ -z "$writer" ] || kill -KILL "$writer" 2>/dev/null || :
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 2' HUP INT TERM
cd "$dir"
mkdir bin
ln -s "$tenon" bin/tenon
PATH=$dir/bin:$PATH

say()
{
    printf '\n# %s\n' "$*"
}

# Show a command as it would be typed, and run it.
run()
{
    printf '$ %s\n' "$1"
    eval "$1"
}

objects()
{
    tenon ls -n "$1" 2>/dev/null | wc -l
}

say "Files of this machine, up to $((most_bytes / 1000000)) MB"
# Symbolic links are left out here, as load would.
find /usr/include /usr/share -type f -readable ! -name '*
*' -printf '%s %p\n' 2>/dev/null | awk -v most=$most_bytes '
    all + $1 <= most { all += $1; sub(/^[0-9]+ \//, ""); print }
' >list || :
[ -s list ] || { echo 'demo: /usr/include and /usr/share are empty'; exit 2; }
mkdir files
tar -C / -cf - --verbatim-files-from --no-unquote -T list |
    tar -C files -xf - --no-same-owner --no-same-permissions
chmod -R u+rwX files
all=$(find files -type f | wc -l)
run 'find files -type f | wc -l'
run 'du -sh files'

say 'One process loads them into a store...'
printf '$ tenon load store.tn files &\n'
tenon load store.tn files >loaded &
writer=$!
say '... while another reads from it'
shown=0
while kill -0 $writer 2>/dev/null && [ $shown -lt 5 ]; do
    if [ -f store.tn ] && [ "$(objects store.tn)" -gt 0 ]; then
        run 'tenon ls -n store.tn | wc -l'
        name=$(tenon ls -0 store.tn | tr '\0\n' '\n?' | grep -v "[?']" |
            tail -n 1)
        run "tenon get store.tn '$name' | cmp - 'files/$name' && echo same"
        shown=$((shown + 1))
    fi
    sleep 0.1
done
run "wait $writer"
writer=
cat loaded

say 'What is in it?'
prefix=$(dirname "$(grep -v "'" list | sed -n "$((all / 2))p")")/
run "tenon ls store.tn '$prefix' | head -n 5"
run 'tenon info store.tn'
run 'tenon check store.tn'
run 'tenon map store.tn'

say 'Each of these is a commit of its own'
run 'date | tenon put store.tn today'
run 'tenon put --replace store.tn today /etc/os-release'
run 'tenon rm store.tn today'
run 'tenon info store.tn | grep -E "^(commit|journal)"'

say 'A load is killed in the middle'
for _ in 1 2 3 4 5; do
    rm -f killed.tn killed.tn-journal
    printf '$ tenon load --batch=100 killed.tn files &\n'
    tenon load --batch=100 killed.tn files >/dev/null 2>&1 &
    writer=$!
    while [ ! -f killed.tn ] || [ "$(objects killed.tn)" -lt $((all / 4)) ]; do
        kill -0 $writer 2>/dev/null || break
    done
    run "kill -KILL $writer" || :
    wait $writer 2>/dev/null || :
    writer=
    left=$(objects killed.tn)
    [ "$left" -eq "$all" ] || break
    echo "# it was done already; once more"
done
run 'tenon ls -n killed.tn | wc -l'
echo "# $left of $all objects are there: all commits until then"
run 'tenon info killed.tn | grep -E "^(state|journal)"'

say 'The next one opens it, finds it sound, and goes on where it ended'
run 'tenon check killed.tn'
run 'tenon load killed.tn files'
run 'tenon check killed.tn'

say 'Everything comes out as it went in'
run 'tenon save killed.tn saved'
run 'diff -r files saved && echo the same'
run 'tenon rm killed.tn "$(tenon ls -n killed.tn | head -n 1)"'
run 'tenon shrink killed.tn'
run 'tenon check killed.tn'

printf '\ndemo: %d files went into a store, a killed load lost no commit, ' "$all"
printf 'and all came out the same\n'
