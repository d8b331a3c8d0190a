# calibrate: the same file whatever the threads and batches, merging, refusals, and what other commands say to its file.
. tests/lib.sh

demo=models/demo
tale=tests/data/tale.txt
demo_in f16 q4
cal() { run "$BIN/calibrate" -m "$WORK/f16.qbin" -f $tale -c 64 "$@"; }

# ---- the file ----

cal -o "$WORK/a.cal" -t 1 --chunks 4
ends "calibrates" 0 '4 windows of 64 tokens'
check "nothing on stdout" test ! -s "$WORK/out"
run "$BIN/inspect" --verify "$WORK/a.cal"
ends "the file passes its checks" 0
run bash -c "ulimit -f 100; '$BIN/calibrate' -m '$WORK/f16.qbin' -f $tale -c 64 --chunks 2 -q -o '$WORK/a.cal'"
ends "no room" 4
run "$BIN/inspect" --verify "$WORK/a.cal"
ends "leaves the file that was there" 0
check "and nothing else" [ -z "$(find "$WORK" -name '*.tmp*')" ]
for threads in 2 3; do
    cal -o "$WORK/b.cal" -t $threads --chunks 4 -b 50 -q
    check "$threads threads and other batches give the same file" cmp "$WORK/a.cal" "$WORK/b.cal"
done
cal -o "$WORK/b.cal" --chunks 4 --isa scalar -q
check "another instruction set gives the same file" cmp "$WORK/a.cal" "$WORK/b.cal"
cal -o "$WORK/b.cal" --chunks 4 --skip 0 -q
check "tokens that are left out make a difference" test "$(cmp "$WORK/a.cal" "$WORK/b.cal" | wc -l)" -eq 1

run sh -c "cat $tale | '$BIN/calibrate' -m '$WORK/f16.qbin' -f - -c 64 --chunks 4 -q -o '$WORK/b.cal'"
ends "a text may come from a pipe" 0
run "$BIN/inspect" "$WORK/a.cal"
ends "inspect shows a calibration" 0
check "inspect names its inputs" grep -q '^ *layers.0.inner ' "$WORK/out"
check "inspect names its text" grep -q 'tale.txt' "$WORK/out"

# ---- merging (that parts are the whole is tested on the numbers) ----

cal -o "$WORK/whole.cal" -q
run "$BIN/calibrate" --merge "$WORK/a.cal" --merge "$WORK/whole.cal" -o "$WORK/both.cal"
ends "two files are merged" 0
run "$BIN/calibrate" --merge "$WORK/a.cal" -o "$WORK/one.cal"
ends "one file is merged with nothing" 0
run "$BIN/inspect" --json "$WORK/both.cal"
check "both texts are named" test "$(grep -c '"file": "tale.txt"' "$WORK/out")" -eq 2
cal -o "$WORK/added.cal" --chunks 4 --merge "$WORK/whole.cal" -q
ends "a text is added to a file" 0
cal -o "$WORK/products.cal" --chunks 2 --products -q
run "$BIN/calibrate" --merge "$WORK/products.cal" --merge "$WORK/a.cal" -o "$WORK/two.cal"
ends "products are left out unless they are asked for" 0 'products.cal: its products are left out'
run "$BIN/calibrate" --merge "$WORK/products.cal" --merge "$WORK/a.cal" --products -o "$WORK/x.cal"
refused "products that one has not" 3 'a.cal: has no products'
run "$BIN/calibrate" --merge "$WORK/a.cal" --chunks 2 -o "$WORK/x.cal"
refused "windows of no text" 2 '--chunks has no meaning without --model'

# ---- models are told apart ----

run "$BIN/calibrate" -m "$WORK/q4.qbin" -f $tale -c 64 --chunks 2 -o "$WORK/q4.cal"
ends "a model in 4 bits is warned of" 0 '^warning: .*q4.qbin: tensor .* is in q[45]'
run "$BIN/calibrate" --merge "$WORK/a.cal" --merge "$WORK/q4.cal" -o "$WORK/same.cal"
ends "the same model in another format is the same model" 0
if shared models/stories260K/model.safetensors; then
    "$BIN/convert" -q "$SHARED/models/stories260K" f16 -o "$WORK/other.qbin" 2>/dev/null
    run "$BIN/calibrate" -m "$WORK/other.qbin" -f $tale -c 64 --chunks 2 -o "$WORK/other.cal"
    run "$BIN/calibrate" --merge "$WORK/a.cal" --merge "$WORK/other.cal" -o "$WORK/x.cal"
    refused "another model's calibration is refused" 3 'other.cal: is a calibration of another model'
    check "nothing was written" test ! -e "$WORK/x.cal"
