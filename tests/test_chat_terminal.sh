#!/bin/bash
# `chat` as a person at a terminal meets it: a real terminal (tmux), keys typed one after the other.
. tests/lib.sh

if ! command -v tmux >/dev/null || ! tmux -L "qbin-$$" -f /dev/null new-session -d -x 100 -y 40 true 2>/dev/null; then
    skip "a chat on a terminal" "there is no tmux"
    exit 0
fi
TERMINAL=qbin-$$
tmux_() { tmux -L "$TERMINAL" -f /dev/null "$@" 2>/dev/null; }
trap 'tmux_ kill-server; rm -rf "$WORK"' EXIT

until_true() { # half a minute is enough for a word on a screen
    local end=$((SECONDS + 30))
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# A model that never ends by itself.
cp -r models/demo "$WORK/endless"
sed -i 's/"eos_token_id": 0/"eos_token_id": 4095/' "$WORK/endless/config.json" "$WORK/endless/generation_config.json"
sed -i 's/"eos_token": "[^"]*"/"eos_token": null/' "$WORK/endless/tokenizer_config.json"
run "$BIN/convert" "$WORK/endless" q4 -q -o "$WORK/model.qbin"
ends "a model that does not end" 0
printf '%s\n' "{% for m in messages %}{{ bos_token }}{{ m.role }}: {{ m.content }}
{% endfor %}{{ bos_token }}{% if think %}<think>{% endif %}" >"$WORK/template.jinja"

# begin_chat OPTION ...: in a new terminal; when it ends, the screen says so
begin_chat() {
    tmux_ kill-server
    rm -f "$WORK/code"
    printf '%q ' env XDG_STATE_HOME="$WORK/state" "$BIN/chat" -m "$WORK/model.qbin" --template "$WORK/template.jinja" -s 1 "$@" >"$WORK/command"
    printf '; echo "ended with $?" | tee %q; sleep 600\n' "$WORK/code" >>"$WORK/command"
    until_true tmux_ new-session -d -x 100 -y 40 "bash $WORK/command"
    until_true prompted || not_ok "a prompt appears" "$(screen)"
}
screen() { tmux_ capture-pane -p -S -200 "$@"; }
last_line() { screen | grep -v '^ *$' | tail -n 1; }
prompted() { [ "$(last_line)" = '>' ]; }
shows() { screen | grep -qE -- "$1"; }
type_() { tmux_ send-keys "$@"; }
line() { type_ -l "$1" && tmux_ send-keys Enter; }
# answered: a prompt is there again, and the screen has the text
answered() { shows "$1" && prompted; }

begin_chat -n 12 --temp 0 -c 50000 -t 1 --isa scalar
check "it says how to leave" shows 'Ctrl-D leaves'
line 'Tell me of a king.'
check "an answer and its timings" until_true answered '12 generated|11 generated'
line '/set predict -1'
until_true prompted
check "context and model are shown" shows 'context 50000 of 512'

# ---- Ctrl-C ----

line 'Go on for long.'
sleep 0.7
check "an endless answer goes on" [ "$(prompted; echo $?)" -ne 0 ]
type_ C-c
check "Ctrl-C stops it" until_true answered '\(stopped\)'
line '/set predict 5'
line 'And then?'
check "the conversation is kept" until_true answered '^\[[1-9][0-9]* tokens reused, [0-9]+ computed .* [45] generated'
type_ -l 'half a line'
sleep 0.3
type_ C-c
check "Ctrl-C at the prompt drops the line" until_true answered 'Ctrl-D or /exit leaves'
check "and the program is there" [ ! -e "$WORK/code" ]

# ---- editing ----

type_ Up
check "the arrow key brings back what was typed" until_true shows '^> And then\?$'
type_ Up
check "and what was typed before" until_true shows '^> /set predict 5$'
type_ C-u
until_true prompted
type_ -l '/he'
type_ Tab
check "Tab completes a command" until_true shows '^> /help'
type_ C-u
until_true prompted
type_ -l '/s'
type_ Tab
check "or lists several" until_true shows '/system +/save +/set'
type_ C-u
line 'one\'
check "a backslash asks for more" until_true shows '^\. *$'
line 'two'
until_true prompted
line '/nonsense'
check "an error does not end the chat" until_true answered "error: unknown command '/nonsense'"
type_ -l 'é€😀x'
type_ BSpace
check "characters of several bytes are edited whole" until_true shows '^> é€😀$'
type_ C-u
until_true prompted

# ---- leaving ----

type_ C-d
check "Ctrl-D leaves" until_true test -s "$WORK/code"
check "with 0" grep -qx 'ended with 0' "$WORK/code"
HISTORY=$WORK/state/qbin/chat_history
check "what was typed is kept" grep -qx 'And then?' "$HISTORY"
check "for its owner alone" [ "$(stat -c %a "$HISTORY")" = 600 ]
before=$(wc -c <"$HISTORY")
begin_chat -n 4
type_ Up
check "for the next time" until_true shows '^> /nonsense$'
type_ C-u
line /exit
check "/exit leaves" until_true test -s "$WORK/code"
printf 'evil \033[31m line\n' >>"$HISTORY"
begin_chat -n 4 --no-history
line 'A secret.'
until_true answered 'generated'
type_ Up
check "--no-history has this chat's lines" until_true shows '^> A secret.$'
type_ C-u
type_ C-d
until_true test -s "$WORK/code"
check "and keeps none" [ "$(grep -c 'A secret' "$HISTORY")" -eq 0 ]

# ---- thoughts ----

begin_chat -n 6 --template-args '{"think": true}' --temp 0
line 'Think.'
until_true answered generated
dimmed() { screen -e | grep -q "$(printf '\033\\[2m')"; }
check "thoughts are dimmed" dimmed
line /exit
until_true test -s "$WORK/code"
begin_chat -n 6 --temp 0
line 'Answer.'
until_true answered generated
check "answers are not" [ "$(dimmed; echo $?)" -ne 0 ]
type_ C-d
until_true test -s "$WORK/code"

# ---- a signal ----

begin_chat -n 4
kill -TERM "$(pgrep -f "^[^ ]*/chat -m $WORK/model.qbin" | head -n 1)"
check "SIGTERM ends it" until_true test -s "$WORK/code"
check "with 143" grep -qx 'ended with 143' "$WORK/code"
finish
