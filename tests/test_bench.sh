# bench: tests, names and keys of llama-bench. Speeds are not judged here.
. tests/lib.sh

demo_in q4
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

run "$BIN/bench" "$model" -p 8 -n 0 -r 1 -d 4 -o sql -q
check "SQL: a table of llama-bench's name, and a row" test "$(grep -cE '^(CREATE TABLE IF NOT EXISTS llama_bench \(|INSERT INTO llama_bench \(.*\) VALUES \(.*\);)$' "$WORK/out")" -eq 2
check "of llama-bench's columns alone" test -z "$(sed -n 's/^  \([a-z_]*\) .*/\1/p' "$WORK/out" | grep -vxE 'build_commit|cpu_info|gpu_info|backends|model_(filename|type|size|n_params)|n_(batch|ubatch|threads|prompt|gen|depth)|test_time|(avg|stddev)_(ns|ts)')"
if command -v python3 >/dev/null; then
    check "that a database takes" python3 - "$WORK/out" <<'END'
import sqlite3, sys
base = sqlite3.connect(":memory:")
base.executescript(open(sys.argv[1]).read())
assert base.execute("SELECT n_prompt, n_depth FROM llama_bench").fetchall() == [(8, 4)]
END
else
    skip "that a database takes" "no python3"
fi
run "$BIN/bench" "$model" -p 8 -n 0 -r 1 -o jsonl -q
check "JSON lines" grep -qE '^\{"build_commit".*\}$' "$WORK/out"

run "$BIN/bench" --profile "$model" -p 16 -n 4 -t 1,2 -r 2 -o csv -q
ends "where the time goes" 0
check "a row for each step, test and number of threads" test "$(grep -c '' "$WORK/out")" -eq 45
check "the shares of a test are all of it" awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
    { all += $c["share"] }
    END { exit all < 3.9 || all > 4.4 }' "$WORK/out" # threads that share a processor spend more than the whole
run "$BIN/run" -m "$model" -p 'Once upon a time' -n 8 --profile
ends "of a prompt and of what comes after it" 0 '^  gate [+] up +[0-9.]+ +[0-9.]+ % +[0-9.]+ % (read|operations)$'
check "in two tables" test "$(grep -cE '^(prompt|generation) +ms +share' "$WORK/err")" -eq 2
run "$BIN/bench" --profile --kernels
refused "no profile of products" 2 'kernels'

# ---- beside a peer: a script that answers as llama-bench does ----

mkdir -p "$WORK/peer/bin"
cat >"$WORK/peer/bin/llama-bench" <<'END'
#!/bin/sh
echo "$*" >>"$(dirname "$0")/calls"
p=0 n=0 d=0 speed=100
while [ $# -gt 0 ]; do
    case $1 in
    -m) model=$2 ;;
    -p) p=$2 ;;
    -n) n=$2 ;;
    -d) d=$2 ;;
    -pg) p=${2%,*} n=${2#*,} ;;
    -fa) [ "$2" = 0 ] && speed=50 ;;
    esac
    shift
done
case $model in
*broken*) echo "hello" >&2; echo "llama_bench: error: failed to load model" >&2; echo "["; exit 1 ;;
*talks*) echo "no json"; exit 0 ;;
*other*) p=7 ;;
*hangs*) sleep 100 ;;
*killed*) kill -9 $$ ;;
esac
echo "[{\"build_commit\": \"abc\", \"model_type\": \"fake Q4_0\", \"model_size\": 1000, \"n_prompt\": $p, \"n_gen\": $n, \"n_depth\": $d, \"avg_ts\": $speed.5}]"
END
chmod +x "$WORK/peer/bin/llama-bench"
run "$BIN/bench" --compare "$WORK/peer" -m "$model" --peer-model a.gguf -m "$model" --peer-model b.gguf -p 8 -n 4 --pg 8,4 -d 3 -t 1,2 -r 3 -q -o json
ends "beside a peer" 0
check "a row for each pair, test and number of threads" test "$(grep -c '"ratio": ' "$WORK/out")" -eq 12
check "the peer is asked the same, once in each round" test "$(sort "$WORK/peer/bin/calls" | uniq -c | tr -s ' ' | paste -sd,)" = \
    "$(for m in a b; do for test in '-p 0 -n 0 -pg 8,4' '-p 0 -n 4' '-p 8 -n 0'; do for t in 1 2; do echo " 3 -m $m.gguf $test -d 3 -t $t -r 1 -o json -fa 1"; done; done; done | paste -sd,)"
