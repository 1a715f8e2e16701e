# What damage leaves is saved, and the damaged file is only read.

# zero FILE OFFSET BYTES
zero()
{
    dd if=/dev/zero of="$1" bs=1 seek="$2" count="$3" conv=notrunc 2>/dev/null
}

t create --size=256K s.tn
for i in 1 2 3 4 5 6; do
    noise 20000 $i >$i
    t put s.tn item/$i $i
done

# A sound store comes out as it is.
t repair s.tn same.tn
t check --full same.tn
for i in 1 2 3 4 5 6; do
    same same.tn item/$i $i
done
t repair s.tn same.tn

# Without its first page, without its second, without one in an object.
for page in 0 4096 32768; do
    cp s.tn bad.tn
    zero bad.tn $page 512
    cp bad.tn before.tn
    t repair bad.tn new$page.tn
    cmp bad.tn before.tn
    t check --full new$page.tn
done
same new0.tn item/3 3
same new4096.tn item/6 6
t repair --json bad.tn json.tn

# Half of it.
head -c 70000 s.tn >half.tn
t repair half.tn whole.tn
t check whole.tn
same whole.tn item/2 2

# What is no store, and what cannot be done.
head -c 100000 /dev/zero >zeros
t repair zeros new.tn
echo text >text
t repair text new.tn
t repair nothing.tn new.tn
t_refused repair s.tn no/where.tn
t repair s.tn
ls new.tn
