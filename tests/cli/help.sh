# Help and version everywhere, and a hint where the call makes no sense.

commands='create info ls put get rm load save check dump map grow shrink trim
          repair snapshot verify restore diff hash'
version=$("$TENON" --version)
set -- $commands
[ "$("$TENON" --help | grep -c '^  [a-z]')" -eq $# ] || die 'commands listed'

"$TENON" --help | awk 'length($0) > 80 { print "a line too long: " $0 }'

for command in $commands; do
    "$TENON" $command --help >help 2>err || die "$command --help failed"
    [ ! -s err ] || die "$command --help complains"
    "$TENON" help $command | cmp - help
    "$TENON" $command -h | cmp - help
    "$TENON" $command x y z --help | cmp - help
    [ "$("$TENON" $command --version)" = "$version" ] || die "$command version"
    grep -q "^Usage: tenon $command " help || die "$command: no usage"
    grep -A 1 '^Example:' help | grep -q "^  tenon $command " ||
        die "$command: no example"
    awk -v command=$command 'length($0) > 80 {
        print command ": a line of " length($0) " columns" }' help

    # What the help names is in the manual.
    man=$here/../../docs/tenon.1
    for option in $(grep -o -e '--[a-z][a-z-]*' help | sed 's/^--//' | sort -u)
    do
        grep -q "Fl $option" "$man" || echo "tenon.1 lacks --$option"
    done
done

t
t frob
t --frob
t help frob
t put
t put a
t put a b c d
t ls --frob a
t ls
t create --size
t get
t rm s.tn
t info s.tn extra
t shrink s.tn extra
ls
