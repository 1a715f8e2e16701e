# Names that would leave the directory, and things in the way.

mkdir work outside
cd work
t create s.tn
put()
{
    echo "$1" | "$TENON" put s.tn "$1" || echo "not put: $1"
}
put ../escape
put /absolute
put sub/../../escape
put ..
put .
put a//b
put a/./b
put trailing/
put /
put ...
put ..hidden
put file
put file/below
put link/inside
put deep/link/inside
put linked
put "$(noise 256)"
put "$(noise 255)"
put dir
put good/one

mkdir out out/deep out/dir
ln -s ../../outside out/link
ln -s ../../../outside out/deep/link
ln -s ../../outside/file out/linked
t save s.tn out 2>&1 | cut -c 1-100
find . ../outside | sort | cut -c 1-72
t save -f s.tn out 2>/dev/null
ls -l out/linked | cut -c 1
cat out/linked
find .. -name escape -o -name absolute -o -path '../outside/*'

# The directory itself may be a link.
mkdir real
ln -s real alias
t save --prefix=good s.tn alias
find real -type f
