#!/bin/sh
# selftest.sh - each rule finds an offence that is planted
#
# A small tree, made of our headers, passes the rule; with one more line in it it
# does not, and the rule names the place.
#
# SPDX-License-Identifier: BSD-2-Clause

rules=$(dirname "$0")
copy=$(mktemp -d) || exit 2
trap 'rm -rf "$copy"' EXIT
passed=0 failed=0

fresh_copy()
{
    rm -rf "$copy"/*
    mkdir -p "$copy/src" "$copy/tests" "$copy/tools" "$copy/fuzz"
    cp -R .clang-format include "$copy"
    cp src/LAYERS "$copy/src"
}

# plant RULE FILE LINE WHAT: after LINE is put at the end of FILE, the rule
# speaks of FILE.
plant()
{
    fresh_copy
    mkdir -p "$(dirname "$copy/$2")"
    printf '%b\n' "$3" >>"$copy/$2"
    if output=$("$rules/$1.sh" "$copy" 2>&1); then
        echo "$1.sh did not see $4"
    elif ! echo "$output" | grep -qF "$2"; then
        echo "$1.sh saw $4, but not in $2: $output"
    else
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
}

# clean RULE: the copy as it is passes, or the above would prove nothing.
clean()
{
    fresh_copy
    if output=$("$rules/$1.sh" "$copy" 2>&1) || [ $? -eq 77 ]; then
        passed=$((passed + 1))
    else
        echo "$1.sh complains without a reason: $output"
        failed=$((failed + 1))
    fi
}

clean layers
plant layers src/heap/bad.c '#include "sync/mutex.h"' 'a layer not allowed'
plant layers src/heap/bad.h '#include <os/file.h>' 'a layer in brackets'
plant layers src/base/bad.c '#include "heap/heap.h"' 'a layer above'
plant layers src/heap/bad.c '#include "layout.h"' 'a header without a layer'
plant layers src/heap/bad.c '#include "../os/file.h"' 'a way round'
plant layers src/segment/bad.c '  #  include <sys/mman.h>' 'a system call'
plant layers src/segment/bad.c '#include <unistd.h>' 'a system call'
plant layers src/index/bad.c '#include <pthread.h>' 'a lock'
plant layers src/index/bad.c '#include <xxhash.h>' 'a second user of xxHash'
plant layers src/store/bad.c '#include <lz4frame.h>' 'a second user of LZ4'
plant layers src/LAYERS 'early: late\nlate: early' 'a circle'
plant layers src/other/bad.c '#include <stdio.h>' 'a layer unheard of'
plant layers tools/bad.c '#include "heap/heap.h"' 'a tool that knows too much'
plant layers tools/bad.c '#include <tenon/store.h>' 'a tool past <tenon.h>'
plant layers tests/scenario/bad.c '#include "base/bytes.h"' 'a scenario inside'
plant layers fuzz/fuzz_ops.c '#include "heap/heap.h"' 'a fuzzer inside'

clean headers
plant headers include/tenon/store.h 'size_t_no x;' 'a header that is wrong'
! command -v g++ >/dev/null ||
    plant headers include/tenon/ptr.h 'int *class;' 'a header that is not C++'
plant headers include/tenon/bad.h 'static inline int f(tn_status s);' \
    'a header that needs another'
plant headers include/tenon/ptr.h '#define PAGE 4096' 'a macro of any name'

clean longest
plant longest src/base/bad.c "int f(void)\n{\n$(printf '\\n%.0s' $(seq 69))}" \
    'a function of 71 lines'
plant longest src/base/bad.c "/* $(printf '%78s' x) */" 'a long line'

clean words
plant words src/base/bad.c '/* T''ODO */' 'a note'
plant words src/base/bad.c '// F''IXME later' 'a note'
plant words src/base/bad.c 'open("/h''ome/me/x")' 'a path'
plant words src/base/bad.c 'see /w''ork/notes' 'a path'

if "$rules/format.sh" "$copy" >/dev/null 2>&1 || [ $? -ne 77 ]; then
    clean format
    plant format src/base/bad.c 'int  f( void ) { return 1;}' 'a careless line'
    plant format include/tenon/ptr.h 'int* x;' 'a careless header'
fi

# Two libraries of one function each.
library()
{
    echo "int $1(void) { return 1; }" |
        ${CC:-cc} -fPIC -x c -c -o "$copy/x.o" - &&
        ${CC:-cc} -shared -o "$copy/libtenon.so" "$copy/x.o" &&
        ar rcs "$copy/libtenon.a" "$copy/x.o"
}
rm -rf "$copy"/include
mkdir -p "$copy/include/tenon"
echo 'TN_API int tn_f(void); /* TN_API int tn_g(void); */' >"$copy/include/a.h"
echo 'int tn_h(void);' >"$copy/include/tenon/b.h"
for name in tn_f:0 heap_f:1 f_tn_:1 tn_g:1 tn_h:1; do
    rm -f "$copy"/libtenon.*
    library ${name%:*} || exit 2
    "$rules/symbols.sh" "$copy" "$copy/include" >/dev/null
    if [ $? -eq ${name#*:} ]; then
        passed=$((passed + 1))
    else
        echo "symbols.sh is wrong about ${name%:*}"
        failed=$((failed + 1))
    fi
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
