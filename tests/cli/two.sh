# Several processes on one store, and one of them killed in the middle.

mkdir tree
noise 8000000 | split -b 4000 -a 4 - tree/file
count()
{
    "$TENON" ls -n s.tn | wc -l
}

# Readers see whole objects only, and always more of them.
"$TENON" create s.tn
"$TENON" load s.tn tree >loaded &
writer=$!
last=0
while kill -0 $writer 2>/dev/null; do
    now=$(count)
    [ "$now" -ge "$last" ] || echo "from $last to $now objects"
    last=$now
    name=$("$TENON" ls -n s.tn file | tail -n 1)
    [ -z "$name" ] || "$TENON" get s.tn "$name" | cmp - "tree/$name"
done
wait $writer
cat loaded
count
t check s.tn

# Two writers with names of their own.
rm -f s.tn s.tn-journal
"$TENON" create s.tn
"$TENON" load --prefix=a/ s.tn tree >a.out &
"$TENON" load --prefix=b/ s.tn tree >b.out &
wait
cat a.out b.out
t check s.tn
t save s.tn out
diff -r tree out/a && diff -r tree out/b && echo 'both are whole'

# Two that make it.
for try in 1 2 3; do
    rm -f s.tn s.tn-journal
    "$TENON" load --prefix=a/ s.tn tree >/dev/null || echo "a: [$?]" &
    "$TENON" load --prefix=b/ s.tn tree >/dev/null || echo "b: [$?]" &
    wait
    count
done

# A writer that is killed as soon as some of it is done, several times.
rm -rf s.tn s.tn-journal out
"$TENON" create s.tn
for try in 1 2 3 4 5; do
    before=$(count)
    "$TENON" load s.tn tree >/dev/null 2>&1 &
    writer=$!
    while [ "$(count)" -le "$before" ] && kill -0 $writer 2>/dev/null; do
        :
    done
    kill -KILL $writer 2>/dev/null
    wait $writer 2>/dev/null
    echo again | "$TENON" put -r s.tn extra || echo 'the next one is stuck'
    "$TENON" check s.tn
done
t rm s.tn extra
"$TENON" load s.tn tree | sed 's/^[0-9]* files.*, \([0-9]* skipped\)/\1/'
t check s.tn
t save s.tn out | sed 's/,.*//'
diff -r tree out && echo 'nothing is lost'
