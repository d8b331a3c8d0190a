#!/bin/bash
# What `run` and `logits` promise to someone who types them.
. tests/lib.sh

MODEL=$WORK/demo.qbin
"$BIN/convert" models/demo q4 --quiet -o "$MODEL" || exit 1
PROMPT='Once upon a time'

same() { cmp -s "$1" "$2"; }
# Of those that the program has, what this CPU has.
isas() { for i in $(QBIN_ISA=? "$BIN/logits" -m "$MODEL" --ids 1 -o /dev/null 2>&1 | sed 's/.*this program has//; s/(.*//; s/,//g'); do QBIN_ISA=$i "$BIN/logits" -m "$MODEL" --ids 1 -o /dev/null 2>/dev/null && echo $i; done; }

# ---- the same everywhere ----

run "$BIN/run" -m "$MODEL" -p "$PROMPT" -n 60 -s 3
ends "a seed gives a text" 0
cp "$WORK/out" "$WORK/text"
check "which begins with the prompt" grep -q "^$PROMPT" "$WORK/text"
check "and goes on" [ "$(wc -c <"$WORK/text")" -gt 40 ]
for t in 1 2 3 7; do
    run "$BIN/run" -m "$MODEL" -p "$PROMPT" -n 60 -s 3 -t $t
    check "the same text with -t $t" same "$WORK/out" "$WORK/text"
done
for b in 1 3 512; do
    run "$BIN/run" -m "$MODEL" -p "$PROMPT" -n 60 -s 3 -b $b
    check "the same text with -b $b" same "$WORK/out" "$WORK/text"
done
for i in $(isas); do
    run "$BIN/run" -m "$MODEL" -p "$PROMPT" -n 60 -s 3 --isa $i
    check "the same text with --isa $i" same "$WORK/out" "$WORK/text"
done
run "$BIN/run" -m "$MODEL" -p "$PROMPT" -n 60 -s 4
check "another text with another seed" [ "$(cmp -s "$WORK/out" "$WORK/text"; echo $?)" = 1 ]

IDS=$(seq -s, 1 600 | head -c 1800)
IDS=${IDS%,*}
run "$BIN/logits" -m "$MODEL" --ids "$IDS" -c 1000 -t 1 -b 512 --isa scalar -o "$WORK/wanted.f32"
ends "logits are written" 0
for o in '-t 2 -b 1' '-t 3 -b 7' '-t 7 -b 64' '-t 2 -b 512'; do
    # shellcheck disable=SC2086
    run "$BIN/logits" -m "$MODEL" --ids "$IDS" -c 1000 $o
    check "the same logits with $o, through a pipe" same "$WORK/out" "$WORK/wanted.f32"
done
for i in $(isas); do
    run "$BIN/logits" -m "$MODEL" --ids "$IDS" -c 1000 --isa $i
    check "the same logits with --isa $i" same "$WORK/out" "$WORK/wanted.f32"
done

penalty() { run "$BIN/run" -m "$MODEL" -p "$PROMPT" -n 100 -s 3 -c 128 --repeat-penalty 1.3 --repeat-last-n "$1"; }
penalty 128
cp "$WORK/out" "$WORK/text"
penalty -1
check "--repeat-last-n -1 looks back at the whole context" same "$WORK/out" "$WORK/text"
penalty 4
check "which is not what a short one sees" [ "$(cmp -s "$WORK/out" "$WORK/text"; echo $?)" = 1 ]

# ---- where the prompt comes from ----

greedy() { run "$BIN/run" -m "$MODEL" -n 12 --temp 0 "$@"; }
greedy -p "$PROMPT"
cp "$WORK/out" "$WORK/text"
printf '%s\n' "$PROMPT" >"$WORK/prompt"
greedy -f "$WORK/prompt"
check "-f FILE" same "$WORK/out" "$WORK/text"
printf %s "$PROMPT" | "$BIN/run" -m "$MODEL" -n 12 --temp 0 >"$WORK/out" 2>"$WORK/err"
check "a pipe" same "$WORK/out" "$WORK/text"
printf '%s\n' "$PROMPT" | "$BIN/run" -m "$MODEL" -n 12 --temp 0 -p - >"$WORK/out" 2>"$WORK/err"
check "-p -" same "$WORK/out" "$WORK/text"
greedy -e -p 'Once\x20upon a\x20time'
check "-e reads escapes" same "$WORK/out" "$WORK/text"
greedy -p 'a\nb' -n 0
check "which are text without it" grep -q 'a\\nb' "$WORK/out"
greedy -p "$PROMPT" --no-display-prompt
check "--no-display-prompt leaves the prompt out" [ "$PROMPT$(cat "$WORK/out")" = "$(cat "$WORK/text")" ]
greedy -p '' -n 4 --ids
check "an empty prompt begins with BOS" grep -qE '^[0-9]+(,[0-9]+){4}$' "$WORK/out"
greedy -p "$PROMPT" --ids
ids=$(cat "$WORK/out")
greedy --prompt-ids "$(echo "$ids" | cut -d, -f1-4)" -n 0 --ids
check "--prompt-ids takes what --ids gives" [ "$(cat "$WORK/out")" = "$(echo "$ids" | cut -d, -f1-4)" ]
run "$BIN/run" -m "$MODEL" -n 1 -p a --prompt-ids 1,2
refused "a prompt and its ids are refused" 2 '--prompt-ids cannot go with --prompt'
run "$BIN/run" -m "$MODEL" -n 1 -p a -f "$WORK/prompt"
refused "two prompts are refused" 2 'one is enough'
run "$BIN/run" -m "$MODEL" -p "$PROMPT $PROMPT $PROMPT" -c 8
refused "a prompt longer than the context is refused with both numbers" 1 'has [0-9]+ tokens.* 8 '

