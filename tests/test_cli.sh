# The command line as a person meets it: names, help, typing errors, exit codes, streams, environment, installation.
. tests/lib.sh

qbin=$BIN/qbin
commands=$("$qbin" help | sed -n 's/^  \([a-z]*\)  *[A-Z].*/\1/p')
own=$(make -s --no-print-directory names)

# ---- the program itself ----

run "$qbin"
check "qbin alone lists the commands on stderr" grep -q '^commands:' "$WORK/err"
ends "qbin alone is a usage error" 2 '^error: no command'
run "$qbin" --version
check "--version" grep -qE '^qbin [0-9]+\.[0-9]+\.[0-9]+$' "$WORK/out"
for word in --help -h help; do
    run "$qbin" $word
    check "qbin $word prints on stdout" grep -q '^commands:' "$WORK/out"
done
run "$qbin" hlep
refused "an unknown command" 2 "unknown command 'hlep'; did you mean 'help'\?"
run "$qbin" xyzzy
refused "a command that is like none" 2 "unknown command 'xyzzy'; 'qbin help' lists them"
run "$qbin" help xyzzy
refused "help of an unknown command" 2 "unknown command 'xyzzy'"
run "$qbin" ''
ends "an empty command" 2 'no command'
run "$qbin" help a b
refused "too many operands" 2 "unexpected operand 'b'"

# ---- every command, from its tables ----

for c in $commands; do
    run "$qbin" "$c" --help
    check "$c --help begins with its usage" grep -q "^usage: qbin $c" "$WORK/out"
    check "$c --help is at most 100 columns wide" test -z "$(grep -E '^.{101}' "$WORK/out")"
    cp "$WORK/out" "$WORK/help"
    run "$qbin" help "$c"
    check "help $c is $c --help" cmp -s "$WORK/out" "$WORK/help"
    run "$qbin" "$c" --version
    ends "$c --version" 0
    run "$qbin" "$c" --no-such-option
    refused "$c refuses an unknown option" 2 "unknown option '--no-such-option'.*see 'qbin $c --help'"
    run "$qbin" "$c" --hlep
    refused "$c suggests an option" 2 "did you mean '--help'\?"
    run "$qbin" "$c" a b c d e f g h i j k l m n o p q r s t u v w x y z
    check "$c ends with 2 or 3 on nonsense" test $code -eq 2 -o $code -eq 3
    for option in $(sed -n 's/^  .... *\(--[a-z0-9-]*\) [A-Z].*/\1/p' "$WORK/help"); do
        run "$qbin" "$c" "$option"
        refused "$c $option wants a value" 2 "$option wants a value"
    done
done

# ---- names of links ----

for c in $own; do
    check "$c is a link to the program" test "$(readlink "$BIN/$c")" = qbin
    run "$BIN/$c" --help
    check "$c knows itself by name" grep -q "^usage: $c" "$WORK/out"
    ln -sf "$qbin" "$WORK/qbin-$c"
    run "$WORK/qbin-$c" --help
    check "qbin-$c knows itself by name" grep -q "^usage: qbin-$c" "$WORK/out"
    check "$c is a command" grep -qx "$c" <<<"$commands"
done

# ---- streams ----

if [ -e /dev/full ]; then
    "$qbin" help >/dev/full 2>"$WORK/err"
    code=$?
    ends "a full disk behind stdout" 4 '^error: standard output: No space left on device$'
fi
"$qbin" help >&- 2>"$WORK/err"
code=$?
ends "a closed stdout" 1 '^error: standard output: Bad file descriptor$'
(trap '' PIPE; "$qbin" help --markdown 2>"$WORK/err"; echo $? >"$WORK/code") | true
check "a reader that leaves is no message" test ! -s "$WORK/err"
"$qbin" help >"$WORK/out" 2>&-
check "a closed stderr" grep -q '^commands:' "$WORK/out"

# ---- environment ----

run env QBIN_MARKDOWN=1 "$qbin" help
check "an option from the environment" grep -q '^# Commands' "$WORK/out"
run env QBIN_MARKDOWN=maybe "$qbin" help
refused "a bad value in the environment" 2 "QBIN_MARKDOWN: 'maybe' is neither 1 nor 0"
run env QBIN_MARKDOWN= "$qbin" help
check "an empty variable is none" grep -q '^commands:' "$WORK/out"

# ---- documents and completion made from the tables ----

run "$qbin" help --markdown
check "docs/commands.md is current (make docs)" cmp -s "$WORK/out" docs/commands.md
run make -s --no-print-directory format-page
check "docs/format.md is current (make docs)" cmp -s "$WORK/out" docs/format.md
run "$qbin" completion bash
check "the completion is a script" bash -n "$WORK/out"
complete_words() { # WORD ...: what bash would offer for the last word
    bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _qbin; echo "${COMPREPLY[@]}"' _ "$WORK/out" "$@"
}
check "completes a command" test "$(complete_words qbin hel)" = help
check "completes an option" test "$(complete_words qbin help --mark)" = --markdown
run "$qbin" completion fish
refused "completion for another shell" 2 "known: bash"

# ---- installation ----

run make -s install BUILD="$(dirname "$BIN")" DESTDIR="$WORK/root" PREFIX=/opt/q
ends "make install" 0
run "$WORK/root/opt/q/bin/qbin" --version
ends "the installed program runs" 0
for c in $own; do
    run "$WORK/root/opt/q/bin/qbin-$c" --help
    ends "the installed qbin-$c runs" 0
done
run make -s uninstall DESTDIR="$WORK/root" PREFIX=/opt/q
check "make uninstall leaves no file" test -z "$(find "$WORK/root" ! -type d)"

finish
