# The scripts that compare formats: bench/formats.sh, which writes the README's table, and bench/quality.sh, which puts files beside a peer's.
. tests/lib.sh
export BIN

printf 'before\n<!-- formats-table -->\nold\n<!-- end -->\nafter\n' >"$WORK/page"
run env PAGE="$WORK/page" PICTURE="$WORK/picture.svg" CALIBRATION=none FORMATS="f16 q8 q4" bench/formats.sh tests/data/tale.txt models/demo -c 64 --chunks 2 -q
ends "a table of formats" 0
check "takes its place on the page" test "$(sed -n '1,2p;$p' "$WORK/page" | paste -sd' ')" = 'before <!-- formats-table --> after'
check "and leaves nothing of the old one" test "$(grep -c old "$WORK/page")" -eq 0
check "a row for each format" test "$(grep -oE '^\| [^|]*\| `[a-z0-9]+` \|' "$WORK/page" | grep -oE '[a-z]+[0-9]+' | paste -sd' ')" = 'f16 q8 q4'
check "with as many cells as the head" test "$(grep '^|' "$WORK/page" | tr -cd '|\n' | sort -u | wc -l)" -eq 1
if command -v gnuplot >/dev/null; then check "and a picture" grep -q '</svg>' "$WORK/picture.svg"; fi

cat tests/data/tale.txt tests/data/tale.txt >"$WORK/tale.txt"
printf 'peer\ttype\tbytes\tkld_mean\nx\tF16\t13255168\t0\nx\tBIG\t8000000\t0.0001\nx\tQ8_0\t7100000\t0.0002\nx\tSMALL\t5000000\t0.5\n' >"$WORK/peer.tsv"
run bench/quality.sh models/demo "$WORK/peer.tsv" "$WORK/tale.txt" 2 q8 'q4 --embedding-type q4' none
ends "files beside a peer's" 0 'left out: none'
check "each beside the type of the next size" test "$(sed -nE '/claim/q; s/^\| (q[^ ]*) .*\| ([A-Z]+[0-9_]*) \|.*/\1 \2/p' "$WORK/out" | paste -sd' ')" = \
    'q8 Q8_0 q4--embedding-type_q4 SMALL'
check "the claim about q8 is there" grep -qE '^\| q8 \(7.08 MB\) ≤ Q8_0 \(7.10 MB\) \| 0\.[0-9]+ \| 0.000200 \| [0-9.]+ \| (yes|NO) \|$' "$WORK/out"
finish
