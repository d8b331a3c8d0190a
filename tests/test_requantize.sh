#!/bin/bash
# From one .qbin to another: requantize, convert --only, and dequantize back to a folder.
. tests/lib.sh

DEMO=models/demo
Q="$WORK"
hash_of() { "$BIN/inspect" --json "$1" | grep -A9 '"name": "'"$2"'"' | sed -n 's/.*"xxh3": "\(.*\)".*/\1/p' | head -n 1; }
hashes() { "$BIN/inspect" --json "$1" | sed -n '/"tensors": \[/,$p' | grep -o '"xxh3": "[0-9a-f]*"' | sha256sum; }
for f in f16 q8 q4; do "$BIN/convert" $DEMO $f -q -o "$Q/$f.qbin"; done

# requantize
run "$BIN/requantize" "$Q/f16.qbin" q4 -q -o "$Q/r.qbin"
ends "from f16" 0
check "nothing is printed" [ ! -s "$WORK/err" ]
check "the same tensors as from the checkpoint" [ "$(hashes "$Q/r.qbin")" = "$(hashes "$Q/q4.qbin")" ]
run "$BIN/inspect" --verify "$Q/r.qbin"
ends "the file is whole" 0
run "$BIN/run" -m "$Q/r.qbin" -p 'Once upon a time' -n 12 --temp 0 -q
cp "$WORK/out" "$WORK/text"
run "$BIN/run" -m "$Q/q4.qbin" -p 'Once upon a time' -n 12 --temp 0 -q
check "and says the same" cmp -s "$WORK/out" "$WORK/text"
for t in 1 3; do "$BIN/requantize" "$Q/q8.qbin" km4-b32 -q -t $t -o "$Q/t$t.qbin"; done
check "the same bytes for any threads" cmp -s "$Q/t1.qbin" "$Q/t3.qbin"
run "$BIN/requantize" "$Q/q4.qbin" q4 -o "$Q/r.qbin"
check "what has its format is copied" [ "$(hashes "$Q/r.qbin")" = "$(hashes "$Q/q4.qbin")" ]
check "and needs no warning" [ "$(grep -c warning "$WORK/err")" -eq 0 ]
run "$BIN/requantize" "$Q/q4.qbin" q4-b32 --method rtn -o "$Q/r.qbin"
ends "a warning for four bits" 0 '^warning: .*q4.qbin: 49 matrices are in q4 already'
run "$BIN/requantize" "$Q/q8.qbin" q4 --only 'down|gate' -q -o "$Q/r.qbin"
check "--only changes" [ "$(hash_of "$Q/r.qbin" layers.3.down)" != "$(hash_of "$Q/q8.qbin" layers.3.down)" ]
check "and leaves alone" [ "$(hash_of "$Q/r.qbin" layers.3.up)" = "$(hash_of "$Q/q8.qbin" layers.3.up)" ]
printf '* q8\n*.v f16\n' >"$Q/recipe.txt"
run "$BIN/requantize" "$Q/q8.qbin" --recipe "$Q/recipe.txt" --dry-run -o "$Q/r.qbin"
check "a recipe" grep -qE '^layers\.1\.v +f16' "$WORK/out"
run "$BIN/requantize" "$Q/f16.qbin" q4
refused "without a place to go" 2 'give one with -o'
run "$BIN/requantize" "$Q/f16.qbin" q4 -o "$Q/f16.qbin"
refused "not over the input" 2 'is the input'
run "$BIN/requantize" "$Q/f16.qbin" q4 --only nothing -o "$Q/r.qbin"
refused "--only without a match" 2 "'nothing' matches the name of no matrix"
run "$BIN/requantize" $DEMO/model.safetensors q4 -o "$Q/r.qbin"
refused "a checkpoint is not a .qbin" 3 'not a .qbin file'
"$BIN/calibrate" -m "$Q/f16.qbin" -f README.md -c 64 --chunks 2 -q -o "$Q/demo.cal"
run "$BIN/requantize" "$Q/q8.qbin" q4 --calibration "$Q/demo.cal" -q -o "$Q/r.qbin"
ends "a calibration of the same model" 0
run "$BIN/requantize" "$Q/f16.qbin" q4 --activations static --calibration "$Q/demo.cal" -q -o "$Q/static.qbin"
run "$BIN/requantize" "$Q/static.qbin" q5@static --only '\.q$' --calibration "$Q/demo.cal" --observer minmax -o "$Q/none.qbin"
refused "static activations of one of three neighbours" 2 "'layers.0.q' and 'layers.0.k' have the same input"
run "$BIN/requantize" "$Q/static.qbin" q5@static --only '\.[qkv]$' --calibration "$Q/demo.cal" --observer minmax -q -o "$Q/r.qbin"
ends "of all three" 0
run "$BIN/requantize" "$Q/demo.cal" q4 -q -o "$Q/r.qbin"
refused "a calibration is not a model" 3 'is a calibration'

