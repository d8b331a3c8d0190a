#!/usr/bin/env bash
# The table of formats in README.md and its picture docs/formats.svg, from scratch: a model in every format of convert's list and in some more of its
# spellings, all through the same windows with its f16 file as the reference.
#
#   bench/formats.sh [TEXT [MODEL [option of perplexity ...]]]      `make formats-table TEXT=file`
#
# Without TEXT it is the held-out text of the shared data beside the repository; MODEL is models/demo. From the environment:
#   CALIBRATION=TEXT   weights are fitted to inputs measured on this text, which should be like the one that the model was made from and must not be TEXT;
#                      default: the first 200 kB of the shared training text; "none" fits without
#   FORMATS="q8 q4"    only these     BIN=bin     PAGE=README.md     PICTURE=docs/formats.svg
set -euo pipefail
cd "$(dirname "$0")/.."
shared=../shared/text/fairytales
text=${1:-$shared/eval.txt} model=${2:-models/demo} bin=${BIN:-bin}
page=${PAGE:-README.md} picture=${PICTURE:-docs/formats.svg}
shift $(($# < 2 ? $# : 2))
[ -e "$text" ] || { echo "no text: make formats-table TEXT=file" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$bin/convert" "$model" f16 -q -o "$work/f16.qbin"
calibration=${CALIBRATION:-$shared/train.txt.xz} fitted=()
case $calibration in
*.xz) [ -e "$calibration" ] && { xz -dc "$calibration" || true; } | head -c 200000 | iconv -c -f UTF-8 -t UTF-8 >"$work/calibration.txt" ;;
none) ;;
*) cp "$calibration" "$work/calibration.txt" ;;
esac
if [ -s "$work/calibration.txt" ]; then
    "$bin/calibrate" --products -m "$work/f16.qbin" -f "$work/calibration.txt" -q -o "$work/calibration"
    fitted=(--calibration "$work/calibration")
fi
listed=$("$bin/convert" --help | awk '/^formats:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }')
spelled="q4@f32 q4@token q4@static"
[ -n "${FORMATS:-}" ] || FORMATS=$(printf '%s\n' $listed $spelled | awk '!seen[$0]++')
files=()
for f in $FORMATS; do
    [ "$f" = f16 ] && continue
    if "$bin/convert" "$model" "$f" "${fitted[@]}" -q -o "$work/$f.qbin"; then files+=("$work/$f.qbin"); else echo "left out: $f" >&2; fi
done

plot=()
command -v gnuplot >/dev/null && plot=(--plot "$work/formats.svg")
"$bin/perplexity" -f "$text" "${files[@]}" --reference "$work/f16.qbin" -o csv --chunks 40 "${plot[@]}" "$@" >"$work/table.csv"
awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
    NR == 2 {
        print "| | format | file, MB | bits per weight | perplexity | by that of f16 | KL divergence, mean | 99 % | same top token |"
        print "|---|---|--:|--:|--:|--:|--:|--:|--:|"
    }
    {
        name = $c["model"]; sub(/\.qbin$/, "", name)
        printf "| %s | `%s` | %.2f | %.2f | %.2f ± %.2f |", $1 == "true" ? "**\\***" : "", name, $c["bytes"] / 1e6, $c["bits_per_weight"], $c["ppl"], $c["ppl_error"]
        if ($c["kld"] == "") print " | reference | | |"
        else printf " %.4f ± %.4f | %.5f ± %.5f | %.4f | %.1f %% |\n", $c["ppl_ratio"], $c["ppl_ratio_error"], $c["kld"], $c["kld_error"], $c["kld_99"], 100 * $c["top1"]
    }' "$work/table.csv" >"$work/table.md"

# Between the two marks of the page. The picture loses the empty groups that gnuplot leaves.
awk -v table="$work/table.md" '
    /<!-- formats-table -->/ { print; while ((getline line < table) > 0) print line; skip = 1 }
    /<!-- end -->/ { skip = 0 }
    !skip { print }' "$page" >"$work/page"
[ ! -e "$work/formats.svg" ] || sed -z 's|<g [^>]*>\n</g>\n||g; s|[ \t]*\n|\n|g; s|\n\n*|\n|g' "$work/formats.svg" >"$picture"
cat "$work/page" >"$page"
cat "$work/table.md"
