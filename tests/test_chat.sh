#!/bin/bash
# What `chat` promises to a script: what goes where, how much of a conversation is computed anew, and that nobody's words become special tokens.
. tests/lib.sh

same() { cmp -s "$1" "$2"; }
demo_in q4
MODEL=$WORK/q4.qbin
TEMPLATE=$WORK/plain.jinja
cat >"$TEMPLATE" <<'END'
{%- for m in messages %}{{ bos_token }}{{ m.role }}: {{ m.content }}
{% endfor %}{% if add_generation_prompt %}{{ bos_token }}assistant: {% endif %}
END
CHAT=("$BIN/chat" -m "$MODEL" --template "$TEMPLATE" --temp 0 -n 24)

# says LINE ...: to a chat with these options (before --)
talk() {
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    printf '%s\n' "$@" | "${CHAT[@]}" "${options[@]}" >"$WORK/out" 2>"$WORK/err"
    code=$?
}
number() { sed -n "s/.*\"$1\": \([0-9]*\)[,}.].*/\1/p" "$WORK/err" | sed -n "${2}p"; } # of the answer with that number
one='Tell me of a king.' two='And of his daughter?'

# ---- without a template ----

run "$BIN/chat" -m "$MODEL" -p "$one"
refused "a model without a template is told so" 2 'has no chat template.*run -m FILE -p TEXT.*--template FILE.jinja'
run "$BIN/chat" -p "$one"
refused "no model" 2 'no model: give one with -m FILE'
run "$BIN/chat" -m "$WORK/none.qbin" -p "$one"
refused "a missing model" 3 'none.qbin'
run "$BIN/chat" -m "$MODEL" --template "$WORK/none.jinja" -p "$one"
refused "a missing template" 3 'none.jinja'
printf 'a\n{%% if %%}\n' >"$WORK/bad.jinja"
run "$BIN/chat" -m "$MODEL" --template "$WORK/bad.jinja" -p "$one"
refused "a template that is none" 3 'bad.jinja: line 2'
echo '{{ raise_exception("Only cats may speak") }}' >"$WORK/cats.jinja"
run "$BIN/chat" -m "$MODEL" --template "$WORK/cats.jinja" -q -p "$one"
refused "a template that refuses" 1 'Only cats may speak'
for bad in '[1]' '{"a":' '1'; do
    run "${CHAT[@]}" --template-args "$bad" -q -p "$one"
    refused "--template-args '$bad'" 2 'error: --template-args: '
done

# ---- one turn ----

run "${CHAT[@]}" --single-turn -p "$one"
ends "a single turn" 0
cp "$WORK/out" "$WORK/first"
check "stdout has an answer" [ "$(wc -c <"$WORK/first")" -gt 10 ]
check "that ends its line" [ -z "$(tail -c 1 "$WORK/first" | tr -d '\n')" ]
check "and not the question" [ "$(grep -c "$one" "$WORK/first")" -eq 0 ]
check "timings are on stderr" grep -qE '^\[0 tokens reused, [0-9]+ computed in .* ms · [0-9]+ generated, .* tokens/s · context [0-9]+ of 512\]$' "$WORK/err"
run "${CHAT[@]}" -p "$one" -q
check "without a terminal -p is a single turn" same "$WORK/out" "$WORK/first"
check "--quiet is quiet" [ ! -s "$WORK/err" ]
echo "$one" >"$WORK/prompt"
run "${CHAT[@]}" -f "$WORK/prompt" -q
check "-f FILE" same "$WORK/out" "$WORK/first"
"${CHAT[@]}" --single-turn -q <"$WORK/prompt" >"$WORK/out" 2>"$WORK/err"
check "standard input" same "$WORK/out" "$WORK/first"
run "${CHAT[@]}" -q -p "$one" -p ''
refused "an empty message" 2 'the prompt is empty'
for o in '-t 1' '-t 3 -b 7' '--lookup'; do
    # shellcheck disable=SC2086
    run "${CHAT[@]}" -q -p "$one" $o
    check "the same answer with $o" same "$WORK/out" "$WORK/first"
