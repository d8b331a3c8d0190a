# The lint finds each thing it says it finds, and nothing in a clean tree.
. tests/lib.sh

lint=$PWD/tests/lint
tree=$WORK/tree

reset() {
    rm -rf "$tree"
    mkdir -p "$tree/src/base" "$tree/src/file" "$tree/tools"
    cp .clang-format "$tree/"
    printf '/* a.h: a clean header. */\n#ifndef A_H\n#define A_H\n\nint a(void);\n\n#endif\n' >"$tree/src/base/a.h"
}

# finds NAME TEXT: the tree has a finding that says TEXT
finds() {
    run "$lint" "$tree"
    if [ $code -eq 1 ] && grep -q -- "$2" "$WORK/out"; then ok "$1"; else not_ok "$1" "$(cat "$WORK/out")"; fi
}

# body NAME LINE ...: writes a C file with these lines
body() {
    local file=$tree/$1
    shift
    printf '%s\n' "$@" >"$file"
}

reset
run "$lint" "$tree"
ends "a clean tree passes" 0

reset
{ for i in $(seq 401); do echo "extern int x$i;"; done; } >"$tree/src/base/b.c"
finds "a file over 400 lines" 'b.c:401: more than 400 lines'

reset
{ echo 'int b(int x) {'; for i in $(seq 59); do echo '    x++;'; done; echo '}'; } >"$tree/src/base/b.c"
finds "a function over 60 lines" 'b.c:1: a function of 61 lines'

reset
{ echo 'const int b[] = {'; for i in $(seq 99); do echo '    1,'; done; echo '};'; } >"$tree/src/base/b.c"
run "$lint" "$tree"
check "a table may be long" test "$(grep -c 'a function of' "$WORK/out")" -eq 0

reset
body src/base/b.c 'int b(void) {' '#ifdef X' '    return 1;' '#endif' '    return 0;' '}'
finds "a conditional inside a function" 'b.c:2: a conditional inside a function'

reset
body src/base/b.c '#include "file/qbin.h"'
finds "an include upwards" 'b.c:1: base may not include file'

reset
body src/file/b.c '#include "base/a.h"' '#include "models/arch.h"'
finds "models in the library" 'b.c:2: file may not include models'

reset
body src/base/b.h '#ifndef B_H' '#define B_H' '#endif'
finds "a header without its paragraph" 'b.h:1: a header opens with'

reset
body src/base/b.c 'int b(int format) {' '    switch (format) {' '        default:' '            return 0;' '    }' '}'
finds "a switch over formats" 'b.c:2: a switch over formats'

reset
body src/base/b.c '#include <immintrin.h>'
finds "intrinsics elsewhere" 'b.c:1: intrinsics'

for call in 'exit(1)' 'abort()' 'printf("x")' 'fprintf(stderr, "x")'; do
    reset
    body src/base/b.c 'void b(void) {' "    $call;" '}'
    finds "the library calls $call" 'b.c:2: library code does not print or end'
done

reset
body src/base/b.c 'void b(char *s) {' '    snprintf(s, 1, "x");' '}'
run "$lint" "$tree"
ends "formatting to memory is fine" 0

reset
body src/base/b.c '/* TO''DO: later */'
finds "a marker of unfinished work" 'b.c:1: a marker'

reset
body tools/b.c 'const char *b = "/ho''me/me/x";'
finds "a path of one machine" 'b.c:1: a path of one machine'

reset
body README.md 'See [this](missing.md).'
finds "a dead link" 'README.md:1: the link to missing.md leads nowhere'

if command -v clang-format >/dev/null; then
    reset
    body src/base/b.c 'int b( int x ){ return x ; }'
    finds "formatting" 'b.c:1: not as clang-format writes it'
else
    skip formatting "clang-format is not installed"
fi

reset
body tests.sh 'if'
finds "a script that does not parse" 'does not parse'

finish