# ---- guesses ----

# With guesses (--lookup) the text is the same, whatever is drawn; a text that repeats itself is guessed well.
{ head -c 500 tests/data/tale.txt; echo; head -c 540 tests/data/tale.txt; } >"$WORK/copy"
wrong=
right=0
for how in "--temp 0" "--temp 0 --repeat-penalty 1.2" "-s 1" "-s 2 --temp 1.5 --top-k 0 -t 1" "-s 3 -b 2" "-s 4 --ignore-eos -c 400" "-s 5 -n 7" "-s 6 -n 1" "-s 7 -ctk q8 -ctv q4"; do
    for prompt in "-f $WORK/copy" "-p Once"; do
        # shellcheck disable=SC2086
        run "$BIN/run" -m "$MODEL" $prompt -n 90 $how -q
        cp "$WORK/out" "$WORK/text"
        # shellcheck disable=SC2086
        run "$BIN/run" -m "$MODEL" $prompt -n 90 $how -q --lookup --json-timings
        { [ $code -eq 0 ] && cmp -s "$WORK/out" "$WORK/text"; } || wrong="$wrong;$prompt $how"
        right=$((right + $(sed 's/.*"right_tokens": \([0-9]*\).*/\1/' "$WORK/err")))
    done
done
check "--lookup changes no text$wrong" [ -z "$wrong" ]
check "and guesses well where a text repeats itself" [ $right -ge 20 ]
run "$BIN/run" -m "$MODEL" -f "$WORK/copy" -n 60 --temp 0 --lookup
check "the timings tell how well" grep -qE '^lookup +[0-9]+ tokens guessed, [0-9]+ of them right$' "$WORK/err"

# ---- the KV cache ----

cache_bytes() { sed 's/.*"cache_bytes": \([0-9]*\).*/\1/' "$WORK/err"; }
for c in f32 f16 q8 q4; do
    for o in "-b 1 -t 2" "-b 64 -t 3"; do
        run "$BIN/run" -m "$MODEL" -p "$PROMPT" -n 40 --temp 0 -q --json-timings -ctk $c -ctv $c $o
        ends "-ctk $c -ctv $c $o" 0
        [ "$o" = "-b 1 -t 2" ] && cp "$WORK/out" "$WORK/text.$c"
        check "the same text whatever the batch" same "$WORK/out" "$WORK/text.$c"
    done
    cache_bytes >"$WORK/bytes.$c"
done
run "$BIN/run" -m "$MODEL" -p "$PROMPT" -n 40 --temp 0 -q --json-timings --cache-type q8
check "--cache-type is both" same "$WORK/out" "$WORK/text.q8"
run "$BIN/run" -m "$MODEL" -p "$PROMPT" -n 40 --temp 0 -q --json-timings --cache-type q4 --cache-type-k f16
check "but for the one that is given too" [ $((2 * $(cache_bytes))) -eq $(($(cat "$WORK/bytes.q4") + $(cat "$WORK/bytes.f16"))) ]
check "q8 is little more than half of f16" [ $((100 * $(cat "$WORK/bytes.q8"))) -le $((54 * $(cat "$WORK/bytes.f16"))) ]
run "$BIN/run" -m "$MODEL" -p "$PROMPT" -ctk q5
refused "an unknown type of keys" 2 '^error: -ctk: .*f16.*q8.*q4.*f32'
run "$BIN/run" -m "$MODEL" -p "$PROMPT" --cache-type-v=f8
refused "an unknown type of values" 2 '^error: --cache-type-v: .*f16'

# ---- what is printed where ----

run "$BIN/run" -m "$MODEL" -p "$PROMPT" -n 8
check "timings on stderr" grep -q '^generation .* tokens/s' "$WORK/err"
check "sampler on stderr" grep -q '^sampler: .*seed [0-9]' "$WORK/err"
run "$BIN/run" -m "$MODEL" -p "$PROMPT" -n 8 --quiet
check "--quiet is quiet" [ ! -s "$WORK/err" ]
run "$BIN/run" -m "$MODEL" -p "$PROMPT" -n 8 --quiet --json-timings
check "--json-timings is one object" grep -qE '^\{"load_ms": .*"generated_tokens": 7, .*\}$' "$WORK/err"
private=$(sed 's/.*"private_bytes": \([0-9]*\).*/\1/' "$WORK/err")
cache=$(sed 's/.*"cache_bytes": \([0-9]*\).*/\1/' "$WORK/err")
check "private memory is the cache and at most 64 MB" [ "$private" -le $((cache + (64 << 20))) ]
run "$BIN/run" -m "$MODEL" -p "$PROMPT" -n -1 -c 32 --ids --ignore-eos
check "-n -1 goes on to the end of the context" [ "$(tr ',' '\n' <"$WORK/out" | wc -l)" -eq 33 ]
for s in 1 2 3 4 5 6 7 8; do
    run "$BIN/run" -m "$MODEL" -p 'é' -n 40 -s $s --temp 3 --top-k 0 --top-p 1 --min-p 0
    check "whole characters only, seed $s" iconv -f UTF-8 -t UTF-8 -o /dev/null "$WORK/out"
