#!/usr/bin/env bash
# How much quality do our files have beside a peer's of equal size? Sizes are whole files, tokenizer and all; quality is the mean KL divergence from the f16
# model over the same windows of the same text.
#
#   bench/quality.sh MODEL PEER.tsv TEXT CHUNKS ["FORMAT [option of convert ...]" ...]
#
# MODEL is a folder of Hugging Face, PEER.tsv a table with the columns type, bytes and kld_mean. Without formats: all of convert's list. Prints markdown: for each
# file the peer's type of the nearest larger size and the ratio of divergences (below 1: we lose less, with no more bytes), and the ratio to the peer's
# lower hull, interpolated at our size (log divergence over bytes). Then the claims that the project makes. From the environment:
#   OPTIONS=     more options of convert for all, such as "--calibration FILE"
#   KEEP=FOLDER  keep the files there, and use those that are there already
#   BIN=bin      BATCH=20 files that go through the windows together
set -euo pipefail
[ $# -ge 4 ] || { sed -n '2,/^set -euo/p' "$0" | sed -e '/^set -euo/d' -e 's/^# \{0,1\}//'; exit 2; }
model=$1 peer=$2 text=$3 chunks=$4
shift 4
bin=${BIN:-bin}
[ $# -gt 0 ] || mapfile -t formats < <("$bin/convert" --help | awk '/^formats:/ { on = 1; next } /^$/ { on = 0 } on && $1 !~ /f(16|32)$/ { print $1 }')
[ $# -gt 0 ] && formats=("$@")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
files=${KEEP:-$work}
mkdir -p "$files"

# make NAME FORMAT [option ...]
make() {
    local name=$1
    shift
    [ -e "$files/$name.qbin" ] || "$bin/convert" "$model" "$@" -q -o "$files/$name.qbin" || echo "left out: $*" >&2
}

make f16 f16
names=()
for f in "${formats[@]}"; do
    name=$(tr -cs 'a-zA-Z0-9.@=-' '_' <<<"$f" | sed 's/_$//; s/_--/--/g')
    # shellcheck disable=SC2086
    make "$name" $f ${OPTIONS:-}
    [ -e "$files/$name.qbin" ] && names+=("$files/$name.qbin")
done
for ((i = 0; i < ${#names[@]}; i += ${BATCH:-20})); do
    part=("${names[@]:i:${BATCH:-20}}") # the files of one turn
    "$bin/perplexity" -f "$text" --chunks "$chunks" -c 512 --reference "$files/f16.qbin" "${part[@]}" -q -o csv
done >"$work/ours.csv"

awk -v peer="$peer" -v model="$(basename "$model")" -v text="$(basename "$text")" -v chunks="$chunks" '
# Sorts the peer by size; then the lower convex hull of log divergence over bytes.
function read_peer(   line, f, i, j, t) {
    FS = "\t"
    getline line < peer
    n = split(line, f, "\t")
    for (i = 1; i <= n; i++) at[f[i]] = i
    n = 0
    while ((getline line < peer) > 0) {
        split(line, f, "\t")
        if (f[at["kld_mean"]] + 0 <= 0) continue
        n++
        type[n] = f[at["type"]]; size[n] = f[at["bytes"]] + 0; loss[n] = f[at["kld_mean"]] + 0
        of[type[n]] = n
    }
    for (i = 1; i <= n; i++) by[i] = i
    for (i = 2; i <= n; i++) for (j = i; j > 1 && size[by[j]] < size[by[j - 1]]; j--) { t = by[j]; by[j] = by[j - 1]; by[j - 1] = t }
    h = 0
    for (i = 1; i <= n; i++) {
        while (h > 0 && log(loss[by[i]]) <= log(loss[hull[h]]) && size[by[i]] == size[hull[h]]) h--
        while (h > 1 && slope(hull[h - 1], by[i]) <= slope(hull[h - 1], hull[h])) h--
        hull[++h] = by[i]
    }
    FS = ","
}
function slope(a, b) { return size[b] == size[a] ? 1e300 : (log(loss[b]) - log(loss[a])) / (size[b] - size[a]) }
function at_size(bytes,   i) { # the hull there, or 0
    for (i = 1; i < h; i++) {
        if (bytes >= size[hull[i]] && bytes <= size[hull[i + 1]]) return exp(log(loss[hull[i]]) + slope(hull[i], hull[i + 1]) * (bytes - size[hull[i]]))
    }
    return 0
}
function larger(bytes,   i) { # the smallest that is not smaller, or 0
    for (i = 1; i <= n; i++) if (size[by[i]] >= bytes) return by[i]
    return 0
}
function claim(what, ours, theirs, limit, holds) {
    printf "| %s | %.6f | %.6f | %.2f | %s |\n", what, ours, theirs, ours / theirs, holds ? "yes" : "NO"
}
function against(name, wanted, limit,   i, small) { # the type of that name, or of the nearest larger size
    if (!(name in kld)) return
    i = wanted != "" ? of[wanted] : larger(bytes[name])
    if (!i) return
    small = bytes[name] <= size[i]
    claim(sprintf("%s (%.2f MB) ≤ %s%s (%.2f MB)%s", name, bytes[name] / 1e6, limit == 1 ? "" : limit " × ", type[i], size[i] / 1e6, small ? "" : ", which is smaller"),
          kld[name], limit * loss[i], limit, kld[name] <= limit * loss[i] && small)
}
function below(a, b) { if (a in kld && b in kld) claim(a " < " b, kld[a], kld[b], 1, kld[a] < kld[b]) }
BEGIN { read_peer() }
/^pareto/ { for (i = 1; i <= NF; i++) c[$i] = i; next }
$c["kld"] == "" { next }
{
    name = $c["model"]; sub(/\.qbin$/, "", name)
    if (name in kld) next
    order[++m] = name; bytes[name] = $c["bytes"] + 0; kld[name] = $c["kld"] + 0; err[name] = $c["kld_error"] + 0; ppl[name] = $c["ppl"]; ratio[name] = $c["ppl_ratio"]
}
END {
    printf "%s on %s, %s windows of 512 tokens; peer: %s\n\n", model, text, chunks, peer ~ /\// ? substr(peer, match(peer, /[^\/]*$/)) : peer
    print "| file | MB | PPL / f16 | mean KLD | peer of the next size | MB | its KLD | ratio | ratio to its hull |"
    print "| :-- | --: | --: | --: | :-- | --: | --: | --: | --: |"
    for (i = 2; i <= m; i++) for (j = i; j > 1 && bytes[order[j]] > bytes[order[j - 1]]; j--) { t = order[j]; order[j] = order[j - 1]; order[j - 1] = t }
    for (i = 1; i <= m; i++) {
        f = order[i]; p = larger(bytes[f]); q = at_size(bytes[f])
        printf "| %s | %.2f | %.4f | %.6f ± %.6f | ", f, bytes[f] / 1e6, ratio[f], kld[f], err[f]
        if (p) printf "%s | %.2f | %.6f | %.2f |", type[p], size[p] / 1e6, loss[p], kld[f] / loss[p]; else printf "none | | | |"
        if (q) printf " %.2f |\n", kld[f] / q; else print " |"
    }
    print "\n| claim | ours | theirs | ratio | holds |\n| :-- | --: | --: | --: | :-- |"
    against("q8", "Q8_0", 1)
    for (i = 1; i <= m; i++) if (order[i] ~ /^q4-b32/) against(order[i], "Q4_0", 0.9)
    for (i = 1; i <= m; i++) if (order[i] ~ /^km4/) against(order[i], "IQ4_NL", 1)
    for (i = 1; i <= m; i++) if (order[i] ~ /^q[6532]/) against(order[i], "", 1)
    for (b = 4; b >= 2; b--) {
        split(" ,-b32,-b128", grains, ",")
        for (g = 1; g <= 3; g++) { s = grains[g]; sub(/ /, "", s); below("km" b s, "q" b s) }
    }
}' "$work/ours.csv"
