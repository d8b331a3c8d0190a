# perplexity: the same numbers as arithmetic over `logits`, as float32 transformers, and as itself with other threads, batches and instruction sets.
. tests/lib.sh

demo=models/demo
tale=tests/data/tale.txt

demo_in f16 q8 q4

# column NAME [ROW]: of the last run's CSV
column() { awk -F, -v name="$1" -v row="${2:-1}" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i } NR == row + 1 { print $c }' "$WORK/out"; }
# near A B RELATIVE: do two numbers agree?
near() { awk -v a="$1" -v b="$2" -v r="$3" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !((a b) ~ /^[-+.0-9e]+$/ && a != "" && b != "" && d <= r * (b < 0 ? -b : b)) }'; }
less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !((a b) ~ /^[-+.0-9e]+$/ && a != "" && b != "" && a + 0 < b + 0) }'; }
# perplexity ARGUMENT ...: a run on the tale whose rows are CSV
perplexity() { run "$BIN/perplexity" -f $tale -o csv "$@"; }
# without_speed: the rows without what differs from run to run
without_speed() { awk -F, -v OFS=, '{ if (NR == 1) for (i = 1; i <= NF; i++) if ($i ~ /^(threads|isa|tokens_per_s)$/) out[i]; for (i in out) $i = ""; print }' "$WORK/out"; }

# ---- against arithmetic over the logits of each position ----

run "$BIN/tokenize" -m "$WORK/f16.qbin" "$(head -c 600 $tale)"
tr -c '0-9' '\n' <"$WORK/out" | grep . | head -n 48 >"$WORK/ids"
head -c 600 $tale >"$WORK/text"
check "tokenize gives ids" test "$(grep -c '' "$WORK/ids")" -eq 48
bos=$("$BIN/inspect" --json "$WORK/f16.qbin" | tr -d ' \n' | sed -n 's/.*"bos":\([0-9]*\).*/\1/p')

# window_rows MODEL WINDOW BOS: the logits of a window of 16 ids, a row a line
window_rows() {
    local ids
    ids=$(sed -n "$(($2 * 16 + 1)),$(($2 * 16 + 16))p" "$WORK/ids" | { [ -n "$3" ] && sed "1s/.*/$3/" || cat; } | paste -sd,)
    "$BIN/logits" -m "$1" --ids "$ids" -o "$WORK/logits" 2>/dev/null
    od -An -v -tfF -w$(($(wc -c <"$WORK/logits") / 16)) "$WORK/logits"
}

# expected FIRST BOS: mean nll of positions FIRST .. 14 of 3 windows of q4, mean divergence of q4 from f16, share of equal best tokens
expected() {
    local w
    for w in 0 1 2; do
        window_rows "$WORK/f16.qbin" $w "$2" >"$WORK/p"
        window_rows "$WORK/q4.qbin" $w "$2" >"$WORK/q"
        paste -d' ' "$WORK/p" "$WORK/q" | awk -v first="$1" -v window=$w '
            FNR == NR { id[NR] = $1; next }
            FNR > first && FNR < 16 {
                n = NF / 2; pmax = $1; qmax = $(n + 1); pbest = qbest = 1; ps = qs = kl = 0
                for (i = 1; i <= n; i++) { if ($i > pmax) { pmax = $i; pbest = i } if ($(n + i) > qmax) { qmax = $(n + i); qbest = i } }
                for (i = 1; i <= n; i++) { ps += exp($i - pmax); qs += exp($(n + i) - qmax) }
                for (i = 1; i <= n; i++) { lp = $i - pmax - log(ps); kl += exp(lp) * (lp - ($(n + i) - qmax - log(qs))) }
                printf "%.12g %.12g %d\n", log(qs) + qmax - $(n + 1 + id[window * 16 + FNR + 1]), kl, pbest == qbest
            }' "$WORK/ids" -
    done | awk '{ nll += $1; kl += $2; same += $3 } END { printf "%.10g %.10g %.10g\n", nll / NR, kl / NR, same / NR }'
}

