#!/usr/bin/env bash
# The table of formats in README.md, from scratch: the demo model in every format of `convert`'s list, perplexity and divergence from its f16 file.
#
#   bench/formats.sh TEXT [MODEL] [perplexity options]      the table replaces the one in README.md; `make formats-table TEXT=file`
set -eu
cd "$(dirname "$0")/.."
text=$1 model=${2:-models/demo}
shift $(($# < 2 ? $# : 2))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
formats=$(bin/qbin help convert | sed -n 's/^ *\(\(f32\|f16\|bf16\|q[0-9][a-z0-9-]*\|km[0-9][a-z0-9-]*\)\)  .*/\1/p')
files=()
for f in $formats; do
    bin/convert "$model" "$f" -q -o "$work/$f.qbin"
    [ "$f" = f16 ] || files+=("$work/$f.qbin")
done
bin/perplexity -f "$text" "${files[@]}" --reference "$work/f16.qbin" -o csv -q "$@" >"$work/table.csv"
table() {
    echo '| format | file, MB | bits per weight | perplexity | KL divergence, mean | 99 % | same top token |'
    echo '|---|---|---|---|---|---|---|'
    tail -n +2 "$work/table.csv" | sort -t, -k3,3nr | awk -F, '{
        sub(/\.qbin$/, "", $1)
        printf "| %s | %.2f | %.2f | %.3f ± %.2f |", $1, $3 / 1e6, $5, $13, $14
        if ($16 == "") print " reference | | |"; else printf " %.5f | %.4f | %.1f %% |\n", $16, $18, 100 * $19
    }'
}
table >"$work/table.md"
# Between the two marks in README.md.
awk -v table="$work/table.md" '
    /<!-- formats-table -->/ { print; while ((getline line < table) > 0) print line; skip = 1 }
    /<!-- end -->/ { skip = 0 }
    !skip && !/<!-- formats-table -->/ { print }' README.md >"$work/readme"
cat "$work/readme" >README.md
cat "$work/table.md"
