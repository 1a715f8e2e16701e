# What lz4 makes of a snapshot is the store that restoring makes.

command -v lz4 >/dev/null || skip 'lz4 is not installed'

noise 3000000 >a
noise 30 2 >b
"$TENON" create s.tn
"$TENON" put s.tn a a
"$TENON" put s.tn b b
"$TENON" rm s.tn a
"$TENON" put s.tn c b
"$TENON" snapshot s.tn s.lz4 >/dev/null
"$TENON" restore s.lz4 r.tn >/dev/null
lz4 -t s.lz4 2>/dev/null || echo 'lz4 finds it damaged'
lz4 -dc s.lz4 >l.tn
cmp l.tn r.tn
[ "$(wc -c <s.lz4)" -lt 50000 ] || echo 'free memory was written out'
t check l.tn
same l.tn b b
t info l.tn | grep '^state'
echo more | t put l.tn more
t get l.tn more