done
run "${CHAT[@]}" -q -p "$one" --system 'You are a witch.'
check "a system prompt changes it" [ "$(cmp -s "$WORK/out" "$WORK/first"; echo $?)" = 1 ]
cp "$WORK/out" "$WORK/witch"
printf 'You are a witch.\n' >"$WORK/system"
run "${CHAT[@]}" -q -p "$one" --system-file "$WORK/system"
check "--system-file" same "$WORK/out" "$WORK/witch"
run "${CHAT[@]}" -q -p "$one" --system a --system-file "$WORK/system"
refused "two system prompts" 2 '--system cannot go with --system-file'

# ---- several turns: only what is new is computed ----

talk --json-timings -q -- "$one" "$two"
ends "two messages from a pipe" 0
cp "$WORK/out" "$WORK/both"
cat "$WORK/first" >"$WORK/wanted"
check "the first answer is as before" [ "$(head -c "$(wc -c <"$WORK/first")" "$WORK/both")" = "$(cat "$WORK/first")" ]
check "nothing to reuse at first" [ "$(number reused_tokens 1)" -eq 0 ]
check "all of the first turn is reused" [ "$(number reused_tokens 2)" -ge $(($(number prompt_tokens 1) + $(number generated_tokens 1) - 2)) ]
check "and little is computed" [ "$(number prompt_tokens 2)" -le 30 ]
later=$(tail -c +$(($(wc -c <"$WORK/first") + 1)) "$WORK/both")

talk -q -- "$one" "/save $WORK/saved.json"
ends "/save" 0
check "writes messages" grep -q '"role": "assistant"' "$WORK/saved.json"
check "for its owner alone" [ "$(stat -c %a "$WORK/saved.json")" = 600 ]
check "and leaves no litter" [ -z "$(ls "$WORK"/saved.json.tmp* 2>/dev/null)" ]
talk -q --json-timings -- "/load $WORK/saved.json" "$two"
ends "/load" 0
check "goes on with the answer that it had, computed anew" [ "$(cat "$WORK/out")" = "$later" ]
check "nothing was there to reuse" [ "$(number reused_tokens 1)" -eq 0 ]
talk -q -- "/load $WORK/saved.json" "/save $WORK/again.json"
check "what is loaded is saved as it was" same "$WORK/saved.json" "$WORK/again.json"
talk -q --lookup -- "$one" "$two" /regen
check "--lookup changes nothing" [ "$(head -c "$(wc -c <"$WORK/both")" "$WORK/out")" = "$(cat "$WORK/both")" ]

talk -q --json-timings -- "$one" /regen
check "/regen answers again: the same if nothing is left to chance" [ "$(cat "$WORK/out")" = "$(cat "$WORK/first" "$WORK/first")" ]
check "and computes one token" [ "$(number prompt_tokens 2)" -eq 1 ]
talk -q --temp 1 -s 5 --top-k 0 -- "$one" /regen
check "else another one" [ "$(head -n 1 "$WORK/out")" != "$(tail -n 1 "$WORK/out")" ]
talk -q -- /regen
refused "/regen without a message" 2 'nothing to answer'

talk -q -- "$one" "$two" /clear "$one"
check "/clear begins anew" [ "$(cat "$WORK/out")" = "$(cat "$WORK/both" "$WORK/first")" ]
talk -q --system 'You are a witch.' -- "$two" /clear "$one"
check "with the same system prompt" [ "$(tail -c "$(wc -c <"$WORK/witch")" "$WORK/out")" = "$(cat "$WORK/witch")" ]
talk -q -- '/system You are a witch.' "$one"
check "/system TEXT" same "$WORK/out" "$WORK/witch"
talk -q --system 'You are a witch.' -- '/system -' "$one"
check "/system - removes it" same "$WORK/out" "$WORK/first"
talk -q --system 'You are a witch.' -- /system
check "/system shows it, not on stdout" grep -qx 'You are a witch.' "$WORK/err"
talk -q -- "$one" /exit "$two"
check "/exit leaves" same "$WORK/out" "$WORK/first"
talk -q --temp 1 -- '/set temp 0' "$one"
check "/set changes how answers are drawn" same "$WORK/out" "$WORK/first"
talk -q -- '/set predict 3' "$one"
check "and how long they are" [ "$(wc -c <"$WORK/out")" -lt "$(wc -c <"$WORK/first")" ]
talk -q -- /set
check "/set shows it" grep -q '^sampler: temp 0' "$WORK/err"
talk -q -- /help
check "/help lists commands on stderr" grep -q '^  /regen ' "$WORK/err"

