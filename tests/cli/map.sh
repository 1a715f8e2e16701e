# map: pictures of what lies where.

unset NO_COLOR COLORTERM TERM
export COLUMNS=80
esc=$(printf '\033')

"$TENON" create --size 64K s.tn
for i in 1 2 3 4 5 6 7 8; do
    noise $((i * 900)) | "$TENON" put s.tn "object/$i"
done
"$TENON" rm s.tn object/3 object/6

# Without colours, in characters of UTF-8 and of ASCII, narrow and wide.  Where
# objects lie is the library's choice: what does not hang on it is compared.
look()
{
    "$TENON" map s.tn >out || die 'no map'
    sed -n '1s/commit [0-9]*/commit N/p' out
    echo "$(grep -c " [0-9.]* K*i*B [$1]\{$2\}\$" out) rows of $2 characters"
    grep -c "[$3][$3]" out | sed 's/^[1-9].*/some are full/'
    grep 'a character is' out | sed 's/is [0-9]* B/is N B/'
    grep '^    type' out
    grep ' bytes  *named ' out
    grep -E '^  used [0-9.]+ KiB   overhead .*   free .*   largest free ' out |
        sed 's/[0-9.]* KiB/SIZE/g'
    grep '^  fragmentation' out | sed 's/[0-9][0-9]*/N/g'
}
look '█▓▒░·' 68 █
(export LC_ALL=C; look '#%+.-' 68 '#')
(export COLUMNS=40; look '█▓▒░·' 28 █)
COLUMNS=133 "$TENON" map s.tn | LC_ALL=C tr -d '\200-\277' |
    awk 'length($0) > 133 { print "too wide" }'
"$TENON" map --json s.tn | grep -o '"[a-z_]*":' | sort -u | tr -d '\n'
echo

# Colours: where they are wanted.
"$TENON" map s.tn | grep -c "$esc"
"$TENON" map --color=always s.tn | grep -q "$esc\\[38;5;" && echo '256 colours'
COLORTERM=truecolor "$TENON" map --color=always s.tn |
    grep -q "$esc\\[38;2;" && echo 'true colours'
"$TENON" map --color=never s.tn | grep -c "$esc"
t map --color=sometimes s.tn

# Pictures and pages, complete or not there at all.
t map --svg s.svg --html s.html s.tn
"$TENON" map --svg - s.tn | cmp - s.svg && echo 'the same on standard output'
head -n 1 s.svg | cut -c 1-40
tail -n 1 s.svg
grep -c '<path class="l' s.svg | sed 's/^[1-9].*/some paths/'
tail -n 1 s.html
grep -oE '(src|href)="[^"]*"' s.html
grep -c '"object/8"' s.html
t map --svg missing/s.svg s.tn
mkdir dir
t map --svg dir s.tn
[ ! -w /dev/full ] || t map --html /dev/full s.tn
t map --html s.tn s.tn
t check s.tn
ls

# Names are only names: in a page, in a picture, on a terminal.
evil="</script><script>alert(1)</script><!--${esc}[31m"
noise 9000 | "$TENON" put s.tn "$evil"
"$TENON" map --html evil.html --svg evil.svg s.tn
[ "$(grep -o '</script' evil.html | wc -l)" = \
    "$(grep -o '</script' s.html | wc -l)" ] || die 'a name ended the script'
grep -c '\\u003c/script>\\u003cscript>' evil.html
grep -c '<script' evil.svg
grep -c '&lt;/script&gt;' evil.svg
cat evil.html evil.svg | LC_ALL=C grep -c "$esc"

# What cannot be read is no picture.
noise 10000 >garbage
t_refused map garbage
t_refused map missing
t_refused map dir
t map
