#!/bin/bash
# Replays the inputs that fuzzing has kept: none may crash a target or break a promise.
. tests/lib.sh

for target in tests/fuzz/fuzz_*.c; do
    name=$(basename "$target" .c)
    name=${name#fuzz_}
    run "$BIN/../tests/fuzz/replay_$name" tests/fuzz/corpus/"$name"/*
    if [ "$code" -eq 0 ] && grep -q '^[1-9][0-9]* inputs$' "$WORK/out"; then
        ok "$name: $(cat "$WORK/out")"
    else
        not_ok "$name" "ended with $code"
    fi
done
finish