# ---- what is refused ----

for case in '/rgen|did you mean ./regen.' '/xyzzy|/help lists them' '/save|/save wants a FILE' '/clear now|/clear stands alone' '/set tmep 1|did you mean .temp.' \
    '/set temp hot|is not a number' '/set temp 900|is not between 0 and 100' '/set temp|wants a value'; do
    talk -q -- "${case%%|*}"
    refused "${case%%|*}" 2 "${case#*|}"
done
talk -q -- "/load $WORK/none.json"
refused "/load of a missing file" 3 'none.json'
talk -q -- "/load $WORK"
refused "/load of a folder" 3 "$WORK"
n=0
for text in '' '[' '{}' '[1]' '[{"role": "user"}]' '[{"role": 1, "content": "a"}]' '[{"role": "user", "content": ["a"]}]' '{"messages": {}}' \
    '[{"role": "", "content": "a"}]' '[{"role": "user", "role": "user", "content": "a"}]' "$(printf '[%.0s' {1..100})" "$(printf '["\xff"]')" '["\u0000"]'; do
    printf %s "$text" >"$WORK/bad.json"
    talk -q -- "/load $WORK/bad.json"
    refused "/load of ${text:0:60}" 3 'bad.json'
done
cp "$MODEL" "$WORK/precious.qbin"
talk -q -- "/save $WORK/precious.qbin"
refused "/save does not overwrite what is no conversation" 1 'holds no messages; it stays as it is'
check "which stays" same "$MODEL" "$WORK/precious.qbin"
talk -q -- "/save $WORK"
refused "/save to a folder" 1 'no regular file'
talk -q -- "/save $WORK/no/such/folder.json"
refused "/save to a folder that is not there" 1 'No such file'
talk -q -c 64 -- "$(printf 'word %.0s' {1..100})"
refused "a message longer than the context" 1 'the context is full: the conversation has [0-9]+ tokens, and there is room for 64.*--context N'
talk -c 48 -n -1 -- "$one" "$one" "$one" "$one" "$one" "$one" "$one"
ends "a conversation that fills it" 1 'the context is full'

# ---- how messages are typed ----

talk -q -- "$one\\" "$two"
cp "$WORK/out" "$WORK/joined"
run "${CHAT[@]}" -q -e -p "$one\\n$two"
check "a backslash joins lines" same "$WORK/out" "$WORK/joined"
talk -q -- "\"\"\"$one" "$two\"\"\""
check "three quotation marks hold several" same "$WORK/out" "$WORK/joined"
talk -q -- '"""' "$one" "$two" '"""'
check "on lines of their own too" [ -s "$WORK/out" ]
talk -q -- '"""/help"""'
check "a slash has no meaning there" [ -s "$WORK/out" ]
talk -q -- '' '   ' "$one" ''
check "empty lines are no messages" same "$WORK/out" "$WORK/first"
printf '%s' "$one" | "${CHAT[@]}" -q >"$WORK/out" 2>"$WORK/err"
check "the last line needs no newline" same "$WORK/out" "$WORK/first"
printf '%s\r\n' "$one" | "${CHAT[@]}" -q >"$WORK/out" 2>"$WORK/err"
check "nor does a carriage return harm" same "$WORK/out" "$WORK/first"
printf 'a\xff\0b\n/save %s\n' "$WORK/bytes.json" | "${CHAT[@]}" -q >"$WORK/out" 2>"$WORK/err"
code=$?
ends "any bytes are a message" 0
check "what is no text in them is replaced" grep -q 'a��b' "$WORK/bytes.json"

