# What --json prints is JSON, whatever the names are.

command -v python3 >/dev/null || skip 'python3 is not there to read JSON'

t create s.tn
for name in plain 'quo"te' 'back\slash' "$(printf 'new\nline')" \
    "$(printf 'bad\344\\')" "$(printf 'bell\007')" "$(printf 'snow\342\230\203')"
do
    "$TENON" put s.tn "$name" </dev/null
done
mkdir tree
echo x >tree/x

"$TENON" ls --json s.tn >ls.json
"$TENON" ls --json s.tn no >none.json
"$TENON" ls -0 s.tn >names
"$TENON" info --json s.tn >info.json
"$TENON" check --json s.tn >check.json
"$TENON" map --json s.tn >map.json
"$TENON" map --html - s.tn | sed -n 's/.*id="data" type="application\/json">\(.*\)<\/script>$/\1/p' \
    >page.json
odd=$(printf 'odd\377')
noise 5000 >"$odd"
"$TENON" check --json "$odd" >garbage.json 2>/dev/null
"$TENON" check --json missing >missing.json 2>/dev/null
"$TENON" load --json s.tn tree >load.json
"$TENON" save --json s.tn out >save.json

python3 - <<'END'
import json, re

def read(name):
    return json.load(open(name + ".json", encoding="utf-8"))

def name_of(item, key="name"):
    text = item[key]
    if not item.get(key + "_escaped"):
        return text.encode()
    letters = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12,
               b"r": 13, b"\\": 92}
    undo = lambda m: bytes([letters.get(m[1]) or int(m[1], 8)])
    return re.sub(rb"\\([0-7]{3}|.)", undo, text.encode())

names = open("names", "rb").read().split(b"\0")[:-1]
assert [name_of(item) for item in read("ls")] == names
assert len(names) == 7
assert read("none") == []
assert read("info")["objects"]["named"] == 7
assert read("info")["index"] == "map"
assert read("check")["sound"] is True and read("check")["findings"] == []
assert read("garbage")["sound"] is False
assert name_of(read("garbage"), "file") == b"odd\xff"
assert read("missing")["sound"] is None
figures, page = read("map"), read("page")
assert figures["segment_bytes"] == sum(g["bytes"] for g in figures["groups"])
assert figures["segment_bytes"] == sum(page["bytes"]) == read("info")["segment_bytes"]
assert figures["free_bytes"] == read("info")["free_bytes"] == page["free"]
assert len(page["bytes"]) == len(page["group"]) and len(page["names"]) == 7
assert 'quo"te' in page["names"] and "new\nline" in page["names"]
assert read("load")["loaded"] == 1 and read("load")["failed"] == 0
assert read("save")["saved"] + read("save")["failed"] == 8
print("all of it is JSON")
END
