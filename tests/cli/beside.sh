# Others at work: readers see commits, writers wait, sharers are in the way.

mkdir tree
noise 8000000 | split -b 4000 -a 4 - tree/file
count()
{
    "$TENON" ls -n s.tn | wc -l
}

# Whole batches, more and more of them, and a list is of one moment.
"$TENON" create s.tn
"$TENON" load --batch=50 s.tn tree >loaded &
writer=$!
last=0
while kill -0 $writer 2>/dev/null; do
    now=$(count)
    [ $((now % 50)) -eq 0 ] || echo "$now objects are no whole batches"
    [ "$now" -ge "$last" ] || echo "from $last to $now objects"
    last=$now
    rm -rf out
    "$TENON" save s.tn out >/dev/null || echo 'not saved'
    now=$(ls out | wc -l)
    [ $((now % 50)) -eq 0 ] || echo "$now files are no whole batches"
    "$TENON" check s.tn >/dev/null || echo 'not sound'
done
wait $writer
cat loaded
count

# Puts wait for a load, and for each other.
rm -f s.tn s.tn-journal
"$TENON" create s.tn
"$TENON" load --batch=500 s.tn tree >loaded &
for i in 1 2 3 4 5; do
    echo $i | "$TENON" put s.tn put/$i || echo "[$?]" &
done
wait
t ls s.tn put/
t check s.tn

# A store in shared use, or so it seems: byte 2^62 + 2 is locked.
command -v python3 >/dev/null || skip 'python3 is not there to hold a lock'
cat >hold.py <<END
import fcntl, os, struct, sys, time
f = open("s.tn", "r+b")
fcntl.fcntl(f, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 2**62 + 2, 1, 0))
os.close(os.open("held", os.O_CREAT))
time.sleep(60)
END
python3 hold.py &
holder=$!
while [ ! -e held ]; do
    kill -0 $holder 2>/dev/null || skip 'python3 cannot lock a byte'
    sleep 0.05
done
t put s.tn x tree/fileaaaa
t rm s.tn put/1
t load s.tn tree
kill $holder
wait $holder 2>/dev/null
t rm s.tn put/1
