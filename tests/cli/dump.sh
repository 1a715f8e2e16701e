# dump: every layer in words, of sound and of damaged stores.

# What differs from run to run goes; columns stay where they are.
plain()
{
    sed -e 's/[0-9a-f]\{12,16\}/HEX/g' -e 's/^\(  uuid  *\).*/\1UUID/' \
        -e 's/^\(  \(commit\|synced\|applied\|generation\) *\)[0-9]*/\1N/' \
        -e 's/^\( *\)[0-9]*  "bytes"/\1N  "bytes"/' -e 's/tree [0-9]*/tree N/'
}

"$TENON" create --size 64K s.tn
for name in one two three; do
    echo "$name" | "$TENON" put s.tn "$name"
done
"$TENON" dump s.tn >out || die 'a sound store is refused'
grep wrong out
for layer in superblock state marks 'journal beside' 'journal header' heap \
    segment blocks 'index of named objects: map, 3' 'index of unique' types
do
    grep -q "^$layer" out || echo "no $layer"
done
grep -c ' named "one", 4 of "bytes", 1 byte each' out
t dump --types s.tn | plain
t dump --superblock s.tn | plain
rm s.tn-journal
t dump --journal s.tn

# Names do nothing to a terminal.
printf x | "$TENON" put s.tn "$(printf '\033[31mred\nline')"
"$TENON" dump s.tn | grep -c '"\\033\[31mred\\nline"'
"$TENON" dump s.tn | LC_ALL=C grep -c "$(printf '\033')"

# A pipe whose reader has gone is no reason to hang or to die.
"$TENON" dump s.tn 2>/dev/null | head -n 1 | sed 's/[0-9][0-9]*/N/'

# Damage: said, and what is behind it is shown.
cp s.tn bad.tn
at=$("$TENON" dump --blocks s.tn | awk '/named "two"/ { print $1 + 4096 - 8 }')
printf 'XXXXXXXX' | dd of=bad.tn bs=1 seek="$at" conv=notrunc 2>/dev/null
"$TENON" dump bad.tn >out 2>err
echo "[$?]"
cat err
grep -c 'wrong: no block begins here (5858585858585858)' out
grep -c 'named "three"' out

: >empty
noise 10000 >garbage
head -c 5000 s.tn >short
mkdir dir
for file in empty garbage short; do
    "$TENON" dump $file >out 2>err
    echo "$file: [$?] $(grep -c wrong out | sed 's/[1-9][0-9]*/some/') wrong"
    sed 's/in [0-9]* place.*/in N places/' err
done
t_refused dump dir
t_refused dump missing
