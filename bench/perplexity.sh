#!/usr/bin/env bash
# How fast is perplexity beside llama-perplexity, on the same windows of the same text? Whole processes are timed, loading and all, one after the other.
#
#   bench/perplexity.sh PEER MODEL.gguf MODEL.qbin TEXT     from the environment: CHUNKS=8 ROUNDS=3 THREADS=1 BIN=bin
set -euo pipefail
[ $# -eq 4 ] || { sed -n '2,/^set -euo/p' "$0" | sed -e '/^set -euo/d' -e 's/^# \{0,1\}//'; exit 2; }
peer=$1 gguf=$2 qbin=$3 text=$4 bin=${BIN:-bin} chunks=${CHUNKS:-8} threads=${THREADS:-1}
[ -x "$peer/llama-perplexity" ] || peer=$peer/bin
[ -x "$peer/llama-perplexity" ] || { echo "no llama-perplexity in $peer" >&2; exit 2; }

# seconds COMMAND ...
seconds() {
    local start=$EPOCHREALTIME
    "$@" >/dev/null 2>&1 </dev/null || { echo "failed: $*" >&2; exit 1; }
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'
}

for _ in $(seq "${ROUNDS:-3}"); do
    ours=$(seconds "$bin/perplexity" "$qbin" -f "$text" -c 512 --chunks "$chunks" -t "$threads" -q)
    theirs=$(seconds "$peer/llama-perplexity" -m "$gguf" -f "$text" -c 512 --chunks "$chunks" -t "$threads" -fa on)
    echo "$theirs $ours"
done | awk '{ print $1 / $2 }' | sort -g | awk '
    { x[NR] = $1 }
    END { printf "perplexity: %.2f times as fast (median of %d; lowest %.2f, highest %.2f)\n", x[int((NR + 1) / 2)], NR, x[1], x[NR] }'
