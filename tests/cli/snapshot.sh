# A commit, compressed, and back again.

mkdir tree
noise 300000 >tree/a
noise 700000 2 >tree/b
noise 40 3 >tree/secret
"$TENON" load s.tn tree >/dev/null
t rm s.tn a secret
cp s.tn before

# What the snapshot says is what the store was; the store is as it was.
hide='s/ in [0-9.]* [KM]iB//; s/xxh128 [0-9a-f]*/xxh128 DIGEST/'
t snapshot s.tn one.lz4 | sed "$hide"
cmp before s.tn
t verify one.lz4 | sed "$hide"
t restore one.lz4 r.tn | sed "$hide"
t check r.tn
same r.tn b tree/b
grep -c "$(cat tree/secret)" s.tn r.tn

# Any number of threads writes the same; levels do not, but what they give does.
"$TENON" snapshot --threads=1 s.tn two.lz4 >/dev/null
cmp one.lz4 two.lz4
"$TENON" snapshot --level=9 s.tn nine.lz4 >/dev/null
[ "$(wc -c <nine.lz4)" -lt "$(wc -c <one.lz4)" ] || echo 'not smaller'
"$TENON" restore - <nine.lz4 nine.tn >/dev/null
cmp nine.tn r.tn
"$TENON" snapshot s.tn - | cmp - one.lz4

# What is there is left alone.
t snapshot s.tn one.lz4
t snapshot --force s.tn s.tn
t snapshot --force s.tn s.tn-journal
t restore one.lz4 r.tn
t restore --force one.lz4 one.lz4
cmp one.lz4 two.lz4
cmp before s.tn
echo x | t put r.tn x
t restore --force one.lz4 r.tn | sed "$hide"
t get r.tn x
ls r.tn*

# Only what has changed since.
echo new | t put s.tn new
t snapshot --since=one.lz4 s.tn since.lz4 |
    sed "$hide; s/, [0-9]* of/, SOME of/"
[ "$(wc -c <since.lz4)" -lt "$(wc -c <one.lz4)" ] || echo 'not smaller'
t verify since.lz4 | sed "$hide; s/, [0-9]* of/, SOME of/"
t restore since.lz4 n.tn
t restore --base=nine.lz4 since.lz4 n.tn | sed "$hide; s/, [0-9]* of/, SOME of/"
t get n.tn new
t check n.tn
t verify --base=since.lz4 since.lz4
t verify --base=one.lz4 two.lz4
t snapshot --since=since.lz4 s.tn more.lz4
t snapshot --force --since=one.lz4 s.tn one.lz4
"$TENON" snapshot s.tn later.lz4 >/dev/null
t restore --base=later.lz4 since.lz4 m.tn
t create other.tn
t snapshot --since=one.lz4 other.tn more.lz4

# What is no snapshot, or not whole.
t verify s.tn
t restore s.tn m.tn
head -c 100000 one.lz4 >cut.lz4
t verify cut.lz4
t restore cut.lz4 m.tn
cat one.lz4 one.lz4 >twice.lz4
t verify twice.lz4
t verify none.lz4
t snapshot none.tn none.lz4
t snapshot s.tn none/s.lz4
t snapshot --level=13 s.tn none.lz4
t snapshot --threads=0 s.tn none.lz4
t snapshot --json s.tn -
ls