else
    skip "another model's calibration is refused" "no second model"
fi

# ---- an encoding of activations can be overridden: the weights are the same ----

run "$BIN/convert" $demo q4 --method rtn -q -o "$WORK/block.qbin"
run "$BIN/convert" $demo q4 --method rtn -q --calibration "$WORK/a.cal" --activations static --asymmetric-activations -o "$WORK/static.qbin"
ends "the demo model with static activations" 0
# ppl MODEL ...: on one window
ppl() { run "$BIN/perplexity" -q -f $tale -c 64 --chunks 2 -o csv "$@" && sed -n 's/.*,half,64,2,//; 2s/^[0-9]*,\([^,]*\),.*/\1/p' "$WORK/out"; }
block=$(ppl "$WORK/block.qbin")
static=$(ppl "$WORK/static.qbin")
check "the two differ" test -n "$block" -a -n "$static" -a "$block" != "$static"
check "static told to use blocks is the same as blocks" test "$(ppl "$WORK/static.qbin" --activations block)" = "$block"
check "by token is another thing" test "$(ppl "$WORK/static.qbin" --activations token)" = "$(ppl "$WORK/block.qbin" --activations token)"
run "$BIN/perplexity" -f $tale "$WORK/block.qbin" --activations static
refused "static cannot be asked for" 2 'activations'

# ---- refusals ----

for command in "run -p x -m" "perplexity -f $tale" "logits --ids 1 -o $WORK/l -m" "bench -m"; do
    # shellcheck disable=SC2086
    run "$BIN/qbin" $command "$WORK/a.cal"
    refused "${command%% *} says what a calibration is" 3 "a.cal: is a calibration: statistics of a model's inputs"
done
run "$BIN/calibrate" --merge "$WORK/f16.qbin" -o "$WORK/x.cal"
refused "a model is no calibration" 3 'f16.qbin: is a model; what is wanted is a calibration'
run "$BIN/calibrate" -m "$WORK/f16.qbin" -f "$WORK/none" -o "$WORK/x.cal"
refused "a missing text" 3 'none'
run "$BIN/calibrate" -m "$WORK/f16.qbin" -f $tale
refused "no output" 2 'give one with -o'
run "$BIN/calibrate" -m "$WORK/f16.qbin" -o "$WORK/x.cal"
refused "no text" 2 'belong together'
run "$BIN/calibrate" -o "$WORK/x.cal"
refused "nothing to do" 2 'nothing to do'
cal -o "$WORK/x.cal" --skip 64
refused "everything left out" 2 'leaves nothing'
cal -o "$WORK/x.cal" -c 100000
refused "a window beyond the context" 2 'longer than the model'
cal -o "$WORK/f16.qbin"
refused "the model itself" 2 'is an input'
cp $tale "$WORK/text"
cal -o "$WORK/text"
refused "a file that is no .qbin" 2 'exists and is not a .qbin'
head -c 2000000 "$WORK/f16.qbin" >"$WORK/bytes"
cal -f "$WORK/bytes" --chunks 2 -o "$WORK/binary.cal" -q
ends "a file that is no text is read, with a warning" 0 'warning: .*bytes: has bytes that are zero'
printf 'a short text' >"$WORK/short"
run "$BIN/calibrate" -m "$WORK/f16.qbin" -f "$WORK/short" -o "$WORK/x.cal"
refused "a short text" 1 'two windows'
dd if="$WORK/a.cal" of="$WORK/half.cal" bs=1000 count=100 2>/dev/null
run "$BIN/calibrate" --merge "$WORK/half.cal" -o "$WORK/x.cal"
refused "half a file" 3 'half.cal: .*truncated'
check "refusals write nothing" test ! -e "$WORK/x.cal"

# ---- a signal ends it with nothing written ----

for _ in 1 2 3 4 5 6 7 8; do cat $tale $tale $tale $tale $tale $tale $tale $tale; done >"$WORK/long"
env --default-signal=INT "$BIN/calibrate" -m "$WORK/f16.qbin" -f "$WORK/long" -o "$WORK/x.cal" -t 1 2>"$WORK/err" &
pid=$!
sleep 0.4
kill -INT $pid
wait $pid
code=$?
ends "Ctrl-C ends it" 130
check "and leaves nothing" test -z "$(find "$WORK" -name 'x.cal*')"
finish
