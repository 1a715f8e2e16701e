#!/bin/sh
# record.sh - trace the allocations of programs that are on any such machine
#
# usage: record.sh RECORDER DIRECTORY
#
# Leaves NAME.trace in DIRECTORY for each program that is there.  Of a program
# that starts others, the process that allocates most is kept.
#
# SPDX-License-Identifier: BSD-2-Clause

recorder=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
mkdir -p "$2" && cd "$2" || exit 2
LC_ALL=C
export LC_ALL
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
cat /usr/include/linux/*.h >"$scratch/text" 2>/dev/null

# record NAME COMMAND ARGUMENTS...
record()
{
    name=$1
    shift
    command -v "$1" >/dev/null || {
        echo "trace $name is left out: $1 is not there"
        return
    }
    BENCH_TRACE=$scratch/$name LD_PRELOAD=$recorder "$@" >/dev/null 2>&1 ||
        echo "trace $name is of a run that failed: $*" >&2
    largest=$(ls -S "$scratch/$name".[0-9]* 2>/dev/null | head -n 1)
    [ -z "$largest" ] || mv "$largest" "$name.trace"
    rm -f "$scratch/$name".[0-9]*
}

cat >"$scratch/count.pl" <<'PERL'
while (<>) {
    for my $word (split /\W+/) {
        $count{$word}++;
        push @{$lines{$word}}, $. if $count{$word} < 50;
    }
}
my @words = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
delete $lines{$_} for @words[0 .. @words / 2];
print join(",", @{$lines{$_} || []}), "\n" for @words;
PERL

cat >"$scratch/trees.py" <<'PYTHON'
import ast, glob, json, os
trees = []
for name in sorted(glob.glob(os.path.dirname(os.__file__) + "/*.py"))[:40]:
    with open(name, encoding="utf-8") as source:
        trees.append(ast.parse(source.read()))
    if len(trees) > 20:
        trees.pop(len(trees) % 7)
print(len(json.dumps([ast.dump(tree) for tree in trees])))
PYTHON

cat >"$scratch/tables.sql" <<'SQL'
CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO t SELECT i, printf('%08d-%s', i * 7919 % 60000, hex(i)), i / 3.0
FROM n;
CREATE INDEX u ON t (b);
DELETE FROM t WHERE a % 3 = 0;
SELECT substr(b, 1, 4) AS p, count(*), group_concat(a) FROM t GROUP BY p;
SQL

{
    echo '#include <stdio.h>'
    for i in $(seq 150); do
        echo "int f$i(int *p, int n) { int s = $i; for (int i = 0; i < n; i++)"
        echo "{ if (p[i] > s) s += p[i] * s; else printf(\"%d %d\", s, p[i]); }"
        echo "return n > 9 ? s + getchar() : s; }"
    done
} >"$scratch/wide.c"

record gcc cc -O2 -c "$scratch/wide.c" -o "$scratch/wide.o"
record perl perl "$scratch/count.pl" "$scratch/text"
PYTHONMALLOC=malloc record python python3 "$scratch/trees.py"
record sqlite sqlite3 :memory: ".read $scratch/tables.sql"

git init -q "$scratch/repository" 2>/dev/null &&
    cp /usr/include/linux/*.h "$scratch/repository" &&
    git -C "$scratch/repository" add . 2>/dev/null
git -C "$scratch/repository" -c user.name=a -c user.email=a@b \
    commit -q -m all >/dev/null 2>&1
record git git -C "$scratch/repository" repack -adfq
exit 0
