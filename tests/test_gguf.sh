#!/bin/bash
# GGUF in both directions through the real programs: what export writes of the demo model is read again, exactly where that is promised.
. tests/lib.sh

DEMO=models/demo
G="$WORK"
PROMPT='Once upon a time'
"$BIN/convert" $DEMO f16 --keep-tokenizer -q -o "$G/f16.qbin"
"$BIN/convert" $DEMO q8 -q -o "$G/q8.qbin"
"$BIN/logits" -m "$G/f16.qbin" --ids 0,5,100,7,9 -o "$G/logits"
"$BIN/run" -m "$G/f16.qbin" -p "$PROMPT" -n 16 --temp 0 -q >"$G/text" 2>/dev/null

# export
for type in f16 bf16 f32 q8_0; do
    run "$BIN/export" "$G/f16.qbin" --type $type -o "$G/$type.gguf"
    ends "export as $type" 0
done
check "half the bytes of f32" [ "$(stat -c %s "$G/f16.gguf")" -lt $(($(stat -c %s "$G/f32.gguf") * 6 / 10)) ]
for t in 1 3; do "$BIN/export" "$G/f16.qbin" --type q8_0 -q -t $t -o "$G/f16.t$t.gguf"; done
cmp -s <(tail -c +4096 "$G/f16.t1.gguf") <(tail -c +4096 "$G/f16.t3.gguf")
check "the same bytes for any threads" [ $? -eq 0 ]
run "$BIN/export" "$G/f16.qbin" -o "$G/f16.gguf"
refused "a file that is there" 2 'is there already; --force replaces it'
run "$BIN/export" "$G/f16.qbin" -o "$G/f16.qbin" --force
refused "not over the input" 2 'is the input'
run "$BIN/export" "$G/f16.qbin"
refused "without a place to go" 2 'give one with -o'
run "$BIN/export" "$G/none.qbin" -o "$G/none.gguf"
refused "a file that is missing" 3 'none.qbin'
run "$BIN/export" "$G/q8.qbin" -o "$G/none.gguf"
refused "a tokenizer that is nowhere" 2 'has the tokenizer only as tables'
run "$BIN/export" "$G/q8.qbin" --model $DEMO -o "$G/model.gguf" -q
ends "a tokenizer from the folder" 0
run "$BIN/export" "$G/q8.qbin" --no-tokenizer -o "$G/bare.gguf" -q
ends "no tokenizer" 0
run bash -c "ulimit -f 100; '$BIN/export' '$G/f16.qbin' -o '$G/new.gguf' -q"
check "a full disk leaves nothing" [ -z "$(find "$G" -name 'new.gguf*')" ]

# import
run "$BIN/convert" "$G/f16.gguf" keep -q -o "$G/back.qbin"
ends "convert FILE.gguf keep" 0
run "$BIN/inspect" --verify "$G/back.qbin"
ends "it is whole" 0
"$BIN/logits" -m "$G/back.qbin" --ids 0,5,100,7,9 -o "$G/logits.back"
check "the same logits" cmp -s "$G/logits" "$G/logits.back"
run "$BIN/run" -m "$G/back.qbin" -p "$PROMPT" -n 16 --temp 0 -q
check "the same text" cmp -s "$G/text" "$WORK/out"
run "$BIN/convert" "$G/f16.gguf" -q -o "$G/none.qbin"
refused "a format is wanted" 2 'neither a format nor a recipe'
run "$BIN/convert" "$G/bare.gguf" q8 -q -o "$G/none.qbin"
refused "a file without a tokenizer" 3 'bare.gguf: has no tokenizer; --no-tokenizer converts the weights alone'
run "$BIN/convert" "$G/bare.gguf" q8 --no-tokenizer -q -o "$G/bare.qbin"
ends "the weights alone" 0

