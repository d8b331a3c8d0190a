#!/usr/bin/env bash
# GGUF against llama.cpp: a GGUF file is converted with `keep` and with f32, and both programs tell its perplexity and the same texts; then what export writes is
# read by llama-perplexity. Not a benchmark of speed. Fails if a perplexity differs by more than LIMIT.
#
#   bench/gguf.sh PEER MODEL.gguf TEXT     from the environment: CHUNKS=4 THREADS=2 LIMIT=0.003 BIN=bin
set -euo pipefail
[ $# -eq 3 ] || { sed -n '2,/^set -euo/p' "$0" | sed -e '/^set -euo/d' -e 's/^# \{0,1\}//'; exit 2; }
peer=$1 gguf=$2 text=$3 bin=${BIN:-bin} chunks=${CHUNKS:-4} threads=${THREADS:-2} limit=${LIMIT:-0.003}
[ -x "$peer/llama-perplexity" ] || peer=$peer/bin
[ -x "$peer/llama-perplexity" ] || { echo "no llama-perplexity in $peer" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ours() { "$bin/perplexity" "$1" -f "$text" -c 512 --chunks "$chunks" -t "$threads" -q -o json | sed -n 's/.*"ppl": \([0-9.]*\),.*/\1/p'; }
theirs() { "$peer/llama-perplexity" -m "$1" -f "$text" -c 512 --chunks "$chunks" -t "$threads" 2>&1 | sed -n 's/.*PPL = \([0-9.]*\).*/\1/p'; }
say() { "$bin/run" -m "$1" -p "$2" -n 24 --temp 0 -q -t "$threads" 2>/dev/null; }
they_say() { "$peer/llama-completion" -m "$1" -p "$2" -n 24 --temp 0 -no-cnv -t "$threads" </dev/null 2>/dev/null; }

failed=0
# compare NAME OURS THEIRS
compare() {
    awk -v name="$1" -v a="$2" -v b="$3" -v limit="$limit" 'BEGIN {
        d = a / b - 1
        bad = !(a > 0 && b > 0 && d <= limit && d >= -limit)
        printf "%-28s %10.4f %10.4f  %+.3f %%%s\n", name, a, b, 100 * d, bad ? "  TOO FAR" : ""
        exit bad }' || failed=1
}

printf '%-28s %10s %10s\n' "perplexity" "qbin" "llama.cpp"
"$bin/convert" "$gguf" keep --keep-tokenizer -q -o "$work/keep.qbin"
peer_ppl=$(theirs "$gguf")
compare "convert keep" "$(ours "$work/keep.qbin")" "$peer_ppl"
"$bin/convert" "$gguf" f16 --keep-tokenizer -q -o "$work/f16.qbin"
f16=$(ours "$work/f16.qbin")
"$bin/convert" "$gguf" q8-b32 --keep-tokenizer -q -o "$work/q8.qbin"
"$bin/export" "$work/f16.qbin" --type f16 -q -o "$work/f16.gguf"
compare "export f16" "$f16" "$(theirs "$work/f16.gguf")"
"$bin/export" "$work/q8.qbin" --type q8_0 -q -o "$work/q8.gguf"
compare "export q8_0" "$(ours "$work/q8.qbin")" "$(theirs "$work/q8.gguf")"

same=0 all=0
for prompt in "The capital of France is" "Once upon a time there was" "def fibonacci(n):" "Water boils at" "The first president of the United States was"; do
    all=$((all + 1))
    if [ "$(say "$work/f16.qbin" "$prompt")" = "$(they_say "$work/f16.gguf" "$prompt")" ]; then same=$((same + 1)); else echo "another text after: $prompt"; fi
done
echo "greedy texts of 24 tokens in f16: $same of $all equal"
exit $failed
