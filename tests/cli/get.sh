# Where get writes, and that a failure leaves what was there.

t create s.tn
echo new | t put s.tn a
t get s.tn a out
cat out
echo old >out
chmod 640 out
ln out hard
t get s.tn a out
cat out hard
stat -c %a out

echo old >target
ln -s target link
t get s.tn a link
stat -c %F link
cat target
ln -s missing dangling
t get s.tn a dangling

mkdir dir
t get s.tn a dir
t get s.tn a dir/
t get s.tn a dir/b
cat dir/b
t get s.tn a missing/b
t get s.tn a out/b
t get s.tn a ''
t get s.tn a /dev/null
[ -c /dev/null ] && echo '/dev/null is a device'
mkfifo pipe
cat pipe >from_pipe &
t get s.tn a pipe
wait
cat from_pipe
t get s.tn missing out
cat out
if [ -c /dev/full ]; then
    t get s.tn a /dev/full
    "$TENON" get s.tn a >/dev/full
    echo "[$?]"
    [ -c /dev/full ] && echo '/dev/full is a device'
fi

# Asked to end in the middle of writing, it takes its file with it.
noise 3000000 | "$TENON" put s.tn big
mkdir saved
for try in 1 2 3 4 5 6 7 8; do
    "$TENON" save --force s.tn saved >/dev/null 2>&1 &
    writer=$!
    while [ -z "$(ls -A saved)" ] && kill -0 $writer 2>/dev/null; do
        :
    done
    kill -TERM $writer 2>/dev/null
    wait $writer 2>/dev/null
    find saved -name '.tenon*'
    rm -rf saved/* saved/.t*
done
find . -name '.tenon*'
