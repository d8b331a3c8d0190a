# What signals, a reader that leaves, and a file that shrinks do to the real programs.
. tests/lib.sh

model=$WORK/demo.qbin
run "$BIN/convert" models/demo q8 -o "$model" -q
ends "the demo model converts" 0

# ---- convert: interrupted or killed, there is no file and nothing that stays ----

litter() { ls "$WORK"/*.tmp-* >/dev/null 2>&1; }
target=$WORK/km4.qbin

for signal in INT:130 TERM:143; do
    begin "$BIN/convert" models/demo km4 -o "$target" -t 1
    until_true litter
    end_with ${signal%:*}
    ends "convert ends with ${signal#*:} on SIG${signal%:*}" "${signal#*:}"
    check "no message on SIG${signal%:*}" test ! -s "$WORK/err"
    check "no file after SIG${signal%:*}" test ! -e "$target"
    check "no litter after SIG${signal%:*}" test -z "$(ls "$WORK"/*.tmp-* 2>/dev/null)"
done

cp "$model" "$target"
begin "$BIN/convert" models/demo km4 -o "$target" -t 1
until_true litter
end_with KILL
check "killed, the old file is there" cmp -s "$model" "$target"
run "$BIN/convert" models/demo q4 -o "$target" -q
check "the next conversion removes what a killed one left" test -z "$(ls "$WORK"/*.tmp-* 2>/dev/null)"

# ---- run ----

long="$BIN/run -m $model -p Once -n 100000 -c 100000 --ignore-eos --seed 1"
talks() { [ -s "$WORK/out" ]; }

for signal in INT:130 TERM:143; do
    begin $long
    until_true talks
    end_with ${signal%:*}
    ends "run ends with ${signal#*:} on SIG${signal%:*}" "${signal#*:}"
    check "what run said before SIG${signal%:*} is whole characters" iconv -f UTF-8 -t UTF-8 "$WORK/out" -o /dev/null
    check "no error line on SIG${signal%:*}" test "$(grep -c '^error' "$WORK/err")" -eq 0
done

env --default-signal=PIPE $long 2>"$WORK/err" | head -c 20 >"$WORK/out"
check "a reader that leaves ends run without an error line" test "$(grep -c '^error' "$WORK/err")" -eq 0

cp "$model" "$WORK/shrinks.qbin"
begin ${long/"$model"/$WORK/shrinks.qbin}
until_true talks
truncate -s 8192 "$WORK/shrinks.qbin"
wait "$pid"
code=$?
ends "a file truncated while in use is a message" 3 "^error: $WORK/shrinks.qbin was truncated while in use$"

finish
