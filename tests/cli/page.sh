# The page of a map, in a browser, if there is one.

browser=$(command -v chromium || command -v chromium-browser ||
    command -v google-chrome) || skip 'there is no browser to show a page'

# What is in the page after its scripts have run.
shown()
{
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu \
        --user-data-dir="$PWD/profile" --window-size=1200,800 \
        --virtual-time-budget=5000 --dump-dom "file://$PWD/$1" 2>browser.err
}

"$TENON" create --size 64K s.tn
for i in 1 2 3 4 5 6 7 8; do
    noise $((i * 900)) | "$TENON" put s.tn "object/$i"
done
evil='evil</script><img src=x onerror=document.title=1><script>document.title=1'
"$TENON" put s.tn "$evil" </dev/null
"$TENON" map --html s.html s.tn

shown s.html >dom || true
grep -q '<canvas' dom || skip 'the browser shows nothing here'
grep -o '<title>[^<]*' dom
grep -o '<h1[^>]*>[^<]*' dom | sed 's/<[^>]*>//'
grep -oE '</span>bytes</button></td><td>[0-9]+' dom
grep -c 'src="x"' dom

# Searching finds, lists and selects; a name is text.
shown 's.html#EVIL' >dom
grep -o 'id="found"[^<]*' dom | sed 's/.*>//'
grep -o '<title>[^<]*' dom
grep -o 'class="name">.*evil&lt;/script&gt;&lt;img' dom | sed 's/.*>//'
grep -c 'src="x"' dom
