#!/bin/bash
# Recipes and reports with the real program: a recipe file, a built-in one, the way through a .qbin and back, what is said of tensors.
. tests/lib.sh

DEMO=models/demo
cat >"$WORK/mine.txt" <<'END'
# a recipe of one's own
*                            q4
embed                        q8
layers[first 1/8, last 2].v  q8-b32
layers[every 3].down         km4
/[qk]_proj/                  q4a    # by names of the checkpoint
END
hashes() { "$BIN/inspect" --json "$1" | grep -o '"xxh3": "[0-9a-f]*"' | sha256sum; }

run "$BIN/convert" $DEMO --recipe "$WORK/mine.txt" --dry-run
shown() { grep -qE "^$1 +$2 " "$WORK/out"; }
check "a recipe is enough" [ $code -eq 0 ]
check "all" shown 'layers\.2\.gate' q4
check "a name" shown embed q8
check "the first of seven layers" shown 'layers\.0\.v' q8-b32
check "not the second" shown 'layers\.1\.v' q4
check "the last two" shown 'layers\.5\.v' q8-b32
check "every third" shown 'layers\.3\.down' km4
check "a name of the checkpoint" shown 'layers\.4\.k' q4a
run "$BIN/convert" $DEMO q4-b32 --recipe "$WORK/mine.txt" --tensor-type 'layers.0.v=f16' --embedding-type bf16 --dry-run
check "options win over the recipe" shown 'layers\.0\.v' f16
check "the type of the embedding too" shown embed bf16

"$BIN/convert" $DEMO --recipe "$WORK/mine.txt" -q -o "$WORK/a.qbin"
run "$BIN/inspect" --recipe "$WORK/a.qbin"
check "inspect prints a recipe" grep -qx 'layers\[0, 3, 6\].down km4' "$WORK/out"
cp "$WORK/out" "$WORK/again.txt"
"$BIN/convert" $DEMO --recipe "$WORK/again.txt" -q -o "$WORK/b.qbin"
check "which makes the same tensors" [ "$(hashes "$WORK/a.qbin")" = "$(hashes "$WORK/b.qbin")" ]
for recipe in $("$BIN/convert" --help | awk '/^recipes:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }'); do
    run "$BIN/convert" $DEMO "$recipe" --method rtn -q -o "$WORK/a.qbin"
    ends "$recipe" 0
    "$BIN/inspect" --recipe "$WORK/a.qbin" >"$WORK/again.txt"
    "$BIN/convert" $DEMO --recipe "$WORK/again.txt" --method rtn -q -o "$WORK/b.qbin"
    check "$recipe there and back" [ "$(hashes "$WORK/a.qbin")" = "$(hashes "$WORK/b.qbin")" ]
done

# What is refused.
run "$BIN/convert" $DEMO
refused "neither format nor recipe" 2 'neither a format nor a recipe'
run "$BIN/convert" $DEMO q4-mux
refused "a recipe of nearly that name" 2 "did you mean 'q4-mix'"
run "$BIN/convert" $DEMO --recipe "$WORK/none.txt"
refused "a recipe that is not there" 3 'none.txt'
printf '* q4\n*.down q99\n' >"$WORK/bad.txt"
run "$BIN/convert" $DEMO --recipe "$WORK/bad.txt"
refused "a recipe with a wrong format" 3 "bad.txt: line 2, column 8: unknown format 'q99'"
printf 'embed q8\n' >"$WORK/bad.txt"
run "$BIN/convert" $DEMO --recipe "$WORK/bad.txt"
refused "a recipe that does not say all" 2 "no line is about 'layers.0.q'"
printf '* q4\n*.dwon q8\n' >"$WORK/bad.txt"
run "$BIN/convert" $DEMO --recipe "$WORK/bad.txt" --dry-run
ends "a line about nothing is a warning" 0 "^warning: .*bad.txt: line 2: '\*.dwon' matches the name of no matrix"

# Reports.
for style in json md; do
    run "$BIN/convert" $DEMO q4-mix --method rtn -q -o "$WORK/m.qbin" --report "$WORK/report.$style"
    ends "a report as $style" 0
done
check "the json has every tensor" [ "$(grep -c '"weighted_error"' "$WORK/report.json")" -ge 65 ]
check "the markdown too" [ "$(grep -c '^| layers\.' "$WORK/report.md")" -eq 63 ]
check "bytes of a tensor" grep -qE '^\| layers\.0\.q \| (q|km)[0-9][^|]* \| 256 x 256 \| [0-9]+ \| 0\.[0-9]+' "$WORK/report.md"
run "$BIN/convert" $DEMO q4 -o "$WORK/m.qbin" --report "$WORK/report.txt"
refused "a report of another kind" 2 '.json or .md'
run "$BIN/convert" $DEMO q4 --method rtn -o "$WORK/m.qbin" -q --report "$WORK/nowhere/report.md"
refused "a report that cannot be written" 1 'report.md'
rm -f "$WORK/n.qbin"
run "$BIN/convert" $DEMO q4 --method rtn -o "$WORK/n.qbin" -q --report "$WORK/nowhere/report.md"
check "is known before the work" [ ! -e "$WORK/n.qbin" ]
run "$BIN/convert" $DEMO q4 --dry-run --report "$WORK/report.md"
refused "a report of nothing" 2 '--report cannot go with --dry-run'
run "$BIN/convert" $DEMO q4-mix --recipe "$WORK/mine.txt" --dry-run
refused "two recipes" 2 'q4-mix and --recipe are two recipes'
run "$BIN/convert" $DEMO q4 --method rtn -o "$WORK/m.qbin"
check "ten tensors on the terminal" [ "$(grep -c '^    layers\.' "$WORK/err")" -eq 10 ]
sort -k3,3gr "$WORK/err" | grep '^    layers' >"$WORK/sorted"
check "the worst first" [ "$(grep '^    layers' "$WORK/err" | head -n 1 | awk '{ print $3 }')" = "$(head -n 1 "$WORK/sorted" | awk '{ print $3 }')" ]

run "$BIN/convert" $DEMO --recipe q4mix --dry-run
refused "a recipe's name typed wrong" 2 "no such file; did you mean the recipe 'q4-mix'"

finish
