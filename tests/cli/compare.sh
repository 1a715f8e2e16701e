# What differs between two stores, and one number for what does not.

hash_of()
{
    "$TENON" hash "$1" | cut -d' ' -f1
}

noise 5000 >big
noise 5001 2 >bigger
t create a.tn
echo one | t put a.tn one
echo two | t put a.tn two
t put a.tn big big
t diff a.tn a.tn
t snapshot a.tn a.lz4 | sed 's/ in .*//'

# The same objects by another way, in another order, of another size.
for index in iset flat_map map hash; do
    "$TENON" create --index=$index --size=4M --fit=seq b-$index.tn
    "$TENON" put b-$index.tn gone bigger
    "$TENON" put b-$index.tn big big
    echo two | "$TENON" put b-$index.tn two
    "$TENON" rm b-$index.tn gone
    echo one | "$TENON" put b-$index.tn one
    [ "$(hash_of b-$index.tn)" = "$(hash_of a.tn)" ] || echo "$index differs"
    t diff a.tn b-$index.tn
    t diff a.lz4 b-$index.tn
done
[ "$(hash_of a.lz4)" = "$(hash_of a.tn)" ] || echo 'the snapshot differs'
"$TENON" hash a.tn | grep -cE '^[0-9a-f]{32}  a.tn$'

echo twO | t put -r a.tn two
[ "$(hash_of a.lz4)" != "$(hash_of a.tn)" ] || echo 'no other number'
t put -r a.tn big bigger
printf 'x' | t put a.tn "$(printf 'tab\there')"
t rm a.tn one
t diff a.lz4 a.tn
t diff a.tn a.lz4
t diff --json a.lz4 a.tn
"$TENON" hash --json a.tn | sed 's/: "[0-9a-f]*"}/: HASH}/'

# What cannot be compared is no difference.
t diff a.tn none.tn
head -c 5000 a.tn >cut.tn
t diff cut.tn a.tn
t hash cut.tn
head -c 500 a.lz4 >cut.lz4
t diff a.tn cut.lz4
ls
