#!/bin/sh
# layers.sh - who includes whom is as src/LAYERS says
#
# usage: layers.sh [DIRECTORY]        the tree to look at, the current one else
#
#   src/LAYER/   its own layer, the layers on its line, the public headers;
#                system headers behind which stand system calls only in os/,
#                <pthread.h> and <sched.h> in os/, sync/ and store/, xxHash in
#                base/digest.c, LZ4 in image/compress.c
#   tools/, tests/scenario/, tests/bench/, fuzz/fuzz_ops.c
#                of the library only <tenon.h>, as any program would
#
# A line of src/LAYERS names only layers of lines above it, so there is no
# circle.  Prints FILE:LINE of each offence; status 1 if there is any.
#
# SPDX-License-Identifier: BSD-2-Clause

cd "${1:-.}" || exit 2

find src tools tests/scenario tests/bench fuzz -name '*.[ch]*' 2>/dev/null |
    sort | xargs awk '
function offence(what)
{
    printf "%s:%d: %s\n", FILENAME, FNR, what
    offences++
}

# src/LAYERS comes first: allowed[layer, other].
FILENAME == "src/LAYERS" {
    if ($0 ~ /^#/ || NF == 0)
        next
    layer = $1
    if (!sub(/:$/, "", layer))
        offence("a line is LAYER: LAYERS...")
    for (i = 2; i <= NF; i++) {
        if (!($i in layers))
            offence($i " is not on a line above")
        allowed[layer, $i] = 1
    }
    layers[layer] = 1
    allowed[layer, layer] = 1
    next
}

FNR == 1 {
    split(FILENAME, part, "/")
    inside = part[1] == "src"
    layer = part[2]
    client = FILENAME ~ /^(tools|tests\/scenario|tests\/bench)\// ||
             FILENAME == "fuzz/fuzz_ops.c"
    if (inside && !(layer in layers))
        offence("src/LAYERS does not know this layer")
}

!/^[ \t]*#[ \t]*include[ \t]*["<]/ { next }

{
    path = $0
    sub(/^[ \t]*#[ \t]*include[ \t]*["<]/, "", path)
    sub(/[">].*/, "", path)
    quoted = $0 ~ /include[ \t]*"/
    other = path
    sub(/\/.*/, "", other)
    public = path == "tenon.h" || other == "tenon"
}

path ~ /\.\./ { offence("no way up: " path) }

client {
    if (path == "tenon.h" || other == "lib" || (quoted && path !~ /\//))
        next
    if (quoted || public || other in layers)
        offence("programs include <tenon.h> and nothing else of ours: " path)
    next
}

!inside || public { next }

other in layers {
    if (!((layer, other) in allowed))
        offence(layer " may not include " path)
    next
}

quoted { offence("not LAYER/FILE.h: " path) }

path ~ /^(sys\/(mman|ioctl|file|stat|statfs|statvfs|vfs|syscall|uio|sendfile|wait|socket|shm|sem|ipc)|linux\/.*|asm\/.*|fcntl|unistd|dirent|poll|signal)(\.h|$)/ {
    if (layer != "os")
        offence("system calls are made only in os/: " path)
}

path ~ /^(pthread|sched)\.h$/ && layer !~ /^(os|sync|store)$/ {
    offence("threads are known only to os/, sync/ and store/")
}

path ~ /^xxh/ && FILENAME != "src/base/digest.c" {
    offence("xxHash is known only to base/digest.c")
}

path ~ /^lz4/ && FILENAME != "src/image/compress.c" {
    offence("LZ4 is known only to image/compress.c")
}

END { exit offences > 0 }
' src/LAYERS
