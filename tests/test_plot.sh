# --plot: pictures by gnuplot where there is one, a clear message where there is none or it fails, and nothing from outside that becomes its code.
. tests/lib.sh

tale=tests/data/tale.txt
for f in f16 q8 q4; do "$BIN/convert" models/demo $f -q -o "$WORK/$f.qbin" || exit 1; done
plot() { run "$BIN/perplexity" -f $tale -c 64 --chunks 2 -q --reference "$WORK/f16.qbin" "$WORK/q8.qbin" "$WORK/q4.qbin" --plot "$@"; }
litter() { ls "$WORK" | grep -c tmp-; }

# ---- a gnuplot of our own, which keeps what it is told ----

mkdir "$WORK/fake" "$WORK/none"
cat >"$WORK/fake/gnuplot" <<END
#!/bin/sh
[ "\$1" = --version ] && exit
cat >"$WORK/script"
[ -e "$WORK/fails" ] && { echo "it went wrong" >&2; exit 3; }
echo "a picture of \$*"
END
chmod +x "$WORK/fake/gnuplot"
old_path=$PATH
PATH=$WORK/fake:$PATH

plot "$WORK/a.svg"
ends "draws" 0
check "the table is printed as well" grep -q '| q4.qbin ' "$WORK/out"
check "gnuplot reads no file of the user's" test "$(cat "$WORK/a.svg")" = "a picture of -d"
check "perplexity and divergence" test "$(grep -c '^plot ' "$WORK/script")" -eq 2
check "on logarithmic axes" grep -q '^set logscale xy' "$WORK/script"
check "points are labelled" test "$(grep -c "^set label 'q[48]' at screen" "$WORK/script")" -eq 4
check "no litter" test "$(litter)" -eq 0
run "$BIN/perplexity" -f $tale -c 64 --chunks 2 -q "$WORK/q8.qbin" "$WORK/q4.qbin" --plot "$WORK/a.svg"
check "without a reference only perplexity" test "$(grep -c '^plot ' "$WORK/script")" -eq 1

hostile="it's '; system('touch hacked') #\`touch hacked\`"
hostile=$hostile$(printf '"\nsystem("touch hacked")\nEND\n$x\\ %%d @a')
cp "$WORK/q4.qbin" "$WORK/$hostile"
run "$BIN/perplexity" -f $tale -c 64 --chunks 2 -q --reference "$WORK/f16.qbin" "$WORK/$hostile" --plot "$WORK/b.svg"
ends "a name that would be code" 0
check "stands in quotes, on one line" test "$(grep -cF "set label 'it''s ''; system(''touch hacked'') #\`touch hacked\`\"?system(\"touch" "$WORK/script")" -eq 2
check "and nowhere else" test "$(grep -c hacked "$WORK/script")" -eq 2

touch "$WORK/fails"
plot "$WORK/a.svg"
ends "gnuplot's own words when it fails" 1 '^error: gnuplot failed with 3: it went wrong$'
check "after the table" grep -q '| q4.qbin ' "$WORK/out"
check "the old picture stays" test "$(cat "$WORK/a.svg")" = "a picture of -d"
plot "$WORK/new.svg"
check "and no new one comes" test ! -e "$WORK/new.svg" -a "$(litter)" -eq 0

# ---- no gnuplot ----

for tool in cat ls grep; do ln -s "$(command -v $tool)" "$WORK/none/"; done
run env PATH="$WORK/none" "$BIN/perplexity" -f $tale -c 64 -q "$WORK/q8.qbin" --plot "$WORK/c.svg"
refused "no gnuplot, before anything is evaluated" 1 'wants gnuplot, which is not installed'
PATH=$old_path

# ---- what is refused ----

PATH=$WORK/fake:$PATH
for name in picture picture.jpg .svg ''; do
    plot "$name"
    refused "a plot called '$name'" 2 'ends neither in .svg nor in .png'
done
plot "$WORK/nowhere/a.svg"
refused "a folder that is not there" 1 'nowhere/a.svg: No such file'
PATH=$old_path

# ---- the real one ----

if command -v gnuplot >/dev/null; then
    (cd "$WORK" && PATH=$old_path "$BIN/perplexity" -f "$OLDPWD/$tale" -c 64 --chunks 2 -q --reference f16.qbin q8.qbin q4.qbin "$hostile" --plot real.svg >out 2>err)
    code=$?
    ends "gnuplot draws an SVG" 0
    check "which ends as one" grep -q '</svg>' "$WORK/real.svg"
    check "has a label for each file in both parts" test "$(grep -c '<text>q[48]</text>' "$WORK/real.svg")" -eq 4
    check "and ran nothing" test ! -e "$WORK/hacked"
    if command -v python3 >/dev/null; then
        check "it is well-formed" python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' "$WORK/real.svg"
    fi
    plot "$WORK/real.png"
    check "and a PNG" test "$(head -c 4 "$WORK/real.png" | tail -c 3)" = PNG
else
    skip "pictures by gnuplot itself" "gnuplot is not installed"
fi
finish
