# A disk that is full, and has room again.

mkdir disk tree
mount -t tmpfs -o size=9m none disk 2>/dev/null ||
    skip 'a file system of 9 MB cannot be mounted'
trap 'umount disk' EXIT
noise 12000000 | split -b 100000 - tree/file

"$TENON" load --batch=5 disk/s.tn tree >out 2>err
echo "[$?]"
sed 's/^[0-9]* files, [0-9]* bytes/SOME/; s/[0-9]* failed/SOME failed/' out
sed 's/^\(tenon: disk.s.tn\): .*\(: [^:]*\)$/\1: ...\2/' err
loaded=$(sed 's/ .*//' out)
[ "$loaded" -gt 0 ] || echo 'nothing was loaded'
[ "$("$TENON" ls -n disk/s.tn | wc -l)" -eq "$loaded" ] ||
    echo "$loaded loaded, $("$TENON" ls -n disk/s.tn | wc -l) there"
t check disk/s.tn
"$TENON" save disk/s.tn saved | sed 's/^[0-9]* files, [0-9]* bytes/SOME/'
for file in $(ls saved); do
    cmp saved/$file tree/$file
done

# What is there can be removed, and with more room all of it goes in.
t rm disk/s.tn fileaa
mount -o remount,size=40m disk
"$TENON" load disk/s.tn tree | sed 's/^[0-9]* files.*, \([0-9]* skipped\)/\1/'
t check disk/s.tn
"$TENON" save disk/s.tn saved | sed 's/,.*//'
diff -r tree saved && echo 'all of it'
