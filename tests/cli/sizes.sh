# Larger and smaller, and nothing is lost.

segment()
{
    "$TENON" info --json s.tn |
        sed -n 's/.*"segment_bytes": \([0-9]*\).*/\1/p'
}

t create --size=1M s.tn
noise 100000 >a
t put s.tn a a
before=$(segment)
t grow s.tn 4M
grown=$(segment)
[ $((grown - before)) -ge 4194304 ] || echo "grown by $((grown - before))"
t check s.tn
same s.tn a a
t shrink s.tn
shrunk=$(segment)
[ "$shrunk" -lt "$before" ] || echo "shrunk to $shrunk"
t check s.tn
same s.tn a a

# It grows again by itself.
noise 3000000 >b
t put s.tn b b
same s.tn b b
t check s.tn
t grow s.tn
t grow s.tn lots
t grow s.tn 16777216T
