# What is not a store, or not a whole one.

t create s.tn
echo hello | t put s.tn a
t check s.tn

: >empty
noise 10000 >garbage
head -c 5000 s.tn >short
mkdir dir
for file in empty garbage short; do
    for command in info ls check; do
        "$TENON" $command $file >out 2>err
        echo "$command $file: [$?]"
        sed 's/^\(tenon: [^:]*\): .*/\1: REASON/' err
    done
    "$TENON" put $file name <s.tn 2>/dev/null
    echo "put $file: [$?]"
done
"$TENON" check garbage 2>/dev/null | tail -n 1 | sed 's/[0-9]/N/g'
"$TENON" check dir >out 2>err
[ $? -ne 0 ] && [ -s err ] && echo 'a directory is refused'
for command in info ls check shrink; do
    t_refused $command missing
done
t_refused grow missing 1M

# Every byte of the first page, turned over: an answer, never a signal.
i=0
while [ $i -lt 4096 ]; do
    cp s.tn bad.tn
    byte=$(od -An -tu1 -j $i -N 1 s.tn)
    printf "\\$(printf %03o $((255 - byte)))" |
        dd of=bad.tn bs=1 seek=$i conv=notrunc 2>/dev/null
    "$TENON" check bad.tn >/dev/null 2>err
    [ $? -le 2 ] && ! grep -q Sanitizer err || echo "check died of byte $i"
    i=$((i + 37))
done

# Each kind of damage: what is wrong, what it means and what to do.
change() # whatever byte is there, it is another one then
{
    other=x
    [ "$(dd if=bad.tn bs=1 skip="$1" count=1 2>/dev/null | tr -d '\0')" != x ] ||
        other=y
    printf $other | dd of=bad.tn bs=1 seek="$1" conv=notrunc 2>/dev/null
}
looks()
{
    t check "$@" bad.tn | sed 's/[0-9a-f]\{16\}/DIGEST/g'
}
noise 20000 | tr -c a-z x >letters
printf SHIBBOLETH | dd of=letters bs=1 seek=10000 conv=notrunc 2>/dev/null
t put s.tn letters/of/object letters
cp s.tn bad.tn
text=$(grep -abo SHIBBOLETH bad.tn | head -n 1 | cut -d: -f1)
change "$text"
looks
looks --quick
"$TENON" check --json bad.tn | grep '"rule"' |
    sed 's/"meaning": "[^"]*", "help": "[^"]*"/"meaning": M, "help": H/'
for at in 100 512 700 1024 3000; do
    cp s.tn bad.tn
    change $at
    looks | sed -n 2p
done
cp s.tn bad.tn
printf '%4096s' '' >>bad.tn
looks
looks --full
cp s.tn bad.tn
cp s.tn-journal bad.tn-journal
printf x | dd of=bad.tn-journal bs=1 seek=2000 conv=notrunc 2>/dev/null
looks
rm bad.tn-journal
t check --fast s.tn
