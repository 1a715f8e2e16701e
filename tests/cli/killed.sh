# A load that is killed in the middle, and what becomes of file and journal.

mkdir tree
noise 8000000 | split -b 4000 -a 4 - tree/file
count()
{
    "$TENON" ls -n "$1" 2>/dev/null | wc -l
}
# Kill a load of the tree when some of it is done; the store has its state.
kill_load()
{
    while :; do
        rm -f s.tn s.tn-journal
        "$TENON" create s.tn
        "$TENON" load --batch=10 s.tn tree >/dev/null 2>&1 &
        writer=$!
        while [ "$(count s.tn)" -eq 0 ]; do
            :
        done
        kill -KILL $writer 2>/dev/null
        wait $writer 2>/dev/null
        left=$(count s.tn)
        [ "$left" -eq 2000 ] || return 0
    done
}

kill_load
[ $((left % 10)) -eq 0 ] || echo "$left objects are no whole batches"
"$TENON" info s.tn | grep '^state'
t check s.tn
"$TENON" save s.tn out | sed 's/^[0-9]* files, [0-9]* bytes/SOME/'
for file in $(ls out); do
    cmp out/$file tree/$file
done
[ "$(ls out | wc -l)" -eq "$left" ] || echo "$left objects, other files"

# A copy of both is as good, one of the file alone is refused.
cp s.tn both.tn
cp s.tn-journal both.tn-journal
cp s.tn alone.tn
t check both.tn
# The commit that was under way may be whole, though nobody was told.
copied=$(count both.tn)
[ "$copied" -eq "$left" ] || [ "$copied" -eq $((left + 10)) ] ||
    echo "$copied objects, not $left"
"$TENON" load both.tn tree | sed 's/^[0-9]* files.*, \([0-9]* skipped\)/\1/'
t check both.tn
count both.tn
t_refused ls alone.tn
t_refused put alone.tn x tree/fileaaaa
t_refused check alone.tn
ls alone*

# So is one whose journal is another's.
cp both.tn-journal alone.tn-journal
t_refused put alone.tn x tree/fileaaaa
rm both.tn-journal
cp s.tn-journal both.tn-journal
t_refused put both.tn x tree/fileaaaa
rm both.tn-journal
t put both.tn x tree/fileaaaa

# The next load finishes it.
"$TENON" load s.tn tree | sed 's/^[0-9]* files.*, \([0-9]* skipped\)/\1/'
"$TENON" info s.tn | grep '^state'
t check s.tn
t save s.tn out | sed 's/^[0-9]* files, [0-9]* bytes/SOME/; s/[0-9]* un/un/'
diff -r tree out && echo 'nothing is lost'

# A journal that was removed by hand.
kill_load
mv s.tn-journal kept
t put s.tn x tree/fileaaaa 2>&1 | sed "s|$PWD/||g"
t check s.tn 2>&1 | sed "s|$PWD/||g"
ls s.tn*
mv kept s.tn-journal
t put s.tn x tree/fileaaaa
t check s.tn
now=$(count s.tn)
[ "$now" -eq $((left + 1)) ] || [ "$now" -eq $((left + 11)) ] ||
    echo "$now objects, not $left and one more"
