# Snapshots in little memory and without room on the disk.

(ulimit -d 65536; "$TENON" --version) >/dev/null 2>&1 ||
    skip 'limits on memory do not go with this build'

snapshot_in()
{
    (
        ulimit -d "$1" || exit 3
        shift
        "$TENON" "$@" >/dev/null
    )
}

# 64 MiB for a store of 300 MB; the threads' stacks are not counted as used
# before they are.
"$TENON" create --size=300M s.tn
noise 2000000 >a
"$TENON" put s.tn a a
"$TENON" put s.tn b a
"$TENON" rm s.tn a
if snapshot_in 65536 snapshot --threads=4 s.tn s.lz4; then
    snapshot_in 65536 verify --threads=4 s.lz4 || echo 'not verified'
    snapshot_in 65536 restore --threads=4 s.lz4 r.tn || echo 'not restored'
else
    echo 'no snapshot'
fi
same r.tn b a
[ "$(du -k r.tn | cut -f1)" -lt 8000 ] || echo 'no holes'

# A limit on the size of files stands for a disk that is full.
limited()
{
    (
        ulimit -f "$1" || exit 3
        shift
        "$TENON" "$@" 2>err
        echo "[$?]"
    )
    sed 's/^\(tenon: [^:]*\): .*/\1: REASON/' err
}

limited 100 snapshot s.tn t.lz4
limited 100 restore s.lz4 q.tn
if [ -c /dev/full ]; then
    "$TENON" snapshot s.tn - >/dev/full 2>err
    echo "[$?]"
    grep -c 'No space left' err
fi
"$TENON" snapshot s.tn - 2>/dev/null | head -c 100 | wc -c
rm err
ls
