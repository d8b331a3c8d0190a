#!/bin/bash
# What is there after a conversion that did not end well: the old file or the new one, whole, and no litter that a second run leaves.
. tests/lib.sh

OUT=$WORK/model.qbin
CONVERT=("$BIN/convert" models/demo q4 --method rtn -q -o "$OUT")

whole() { "$BIN/inspect" --verify "$OUT" >/dev/null 2>&1; }
litter() { find "$WORK" -name '*.tmp-*' | grep -c ''; }

run "${CONVERT[@]}" -t 1
ends "a conversion" 0
cp "$OUT" "$WORK/first"
started=$(date +%s%N)
run "${CONVERT[@]}"
nanoseconds=$(($(date +%s%N) - started))
check "the threads do not show" cmp "$WORK/first" "$OUT"
check "nothing else is left" [ "$(litter)" -eq 0 ]

# Killed at any moment: what is under the name is a whole file.
broken=0
for ((i = 0; i < 12; i++)); do
    delay=$(awk -v n="$nanoseconds" -v i="$i" 'BEGIN { printf "%.4f", n * 1e-9 * i / 12 }')
    "${CONVERT[@]}" >/dev/null 2>&1 &
    child=$!
    sleep "$delay"
    kill -9 $child 2>/dev/null
    wait $child 2>/dev/null
    whole || broken=$((broken + 1))
done
check "a killed conversion leaves a whole file ($broken of 12 did not)" [ $broken -eq 0 ]
run "${CONVERT[@]}"
check "the next one removes what killed ones left" [ "$(litter)" -eq 0 ]
rm "$OUT"
"${CONVERT[@]}" >/dev/null 2>&1 &
child=$!
kill -9 $child
wait $child 2>/dev/null
check "killed at once: no file" [ ! -e "$OUT" ]
cp "$WORK/first" "$OUT"

# Asked to stop.
for pair in INT:130 TERM:143; do
    signal=${pair%:*}
    # bash gives background processes no SIGINT: env sets the default again
    env --default-signal "$BIN/convert" models/demo km4 -q -o "$OUT" >"$WORK/out" 2>"$WORK/err" &
    child=$!
    for ((i = 0; i < 200 && $(litter) == 0; i++)); do sleep 0.01; done
    kill -"$signal" $child
    wait $child
    code=$?
    ends "SIG$signal" "${pair#*:}"
    check "SIG$signal: the old file" cmp "$WORK/first" "$OUT"
    check "SIG$signal: no litter" [ "$(litter)" -eq 0 ]
done

# No room: a limit on the size of a file ends as a full disk does.
wrong=
for blocks in 1 4 100 1000 3000 3700; do
    run bash -c 'ulimit -f "$1"; shift; exec "$@"' - $blocks "${CONVERT[@]}"
    { [ $code -eq 4 ] && grep -q '^error: ' "$WORK/err" && cmp -s "$WORK/first" "$OUT" && [ "$(litter)" -eq 0 ]; } || wrong="$wrong $blocks:$code"
done
check "no room is exit 4, the old file stays:$wrong" [ -z "$wrong" ]

if mkdir "$WORK/disk" && mount -t tmpfs -o size=2m tmpfs "$WORK/disk" 2>/dev/null; then
    run "$BIN/convert" models/demo q4 --method rtn -q -o "$WORK/disk/model.qbin"
    refused "a full disk" 4 'No space left on device'
    check "a full disk: nothing is left" [ -z "$(ls "$WORK/disk")" ]
    umount "$WORK/disk"
else
    skip "a full disk" "no right to mount one"
fi

# Two at once to the same name.
"${CONVERT[@]}" >/dev/null 2>&1 &
child=$!
run "${CONVERT[@]}"
wait $child
check "two at once both end well" [ "$? $code" = "0 0" ]
check "two at once: a whole file" whole
check "two at once: no litter" [ "$(litter)" -eq 0 ]

# What is not a .qbin is not replaced.
echo "a letter" >"$WORK/letter.txt"
run "$BIN/convert" models/demo q4 -q -o "$WORK/letter.txt"
ends "a file that is no .qbin is kept" 2 'force'
check "a file that is no .qbin is as it was" grep -q "a letter" "$WORK/letter.txt"
mkdir "$WORK/folder"
ln -s "$OUT" "$WORK/link.qbin"
run "$BIN/convert" models/demo q4 -q -o "$WORK/folder"
refused "a folder as target" "$code" "$WORK/folder"
run "$BIN/convert" models/demo q4 --method rtn -q -o "$WORK/link.qbin"
refused "a link as target" 1 'is a symbolic link'
run "$BIN/convert" models/demo q4 -q -o "$WORK/nowhere/model.qbin"
refused "a target in no folder" 1 'No such file or directory'

finish
