#!/bin/bash
# Files that must be refused (tests/hostile, made by make.py there), given to the real programs as a user would: exit code 3, one line that says what is
# wrong, nothing on stdout, and no file left behind.
. tests/lib.sh

H=tests/hostile
MODEL=$WORK/model

# folder FILE: makes the model folder that the file belongs to
folder() {
    rm -rf "$MODEL" && mkdir "$MODEL" && cp $H/config.json $H/model.safetensors "$MODEL"
    case $1 in
    *.safetensors) cp "$H/$1" "$MODEL/model.safetensors" ;;
    *.config.json) cp "$H/$1" "$MODEL/config.json" ;;
    *.index.json)
        rm "$MODEL/model.safetensors"
        cp $H/?.shard "$MODEL"
        cp "$H/$1" "$MODEL/model.safetensors.index.json"
        ;;
    esac
}

# A part of a message as a pattern: taken literally but for | between alternatives; CONFIG stands for the path.
pattern() { printf '%s' "$1" | sed -e 's/[][\\.*^$(){}+?]/\\&/g' -e "s|CONFIG|$MODEL/config\\\\.json|"; }

convert() { run "$BIN/convert" "$MODEL" f16 --no-tokenizer -q -o "$WORK/out.qbin"; }

# refused_cleanly NAME MESSAGE
refused_cleanly() {
    refused "$1" 3 "$2"
    [ -z "$(find "$WORK" -name '*.qbin*')" ] || not_ok "$1" "left a file"
}

while IFS=$'\t' read -r file message; do
    text=$(pattern "$message")
    case $file in
    *.model.qbin)
        run "$BIN/inspect" --verify "$H/$file"
        ends "$file is whole" 0
        run "$BIN/logits" -m "$H/$file" --ids 1,2 -o "$WORK/logits"
        refused "$file" 3 "$text"
        ;;
    *.gguf)
        run "$BIN/convert" "$H/$file" f16 -q -o "$WORK/out.qbin"
        refused_cleanly "$file" "$text"
        ;;
    *.tokenizer.model)
        run "$BIN/tokenize" -m "$H/$file" text
        refused "$file" 3 "$text"
        ;;
    *.gbnf | *.schema.json)
        how=--grammar
        [ "${file%.json}" = "$file" ] || how=--json-schema
        folder model.safetensors
        convert
        run timeout 20 "$BIN/run" -m "$WORK/out.qbin" --prompt-ids 1 --ids $how "$H/$file"
        refused "$file" 3 "$text"
        rm -f "$WORK/out.qbin"
        ;;
    *.qbin)
        run "$BIN/inspect" --verify "$H/$file"
        refused "$file" 3 "$text"
        ;;
    *)
        folder "$file"
        convert
        refused_cleanly "$file" "$text"
        ;;
    esac
done <$H/expected.txt

run "$BIN/convert" $H/model.gguf f16 -q -o "$WORK/out.qbin"
ends "the good GGUF file" 0
run "$BIN/inspect" --verify "$WORK/out.qbin"
ends "what was made of the GGUF file" 0
rm -f "$WORK/out.qbin"

# The good ones are good: the others fail for the reason that they are meant to have.
folder model.safetensors
convert
ends "the good model" 0
run "$BIN/inspect" --verify "$WORK/out.qbin"
ends "what was made of it" 0
cp "$WORK/out.qbin" "$WORK/single" && rm "$WORK/out.qbin"
folder model.safetensors.index.json
cp $H/model.safetensors.index.json "$MODEL"
convert
ends "the good shards" 0
run "$BIN/inspect" --verify $H/model.qbin
ends "the good .qbin" 0
rm -f "$WORK/out.qbin"

# Weights that are not finite are converted when asked for.
folder nan.safetensors
run "$BIN/convert" "$MODEL" f16 --no-tokenizer --allow-nonfinite -q -o "$WORK/out.qbin"
ends "nan.safetensors --allow-nonfinite" 0
rm -f "$WORK/out.qbin"

# Truncated checkpoints (test_safetensors tries every length). A program that crashed would end with 128 and more.
folder model.safetensors
bytes=$(stat -c %s $H/model.safetensors)
wrong=
for ((n = 0; n < bytes; n += 29)); do
    head -c "$n" $H/model.safetensors >"$MODEL/model.safetensors"
    convert
    { [ "$code" -eq 3 ] && [ "$(grep -c '^error: ' "$WORK/err")" -eq 1 ]; } || wrong="$wrong $n"
done
check "no truncated checkpoint is converted:$wrong" [ -z "$wrong" ]

# What is no file at all.
folder model.safetensors
mkfifo "$WORK/fifo"
for path in "$WORK/absent" /dev/null "$WORK/fifo"; do
    run timeout 5 "$BIN/convert" "$path" f16 --no-tokenizer -o "$WORK/out.qbin"
    refused_cleanly "convert $(basename "$path")" "$path"
done
for path in "$WORK/absent" "$WORK" /dev/null "$WORK/fifo"; do
    run timeout 5 "$BIN/inspect" "$path"
    refused "inspect $(basename "$path")" 3 "$path"
done
rm "$MODEL/config.json"
convert
refused_cleanly "no config.json" "config\.json: No such file"

finish
