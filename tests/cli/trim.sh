# Free memory goes back to the disk; what is used stays, and comes again.

blocks()
{
    stat -c %b s.tn
}

t create --size=8M s.tn
noise 3000000 >a
noise 3000000 7 >b
t put s.tn a a
t put s.tn b b
t rm s.tn a
before=$(blocks)
"$TENON" trim s.tn >out || die 'trim failed'
sed 's/[0-9].*/N/' out
given=$(sed 's/^given back: \([0-9]*\).*/\1/' out)
after=$(blocks)
[ $((before - after)) -gt 5000 ] || echo "blocks: $before, then $after"
[ "$given" -ge 2900000 ] || echo "given back: $given"
t check s.tn
same s.tn b b

# Once more there is nothing, and the file is as long as it was.
"$TENON" trim --json s.tn | sed 's/: [0-9][0-9]*}/: N}/'
[ "$(blocks)" -le "$after" ] || echo 'it grew'
[ "$(stat -c %s s.tn)" -eq 8388608 ] || echo 'its length changed'

# Holes are filled where they are needed again.
t put s.tn a a
[ "$(blocks)" -gt $((after + 5000)) ] || echo 'the holes are still there'
same s.tn a a
same s.tn b b
t check s.tn

# Copies with holes are good stores.
t rm s.tn a
t trim --json s.tn >/dev/null
cp --sparse=always s.tn copy.tn
t put copy.tn a a
t check copy.tn

t trim
t trim nothing.tn
echo 'not a store' >bad.tn
t trim bad.tn