for how in half all; do
    if [ $how = half ]; then read -r nll kld top1 < <(expected 8 "$bos"); else read -r nll kld top1 < <(expected 0 ''); fi
    run "$BIN/perplexity" -f "$WORK/text" -c 16 --chunks 3 --stride $how -o csv --reference "$WORK/f16.qbin" "$WORK/q4.qbin"
    ends "$how: runs" 0
    check "$how: nll is that of the logits" near "$(column nll 2)" "$nll" 1e-6
    check "$how: divergence is that of the logits" near "$(column kld 2)" "$kld" 1e-4
    check "$how: equal best tokens are those of the logits" near "$(column top1 2)" "$top1" 1e-6
    check "$how: names its convention" test "$(column stride)" = $how
done

# ---- what must not matter ----

perplexity -c 64 --chunks 2 --reference "$WORK/f16.qbin" "$WORK/q4.qbin" -t 1
without_speed >"$WORK/once"
for other in "-t 2" "-t 3 -b 7" "-t 1 -b 1" "--isa scalar -t 2"; do
    # shellcheck disable=SC2086
    perplexity -c 64 --chunks 2 --reference "$WORK/f16.qbin" "$WORK/q4.qbin" $other
    without_speed >"$WORK/again"
    check "the same digits with $other" cmp -s "$WORK/once" "$WORK/again"
done
perplexity -c 64 --chunks 2 -m "$WORK/f16.qbin" "$WORK/q4.qbin"
check "the same perplexity without a reference" test "$(column ppl 2)" = "$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "ppl") c = i } NR == 3 { print $c }' "$WORK/once")"

# ---- what must hold ----

perplexity -c 64 --reference "$WORK/f16.qbin" "$WORK/f16.qbin" "$WORK/q8.qbin" "$WORK/q4.qbin"
check "a model does not diverge from itself" test "$(column kld 2)$(column kld_99 2)$(column top1 2)" = 0.00.01.0
check "q8 diverges a little" less 0 "$(column kld 3)"
check "q4 diverges more" less "$(column kld 3)" "$(column kld 4)"
check "q4 agrees less" less "$(column top1 4)" "$(column top1 3)"
check "the 99th percentile is above the mean" less "$(column kld 4)" "$(column kld_99 4)"
check "bits per weight are those of the file" near "$(column bits_per_weight 4)" "$(awk -v b="$(wc -c <"$WORK/q4.qbin")" -v w="$(column weights 4)" 'BEGIN { print 8 * b / w }')" 1e-6
tale_ppl=$(column ppl 1)
run "$BIN/run" -m "$WORK/f16.qbin" -p "Once upon a time" -n 200 --temp 0 --repeat-penalty 1
cp "$WORK/out" "$WORK/own.txt"
run "$BIN/perplexity" -f "$WORK/own.txt" -c 64 -o csv "$WORK/f16.qbin"
check "a model is hardly surprised by its own greedy text" less "$(column ppl)" "$(awk -v p="$tale_ppl" 'BEGIN { print p / 4 }')"

# ---- forms of the result ----

run "$BIN/perplexity" -f $tale -c 64 --chunks 2 -o json --reference "$WORK/f16.qbin" "$WORK/q4.qbin"
check "JSON has a row for each file" test "$(grep -o '"ppl": [0-9.]*' "$WORK/out" | wc -l)" -eq 2
check "JSON of the reference has no divergence" grep -q '"kld": null' "$WORK/out"
run "$BIN/perplexity" -f $tale -c 64 --chunks 2 "$WORK/f16.qbin" "$WORK/q4.qbin"
check "markdown names text, windows and convention" grep -q 'tale.txt, 2 windows of 64 tokens; scored (half)' "$WORK/out"
check "markdown has a row for each file" test "$(grep -c '| [fq][0-9]*\.qbin' "$WORK/out")" -eq 2
check "a running estimate on stderr" grep -q '^\[1\][0-9.]*,\[2\][0-9.]*$' "$WORK/err"
run "$BIN/perplexity" -f $tale -c 64 --chunks 2 --quiet "$WORK/q4.qbin"
check "--quiet says nothing on stderr" test ! -s "$WORK/err"