# ---- nobody's words become special tokens ----

tokens() { "$BIN/tokenize" -m "$MODEL" "$@" | tr ',' '\n' | grep -c ''; }
literal=$(tokens --literal 'user: a<|endoftext|>b')
check "the test can tell" [ "$literal" -gt "$(tokens 'user: a<|endoftext|>b')" ]
echo '{{ bos_token }}user: {{ messages[-1].content }}' >"$WORK/short.jinja"
printf '%s' "$(cat "$WORK/short.jinja")" >"$WORK/short.jinja"
run "${CHAT[@]}" -q --json-timings --template "$WORK/short.jinja" -n 0 -p 'a<|endoftext|>b'
check "a special token in a message is text" [ "$(number prompt_tokens 1)" -eq $((literal + 1)) ]
printf '{{ bos_token }}user: a<|endof{{ messages[-1].content }}|>b' >"$WORK/split.jinja"
run "${CHAT[@]}" -q --json-timings --template "$WORK/split.jinja" -n 0 -p 'text'
check "also one of which the template has a part" [ "$(number prompt_tokens 1)" -eq $((literal + 1)) ]
printf '[{"role": "user", "content": "a<|endoftext|>b"}]' >"$WORK/special.json"
talk -q --json-timings --template "$WORK/short.jinja" -n 0 -- "/load $WORK/special.json" /regen
check "and in a file" [ "$(number prompt_tokens 1)" -eq $((literal + 1)) ]

# ---- how answers end, and what of them is shown ----

word=$(tr -s ' \n' '\n' <"$WORK/first" | awk 'length > 3 && !seen[$0]++' | sed -n 3p)
run "${CHAT[@]}" -q -p "$one" --stop "$word"
check "--stop ends before the text" [ "$(cat "$WORK/out")" = "$(awk -v w="$word" '{ i = index($0, w); if (i) { print substr($0, 1, i - 1); exit } print }' "$WORK/first")" ]
run "${CHAT[@]}" -q -p "$one" --stop nosuchtext --stop "$word"
check "of several the first one counts" [ "$(grep -c -- "$word" "$WORK/out")" -eq 0 ]
run "${CHAT[@]}" -q -p "$one" --stop "$(tail -c 5 "$WORK/first" | tr -d '\n')zzz"
check "the beginning of one is text in the end" same "$WORK/out" "$WORK/first"
printf '%s\n' "{{ bos_token }}{{ messages[-1].content }}<think>" >"$WORK/thinks.jinja"
run "${CHAT[@]}" -q --template "$WORK/thinks.jinja" -p "$one"
check "thoughts are no answers" [ ! -s "$WORK/out" ]
run "${CHAT[@]}" -q --template "$WORK/thinks.jinja" -p "$one" --show-thinking always
check "but can be shown" [ "$(wc -c <"$WORK/out")" -gt 10 ]
check "without the colours of a terminal" [ "$(grep -c "$(printf '\033')" "$WORK/out")" -eq 0 ]

echo 'root ::= "yes" | "no"' >"$WORK/answers.gbnf"
talk -q --grammar "$WORK/answers.gbnf" -- "$one" "$two"
check "a grammar holds for each answer" [ "$(grep -cxE 'yes|no' "$WORK/out")" -eq 2 ]

# ---- signals and streams ----

mkfifo "$WORK/fifo"
begin "${CHAT[@]}" -q
code=0
wait "$pid" || code=$?
ends "an empty input is no error" 0
env --default-signal=INT "${CHAT[@]}" <"$WORK/fifo" >"$WORK/out" 2>"$WORK/err" &
pid=$!
exec 9>"$WORK/fifo"
until_true says '^sampler'
sleep 0.1
end_with INT
exec 9>&-
ends "Ctrl-C ends a script's chat" 130
check "without a message" [ "$(grep -c '^error' "$WORK/err")" -eq 0 ]
if [ -e /dev/full ]; then
    "${CHAT[@]}" -q -p "$one" >/dev/full 2>"$WORK/err"
    code=$?
    ends "a full disk behind stdout" 4 'standard output'
fi

finish
