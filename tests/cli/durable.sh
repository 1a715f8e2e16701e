# Commits, their journal, and who else may have the store open.

info()
{
    "$TENON" info "$1" | sed -n -E "s|$PWD/||; /^(state|commit|journal)/p"
}
commit()
{
    "$TENON" info --json s.tn | sed -n 's/.*"commit": \([0-9]*\).*/\1/p'
}
# How many commits a command makes.
commits()
{
    before=$(commit)
    "$TENON" "$@" >/dev/null 2>&1
    echo "$1: [$?] $(($(commit) - before)) commits"
}

t create s.tn
info s.tn
echo one >one
t put s.tn one one
ls s.tn*
info s.tn
"$TENON" info s.tn | grep -c '^tracker  *[a-z]'

# One each, and none for what fails or changes nothing.
commits put s.tn two one
commits put -r s.tn two s.tn-journal
commits put s.tn two one
commits put s.tn three missing
commits rm s.tn one two
commits rm -f s.tn gone
mkdir tree
for i in 1 2 3 4 5 6 7; do
    echo $i >tree/$i
done
commits load --batch=3 s.tn tree
commits load --batch=3 s.tn tree
echo changed >tree/5
commits load --batch=3 s.tn tree
t load --batch=0 s.tn tree
t load --batch=many s.tn tree
t check s.tn

# The journal has the name of the file, not of a link to it.
ln -s s.tn link.tn
echo linked | t put link.tn linked
ls *-journal
t get s.tn linked
rm link.tn

# A store that was closed in order is its file alone.
cp s.tn copy.tn
rm s.tn-journal
t get copy.tn linked
echo more | t put copy.tn more
echo more | t put s.tn more
t check copy.tn
ls *-journal

# What is left of a store that was removed is in nobody's way.
rm s.tn
t create s.tn
info s.tn
echo new | t put s.tn new
info s.tn
t get s.tn new

# Its own files are not loaded.
mkdir self
echo x >self/x
t load self/s.tn self
t load self/s.tn self
t ls self/s.tn

# Larger and smaller in between.
t grow s.tn 1M
echo grown | t put s.tn grown
t shrink s.tn
echo shrunk | t put s.tn shrunk
t ls -n s.tn
t check s.tn
