# tokenize as a person uses it: every kind of source, text from operand and pipe, ids back to text, JSON lines, typing errors.
. tests/lib.sh

tokenize=$BIN/tokenize
llama=tests/data/tokenizers/sentencepiece-bpe
bytes=tests/data/tokenizers/bytelevel-llama3

# says NAME TEXT: the last run ended well and printed exactly TEXT
says() {
    if [ "$code" -eq 0 ] && [ "$(cat "$WORK/out")" = "$2" ]; then ok "$1"; else not_ok "$1" "ended with $code, printed: $(head -c 200 "$WORK/out")"; fi
}

# ---- sources ----

run "$tokenize" -m $bytes 'Hello world'
ids=$(cat "$WORK/out")
check "ids are a list that other commands take" grep -qE '^[0-9]+(,[0-9]+)*$' "$WORK/out"
run "$tokenize" -m $bytes/tokenizer.json 'Hello world'
says "a tokenizer.json instead of a folder" "$ids"
run "$tokenize" -m $bytes --special 'Hello world'
says "--special adds the BOS of the post-processor" "1000,$ids"
run "$tokenize" -m $bytes --decode "$ids"
says "--decode gives the text back" 'Hello world'
run "$tokenize" -m tests/data/spm/bpe 'The river'
ids=$(cat "$WORK/out")
check "a folder with a tokenizer.model" grep -qE '^[0-9]+(,[0-9]+)*$' "$WORK/out"
run "$tokenize" -m tests/data/spm/bpe/tokenizer.model 'The river'
says "a tokenizer.model itself" "$ids"
if [ -d models/demo ]; then
    mkdir "$WORK/spm"
    cp models/demo/config.json models/demo/model.safetensors tests/data/spm/bpe/tokenizer* "$WORK/spm"
    run "$BIN/convert" "$WORK/spm" q4 -o "$WORK/spm.qbin"
    run "$tokenize" -m "$WORK/spm.qbin" 'The river'
    says "convert reads tokenizer.model" "$ids"
    run "$BIN/dequantize" "$WORK/spm.qbin" "$WORK/folder" --model "$WORK/spm" -q
    check "dequantize copies it" cmp -s "$WORK/folder/tokenizer.model" tests/data/spm/bpe/tokenizer.model
    run "$BIN/convert" models/demo q4 -o "$WORK/demo.qbin"
    run "$tokenize" -m "$WORK/demo.qbin" 'Once upon a time'
    ids=$(cat "$WORK/out")
    run "$tokenize" -m models/demo 'Once upon a time'
    says "a .qbin gives the ids of the folder it comes from" "$ids"
else
    skip "a .qbin gives the ids of the folder it comes from" "no demo model"
fi

# ---- text ----

printf 'Hello world' | "$tokenize" -m $bytes >"$WORK/piped" 2>/dev/null
run "$tokenize" -m $bytes 'Hello world'
check "text from a pipe" cmp -s "$WORK/out" "$WORK/piped"
printf 'a\0b\377' | "$tokenize" -m $bytes >"$WORK/piped" 2>/dev/null
"$tokenize" -m $bytes --decode "$(cat "$WORK/piped")" >"$WORK/back"
check "NUL bytes are text, a bad byte is U+FFFD" test "$(od -An -tx1 "$WORK/back" | tr -d ' \n')" = 610062efbfbd
run "$tokenize" -m $bytes ''
says "no text has no ids" ''
run "$tokenize" -m $llama --prompt '<s> one'
check "--prompt has one BOS" grep -qE '^1,[^1]' "$WORK/out"
run "$tokenize" -m $bytes --pieces 'a b'
check "--pieces shows a line for each token" grep -qE '^[0-9]+	" ?b"$' "$WORK/out"

# ---- JSON lines: the whole of each small set of vectors through the program ----

for folder in tests/data/tokenizers/*/; do
    name=$(basename "$folder")
    "$tokenize" -m "$folder" --jsonl <"$folder/vectors.jsonl" >"$WORK/plain" 2>"$WORK/err"
    "$tokenize" -m "$folder" --special --jsonl <"$folder/vectors.jsonl" >"$WORK/special" 2>>"$WORK/err"
    sed 's/^.*"ids":\(\[[0-9,]*\]\).*$/\1/' "$folder/vectors.jsonl" >"$WORK/want"
    sed 's/^.*"ids_special":\(\[[0-9,]*\]\).*$/\1/' "$folder/vectors.jsonl" >"$WORK/want-special"
    sed -i 's/^{"ids":\(\[[0-9,]*\]\).*$/\1/' "$WORK/plain" "$WORK/special"
    check "$name: ids of all lines" cmp -s "$WORK/plain" "$WORK/want"
    check "$name: ids with special tokens" cmp -s "$WORK/special" "$WORK/want-special"
done
printf '{"text":"a"}\n{"text":1}\n' | "$tokenize" -m $bytes --jsonl >"$WORK/out" 2>"$WORK/err"
code=$?
ends "a line that is not an object with a text" 3 'line 2 is not'

# ---- bench, and what is refused ----

run "$tokenize" -m $bytes --bench Makefile
check "--bench measures" grep -qE '^encode +[0-9.]+ MB/s' "$WORK/out"
run "$tokenize" text
refused "no tokenizer" 2 'no tokenizer: -m MODEL'
run "$tokenize" -m "$WORK/nothing" text
refused "a path that is not there" 3 'nothing'
run "$tokenize" -m tests text
refused "a folder without a tokenizer" 3 'tests: there is no tokenizer.json and no tokenizer.model'
run "$tokenize" -m Makefile text
refused "a file that is none" 3 'Makefile: .*JSON'
run "$tokenize" -m $bytes --decode 1,x
refused "--decode of something else" 2 'not a list of ids'
run "$tokenize" -m $bytes --bench "$WORK/nothing"
refused "--bench without the file" 3 'nothing'
finish