done

# ---- being stopped ----

# begin_long: a run that goes on until it is stopped, seen at work
talks() { [ "$(wc -c <"$WORK/out")" -gt 60 ]; }
begin_long() {
    begin "$BIN/run" -m "$MODEL" -p "$PROMPT" -n 100000 -c 100000 --ignore-eos
    until_true talks
}
begin_long
end_with INT
ends "Ctrl-C ends with 130 and timings" 130 '^generation'
begin_long
end_with TERM
ends "SIGTERM ends with 143 and timings" 143 '^generation'
ids=$(seq -s, 1 20000 | sed 's/[0-9]*\([0-9][0-9][0-9]\)\b/\1/g')
begin "$BIN/run" -m "$MODEL" --prompt-ids "$ids" -c 20000 -b 20000 -t 1 --no-display-prompt
until_true says '^sampler'
end_with INT
ends "Ctrl-C does not wait for the batch of a long prompt" 130 '^prompt .* 0 tokens'
begin_long
truncate -s 8192 "$MODEL"
wait $pid
code=$?
ends "a file truncated while it runs ends with 3" 3 'truncated while in use'
"$BIN/convert" models/demo q4 --quiet --force -o "$MODEL" || exit 1
"$BIN/run" -m "$MODEL" -p "$PROMPT" -n 1000 --ignore-eos 2>"$WORK/err" | head -c 20 >"$WORK/out"
check "a reader that has seen enough is no error" [ "$(grep -c error: "$WORK/err")" -eq 0 ]

# ---- bad input ----

run "$BIN/run" -m "$WORK/none.qbin" -p a
refused "a missing file" 3 'none.qbin'
run "$BIN/run" -m "$WORK" -p a
refused "a folder" 3 "$WORK"
run "$BIN/run" -m models/demo/model.safetensors -p a
refused "a file that is no .qbin" 3 'model.safetensors'
run "$BIN/run" -p a
refused "no model" 2 '-m FILE'
run "$BIN/run" -m "$MODEL" -p a --isa z80
refused "an unknown instruction set" 2 '^error: --isa: unknown instruction set "z80".*scalar'
run env QBIN_ISA=z80 "$BIN/run" -m "$MODEL" -p a
refused "which came from the environment" 2 '^error: QBIN_ISA: unknown instruction set "z80"'
run env QBIN_ISA=z80 "$BIN/run" -m "$MODEL" -p a -n 1 --isa scalar
ends "and does not matter when there is an option" 0
run "$BIN/run" "$MODEL" -p a
refused "a model that is not given with -m" 2 'unexpected operand .*; a model is given with -m, a prompt with -p'
run "$BIN/logits" "$MODEL" --ids 1
refused "nor to logits" 2 'a model is given with -m'
run "$BIN/logits" -m "$MODEL" --ids 1,x -o "$WORK/o"
refused "ids that are none" 2 "'x'"
run "$BIN/logits" -m "$MODEL" --ids 1,999999 -o "$WORK/o"
refused "an id that is too large" 1 '999999'
run "$BIN/run" -m "$MODEL" --prompt-ids 1,999999 -n 1
refused "which is seen before anything is printed" 1 '999999'
run "$BIN/tokenize" -m "$MODEL" --decode 1,999999
refused "and has no text" 1 '999999'
ln -sf "$MODEL" "$WORK/link"
run "$BIN/logits" -m "$MODEL" --ids 1 -o "$WORK/link"
refused "logits are not written over the model" 2 'is the model itself'
run "$BIN/inspect" --verify "$MODEL"
ends "which stays whole" 0
cp "$MODEL" "$WORK/two
lines.qbin" && truncate -s 5000 "$WORK/two
lines.qbin"
run "$BIN/run" -m "$WORK/two
lines.qbin" -p a
refused "a name of two lines in a message of one" 3 'two[?]lines'
run "$BIN/run" -m '' -p a
refused "an empty name" 3 'name of a file is empty'
run "$BIN/convert" models/demo q4 --no-tokenizer --quiet -o "$WORK/bare.qbin"
run "$BIN/run" -m "$WORK/bare.qbin" -p a
refused "a text for a model without a tokenizer" 2 'tokenizer'
run "$BIN/run" -m "$WORK/bare.qbin" --prompt-ids 1,2 --ids -n 3
ends "which runs with ids" 0
finish
