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

# Static activations.
observers=$("$BIN/convert" --help | awk '/^observers:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }')
check "the help lists the observers" [ "$(echo "$observers" | grep -c '')" -ge 5 ]
for observer in $observers; do
    run "$BIN/convert" $DEMO q8 --calibration "$WORK/demo.cal" --activations static --observer "$observer" --method rtn -q -o "$WORK/static.qbin"
    ends "static activations by $observer" 0
done
run "$BIN/run" -m "$WORK/static.qbin" -p 'Once upon a time' -n 4 --temp 0 -q
ends "which run" 0
run "$BIN/convert" $DEMO q4 --calibration "$WORK/demo.cal" --activations static --asymmetric-activations -q -o "$WORK/center.qbin"
ends "with a centre" 0
run "$BIN/inspect" "$WORK/center.qbin"
check "there is a vector of shifts" grep -qE 'layers.3.down.shift +f32 +256 ' "$WORK/out"
check "for each matrix" [ "$(grep -c '\.shift ' "$WORK/out")" -ge 40 ]
run "$BIN/run" -m "$WORK/center.qbin" -p 'Once upon a time' -n 4 --temp 0 -q
ends "which run too" 0
run "$BIN/requantize" "$WORK/center.qbin" q4@static --only 'layers.3.down' --method rtn -q -o "$WORK/again.qbin"
ends "quantized again they keep their encoding" 0
run "$BIN/inspect" --verify "$WORK/again.qbin"
ends "and the file is whole" 0
run "$BIN/requantize" "$WORK/center.qbin" q4 -q -o "$WORK/again.qbin"
"$BIN/inspect" "$WORK/again.qbin" >"$WORK/out"
check "another format has no shifts" [ "$(grep -c '\.shift ' "$WORK/out")" -eq 0 ]
run "$BIN/convert" $DEMO q4 --activations static -o "$WORK/m.qbin"
refused "static activations without a calibration" 2 'static activations want a calibration'
run "$BIN/convert" $DEMO q4 --observer mes -o "$WORK/m.qbin"
refused "an unknown observer" 2 "did you mean 'mse'"
for kind in block token; do
    run "$BIN/convert" $DEMO q4 --activations $kind --method rtn -q -o "$WORK/m.qbin"
    ends "activations by $kind" 0
done

# Smoothing changes nothing but rounding.
run "$BIN/convert" $DEMO f32 --calibration "$WORK/demo.cal" --smooth 0.5 -q -o "$WORK/smooth.qbin"
ends "smoothing" 0
"$BIN/convert" $DEMO f32 -q -o "$WORK/f32.qbin"
check "it changes the weights" test -n "$(cmp "$WORK/smooth.qbin" "$WORK/f32.qbin")"
for f in smooth f32; do "$BIN/run" -m "$WORK/$f.qbin" -p 'Once upon a time' -n 24 --temp 0 -q >"$WORK/$f.txt"; done
check "and not the text" cmp -s "$WORK/smooth.txt" "$WORK/f32.txt"
run "$BIN/requantize" "$WORK/f16.qbin" f32 --calibration "$WORK/demo.cal" --smooth 0.5 -q -o "$WORK/again.qbin"
for f in smooth again; do "$BIN/inspect" --json "$WORK/$f.qbin" | sed -n '/"tensors": \[/,$p' | grep xxh3 >"$WORK/$f.txt"; done
check "requantize smooths as convert does" cmp -s "$WORK/smooth.txt" "$WORK/again.txt"
run "$BIN/convert" $DEMO q4 --smooth 0.5 -o "$WORK/m.qbin"
refused "smoothing without a calibration" 2 'smooth wants a calibration'
run "$BIN/convert" $DEMO q8 --only down -o "$WORK/smooth.qbin"
refused "a smoothed file is changed as a whole" 3 'is smoothed'
run "$BIN/requantize" "$WORK/smooth.qbin" q8 -q -o "$WORK/again.qbin"
run "$BIN/requantize" "$WORK/again.qbin" q4 --calibration "$WORK/demo.cal" -o "$WORK/m.qbin"
refused "and quantized again it is still another model" 3 'is a calibration of another model'
run "$BIN/convert" $DEMO q8 --only down -o "$WORK/again.qbin"
refused "which is changed as a whole" 3 'is smoothed'

# With a calibration static scales are new, also where the format stays.
"$BIN/convert" $DEMO q8 --calibration "$WORK/demo.cal" --activations static --asymmetric-activations --method rtn -q -o "$WORK/center.qbin"
run "$BIN/requantize" "$WORK/center.qbin" q8@static --calibration "$WORK/demo.cal" --smooth 0.5 --asymmetric-activations -q -o "$WORK/again.qbin"
ends "static scales of a model that is smoothed" 0
run "$BIN/run" -m "$WORK/again.qbin" -p 'Once upon a time' -n 4 --temp 0 -q
ends "which runs" 0
run "$BIN/requantize" "$WORK/center.qbin" q8@static --calibration "$WORK/demo.cal" -q -o "$WORK/again.qbin"
"$BIN/inspect" "$WORK/again.qbin" >"$WORK/out"
check "scales without a centre leave no shifts" [ "$(grep -c '\.shift ' "$WORK/out")" -eq 0 ]
run "$BIN/requantize" "$WORK/center.qbin" q4@static --only '3.q' --calibration "$WORK/demo.cal" --observer minmax -o "$WORK/again.qbin"
refused "matrices of one input have one scale" 2 "'layers.3.q' and 'layers.3.k' have the same input"

