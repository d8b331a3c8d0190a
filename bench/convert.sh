#!/bin/sh
# How fast models are converted: MB of input weights a second, best of three runs for each format and method.
#
#   bench/convert.sh [FOLDER [FORMAT ...]]     default: models/demo and all formats; THREADS=2 OUT=/tmp BIN=build/bin
#
# A model of 1.1 billion weights says more than the demo model, which is over before the threads are warm: models/make_random_llama.py of the
# shared data makes one. Its F16 input counts, not the output. Run it on an idle machine; the first run also reads the input into memory.
set -u

folder=${1:-models/demo}
[ $# -gt 0 ] && shift
threads=${THREADS:-2}
bin=${BIN:-build/bin}
out=${OUT:-/tmp}/bench-convert-$$.qbin
trap 'rm -f "$out" "$out".*' EXIT
trap 'exit 130' INT TERM
formats=${*:-$("$bin/convert" --help | awk '/^formats:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }')}

# rate FORMAT METHOD: MB/s from the report
rate() { "$bin/convert" "$folder" "$1" --method "$2" -t "$threads" -o "$out" 2>&1 | sed -n 's/.*(\([0-9]*\) MB\/s).*/\1/p'; }

printf 'convert %s, %s threads\n\n| format | rtn MB/s | fit MB/s |\n| :-- | --: | --: |\n' "$folder" "$threads"
for format in $formats; do
    printf '| %s' "$format"
    for method in rtn fit; do
        best=0
        for _ in 1 2 3; do
            now=$(rate "$format" $method)
            [ "${now:-0}" -gt $best ] && best=$now
        done
        printf ' | %s' $best
    done
    printf ' |\n'
done