# keep: what the codes decode to, to the bit
"$BIN/convert" "$G/q8_0.gguf" keep -q -o "$G/keep.qbin"
"$BIN/convert" "$G/q8_0.gguf" f32 -q -o "$G/f32.qbin"
for f in keep f32; do "$BIN/dequantize" "$G/$f.qbin" "$G/hf-$f" --type f32 --no-tokenizer -q; done
check "q8_0 is kept to the bit" cmp -s "$G/hf-keep/model.safetensors" "$G/hf-f32/model.safetensors"
run "$BIN/inspect" "$G/keep.qbin"
check "in blocks of 32" grep -qE 'layers\.0\.q +.*q8-b32' "$WORK/out"
run "$BIN/convert" "$G/q8_0.gguf" keep --tensor-type 'down=q4' --dry-run -o "$G/x.qbin"
check "but for what a rule is about" [ "$(grep -cE '^layers\.[0-9]+\.down +q4 ' "$WORK/out")" -eq 7 ]
run "$BIN/convert" $DEMO keep --dry-run -o "$G/x.qbin"
check "a folder can be kept too" grep -qE '^layers\.0\.q +f16 ' "$WORK/out"
run "$BIN/requantize" "$G/q8.qbin" keep -o "$G/x.qbin"
refused "requantize keeps nothing" 2 'choose a FORMAT'

# the tokenizer
printf '%s\n' '{"text": "Hello,  world! 12345 it'"'"'s\n\tnew\u00e9\u4e2d\ud83d\ude00"}' '{"text": "<|endoftext|>once"}' '{"text": ""}' >"$G/texts"
"$BIN/tokenize" -m $DEMO --special --jsonl <"$G/texts" >"$G/ids"
"$BIN/tokenize" -m "$G/f16.gguf" --special --jsonl <"$G/texts" >"$G/ids.back"
check "the same ids and decoded texts" cmp -s "$G/ids" "$G/ids.back"
# every architecture that has a name in GGUF: out and in again, the same logits. What GGUF takes for granted is made so first.
if shared fixtures/models; then
    for m in llama2 llama3 llama-bias llama-linear llama-yarn mistral qwen2 qwen3 gemma gemma2 gemma3; do
        rm -rf "$G/m" && cp -r "$SHARED/fixtures/models/$m" "$G/m"
        sed -e 's/"query_pre_attn_scalar": 8/"query_pre_attn_scalar": 16/' -e 's/"sliding_window": 16/"sliding_window": null/' \
            "$SHARED/fixtures/models/$m/config.json" >"$G/config" && cp "$G/config" "$G/m/config.json"
        "$BIN/convert" "$G/m" f32 --no-tokenizer -q -o "$G/there.qbin" && "$BIN/export" "$G/there.qbin" --type f32 --no-tokenizer -q --force -o "$G/m.gguf" &&
            "$BIN/convert" "$G/m.gguf" keep --no-tokenizer -q -o "$G/again.qbin"
        for f in there again; do "$BIN/logits" -m "$G/$f.qbin" --ids 5,9,17,33,40,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20 -o "$G/$f.logits"; done
        check "$m comes back" cmp -s "$G/there.logits" "$G/again.logits"
        rm -f "$G/there.logits" "$G/again.logits" "$G/m.gguf"
    done
    "$BIN/convert" "$SHARED/fixtures/models/mistral" f32 --no-tokenizer -q -o "$G/there.qbin"
    run "$BIN/export" "$G/there.qbin" --no-tokenizer -o "$G/m.gguf"
    refused "a window that GGUF has no word for" 3 'the sliding window of layer 0 cannot be written'
    "$BIN/convert" "$SHARED/fixtures/models/gemma2" f32 --no-tokenizer -q -o "$G/there.qbin"
    run "$BIN/export" "$G/there.qbin" --no-tokenizer -o "$G/m.gguf"
    refused "a scale that GGUF has no word for" 3 'an attention scale of 0.353553 cannot be written'
    wrong() { # NAME MODEL SED MESSAGE
        rm -rf "$G/m" && cp -r "$SHARED/fixtures/models/$2" "$G/m"
        sed -e 's/"query_pre_attn_scalar": 8/"query_pre_attn_scalar": 16/' -e "$3" "$SHARED/fixtures/models/$2/config.json" >"$G/config" && cp "$G/config" "$G/m/config.json"
        "$BIN/convert" "$G/m" f32 --no-tokenizer -q -o "$G/there.qbin"
        run "$BIN/export" "$G/there.qbin" --no-tokenizer --force -o "$G/m.gguf"
        refused "$1" 3 "$4"
    }
    wrong "a base that config.json leaves to its readers" gemma3 '/"rope_theta"/d' 'do not turn with the base 10000'
    wrong "no caps where readers have their own" gemma2 's/"attn_logit_softcapping": [0-9.]*/"attn_logit_softcapping": null/' 'without caps cannot be written'
else
    skip "every architecture comes back" "fixtures are not there"
fi
finish