# An input that is always zero has products that nothing can be made up for with.
cp $DEMO/*.json "$WORK/"
cp $DEMO/model.safetensors "$WORK/model.safetensors"
header=$(od -An -tu8 -N8 $DEMO/model.safetensors)
place=$(head -c $((header + 8)) $DEMO/model.safetensors | tr '}' '\n' | sed -n '/layers.2.mlp.up_proj.weight/s/.*"data_offsets":\[\([0-9]*\),\([0-9]*\).*/\1 \2/p')
head -c $((${place#* } - ${place% *})) /dev/zero | dd of="$WORK/model.safetensors" bs=65536 seek=$((header + 8 + ${place% *})) oflag=seek_bytes conv=notrunc status=none
run "$BIN/convert" "$WORK/model.safetensors" q4 --method gptq --calibrate README.md --calibrate-chunks 4 -o "$WORK/m.qbin"
ends "a model with a dead input" 0 'layers.2.inner: 768 of 768 channels'

# In one step.
run "$BIN/convert" $DEMO q4-b32 --calibrate README.md --calibrate-chunks 6 -q -o "$WORK/once.qbin"
ends "a calibration on the way" 0
"$BIN/calibrate" --products -m "$WORK/f16.qbin" -f README.md --chunks 6 -q -o "$WORK/six.cal"
"$BIN/convert" $DEMO q4-b32 --calibration "$WORK/six.cal" -q -o "$WORK/twice.qbin"
for f in once twice; do "$BIN/inspect" --json "$WORK/$f.qbin" | sed -n '/"tensors": \[/,$p' | grep xxh3 >"$WORK/$f.txt"; done
check "is the same as one before" cmp -s "$WORK/once.txt" "$WORK/twice.txt"
"$BIN/requantize" "$WORK/f16.qbin" q4-b32 --calibrate README.md --calibrate-chunks 6 -q -o "$WORK/once.qbin"
"$BIN/inspect" --json "$WORK/once.qbin" | sed -n '/"tensors": \[/,$p' | grep xxh3 >"$WORK/once.txt"
check "and in requantize" cmp -s "$WORK/once.txt" "$WORK/twice.txt"
check "nothing is left behind" [ -z "$(find "$WORK" -name '*qbin.*')" ]
run "$BIN/convert" $DEMO q4 --calibrate "$WORK/none.txt" -q -o "$WORK/once.qbin"
refused "a text that is not there" 3 'none.txt'
check "nothing is left behind then" [ -z "$(find "$WORK" -name '*qbin.*')" ]
run "$BIN/convert" $DEMO q4 --calibrate README.md --calibration "$WORK/six.cal" -o "$WORK/once.qbin"
refused "two calibrations" 2 'one of them is enough'

# What a killed one leaves is removed by the next that writes the same file.
sleep 0 &
dead=$!
wait $dead
for part in '' .part-model .part-calibration .part-model.tmp-$dead; do : >"$WORK/once.qbin.tmp-$dead$part"; done
for kept in "tmp-$dead.txt" "tmp-$$.part-model" "tmp-x"; do : >"$WORK/once.qbin.$kept"; done
"$BIN/convert" $DEMO q4 --method rtn -q -o "$WORK/once.qbin"
check "litter is removed" [ -z "$(find "$WORK" -name "once.qbin.tmp-$dead*" ! -name '*.txt')" ]
check "other files are not" [ "$(find "$WORK" -name 'once.qbin.tmp-*' | grep -c '')" -eq 3 ]

# Wishes that have no meaning.
run "$BIN/convert" $DEMO q4 --calibration "$WORK/six.cal" --observer minmax -o "$WORK/m.qbin"
refused "an observer of nothing" 2 '--observer is about static activations'
run "$BIN/convert" $DEMO q4@static --observer minmax -o "$WORK/m.qbin"
refused "an observer without a calibration" 2 'want a calibration'
run "$BIN/requantize" "$WORK/f16.qbin" q4 --asymmetric-activations -o "$WORK/m.qbin"
refused "a centre of nothing" 2 '--asymmetric-activations is about static activations'
run "$BIN/convert" $DEMO q4 --calibrate-chunks 3 -o "$WORK/m.qbin"
refused "windows of no text" 2 '--calibrate-chunks has no meaning without --calibrate'
run "$BIN/convert" $DEMO q4 --calibrate README.md --calibrate-chunks 0 -o "$WORK/m.qbin"
refused "no windows" 2 '--calibrate-chunks 0 reads nothing'

# A format's word for activations is for the output layer too.
run "$BIN/convert" $DEMO q4@token --method rtn -q -o "$WORK/word.qbin"
run "$BIN/convert" $DEMO q4 --activations token --method rtn -q -o "$WORK/option.qbin"
for f in word option; do "$BIN/inspect" --json "$WORK/$f.qbin" | sed -n '/"tensors": \[/,$p' >"$WORK/$f.txt"; done
check "the word @token and the option are one thing" cmp "$WORK/word.txt" "$WORK/option.txt"

# What is refused.
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
