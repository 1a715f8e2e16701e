# Files that claim to be enormous, and are holes: every command ends soon, with
# little memory, and says what is wrong.

(ulimit -d 65536; "$TENON" --version) >/dev/null 2>&1 ||
    skip 'limits on memory do not go with this build'

"$TENON" create --size=1M s.tn
echo contents | "$TENON" put s.tn name
"$TENON" snapshot s.tn s.lz4 >/dev/null
truncate -s 1T claim || skip 'no file can be that large here'
[ "$(du -k claim | cut -f1)" -lt 1000 ] || skip 'files have no holes here'

# Run tenon with 64 MiB for at most ten seconds.
bounded()
{
    printf '$ tenon %s\n' "$*"
    (
        ulimit -d 65536
        timeout 10 "$TENON" "$@" 2>err
        echo "[$?]"
    ) | grep -v '^$' | tail -n 1
    sed 's/^\(tenon: [^:]*\): .*/\1: REASON/' err
}

# The journal beside a sound store.
truncate -s 1T s.tn-journal
bounded check --full s.tn
bounded dump --journal s.tn
bounded ls s.tn
bounded repair s.tn new.tn
echo more | timeout 10 "$TENON" put s.tn another || echo 'not put'
[ "$(du -k s.tn-journal | cut -f1)" -lt 8192 ] || echo 'the journal is no hole'
bounded check s.tn
rm s.tn-journal

# A store behind whose end there is nothing.
truncate -s 1T s.tn
bounded check s.tn
bounded check --full s.tn
bounded dump s.tn
bounded get s.tn name -
bounded hash s.tn

# The beginning of a store.
head -c 20000 s.tn >cut.tn
truncate -s 1T cut.tn
bounded check cut.tn
bounded dump cut.tn
bounded ls cut.tn

# Nothing at all, and the beginning of a snapshot.
bounded check claim
bounded dump claim
bounded repair claim new2.tn
bounded verify claim
truncate -s 1T s.lz4
bounded verify s.lz4
bounded restore s.lz4 r.tn
head -c 136 s.lz4 >cut.lz4
truncate -s 1T cut.lz4
bounded verify cut.lz4
bounded restore cut.lz4 r.tn
rm err
ls
