# What differs on a terminal: columns, and a line of progress.

script -qec true /dev/null >/dev/null 2>&1 || skip 'script(1) is not there'

t create s.tn
echo hello | "$TENON" put s.tn "$(printf 'evil\033[31m')"
echo hello | "$TENON" put s.tn plain
script -qec '"$TENON" ls s.tn' /dev/null | tr -d '\r'
script -qec '"$TENON" ls s.tn | cat' /dev/null | tr -d '\r'

# Slow enough to be seen, and gone at the end.
script -qec '{ sleep 2; echo slow; } | "$TENON" put s.tn slow' /dev/null >seen
grep -q 'reading: 1 s' seen && echo 'progress was seen'
tail -c 4 seen | od -An -c
script -qec 'echo fast | "$TENON" put s.tn fast' /dev/null >seen
wc -c <seen

# A file's name that a pattern made an option.
"$TENON" ls "$(printf -- '--\033[2J')" 2>&1
"$TENON" ls "$(printf -- '-\001')" 2>&1
