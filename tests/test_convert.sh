#!/bin/bash
# What `convert` promises: the size it foretells, the same bytes for any threads, recipes, records of what was done, little memory, a quiet pipe.
. tests/lib.sh

DEMO=models/demo
formats=$("$BIN/convert" --help | awk '/^formats:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }')
check "the help lists the formats" [ "$(echo "$formats" | grep -c '')" -ge 11 ]

# as_planned NAME FOLDER FORMAT OPTION ...: --dry-run says the exact size of what is then made, which is whole
as_planned() {
    local name=$1 wrong=
    shift
    run "$BIN/convert" "$@" --dry-run
    local bytes
    bytes=$(sed -n 's/^[^ ]*: \([0-9]*\) bytes, .* bits per weight.*/\1/p' "$WORK/out")
    [ $code -eq 0 ] && [ ! -s "$WORK/err" ] || wrong="dry run ended with $code"
    run "$BIN/convert" "$@" -o "$WORK/m.qbin" -q
    [ $code -eq 0 ] && [ ! -s "$WORK/err" ] || wrong="$wrong conversion ended with $code"
    [ "$(stat -c %s "$WORK/m.qbin")" = "$bytes" ] || wrong="$wrong $(stat -c %s "$WORK/m.qbin") bytes, not $bytes"
    run "$BIN/inspect" --verify "$WORK/m.qbin"
    [ $code -eq 0 ] || wrong="$wrong not whole"
    check "$name as planned:$wrong" [ -z "$wrong" ]
}

for format in $formats; do
    as_planned "demo in $format" $DEMO "$format" --method rtn
    if shared models/stories260K; then
        as_planned "stories260K in $format" "$SHARED/models/stories260K" "$format"
    else
        skip "stories260K in $format" "not there"
    fi
done
for model in llama2 llama-sharded; do
    if shared fixtures/models/$model; then
        as_planned $model "$SHARED/fixtures/models/$model" q4a-b32 --no-tokenizer
    else
        skip $model "not there"
    fi
done

# The bytes of a tensor in a dry run add up to what the file holds of it.
run "$BIN/convert" $DEMO q4 --dry-run
check "a dry run names every tensor" [ "$(grep -c ' bytes$' "$WORK/out")" -eq 67 ]
check "a matrix in q4" grep -qE '^layers\.0\.q +q4 +256 x 256 +34816 bytes$' "$WORK/out"
check "a dry run writes nothing" [ ! -e $DEMO/model.qbin ]

# Threads.
for format in f16 q4a km4; do
    same=yes
    for t in 1 2 3 7; do
        "$BIN/convert" $DEMO $format -q -t $t -o "$WORK/t$t.qbin" || same=no
        cmp -s "$WORK/t1.qbin" "$WORK/t$t.qbin" || same=no
    done
    check "$format: the same bytes for 1, 2, 3, 7 threads" [ $same = yes ]
done
"$BIN/convert" $DEMO q4 --method rtn -q -o "$WORK/rtn.qbin"
"$BIN/convert" $DEMO q4 -q -o "$WORK/fit.qbin"
check "methods make different files" test -n "$(cmp "$WORK/rtn.qbin" "$WORK/fit.qbin")"

# The same command makes the same tensors as ever; a change here must be one that was meant (a better fit, say).
while read -r format digest; do
    "$BIN/convert" $DEMO "$format" -q -o "$WORK/m.qbin"
    now=$("$BIN/inspect" --json "$WORK/m.qbin" | grep -o '"xxh3": "[0-9a-f]*"' | sha256sum | cut -c1-16)
    check "$format: the tensors as ever ($now)" [ "$now" = "$digest" ]
done <<END
f16 e51a51ee33ddd298
q4 7a115cbcc20b309f
q4a-b32 114e6f5d16fbc420
km4 9c12f2b9a78e71da
q8 6e3fc5e44a4a3549
END

