#!/usr/bin/env bash
# How long until the first token, and how much memory of its own does a process take? Ours beside llama-completion, with both files in the page cache.
#
#   bench/load.sh PEER MODEL.gguf MODEL.qbin
#
# PEER is a folder with llama-completion in it or in its bin/. Both programs start, read the file, evaluate a prompt of one word and draw one token; what is
# timed is the whole process, one after the other, ROUNDS times. Memory is sampled while they run: anonymous pages at most (smaps_rollup), less the KV cache
# of the same context, which both hold in f16. The peer does not warm up. Prints ratios; from the environment: ROUNDS=5 THREADS=1 CONTEXT=512 BIN=bin
set -euo pipefail
[ $# -eq 3 ] || { sed -n '2,/^set -euo/p' "$0" | sed -e '/^set -euo/d' -e 's/^# \{0,1\}//'; exit 2; }
peer=$1 gguf=$2 qbin=$3 bin=${BIN:-bin} threads=${THREADS:-1} context=${CONTEXT:-512}
[ -x "$peer/llama-completion" ] || peer=$peer/bin
[ -x "$peer/llama-completion" ] || { echo "no llama-completion in $peer" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat "$gguf" "$qbin" >/dev/null

# once NAME COMMAND ...: adds "seconds" to NAME.seconds; with SAMPLE=1 instead the most kB of anonymous memory to NAME.memory
once() {
    local name=$1 most=0 now pid start end
    shift
    start=$EPOCHREALTIME
    "$@" >/dev/null 2>"$work/$name.log" </dev/null &
    pid=$!
    if [ -n "${SAMPLE:-}" ]; then
        while now=$(awk '/^Anonymous:/ { print $2 }' "/proc/$pid/smaps_rollup" 2>/dev/null) && [ -n "$now" ]; do
            [ "$now" -le "$most" ] || most=$now
        done
    fi
    wait "$pid" || { tail -n 1 "$work/$name.log" >&2; exit 1; }
    end=$EPOCHREALTIME
    if [ -n "${SAMPLE:-}" ]; then
        echo "$most" >>"$work/$name.memory"
    else
        awk -v a="$start" -v b="$end" 'BEGIN { print b - a }' >>"$work/$name.seconds"
    fi
}
ours() { once ours "$bin/run" -m "$qbin" -p hi -n 1 -c "$context" -t "$threads" --json-timings; }
theirs() { once theirs "$peer/llama-completion" -m "$gguf" -p hi -n 1 -c "$context" -t "$threads" -fa on -no-cnv --no-warmup; }

for _ in $(seq "${ROUNDS:-5}"); do
    ours
    theirs
done
for _ in 1 2 3; do
    SAMPLE=1 ours
    SAMPLE=1 theirs
done
cache=$(sed -n 's/.*"cache_bytes": \([0-9]*\).*/\1/p' "$work/ours.log")
paste "$work/ours.seconds" "$work/theirs.seconds" | awk '{ print $2 / $1 }' | sort -g | awk '
    { x[NR] = $1 }
    END { printf "first token: %.1f times as fast (median of %d; lowest %.1f, highest %.1f)\n", x[int((NR + 1) / 2)], NR, x[1], x[NR] }'
most() { sort -g "$1" | tail -n 1; }
awk -v a="$(most "$work/ours.memory")" -v b="$(most "$work/theirs.memory")" -v cache="$((cache / 1024))" 'BEGIN {
    printf "private memory: %.3f of theirs; beyond a KV cache of %d MiB %.3f\n", a / b, cache / 1024, a / (b - cache)
    print "(ours is not lessened: pages of the cache that hold nothing yet are not there)"
}'
