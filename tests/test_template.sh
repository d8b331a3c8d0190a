# template as a person uses it: templates of files, folders and models, cases with and without faults, what convert keeps.
. tests/lib.sh

template=$BIN/template
data=tests/data/templates
llama=tests/data/tokenizers/sentencepiece-bpe

# prints NAME TEXT: the last run ended well and printed exactly TEXT
prints() {
    if [ "$code" -eq 0 ] && [ "$(cat "$WORK/out")" = "$2" ]; then ok "$1"; else not_ok "$1" "ended with $code, printed: $(head -c 300 "$WORK/out")"; fi
}

# ---- cases ----

for cases in "$data"/*.cases.json; do
    name=$(basename "$cases" .cases.json)
    if [ -e "$data/$name.jinja" ]; then run "$template" -t "$data/$name.jinja" "$cases"; else run "$template" "$cases"; fi
    check "$name: a line for each case" test "$code" -eq 0 -a "$(grep -c '^{.*}$' "$WORK/out")" -eq "$(grep -c '^{"name": ' "$cases")"
    # Python's json.dumps and the program write the same letters: what was expected stands in the lines.
    sed 's/, "apply": .*$/}/' "$cases" | sed -n 's/^.*"expected": \("\([^"\\]\|\\.\)*"\).*$/\1/p' >"$WORK/want"
    sed -n 's/^.*"expected":\("\([^"\\]\|\\.\)*"\).*$/\1/p' "$WORK/out" | sed 's/\\u\(....\)/\\u\L\1/g; s/\x7f/\\u007f/g' >"$WORK/got"
    [ "$name" = rare ] || check "$name: the texts of the reference" cmp -s "$WORK/want" "$WORK/got"
done

printf '{{ messages[0].content }}|{{ now is defined }}|{{ strftime_now("%%Y-%%m-%%d") }}' >"$WORK/own.jinja"
echo '{"messages": [{"content": "<s>"}], "now": "2024-07-26T09:05:07"}' >"$WORK/one.json"
run "$template" -t "$WORK/own.jinja" "$WORK/one.json"
prints "one object is one case" '{"expected":"<s>|False|2024-07-26"}'
run "$template" -t "$WORK/own.jinja" --spans "$WORK/one.json"
prints "--spans tells what comes from variables" '{"expected":"<s>|False|2024-07-26","data":[[0,3]]}'
"$template" -t "$WORK/own.jinja" - <"$WORK/one.json" >"$WORK/piped"
check "cases from a pipe" cmp -s "$WORK/piped" <(echo '{"expected":"<s>|False|2024-07-26"}')
printf 'line\n{{ nothing.more }}' >"$WORK/bad.jinja"
run "$template" -t "$WORK/bad.jinja" "$WORK/one.json"
prints "a failure is an answer with its line" "{\"error\":\"'nothing' is undefined\",\"error_type\":\"UndefinedError\",\"line\":2}"

# ---- models ----

mkdir "$WORK/model"
if [ -d models/demo ]; then
    cp models/demo/* "$WORK/model"
    cat >"$WORK/model/tokenizer_config.json" <<'END'
{"bos_token": {"content": "<|endoftext|>", "special": true}, "eos_token": "</s>", "add_bos_token": true,
 "chat_template": [{"name": "default", "template": "{{ bos_token }}{{ messages[0].content }}"}, {"name": "tool_use", "template": "{% broken"}]}
END
    echo '{"messages": [{"content": "<|endoftext|>"}]}' >"$WORK/user.json"
    run "$BIN/convert" "$WORK/model" q4 -o "$WORK/chat.qbin"
    ends "a model with templates" 0
    for model in "$WORK/model" "$WORK/chat.qbin"; do
        run "$template" -m "$model" --spans "$WORK/user.json"
        prints "$(basename "$model"): its template and its special tokens" '{"expected":"<|endoftext|><|endoftext|>","data":[[13,26]]}'
        run "$template" -m "$model" --source
        prints "$(basename "$model"): --source" '{{ bos_token }}{{ messages[0].content }}'
        run "$template" -m "$model" --name tool_use --source
        prints "$(basename "$model"): another one by name" '{% broken'
        run "$template" -m "$model" --name other "$WORK/user.json"
        refused "$(basename "$model"): a name that is not there" 3 'has no chat template called other'
    done
    run "$BIN/inspect" "$WORK/chat.qbin"
    check "inspect shows special tokens and templates" grep -qzE 'tool_use +9 bytes.*special tokens.*bos_token +<\|endoftext\|>' "$WORK/out"
    printf '{{ 1 + }}' >"$WORK/model/chat_template.jinja"
    run "$BIN/convert" "$WORK/model" q4 -o "$WORK/broken.qbin"
    ends "a template that cannot be run is a warning" 0 'chat template cannot be run and is kept as it is: line 1: '
    run "$template" -m "$WORK/broken.qbin" --source
    prints "chat_template.jinja comes before tokenizer_config.json" '{{ 1 + }}'
else
    skip "templates of a model" "no demo model"
fi

# ---- what is refused ----

run "$template" -t "$WORK/own.jinja"
refused "no cases" 2 'no cases'
run "$template" "$WORK/one.json"
refused "no template" 2 'no template: -t FILE or -m MODEL'
run "$template" -t "$WORK/own.jinja" -m "$llama" "$WORK/one.json"
refused "two templates" 2 'model'
run "$template" -t "$WORK/nothing" "$WORK/one.json"
refused "a template that is not there" 3 'nothing'
run "$template" -m "$llama" "$WORK/one.json"
refused "a folder without a template" 3 'has no chat template'
echo '[{}, 5]' >"$WORK/numbers.json"
"$template" -t "$WORK/own.jinja" "$WORK/numbers.json" >/dev/null 2>"$WORK/err"
code=$?
ends "a case that is no object" 3 'case 2: a case is not an object'
echo '{"now": "today"}' >"$WORK/time.json"
run "$template" -t "$WORK/own.jinja" "$WORK/time.json"
refused "a time that is none" 3 'not a time'
echo '{' >"$WORK/half.json"
run "$template" -t "$WORK/own.jinja" "$WORK/half.json"
refused "half a JSON" 3 'half.json: line 2'
finish