# convert --only
cp "$Q/q4.qbin" "$Q/part.qbin"
run "$BIN/convert" $DEMO q8 --only 'v_proj|embed' -q -o "$Q/part.qbin"
ends "some tensors of an existing file" 0
check "are changed" [ "$(hash_of "$Q/part.qbin" layers.6.v)" = "$(hash_of "$Q/q8.qbin" layers.6.v)" ]
check "all others are not" [ "$(hash_of "$Q/part.qbin" layers.6.q)" = "$(hash_of "$Q/q4.qbin" layers.6.q)" ]
run "$BIN/inspect" --verify "$Q/part.qbin"
ends "it is whole" 0
run "$BIN/inspect" --recipe "$Q/part.qbin"
check "its recipe is true" grep -qxF 'layers[0-6].v q8' "$WORK/out"
run "$BIN/convert" $DEMO q8 --only down
refused "without a file" 2 'name it with -o'
run "$BIN/convert" $DEMO q8 --only down -o "$Q/none.qbin"
refused "a file that is not there" 3 'none.qbin'
run "$BIN/convert" $DEMO q8 --only nothing -o "$Q/part.qbin"
refused "a name that is not there" 2 'no matrix'
if shared models/stories260K; then
    "$BIN/convert" "$SHARED/models/stories260K" q4 -q -o "$Q/other.qbin"
    run "$BIN/convert" $DEMO q8 --only down -o "$Q/other.qbin"
    refused "a file of another model" 3 'made of another model'
else
    skip "a file of another model" "not there"
fi

# dequantize
sleep 0 &
dead=$!
wait $dead
run "$BIN/dequantize" "$Q/q4.qbin" "$Q/hf" --model $DEMO -q
ends "to a folder" 0
check "with config" grep -q '"torch_dtype": "float16"' "$Q/hf/config.json"
check "tokenizer" cmp -s $DEMO/tokenizer.json "$Q/hf/tokenizer.json"
check "and generation defaults" grep -q '"top_k": 40' "$Q/hf/generation_config.json"
: >"$Q/hf/model.safetensors.tmp-$dead"
run "$BIN/dequantize" "$Q/q4.qbin" "$Q/hf" --model $DEMO --force -q
check "what a killed one left is removed" [ ! -e "$Q/hf/model.safetensors.tmp-$dead" ]
run "$BIN/dequantize" "$Q/q4.qbin" "$Q/hf" --model $DEMO
refused "what is there is not replaced" 2 'is there already; --force'
run "$BIN/dequantize" "$Q/q4.qbin" "$Q/new" --model "$Q"
refused "without a tokenizer" 3 'tokenizer.json: is missing; --no-tokenizer'
check "nothing is begun" [ ! -e "$Q/new" ]
run bash -c "ulimit -f 100; '$BIN/dequantize' '$Q/q4.qbin' '$Q/new' --model $DEMO -q"
ends "no room" 4
check "leaves no folder" [ ! -e "$Q/new" ]
mkdir "$Q/new" "$Q/links"
echo mine >"$Q/new/config.json"
run "$BIN/dequantize" "$Q/q4.qbin" "$Q/new" --model $DEMO
refused "no file is replaced" 2 'config.json: is there already'
check "nor another written" [ "$(ls "$Q/new")" = config.json ]
cp -r $DEMO "$Q/source"
ln -s "$Q"/source/* "$Q/links/"
run "$BIN/dequantize" "$Q/q4.qbin" "$Q/links" --model "$Q/source" --force -q
ends "a folder of links" 0
check "what they lead to is untouched" cmp -s $DEMO/tokenizer.json "$Q/source/tokenizer.json"
check "config too" cmp -s $DEMO/config.json "$Q/source/config.json"
run "$BIN/dequantize" "$Q/q4.qbin" "$Q/hf2"
refused "the tokenizer is only tables" 2 '--keep-tokenizer'
"$BIN/dequantize" "$Q/f16.qbin" "$Q/hf16" --model $DEMO -q -t 2
for type in f16 f32; do
    "$BIN/dequantize" "$Q/q4.qbin" "$Q/back" --model $DEMO --type $type --force -q
    "$BIN/convert" "$Q/back" f32 -q -o "$Q/back.qbin"
    "$BIN/requantize" "$Q/q4.qbin" f32 -q -o "$Q/direct.qbin"
    [ $type = f32 ] && check "f32 there and back are the same numbers" [ "$(hashes "$Q/back.qbin")" = "$(hashes "$Q/direct.qbin")" ]
done
"$BIN/convert" "$Q/hf16" f16 -q -o "$Q/back.qbin"
check "f16 there and back" [ "$(hashes "$Q/back.qbin")" = "$(hashes "$Q/f16.qbin")" ]
"$BIN/convert" $DEMO q4 --keep-tokenizer -q -o "$Q/kept.qbin"
run "$BIN/dequantize" "$Q/kept.qbin" "$Q/hf3" --type bf16
ends "a file that kept its tokenizer needs no folder" 0
check "it is the same" cmp -s $DEMO/tokenizer.json "$Q/hf3/tokenizer.json"
run "$BIN/convert" "$Q/hf3" q8 -q -o "$Q/r.qbin"
ends "convert reads the folder" 0
run "$BIN/dequantize" "$Q/q4.qbin" $DEMO --model $DEMO --force
refused "not over the model" 2 'is the input'
run "$BIN/dequantize" "$Q/q4.qbin" "$Q/q4.qbin" --no-tokenizer
ends "a file is no folder" 1

finish
