# Removing some, none and all.

t create s.tn
for name in a b c 'd e' f/g; do
    echo $name | "$TENON" put s.tn "$name"
done
t rm s.tn a
t rm s.tn missing b gone c
t ls s.tn
t rm -f s.tn missing
t rm s.tn ''
"$TENON" ls -0 s.tn | xargs -0 "$TENON" rm s.tn --
t ls s.tn
t check s.tn
"$TENON" info s.tn | grep '^objects'
t_refused rm missing.tn a
