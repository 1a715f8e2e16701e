# Trees of files in and out.

mkdir -p tree/sub/deeper tree/empty
echo one >tree/one
echo two >tree/sub/two
echo three >'tree/sub/deeper/th ree'
: >tree/sub/nothing
noise 1000000 >tree/big
printf x >"tree/$(printf 'odd\nname\344')"
ln -s one tree/link
ln -s sub tree/dirlink
ln -s nowhere tree/dangling
mkfifo tree/pipe

t load s.tn tree
t ls s.tn
t check s.tn
t save s.tn out
rm -r tree/empty tree/link tree/dirlink tree/dangling tree/pipe
diff -r tree out && echo 'the same'

# Again: nothing to do.
t load s.tn tree
t save s.tn out

# A changed tree.
echo changed >tree/one
echo four >tree/sub/four
rm tree/sub/two
t load --keep s.tn tree
t get s.tn one
t load s.tn tree
t get s.tn one
t ls s.tn sub
t save s.tn out
cat out/one
t save --force s.tn out
cat out/one

# Prefixes.
t load --prefix=p/ p.tn tree/sub/
t load --prefix q p.tn tree//sub//
t ls -n p.tn
t save p.tn parts --prefix=p/d
find parts -type f
t load --json p.tn tree/sub
t save --json p.tn parts

# Options of create, when it makes the store.
t load --index=hash --max-size=8M h.tn tree
"$TENON" info h.tn | grep -E '^(index  |maximum)'
t load --index=map h.tn tree
"$TENON" info h.tn | grep '^index  '

# A link to a directory, a store inside the tree, and no directories.
ln -s tree/sub tosub
t load l.tn tosub
t load tree/own.tn tree
t load tree/own.tn tree
"$TENON" ls -n tree/own.tn own
t load no.tn missing
t load no.tn tree/one
ls no.tn
t save s.tn tree/one
t save s.tn missing/out
t save missing.tn new 2>/dev/null
ls new