if command -v python3 >/dev/null; then
    check "ratios are those of the rounds" python3 - "$WORK/out" <<'END'
import json, statistics, sys
for row in json.load(open(sys.argv[1])):
    assert row["peer_samples_ts"] == [100.5] * 3 and row["peer_flags"] == "-fa 1" and row["peer_type"] == "fake Q4_0", row
    ratios = [a / b for a, b in zip(row["samples_ts"], row["peer_samples_ts"])]
    for key, value in [("ratio", statistics.median(ratios)), ("ratio_lowest", min(ratios)), ("ratio_highest", max(ratios))]:
        assert abs(row[key] - value) <= 1e-6 * value, (key, row)
    assert row["read_before_gb_s"] > 0 and row["read_after_gb_s"] > 0
END
else
    skip "ratios are those of the rounds" "no python3"
fi
run "$BIN/bench" --compare "$WORK/peer/bin" "$model" --peer-model a.gguf --peer-flags '-fa 0' --peer-flags '-fa 1 -x 2' -p 8 -n 0 -t 1 -r 1 -q
ends "several sets of the peer's flags" 0
check "the fastest one counts" grep -qE '^\| llama .*\| +100\.50 \|.*\| -fa 1 -x 2 +\|$' "$WORK/out"
compare() { run "$BIN/bench" --compare "$WORK/peer" -m "$model" --peer-model "$1" -p 8 -n 0 -t 1 -r 1 -q; }
compare broken.gguf
check "prints no row of a peer that fails" test ! -s "$WORK/out"
refused "says why it does" 1 'llama-bench -m broken.gguf: ended with 1: llama_bench: error: failed to load model$'
compare talks.gguf
refused "an answer that is none" 1 'no JSON'
compare other.gguf
refused "an answer to something else" 1 'no speed of the test'
compare killed.gguf
refused "a peer that is killed" 1 'signal 9'
printf '#!/nowhere/sh\n' >"$WORK/llama-bench"
chmod +x "$WORK/llama-bench"
if [ -n "${EMULATOR:-}" ]; then
    skip "a peer that cannot be started" "an emulator says so only by an exit code"
else
    run "$BIN/bench" --compare "$WORK" -m "$model" --peer-model a.gguf -q
    refused "a peer that cannot be started" 1 'cannot be started'
fi
run "$BIN/bench" --compare "$WORK/nowhere" -m "$model" --peer-model a.gguf
refused "no peer" 3 'nowhere: there is no llama-bench'
run "$BIN/bench" --compare "$WORK/peer" -m "$model" -m "$model" --peer-model a.gguf
refused "no pairs" 2 '2 models and 1 of --peer-model'
run "$BIN/bench" --compare "$WORK/peer" -m "$model"
refused "no model of the peer" 2 'peer-model'
: >"$WORK/peer/bin/calls"
begin "$BIN/bench" --compare "$WORK/peer" -m "$model" --peer-model hangs.gguf -p 8 -n 0 -t 1 -o json
until_true test -s "$WORK/peer/bin/calls"
end_with TERM
ends "a signal ends the peer too" 143 '^stopped in pp8 '
check "with nothing to show" test "$(cat "$WORK/out")" = '[]'

# ---- products and probes, without a model ----

run "$BIN/bench" --kernels q4 ternary5 --isa scalar -t 1 -r 1 -p 9 -o csv
ends "products of two formats" 0
check "a row for each format, shape and number of tokens" test "$(cut -d, -f1,3,7 "$WORK/out" | tr -d '"' | sort | uniq -c | tr -s ' ' | paste -sd' ')" = \
    ' 1 isa,format,n_tokens  2 scalar,q4,1  2 scalar,q4,9  2 scalar,ternary5,1  2 scalar,ternary5,9'
check "all have a share of what a probe reads" test "$(awk -F, 'NR > 1 && $11 > 0' "$WORK/out" | wc -l)" -eq 8
run "$BIN/bench" --kernels rmsnorm attend --isa scalar -t 1 -r 1 -o csv
ends "steps between products" 0
check "a row for the norm and for each type of the cache" test "$(cut -d, -f3 "$WORK/out" | tr -d '"' | paste -sd' ')" = \
    'format rmsnorm attend-f16 attend-q8 attend-q4 attend-f32'
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
