# bench: tests, names and keys of llama-bench. Speeds are not judged here.
. tests/lib.sh

run "$BIN/convert" models/demo q4 -o "$WORK/q4.qbin"
ends "the demo model in q4" 0
model=$WORK/q4.qbin

run "$BIN/bench" -m "$model" -p 16 -n 4 -r 2 -t 1,2 -q
ends "runs" 0
check "a row for each test and number of threads" test "$(grep -cE '\| +[12] \| (pp16|tg4) +\| +[0-9.]+ ± [0-9.]+ \|$' "$WORK/out")" -eq 4
check "the columns of llama-bench" grep -qE '^\| model +\| +size +\| +params +\| backend +\| +threads +\| test +\| +t/s +\|$' "$WORK/out"

run "$BIN/bench" -m "$model" -p 16,32 -n 0 --pg 8,4 -d 0,5 -r 3 -o json -q
check "tests of lists" test "$(grep -o '"test": "[^"]*"' "$WORK/out" | paste -sd' ')" = \
    '"test": "pp16" "test": "pp32" "test": "pp8+tg4" "test": "pp16 @ d5" "test": "pp32 @ d5" "test": "pp8+tg4 @ d5"'
for key in n_prompt n_gen n_depth n_threads avg_ts stddev_ts avg_ns stddev_ns samples_ts samples_ns model_filename model_type model_size model_n_params; do
    check "JSON has $key in each row" test "$(grep -o "\"$key\": " "$WORK/out" | wc -l)" -eq 6
done
check "every repetition is a sample" grep -qE '"samples_ts": \[[0-9.e+-]+, [0-9.e+-]+, [0-9.e+-]+\]' "$WORK/out"
if command -v python3 >/dev/null; then
    check "JSON is JSON, and the mean is that of the samples" python3 - "$WORK/out" <<'END'
import json, sys
for row in json.load(open(sys.argv[1])):
    mean = sum(row["samples_ts"]) / len(row["samples_ts"])
    assert abs(mean - row["avg_ts"]) <= 1e-6 * mean, row
    tokens = row["n_prompt"] + row["n_gen"]
    for ns, ts in zip(row["samples_ns"], row["samples_ts"]):
        assert abs(ts - tokens * 1e9 / ns) <= 1e-6 * ts, row
END
else
    skip "JSON is JSON" "no python3"
fi
run "$BIN/bench" "$model" "$model" -p 8 -n 0 -r 1 -o csv -q
check "several models, as CSV" test "$(grep -c '' "$WORK/out")" -eq 3
check "CSV has as many values as names" test "$(awk -F, '{ print NF }' "$WORK/out" | sort -u | wc -l)" -eq 1

run taskset -c "$(taskset -pc $$ | sed 's/.*: *\([0-9]*\).*/\1/')" "$BIN/bench" -m "$model" -p 8 -n 0 -r 1 -o json -q
check "as many threads as CPUs are allowed" grep -q '"n_threads": 1' "$WORK/out"

# ---- products and probes, without a model ----

run "$BIN/bench" --kernels q4 ternary5 --isa scalar -t 1 -r 1 -p 9 -o csv
ends "products of two formats" 0
check "a row for each format, shape and number of tokens" test "$(cut -d, -f1,3,7 "$WORK/out" | tr -d '"' | sort | uniq -c | tr -s ' ' | paste -sd' ')" = \
    ' 1 isa,format,n_tokens  2 scalar,q4,1  2 scalar,q4,9  2 scalar,ternary5,1  2 scalar,ternary5,9'
check "all have a share of what a probe reads" test "$(awk -F, 'NR > 1 && $11 > 0' "$WORK/out" | wc -l)" -eq 8
run "$BIN/bench" --kernels q4 nonsense
refused "a format that does not exist" 2 'nonsense'
run "$BIN/bench" --kernels -m "$model"
refused "products of a model" 2 'no model'
run "$BIN/bench" --probe -t 1 -r 1 -o json
ends "probes alone" 0
check "they read" grep -qE '"read_gb_s": [0-9.]+' "$WORK/out"

run "$BIN/bench" -p 8
refused "no model" 2 'no model'
for bad in '' , 1, x 1,x -1 1.5 99999999999999999999; do
    run "$BIN/bench" -m "$model" --n-prompt="$bad"
    refused "a prompt of '$bad'" 2 'n-prompt'
done
run "$BIN/bench" -m "$model" --pg 8
refused "half a pair" 2 'pg'
run "$BIN/bench" -m "$model" -p 0 -n 0
refused "no tests" 2 'nothing to test'
run "$BIN/bench" -m "$model" -r 0
refused "no repetitions" 2 'repetitions|-r'
run "$BIN/bench" -m "$model" -p 16,400 -n 0 -d 90,200 -q
refused "more tokens than the context, before anything runs" 2 'pp400 @ d200 of 600 tokens: the context of .*q4.qbin has 512'
run "$BIN/bench" -m tests/lib.sh
refused "a file that is no model" 3 'lib.sh'
run "$BIN/bench" -m "$model" --isa z80 -q
refused "an instruction set that does not exist" 2 'z80'

# ---- stopped ----

begin "$BIN/bench" -m "$model" -p 8 -n 500 -r 100 -t 1 -o json
until_true says 'tg500'
end_with INT
ends "Ctrl-C ends with 130 and says where" 130 '^stopped in tg500 of .*q4.qbin, which has no row$'
check "what was complete is printed" test "$(grep -o '"test": "[^"]*"' "$WORK/out")" = '"test": "pp8"'
check "and whole" test "$(tail -n 1 "$WORK/out")" = ']'
check "without an error line" test "$(grep -c '^error' "$WORK/err")" -eq 0
finish