# ---- order and front ----

# models: the names of the rows of the last run's CSV, in order; marked: of those on the front
models() { awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "model") c = i } NR > 1 { print $c }' "$WORK/out" | paste -sd' '; }
marked() { awk -F, '$1 == "true" { print $2 }' "$WORK/out" | paste -sd' '; }
cp "$WORK/q4.qbin" "$WORK/same.qbin"
run "$BIN/convert" $demo q4 --method rtn -o "$WORK/worse.qbin"
all=("$WORK/q4.qbin" "$WORK/worse.qbin" "$WORK/same.qbin" "$WORK/q8.qbin")
perplexity -c 64 --chunks 2 --reference "$WORK/f16.qbin" "${all[@]}"
check "the largest file first, equals as they were given" test "$(models)" = "f16.qbin q8.qbin q4.qbin worse.qbin same.qbin"
check "the front: equals together, nothing that another beats" test "$(marked)" = "f16.qbin q8.qbin q4.qbin same.qbin"
perplexity -c 64 --chunks 2 --reference "$WORK/f16.qbin" "${all[@]}" --sort kld
check "the least divergence first" test "$(models)" = "f16.qbin q8.qbin q4.qbin same.qbin worse.qbin"
perplexity -c 64 --chunks 2 --reference "$WORK/f16.qbin" "${all[@]}" --sort name
check "by name" test "$(models)" = "f16.qbin q4.qbin q8.qbin same.qbin worse.qbin"
perplexity -c 64 --chunks 2 "${all[@]}" --sort ppl
check "the best perplexity first, without a reference" test "$(column ppl 1)" = "$(for i in 1 2 3 4; do column ppl $i; done | sort -g | head -n 1)"
check "and the front is one of perplexity" grep -q "$(column model 1)" <<<"$(marked)"
perplexity -c 64 --chunks 2 "${all[@]}" --sort kld
refused "an order by divergence without a reference" 2 '--sort kld: there is no divergence without a --reference'
for style in json jsonl; do
    run "$BIN/perplexity" -f $tale -c 64 --chunks 2 -q -o $style --reference "$WORK/f16.qbin" "${all[@]}"
    check "$style says the same" test "$(grep -o '"pareto": [a-z]*, "model": "[^"]*' "$WORK/out" | sed -n 's/.*true.*: "//p' | paste -sd' ')" = "f16.qbin q8.qbin q4.qbin same.qbin"
done
check "JSON lines are a line for each file" test "$(grep -c '^{.*}$' "$WORK/out")" -eq 5
run "$BIN/perplexity" -f $tale -c 64 --chunks 2 -q --reference "$WORK/f16.qbin" "${all[@]}"
check "and so does markdown" test "$(grep -oE '^\| \* +\| [a-z0-9]+' "$WORK/out" | sed 's/.* //' | paste -sd' ')" = "f16 q8 q4 same"
check "which explains its mark" grep -qF 'Marked *: no other file has both no more bytes and no higher KLD.' "$WORK/out"
check "its columns stand under each other" test "$(grep '^|' "$WORK/out" | sed 's/[^|]/x/g' | awk '{ print length }' LC_ALL=C.UTF-8 | sort -u | wc -l)" -eq 1
check "divergence has its error" grep -qE '\| 0\.[0-9]{6} ± 0\.[0-9]{6} \|' "$WORK/out"
mkdir -p "$WORK/other"
cp "$WORK/q4.qbin" "$WORK/other/q8.qbin"
cp "$WORK/q4.qbin" "$WORK/a|b$(printf '\033')[1m$(printf '\377').qbin"
run "$BIN/perplexity" -f $tale -c 64 --chunks 2 -q "$WORK/q8.qbin" "$WORK/other/q8.qbin" "$WORK"/a*.qbin
check "files of one name are told by their folders" grep -q "| $WORK/other/q8.qbin " "$WORK/out"
check "a name cannot end a cell or speak to the terminal" grep -qF '| a\|b?[1m?.qbin ' "$WORK/out"

perplexity -c 64 --chunks 2 "$WORK/q4.qbin"
plain=$(column ppl)
check "formats are named" test "$(column formats)" = 'q4 84% q5 16%'
for how in token f32; do
    perplexity -c 64 --chunks 2 "$WORK/q4.qbin" --activations $how
    check "with the activations that they multiply, if these are $how" test "$(column formats)" = "q4@$how 84% q5@$how 16%"
    check "which are not the same as those of blocks" test "$(column ppl)" != "$plain"
done
perplexity -c 64 --chunks 2 "$WORK/q4.qbin" --activations block
check "blocks are what a format does by itself" test "$(column formats) $(column ppl)" = "q4 84% q5 16% $plain"

# ---- stopped ----

for i in $(seq 100); do cat $tale; done >"$WORK/long"
begin "$BIN/perplexity" -f "$WORK/long" -c 64 --reference "$WORK/f16.qbin" "$WORK/q4.qbin" -t 1 -o json
until_true says '^\[1\]'
end_with INT
ends "Ctrl-C ends with 130 and says after how many windows" 130 '^stopped after [0-9]+ of [0-9]+ windows$'
check "the rows are those of whole windows" test "$(grep -o '"windows": [0-9]*' "$WORK/out" | sort -u | wc -l)$(grep -c '"kld": ' "$WORK/out")" = 12
check "as the message says" test "$(grep -om1 '"windows": [0-9]*' "$WORK/out" | tr -dc 0-9)" = "$(sed -n 's/^stopped after \([0-9]*\) .*/\1/p' "$WORK/err")"
check "without an error line" test "$(grep -c '^error' "$WORK/err")" -eq 0
begin "$BIN/perplexity" -f "$WORK/long" -c 64 --chunks 200 "$WORK/q8.qbin" "$WORK/q4.qbin" -t 1 -o json
until_true says '^half: q4'
end_with TERM
ends "SIGTERM ends with 143 and names the file" 143 '^stopped after [0-9]+ of 200 windows of q4.qbin, which has no row$'
check "the file before it has its row" test "$(grep -o '"model": "[^"]*"' "$WORK/out")" = '"model": "q8.qbin"'

# ---- where the text comes from ----

digits() { grep -oE '[0-9]+\.[0-9]{3} ± [0-9.]+' "$WORK/out"; }
of_tale() { run "$BIN/perplexity" -c 64 --chunks 1 -q "$WORK/q4.qbin" "$@"; }
of_tale -f $tale
wanted=$(digits)
"$BIN/perplexity" -c 64 --chunks 1 -q "$WORK/q4.qbin" -f - <$tale >"$WORK/out" 2>"$WORK/err"
check "standard input as -" test "$(digits)" = "$wanted"
cat $tale | "$BIN/perplexity" -c 64 --chunks 1 -q "$WORK/q4.qbin" -f /dev/stdin >"$WORK/out" 2>"$WORK/err"
check "a pipe as /dev/stdin" test "$(digits)" = "$wanted"
"$BIN/perplexity" -c 64 --chunks 1 -q "$WORK/q4.qbin" -f <(cat $tale) >"$WORK/out" 2>"$WORK/err"
check "a substituted process" test "$(digits)" = "$wanted"
mkfifo "$WORK/fifo"
cat $tale >"$WORK/fifo" &
of_tale -f "$WORK/fifo"
check "a FIFO" test "$(digits)" = "$wanted"
of_tale -f /dev/zero
refused "a device without end" 4 '/dev/zero: a text of more than 256 MB must be a regular file'

# ---- what is refused ----

printf 'Too short.' >"$WORK/short"
run "$BIN/perplexity" -f "$WORK/short" "$WORK/q4.qbin"
refused "a text of less than two windows" 1 'short: the text has [0-9]+ tokens; two windows of 512 need 1024'
: >"$WORK/empty"
run "$BIN/perplexity" -f "$WORK/empty" "$WORK/q4.qbin"
refused "an empty text" 1 'the text has 0 tokens'
run "$BIN/perplexity" -f $tale --chunks 0 "$WORK/q4.qbin"
refused "no windows" 2 'chunks 0'
run "$BIN/perplexity" -f $tale -c 2 "$WORK/q4.qbin"
refused "windows too short" 2 '2 is not between 3 and'
for i in $(seq 400); do cat $tale; done >"$WORK/long"
run "$BIN/perplexity" -f "$WORK/long" -c 100000 "$WORK/q4.qbin"
refused "a window longer than the context" 2 'a window of 100000 tokens is longer than the model.s context of [0-9]+'
run "$BIN/perplexity" "$WORK/q4.qbin"
refused "no text" 2 'no text: give one with -f'
run "$BIN/perplexity" -f $tale
refused "no model" 2 'no model'
run "$BIN/perplexity" -f "$WORK/nothing" "$WORK/q4.qbin"
refused "a text that is not there" 3 'nothing'
run "$BIN/perplexity" -f "$WORK" "$WORK/q4.qbin"
refused "a folder for a text" 3 ''
run "$BIN/perplexity" -f $tale -c 64 "$WORK/q4.qbin" $tale
refused "a model that is none, before anything is evaluated" 3 'tale.txt'
run "$BIN/convert" $demo q8 --no-tokenizer -o "$WORK/mute.qbin"
run "$BIN/perplexity" -f $tale -c 64 "$WORK/mute.qbin"
refused "a model without tokenizer" 3 'mute.qbin: has no tokenizer'

# ---- against float32 transformers ----

# fixture NAME HOW: its perplexity
fixture() {
    awk -v name="\"$1\":" -v how="\"$2\":" '
        $1 == name && $2 == "{" { inside = 1 }
        inside && $1 == how { found = 1 }
        found && $1 == "\"ppl\":" { print $2 + 0; exit }' "$SHARED/fixtures/perplexity.json"
}

# compare NAME FOLDER TEXT CHUNKS
compare() {
    local format how
    for format in f32 f16; do
        run "$BIN/convert" "$2" $format -o "$WORK/$1.qbin"
        for how in half all; do
            run "$BIN/perplexity" -f "$SHARED/text/$3" --chunks "$4" --stride $how -o csv -q "$WORK/$1.qbin"
            check "$1 $format $how: $(column ppl), transformers $(fixture "$1" $how)" near "$(column ppl)" "$(fixture "$1" $how)" 5e-4
        done
    done
}

if [ -n "${QUICK:-}" ]; then
    skip "perplexities of transformers" "too long for a sanitizer: the same code has run on shorter texts"
    finish
    exit
elif shared fixtures/perplexity.json; then
    compare fairytales-6m "$SHARED/models/fairytales-6m" fairytales/eval.txt 60
    compare stories260K "$SHARED/models/stories260K" fairytales/eval.txt 20
    run "$BIN/perplexity" -f $tale -c 64 --reference "$WORK/f16.qbin" "$WORK/stories260K.qbin"
    refused "a reference with another vocabulary" 3 'has a vocabulary of 512, the reference .* one of [0-9]+'
else
    skip "perplexities of transformers" "no $SHARED/fixtures"
fi
smollm2=${SMOLLM2:-$SHARED/models/smollm2}
if [ -e "$smollm2/model.safetensors" ] && shared fixtures/perplexity.json; then
    compare smollm2 "$smollm2" wiki.test.raw 10
else
    skip "perplexity of SmolLM2" "no model in $smollm2; make it and set SMOLLM2"
fi
finish
