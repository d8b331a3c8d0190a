#!/bin/bash
# What a calibration does for a conversion: errors count by the inputs that they meet; another model's is refused; the file says what it was made with.
. tests/lib.sh

DEMO=models/demo
"$BIN/convert" $DEMO f16 -q -o "$WORK/f16.qbin"
"$BIN/calibrate" -m "$WORK/f16.qbin" -f README.md -c 128 --chunks 6 -q -o "$WORK/demo.cal"
run "$BIN/convert" $DEMO q4-b32 --calibration "$WORK/demo.cal" -q -o "$WORK/weighted.qbin" --report "$WORK/weighted.json"
ends "a conversion with a calibration" 0
run "$BIN/convert" $DEMO q4-b32 -q -o "$WORK/plain.qbin" --report "$WORK/plain.json"
check "it makes another file" test -n "$(cmp "$WORK/weighted.qbin" "$WORK/plain.qbin")"
of() { sed -n '/"total"/,/}/s/.*"'"$2"'": \([0-9.e-]*\).*/\1/p' "$WORK/$1.json"; }
check "whose weighted error is below its plain one" awk "BEGIN { exit !($(of weighted weighted_error) < 0.97 * $(of weighted error)) }"
check "and whose plain error is above that of the other" awk "BEGIN { exit !($(of weighted error) > $(of plain error)) }"
for t in 1 3; do "$BIN/convert" $DEMO km4 --calibration "$WORK/demo.cal" -q -t $t -o "$WORK/t$t.qbin"; done
check "the same bytes for any threads" cmp -s "$WORK/t1.qbin" "$WORK/t3.qbin"
run "$BIN/inspect" --json "$WORK/weighted.qbin"
check "the calibration is recorded" grep -q '"file": "demo.cal"' "$WORK/out"
check "and its text" grep -q '"file": "README.md"' "$WORK/out"
run "$BIN/convert" $DEMO q4 --calibration "$WORK/f16.qbin" -o "$WORK/m.qbin"
ends "a model is no calibration" 3
run "$BIN/convert" $DEMO q4 --calibration "$WORK/none" -o "$WORK/m.qbin"
refused "a calibration that is not there" 3 'none'
if shared models/stories260K; then
    run "$BIN/convert" "$SHARED/models/stories260K" q4 --calibration "$WORK/demo.cal" -o "$WORK/m.qbin"
    refused "a calibration of another model" 3 'is a calibration of another model'
else
    skip "a calibration of another model" "not there"
fi

finish
