# Options of create, what is refused, and that a refusal leaves no file.

what()
{
    "$TENON" info "$1" | grep -E '^(file|state|index|fit|maximum size|objects)  '
}

t create s.tn
what s.tn
cp s.tn before.tn
t_refused create s.tn
cmp s.tn before.tn && echo 'untouched'

for index in iset flat_map map hash null; do
    t create --index $index $index.tn
    "$TENON" info $index.tn | grep '^index  '
done
t create --fit=seq seq.tn
"$TENON" info seq.tn | grep '^fit '
"$TENON" info --json seq.tn | grep -o '"fit": "seq"'

t create --size=3M --max-size 64M big.tn
"$TENON" info big.tn | grep '^maximum size '
size=$("$TENON" info --json big.tn | sed -n 's/.*"segment_bytes": \([0-9]*\).*/\1/p')
[ "$size" -ge 3100000 ] && [ "$size" -le 3200000 ] || echo "segment of $size"

umask 077
t create --mode=0664 mode.tn
stat -c %a mode.tn
umask 0
t create --mode=600 mode2.tn
stat -c %a mode2.tn
t create default.tn
stat -c %a default.tn
umask 022

t create --size=0 no.tn
t create --size=12Q no.tn
t create --size=1.5G no.tn
t create --size=-1 no.tn
t create --size= no.tn
t create --size=64MB no.tn
t create --size=99999999999999999999 no.tn
t create --size=17179869184G no.tn
t create --grow-step=1M no.tn
t create --index=tree no.tn
t create --fit=worst no.tn
t create --mode=888 no.tn
t create --mode=1777 no.tn
t create --mode=rw no.tn
t_refused create missing/no.tn
t_refused create --size=2M --max-size=1M no.tn
ls no.tn
