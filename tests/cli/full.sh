# A store that cannot take all: what was loaded is good, the rest is told.

mkdir tree
for i in 1 2 3 4; do
    noise 400000 $i >tree/$i
done
"$TENON" load --size=1M --max-size=1M s.tn tree >out 2>err
echo "[$?]"
cat out
sed 's/^\(tenon: s.tn: [0-9]*\): .*/\1: REASON/' err
t check s.tn
t save s.tn out.d
cmp tree/1 out.d/1
cmp tree/2 out.d/2

# By hand.
t create --size=1M --max-size=1M fixed.tn
"$TENON" put fixed.tn big <tree/1
cat tree/* | "$TENON" put fixed.tn bigger 2>/dev/null
echo "[$?]"
same fixed.tn big tree/1
t check fixed.tn

# Standard output that is full.
if [ -c /dev/full ]; then
    for command in "ls s.tn" "ls --json s.tn" "info s.tn" "check s.tn" --help \
        "ls --help" --version "load s.tn tree/" "save s.tn out.d"; do
        "$TENON" $command >/dev/full 2>err
        echo "$command: [$?] $(grep -c 'standard output' err)"
    done
fi

# Standard output that is closed, and the store keeps its first bytes.
"$TENON" ls s.tn >&-
echo "[$?]"
"$TENON" info s.tn >&- 2>&-
echo "[$?]"
t check s.tn
"$TENON" put s.tn closed <&-
echo "[$?]"

# A reader that has enough ends the writer without a word.
"$TENON" get s.tn 1 | head -c 10
echo
