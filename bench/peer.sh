#!/bin/sh
# How fast are we, as ratios to llama.cpp on the same machine in the same minutes?
#
#   bench/peer.sh PEER MODEL.gguf MODEL.qbin ["FLAGS" ...]
#
# PEER is a folder with llama-bench in it or in its bin/. For each number of threads and each test both programs run in turn, ROUNDS times, once each; a
# ratio is our tokens per second by theirs of the same round. FLAGS are settings of llama-bench to try, such as "-fa 1" or "-fa 0 --repack 0": for each test
# the peer's fastest one (by its median) counts. From the environment:
#   TESTS="p512 n128"   THREADS="1 2"   ROUNDS=5   OURS= more options for bench   BIN=bin
# Prints markdown: per test the median ratio, the lowest and highest, and the ratio of the best runs. Speeds go to stderr.
set -eu
[ $# -ge 3 ] || { sed -n '2,/^set -eu/p' "$0" | sed -e '/^set -eu/d' -e 's/^# \{0,1\}//'; exit 2; }
peer=$1 gguf=$2 qbin=$3
shift 3
[ $# -gt 0 ] || set -- "-fa 1"
[ -x "$peer/llama-bench" ] || peer=$peer/bin
[ -x "$peer/llama-bench" ] || { echo "no llama-bench in $peer" >&2; exit 2; }
runs=$(mktemp)
trap 'rm -f "$runs"' EXIT

speed() { # of the one test that is run
    "$@" -o json 2>/dev/null | tr -d '\n' | sed -n 's/.*"avg_ts": *\([0-9.e+-]*\).*/\1/p'
}

# test_flags p512 -> -p 512 -n 0
test_flags() {
    case $1 in
    p*) echo "-p ${1#p} -n 0" ;;
    n*) echo "-p 0 -n ${1#n}" ;;
    *) echo "a test is called p512 or n128, not $1" >&2; return 2 ;;
    esac
}

for test in ${TESTS:-p512 n128}; do
    flags=$(test_flags "$test")
    for threads in ${THREADS:-1 2}; do
        for round in $(seq "${ROUNDS:-5}"); do
            # shellcheck disable=SC2086
            ours=$(speed "${BIN:-bin}/bench" -m "$qbin" $flags -t "$threads" -r 1 ${OURS:-})
            printf '%s\t%s\t%s\tours\t%s\n' "$test" "$threads" "$round" "${ours:?bench failed}" | tee -a "$runs" >&2
            for setting; do
                # shellcheck disable=SC2086
                theirs=$(speed "$peer/llama-bench" -m "$gguf" $flags -t "$threads" -r 1 $setting)
                printf '%s\t%s\t%s\t%s\t%s\n' "$test" "$threads" "$round" "$setting" "${theirs:?llama-bench failed}" | tee -a "$runs" >&2
            done
        done
    done
done

awk -F '\t' '
function sort(list, n,   i, j, t) {
    for (i = 2; i <= n; i++) for (j = i; j > 1 && list[j] < list[j - 1]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
}
function median(list, n) { return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2 }
{
    test = $1 "\t" $2
    if (!(test in seen)) { seen[test] = 1; order[++tests] = test }
    if ($4 == "ours") { mine[test, $3] = $5; if ($3 > rounds) rounds = $3 }
    else { if (!((test, $4) in known)) { known[test, $4] = 1; settings[test, ++n_settings[test]] = $4 } theirs[test, $4, $3] = $5 }
}
END {
    print "| test | threads | ratio | lowest | highest | best / best | peer ran with |"
    print "| :--- | ---: | ---: | ---: | ---: | ---: | :--- |"
    for (t = 1; t <= tests; t++) {
        test = order[t]
        fastest = 0
        for (s = 1; s <= n_settings[test]; s++) {
            for (r = 1; r <= rounds; r++) list[r] = theirs[test, settings[test, s], r] + 0
            sort(list, rounds)
            if (median(list, rounds) > fastest) { fastest = median(list, rounds); setting = settings[test, s]; best = list[rounds] }
        }
        best_mine = 0
        for (r = 1; r <= rounds; r++) {
            list[r] = mine[test, r] / theirs[test, setting, r]
            if (mine[test, r] + 0 > best_mine) best_mine = mine[test, r] + 0
        }
        sort(list, rounds)
        split(test, name, "\t")
        printf "| %s%s | %s | %.2f | %.2f | %.2f | %.2f | %s |\n", name[1] ~ /^p/ ? "pp" : "tg", substr(name[1], 2), name[2], median(list, rounds), list[1], list[rounds], best_mine / best, setting
    }
}' "$runs"
