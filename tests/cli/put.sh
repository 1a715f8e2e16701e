# Bytes in and the same bytes out.

t create s.tn
echo hello >hello
t put s.tn hello hello
t get s.tn hello
echo from a pipe | t put s.tn pipe
t get s.tn pipe -
echo from a dash | t put s.tn dash -
t get s.tn dash
t put s.tn nothing </dev/null
: >empty
t put s.tn empty empty
t get s.tn empty
(read line; "$TENON" put s.tn rest) <<END
first line
the rest
END
t get s.tn rest

noise 5000000 >big
t put s.tn big big
same s.tn big big
cat big | t put s.tn piped
same s.tn piped big
t get s.tn big copy
cmp big copy && echo same

t ls s.tn
t ls s.tn e
t ls s.tn no

# Files of the kernel's that do not know their size.
t put s.tn mounts /proc/self/status
"$TENON" get s.tn mounts | grep -c '^Name:'

# An option's look is no option behind --.
t put s.tn -- -x hello
t get s.tn -- -x
t rm s.tn -- -x

# What cannot be.
t put s.tn hello hello
t get s.tn hello
t put s.tn new missing
t put s.tn new .
t put s.tn '' hello
noise 4097 >long
"$TENON" put s.tn "$(cat long)" hello
echo "[$?]"
"$TENON" put s.tn "$(head -c 4096 long)" hello
echo "[$?]"
"$TENON" ls -n s.tn | awk '{ print length($0) }' | sort -n | tail -n 1
t get s.tn missing
t get s.tn ''
t_refused put missing.tn a hello
t_refused get missing.tn a
ls missing.tn
