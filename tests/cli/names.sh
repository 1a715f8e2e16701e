# Names that a terminal, a line or a table could be led astray by.

t create s.tn
put()
{
    "$TENON" put s.tn "$(printf "$1.")" </dev/null || echo "not put: $1"
}
put 'two words'
put 'a\ttab'
put 'a\nnewline'
put 'red \033[31mtext'
put 'back\\\\slash'
put 'quote " and \047'
put 'umlaut \303\244'
put 'snow \342\230\203 and \360\237\230\200'
put 'latin-1 \344'
put 'cut \342\230'
put 'overlong \300\257'
put 'surrogate \355\240\200'
put 'beyond \364\220\200\200'
put 'c1 \302\233 31m'
put 'bidi \342\200\256'
put 'delete \177'
put '\001'

t ls s.tn
t ls -n s.tn 'back'
t ls -l s.tn two | cut -f 1,2,3,4,6
t ls --json s.tn | sed 's/"handle": [0-9]*/"handle": N/'
"$TENON" ls -0 s.tn | od -An -c | head -n 5

# Escapes go back to the bytes they stand for.
"$TENON" ls -n s.tn | while read -r name; do
    printf '%b\0' "$(printf '%s' "$name" | sed 's/\\\([0-7]\)/\\0\1/g')"
done >undone
"$TENON" ls -0 s.tn | cmp - undone && echo 'escapes are reversible'

# Complaints do not obey either.
t get s.tn "$(printf 'no \033[31m')"
t get "$(printf 'no\033file')" x
t "$(printf 'no\033command')"
