# Replacing, and that what cannot be replaced stays.

t create --size=1M --max-size=1M s.tn
noise 400000 1 >a
noise 300000 2 >b
noise 700000 3 >c
noise 500000 4 >d
t put s.tn x a
t put --replace s.tn x b
same s.tn x b
t put -r s.tn x a
same s.tn x a
cat b | t put -r s.tn x
same s.tn x b
t put -r s.tn new b
same s.tn new b

# No room for it.
for big in c d; do
    "$TENON" put -r s.tn x $big >out 2>&1
    echo "[$?]"
    sed 's/^\(tenon: s.tn: x\): .*/\1: REASON/' out
    same s.tn x b
    same s.tn new b
done
t check s.tn

# As large as what is there: no room but its own is needed.
t rm s.tn new
t put -r s.tn x a
noise 400000 5 >e
t put -r s.tn x e
same s.tn x e
: >empty
t put -r s.tn x empty
t ls s.tn
t check s.tn
