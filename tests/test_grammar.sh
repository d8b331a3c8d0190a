#!/bin/bash
# Constrained output, as someone uses it: `run` with --grammar and --json-schema.
. tests/lib.sh

MODEL=$WORK/demo.qbin
"$BIN/convert" models/demo q4 --quiet -o "$MODEL" || exit 1

generate() { run "$BIN/run" -m "$MODEL" -p 'Once upon a time' --no-display-prompt "$@"; }
same() { cmp -s "$1" "$2"; }

# ---- grammars ----

cat >"$WORK/list.gbnf" <<'END'
# a list of words and numbers
root ::= "[" item ("," " " item){1,3} "]"
item ::= [a-z]{1,8} | "-"? ("0" | [1-9] [0-9]{0,3})
END
wrong=
for s in 1 2 3 4 5 6 7 8 9 10; do
    generate --grammar "$WORK/list.gbnf" -s $s --temp 1.5 -q
    { [ $code -eq 0 ] && grep -qE '^\[([a-z]{1,8}|-?(0|[1-9][0-9]{0,3}))(, ([a-z]{1,8}|-?(0|[1-9][0-9]{0,3}))){1,3}\]$' "$WORK/out"; } || wrong="$wrong $s"
done
check "what is generated is what the grammar matches$wrong" [ -z "$wrong" ]
generate --grammar "$WORK/list.gbnf" -s 1
ends "it stops where nothing can follow" 0 '^grammar .* masks'
check "and is not said to be cut" [ "$(grep -c '^warning: ' "$WORK/err")" -eq 0 ]
generate --grammar "$WORK/list.gbnf" -s 1 -n 3
ends "-n may cut it, which is said" 0 '^warning: the text was cut .* -n'
generate --grammar "$WORK/list.gbnf" -s 1 -c 8
ends "and so may the context" 0 '^warning: the text was cut .* context'
generate --grammar "$WORK/list.gbnf" -s 3 --temp 1.5 -q
cp "$WORK/out" "$WORK/text"
for o in "-t 1" "-t 3 -b 1" "--lookup" "--isa scalar"; do
    # shellcheck disable=SC2086
    generate --grammar "$WORK/list.gbnf" -s 3 --temp 1.5 -q $o
    check "the same text with $o" same "$WORK/out" "$WORK/text"
done
printf 'root ::= ("the little fox " | "the bear "){8} "end"\n' >"$WORK/again.gbnf"
generate --grammar "$WORK/again.gbnf" --temp 0 -q
cp "$WORK/out" "$WORK/text"
generate --grammar "$WORK/again.gbnf" --temp 0 -q --lookup
check "guesses do not pass by the grammar" same "$WORK/out" "$WORK/text"
printf 'root ::= "\303\251\360\237\230\200" [\\u4e00-\\u9fff]{2} "."\n' >"$WORK/bytes.gbnf"
generate --grammar "$WORK/bytes.gbnf" -s 1 -q
check "characters that no token has are spelled in bytes" env LC_ALL=C grep -qP '^\xc3\xa9\xf0\x9f\x98\x80[\xe4-\xe9][\x80-\xbf]{2}[\xe4-\xe9][\x80-\xbf]{2}\.$' "$WORK/out"
printf 'root ::= "a" | "ab" [b-z]{0,2000}\n' >"$WORK/end.gbnf"
generate --grammar "$WORK/end.gbnf" -s 1 --ignore-eos -n 40 -q
ends "--ignore-eos goes together with it" 0
echo 'root ::= ""' >"$WORK/empty.gbnf"
generate --grammar "$WORK/empty.gbnf" -q
check "a grammar of nothing gives nothing" [ "$(wc -c <"$WORK/out")" -eq 1 ]
generate --grammar - -q </dev/null
refused "a grammar from an empty pipe" 3 "no rule 'root'"

# ---- schemas ----

cat >"$WORK/person.json" <<'END'
{"type": "object", "required": ["name", "age", "kind"], "properties": {
  "name": {"type": "string", "minLength": 1, "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 120},
  "born": {"type": "string", "format": "date"}, "kind": {"enum": ["fox", "bear", null]},
  "friends": {"type": "array", "items": {"type": "string", "pattern": "^[A-Z][a-z]{1,6}$"}, "maxItems": 3}}}
END
person='^\{\s*"name":\s*"([^"\\]|\\.){1,12}",\s*"age":\s*(\d|[1-9]\d|1[01]\d|120),\s*("born":\s*"\d{4}-\d\d-\d\d",\s*)?"kind":\s*("fox"|"bear"|null)(,\s*"friends":\s*\[\s*("[A-Z][a-z]{1,6}"(,\s*"[A-Z][a-z]{1,6}"){0,2})?\s*\])?\s*\}\n$'
wrong=
for s in 1 2 3 4 5 6 7 8 9 10; do
    generate --json-schema "$WORK/person.json" -s $s --temp 1.5 -q
    { [ $code -eq 0 ] && grep -qzP "$person" "$WORK/out"; } || wrong="$wrong $s"
done
check "what is generated is what the schema describes$wrong" [ -z "$wrong" ]

# ---- what is refused ----

generate --grammar "$WORK/list.gbnf" --json-schema "$WORK/person.json"
refused "both at once" 2 '--grammar cannot go with --json-schema'
generate --grammar "$WORK/absent"
refused "a grammar that is not there" 3 'absent: No such file'
printf 'root ::= a\na ::= a "x" | "y"\n' >"$WORK/left.gbnf"
generate --grammar "$WORK/left.gbnf"
refused "left recursion" 3 "left\.gbnf: line 2: rule 'a' is left-recursive"
printf 'root ::= "a" [b' >"$WORK/half.gbnf"
generate --grammar "$WORK/half.gbnf"
refused "half a class" 3 'half\.gbnf: line 1, column 16: the class has no closing \]'
echo '{"type": "object", "properties": {"a/b": {"type": "array", "items": {"not": {}}}}}' >"$WORK/not.json"
generate --json-schema "$WORK/not.json"
refused "a keyword that is not understood" 3 "not\.json: #/properties/a~1b/items: the keyword 'not' is not supported"
echo '{"type": "object"' >"$WORK/half.json"
generate --json-schema "$WORK/half.json"
refused "half a schema" 3 'half\.json: line 2, column 0: JSON'

finish