# Where the result goes.
mkdir "$WORK/model" && cp $DEMO/* "$WORK/model"
run "$BIN/convert" "$WORK/model/" q8 -q
check "beside the input: a folder" [ -f "$WORK/model/model.qbin" ]
rm "$WORK/model/model.qbin"
run "$BIN/convert" "$WORK/model/model.safetensors" q8 -q
check "beside the input: a file" [ -f "$WORK/model/model.qbin" ]
run "$BIN/convert" "$WORK/model" q4 -q
check "a .qbin is replaced" [ "$(stat -c %s "$WORK/model/model.qbin")" -lt 5000000 ]
run "$BIN/convert" "$WORK/model" q4 -q --force -o "$WORK/model/model.safetensors"
refused "the input is not overwritten" 2 'is the input'
run "$BIN/convert" "$WORK/model" q4 -o "$WORK/model/tokenizer.json" --force
refused "nor the tokenizer, by force" 2 'is the input'
run "$BIN/convert" "$WORK/model" q4 -o ''
refused "an empty name" 2 'name of the file is empty'
run "$BIN/convert" '' q4
refused "an empty name of the model" 3 'name of the model is empty'
run "$BIN/convert" "$WORK/model" Q4_K_M
refused "a format of llama.cpp" 2 "did you mean 'q4'"
run "$BIN/convert" "$WORK/model" q4 -q -t 0 -o "$WORK/zero.qbin"
ends "-t 0 is the default, as in run" 0
run "$BIN/convert" "$WORK/zero.qbin" q4
refused "what is converted already" 3 'zero.qbin: offset 0: this is a .qbin file'
printf 'GGUF\003\000\000\000' >"$WORK/m.gguf"
cp $DEMO/config.json "$WORK"
run "$BIN/convert" "$WORK/m.gguf" q4
refused "a GGUF file that ends too soon" 3 'ends in the middle of a value'

# Recipes.
run "$BIN/convert" $DEMO q4 --dry-run --tensor-type 'down=q8' --tensor-type 'layers\.[12]\.=km4-b32' --tensor-type 'self_attn=q4a' --embedding-type bf16
shown() { grep -qE "^$1 +$2 " "$WORK/out"; }
check "a rule by the name here" shown 'layers\.0\.down' q8
check "the last rule wins" shown 'layers\.1\.down' km4-b32
check "a rule by the name in the checkpoint" shown 'layers\.1\.q' q4a
check "what no rule names" shown 'layers\.0\.gate' q4
check "the type of the embedding" shown embed bf16
run "$BIN/convert" $DEMO q4 --output-type q8 --dry-run
refused "no output layer to choose for" 2 'embedding-type'
run "$BIN/convert" $DEMO q4 --tensor-type 'nothing=q8' --dry-run
refused "a rule that matches nothing" 2 "'nothing=q8'"
run "$BIN/convert" $DEMO q44
refused "an unknown format" 2 "did you mean 'q4'"
run "$BIN/convert" $DEMO q4 --method best
ends "an unknown method" 2 'fit'

# Records.
"$BIN/convert" $DEMO q4 -q --tensor-type 'down=q8' -o "$WORK/record.qbin"
run "$BIN/inspect" --json "$WORK/record.qbin"
recorded() { tr -d ' \n' <"$WORK/out" | grep -qE "$1"; }
check "the format and the method are recorded" recorded '"format":"q4","method":"fit"'
check "the rules are recorded" recorded '"tensor_types":\["down=q8"\]'
check "the format of each matrix is recorded" recorded '"layers.3.down":"q8"'
check "the sources are recorded" recorded '"file":"model.safetensors","bytes":13121848,"xxh3":"[0-9a-f]{16}"'
check "a hash is not zeros" test -z "$(grep -o '"xxh3": *"0\{16\}"' "$WORK/out")"
check "generation defaults are kept" recorded '"top_k":40,'

# What is missing.
rm "$WORK/model/model.qbin" "$WORK/model/tokenizer.json"
run "$BIN/convert" "$WORK/model" q4
refused "no tokenizer" 3 'tokenizer.json and tokenizer.model are missing; --no-tokenizer'
run "$BIN/convert" "$WORK/model" q4 -q --no-tokenizer
ends "no tokenizer, as wished" 0
printf '{"temperature":"hot"}' >"$WORK/model/generation_config.json"
run "$BIN/convert" "$WORK/model" q4 -q --no-tokenizer
refused "a wrong generation default" 3 "generation_config.json: 'temperature' is text"
rm "$WORK/model/generation_config.json"

# A template of its own file goes before the one of tokenizer_config.json.
printf '{"chat_template":[{"name":"tools","template":"T"},{"name":"default","template":"D"}]}' >"$WORK/model/tokenizer_config.json"
"$BIN/convert" "$WORK/model" q4 -q --no-tokenizer
run "$BIN/inspect" --json "$WORK/model/model.qbin"
check "the default template of several" recorded '"chat_template":"D"'
printf 'J' >"$WORK/model/chat_template.jinja"
"$BIN/convert" "$WORK/model" q4 -q --no-tokenizer
run "$BIN/inspect" --json "$WORK/model/model.qbin"
check "the template in a file of its own" recorded '"chat_template":"J"'

# Weights that are not numbers: the first value of the second matrix of the file becomes NaN, then infinity.
cp $DEMO/tokenizer.json "$WORK/model"
header=$(od -An -tu8 -N8 "$WORK/model/model.safetensors" | tr -d ' ')
poke() { printf "$1" | dd of="$WORK/model/model.safetensors" bs=1 seek=$((8 + header + 1024 * 512 + 6)) conv=notrunc 2>/dev/null; }
poke '\x01\x7e'
run "$BIN/convert" "$WORK/model" q4 -t 3
refused "NaN" 3 "tensor '[a-z_.0-9]+': NaN at \[[0-9]+, 3\]; --allow-nonfinite"
for format in q4 q4a km4 bf16; do
    run "$BIN/convert" "$WORK/model" $format -q --allow-nonfinite
    ends "NaN in $format, as wished" 0
done
poke '\x00\xfc'
run "$BIN/convert" "$WORK/model" f16
refused "infinity" 3 "infinity at \[[0-9]+, 3\]"

# What is printed.
run "$BIN/convert" $DEMO q4 --method rtn -o "$WORK/m.qbin"
check "a pipe gets a report" grep -qE '^.*m.qbin: [0-9.]+ MB of 13.11 MB, [0-9.]+ bits per weight, ' "$WORK/err"
check "and no progress" test -z "$(tr -dc '\r\033' <"$WORK/err")"
check "stdout stays empty" [ ! -s "$WORK/out" ]
if has_terminal; then
    terminal "'$BIN/convert' $DEMO km4 -t 1 -o '$WORK/m.qbin'"
    check "a terminal gets progress" grep -qE '[0-9]+ %.* MB/s .*left .*layers' "$WORK/out"
    check "and it is removed" grep -q "$(printf '\r\033')\[K" "$WORK/out"
    terminal "TERM=dumb '$BIN/convert' $DEMO q4 --method rtn -o '$WORK/zero.qbin'"
    check "a dumb terminal gets no progress" test $code -eq 0 -a -z "$(tr -dc '\033' <"$WORK/out")"
else
    skip "a terminal gets progress" "no terminals here"
fi

# Memory: weights of 443 MB (a file of holes) in less than 64 MB, whatever the number of threads.
mkdir "$WORK/large"
sed 's/"hidden_size": 256/"hidden_size": 2048/; s/"intermediate_size": 768/"intermediate_size": 5632/; s/"num_hidden_layers": 7/"num_hidden_layers": 2/
    s/"vocab_size": 4096/"vocab_size": 64000/; s/"num_attention_heads": 4/"num_attention_heads": 32/; s/"num_key_value_heads": 2/"num_key_value_heads": 4/' \
    $DEMO/config.json >"$WORK/large/config.json"
at=0 json=
tensor() { # tensor NAME ROWS [K]
    local bytes=$(($2 * ${3:-1} * 2))
    json="$json,\"$1\":{\"dtype\":\"F16\",\"shape\":[$2${3:+,$3}],\"data_offsets\":[$at,$((at + bytes))]}"
    at=$((at + bytes))
}
tensor model.embed_tokens.weight 64000 2048
tensor model.norm.weight 2048
for layer in 0 1; do
    for n in input_layernorm post_attention_layernorm; do tensor model.layers.$layer.$n.weight 2048; done
    for n in q_proj o_proj; do tensor model.layers.$layer.self_attn.$n.weight 2048 2048; done
    for n in k_proj v_proj; do tensor model.layers.$layer.self_attn.$n.weight 256 2048; done
    for n in gate_proj up_proj; do tensor model.layers.$layer.mlp.$n.weight 5632 2048; done
    tensor model.layers.$layer.mlp.down_proj.weight 2048 5632
done
json="{${json#,}}"
{
    for ((i = 0; i < 8; i++)); do printf "\\x$(printf %02x $((${#json} >> 8 * i & 255)))"; done
    printf '%s' "$json"
} >"$WORK/large/model.safetensors"
truncate -s $((8 + ${#json} + at)) "$WORK/large/model.safetensors"
for format in q4 km4; do
    "$BIN/convert" "$WORK/large" $format --no-tokenizer -q -t 4 -o "$WORK/large/model.qbin" 2>"$WORK/err" &
    child=$!
    peak=0
    while [ -e /proc/$child/status ] && now=$(awk '/^VmHWM/ { print $2 }' /proc/$child/status 2>/dev/null) && [ -n "$now" ]; do
        peak=$now
        sleep 0.02
    done
    wait $child
    code=$?
    ends "a large model in $format" 0
    if grep -q __asan_init "$BIN/qbin"; then skip "$format: in $peak KB" "the address sanitizer keeps freed memory"; else check "$format: in $peak KB" [ "$peak" -lt 65536 ]; fi
done

finish
