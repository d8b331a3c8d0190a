# lib.sh: sourced by tests/test_*.sh. A script checks what real programs do; it runs from the root of the repository.
#
#   BIN   folder with the programs of the build under test        WORK   a folder of its own, removed at the end
#   SHARED   third-party data beside the repository; a test that wants it asks `shared FILE` and skips with a word
#   QUICK    set in sanitizer builds: what only repeats the same code on more data may be skipped with a word
#   $WORK/out and $WORK/err hold what the last `run` printed, $code how it ended
set -u
BIN=${BIN:-$PWD/build/bin}
SHARED=${SHARED:-$PWD/../shared}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/qbin-test.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
trap 'exit 1' INT TERM
failures=0
code=0

ok() { printf 'ok - %s\n' "$1"; }
skip() { printf 'ok - %s # SKIP %s\n' "$1" "$2"; }
not_ok() {
    printf 'not ok - %s\n' "$1"
    failures=$((failures + 1))
    { printf '%s: %s\n' "$1" "$2"; head -c 600 "$WORK/err"; } >&2 2>/dev/null
}

# run PROGRAM ARGUMENT ...: never fails itself
run() {
    "$@" >"$WORK/out" 2>"$WORK/err" </dev/null
    code=$?
}

# demo_in FORMAT ...: the demo model as $WORK/FORMAT.qbin
demo_in() {
    local format
    for format; do
        run "$BIN/convert" models/demo "$format" -o "$WORK/$format.qbin"
        ends "the demo model in $format" 0
    done
}

# check NAME COMMAND ...: the command succeeds
check() {
    local name=$1
    shift
    if "$@"; then ok "$name"; else not_ok "$name" "failed: $*"; fi
}

# ends NAME CODE [TEXT]: the last run ended with CODE, and stderr has the line TEXT (a pattern of grep -E)
ends() {
    if [ "$code" -ne "$2" ]; then
        not_ok "$1" "ended with $code, not $2"
    elif [ $# -gt 2 ] && ! grep -qE -- "$3" "$WORK/err"; then
        not_ok "$1" "does not say: $3"
    else
        ok "$1"
    fi
}

# refused NAME CODE TEXT: ends so, with exactly one line that begins with "error: " and nothing on stdout
refused() {
    if [ -s "$WORK/out" ]; then
        not_ok "$1" "printed on stdout"
    elif [ "$(grep -c '' "$WORK/err")" -ne 1 ] || ! grep -q '^error: ' "$WORK/err"; then
        not_ok "$1" "is not one line that begins with 'error: '"
    else
        ends "$@"
    fi
}

# begin COMMAND ...: in the background with default signals (a shell starts jobs with SIGINT ignored, and what the parent ignores stays ignored); $pid
begin() {
    : >"$WORK/out"
    : >"$WORK/err"
    env --default-signal=INT,TERM,PIPE "$@" >"$WORK/out" 2>"$WORK/err" &
    pid=$!
}

# until_true COMMAND ...: waits for it; two minutes are for a machine that does much else
until_true() {
    local end=$((SECONDS + 120))
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.01
    done
}
says() { grep -qE -- "$1" "$WORK/err"; } # for until_true: has the program said so on stderr?

# end_with SIGNAL: sends it to what was begun, waits, leaves $code
end_with() {
    kill -s "$1" "$pid" 2>/dev/null
    wait "$pid"
    code=$?
}

# has_terminal: can a program be shown one here? terminal COMMAND: runs it on one; $WORK/out holds what a person would have seen
has_terminal() { script -qec true /dev/null >/dev/null 2>&1 </dev/null; }
terminal() { run script -qec "$1" /dev/null; }

# shared FILE: is it there?
shared() { [ -e "$SHARED/$1" ]; }

# The last line of a script.
finish() { [ $failures -eq 0 ]; }
