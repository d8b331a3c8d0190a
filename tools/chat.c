/* chat: talks with a model. Answers go to stdout, everything else to stderr or the terminal. */
#include "tools/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/chat_read.h"
#include "tools/history.h"
#include "tools/prompt.h"
#include "tools/signals.h"

/* ---- making it ready ---- */

static status set_system(chat *c, error *e) {
    const chat_settings *set = c->set;
    prompt p;
    if (!set->system && !set->system_file) return OK;
    TRY(prompt_read(&p, set->system, set->system_file, false, e));
    const status s = p.bytes ? messages_set_system(c->messages, p.text, e) : OK;
    prompt_free(&p);
    return s;
}

static bool wants_colour(void) {
    const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return !(none && *none) && terminal && strcmp(terminal, "dumb") != 0;
}

static void look_around(chat *c) {
    const char *when = c->set->show_thinking;
    c->shown = isatty(STDOUT_FILENO);
    c->dim = c->shown && wants_colour();
    c->thoughts = strcmp(when, "always") == 0 || (strcmp(when, "auto") == 0 && c->shown);
    c->stops = (stops){.texts = c->set->stops.items, .n = c->set->stops.n};
}

static status prepare(chat *c, error *e) {
    const chat_settings *set = c->set;
    const session_options o = session_flags_options(&set->session);
    look_around(c);
    c->messages = json_array();
    if (!c->messages) return fail(e, E_MEMORY, "no memory");
    TRY(set_system(c, e));
    TRY(generator_open(&c->on, set->model, &o, set->lookup, e));
    TRY(chat_template_open(&c->template, c->on.model, set->model, set->template, set->template_args, e));
    TRY(generator_sample(&c->on, &c->args, offsetof(chat_settings, sampling), e));
    TRY(constrained_open(&c->constrained, &set->constrain, c->on.model, e));
    c->end = chat_template_end(&c->template);
    if (set->quiet) return OK;
    generator_describe_model(&c->on);
    generator_describe_sampler(&c->on);
    return OK;
}

static void release(chat *c) {
    constrained_close(&c->constrained);
    generator_close(&c->on);
    chat_template_close(&c->template);
    json_decref(c->messages);
    stops_free(&c->stops);
    free(c->ids.ids);
}

/* ---- talking ---- */

static bool has_prompt(const chat *c) {
    return c->set->prompt || c->set->file;
}

static status say_prompt(chat *c, error *e) {
    prompt p;
    TRY(prompt_read(&p, c->set->prompt, c->set->file, c->set->escape, e));
    const status s = p.bytes ? chat_say(c, p.text, p.bytes, e) : fail(e, E_USAGE, "the prompt is empty");
    prompt_free(&p);
    return s;
}

/* At a terminal what goes wrong is said, and one goes on; but not without memory, and not after a signal that ends the program. */
static status forgive(const chat *c, status s, error *e) {
    if (s == OK || !c->typed || s == E_MEMORY) return s;
    if (s == E_INTERRUPT) {
        if (!signals_forget_interrupt()) return s;
        fprintf(stderr, "(Ctrl-D or /exit leaves)\n");
        return OK;
    }
    fprintf(stderr, "error: %s\n", e->text);
    return OK;
}

static status take_turn(chat *c, lines *l, chat_typed *typed, error *e) {
    TRY(chat_read(l, typed, e));
    if (typed->end) {
        c->leave = true;
        return OK;
    }
    const char *text = (const char *)typed->text.p;
    return typed->command ? chat_command(c, text, e) : chat_say(c, text, typed->text.n, e);
}

static status talk(chat *c, lines *l, error *e) {
    chat_typed typed = {0};
    status s = OK;
    c->typed = lines_are_typed(l);
    if (c->typed && !c->set->quiet) fprintf(stderr, "/help lists commands; Ctrl-C stops an answer, Ctrl-D leaves\n");
    if (has_prompt(c)) s = forgive(c, say_prompt(c, e), e);
    while (s == OK && !c->leave) s = forgive(c, take_turn(c, l, &typed, e), e);
    buffer_free(&typed.text);
    return s;
}

static status talk_in_lines(chat *c, error *e) {
    char *history = c->set->no_history ? NULL : history_path("chat_history");
    const lines_options o = {.history = history, .word = chat_command_name, .names_file = chat_command_takes_file};
    lines *l = NULL;
    status s = lines_open(&l, &o, e);
    if (s == OK) s = talk(c, l, e);
    lines_close(&l);
    free(history);
    return s;
}

/* A script that gives a prompt gets an answer, and nobody waits for more. */
static bool is_single(const chat *c) {
    return c->set->single_turn || (has_prompt(c) && !isatty(STDIN_FILENO));
}

static status run_chat(const args *a, error *e) {
    chat c = {.args = *a, .set = a->settings};
    status s = prepare(&c, e);
    if (s == OK) {
        signals_catch_often();
        s = is_single(&c) ? say_prompt(&c, e) : talk_in_lines(&c, e);
    }
    release(&c);
    return s;
}

#define AT(field) .offset = offsetof(chat_settings, field)

static const option options[] = {
    {.name = "model", .letter = 'm', .kind = OPTION_TEXT, .value = "FILE", AT(model), .help = "The .qbin file to talk with."},
    {.name = "system",
     .kind = OPTION_TEXT,
     .value = "TEXT",
     AT(system),
     .help = "The system prompt.",
     .alias = "sys|system-prompt",
     .excludes = "system-file"},
    {.name = "system-file", .kind = OPTION_TEXT, .value = "FILE", AT(system_file), .help = "Read the system prompt from a file.", .alias = "sysf"},
    {.name = "prompt",
     .letter = 'p',
     .kind = OPTION_TEXT,
     .value = "TEXT",
     AT(prompt),
     .help = "The first message. Without a terminal its answer is all."},
    {.name = "file",
     .letter = 'f',
     .kind = OPTION_TEXT,
     .value = "FILE",
     AT(file),
     .help = "Read the first message from a file.",
     .alias = "prompt-file"},
    {.name = "escape",
     .letter = 'e',
     .kind = OPTION_FLAG,
     AT(escape),
     .help = "Read \\n, \\t, \\r, \\\", \\', \\\\ and \\xHH in the first message as in C."},
    {.name = "single-turn",
     .kind = OPTION_FLAG,
     AT(single_turn),
     .help = "Answer one message: that of -p or -f, else all of standard input.",
     .alias = "st"},
    {.name = "template",
     .kind = OPTION_TEXT,
     .value = "FILE",
     AT(template),
     .help = "A chat template in Jinja instead of the model's own.",
     .alias = "chat-template-file"},
    {.name = "template-args",
     .kind = OPTION_TEXT,
     .value = "JSON",
     AT(template_args),
     .help = "Variables for the template, like '{\"enable_thinking\": false}'.",
     .alias = "chat-template-kwargs"},
    {.name = "stop",
     .kind = OPTION_LIST,
     .value = "TEXT",
     AT(stops),
     .help = "End an answer before this text; may be given several times.",
     .alias = "reverse-prompt|r"},
    {.name = "show-thinking",
     .kind = OPTION_TEXT,
     .value = "WHEN",
     AT(show_thinking),
     .choices = "auto|always|never",
     .help = "Show what a model thinks before it answers; auto: dimmed on a terminal, elsewhere not at all (default: auto)."},
    {.name = "predict",
     .letter = 'n',
     .kind = OPTION_INT,
     .value = "N",
     AT(predict),
     .min = -1,
     .max = 1e9,
     .help = "Tokens of an answer; -1 goes on to the end token or the end of the context (default: -1).",
     .alias = "n-predict|max-tokens"},
    CONTEXT_OPTION(chat_settings),
    SESSION_OPTIONS(chat_settings),
    SAMPLING_OPTIONS(chat_settings),
    CONSTRAIN_OPTIONS(chat_settings),
    {.name = "lookup",
     .kind = OPTION_FLAG,
     AT(lookup),
     .help = "Guess tokens from what is in the conversation already and check several at once: the same answers, sooner where they repeat it."},
    {.name = "no-history", .kind = OPTION_FLAG, AT(no_history), .help = "Keep no file of what was typed."},
    {.name = "json-timings", .kind = OPTION_FLAG, AT(json_timings), .help = "Print the timings of each answer as a JSON object (on standard error)."},
    {.name = "quiet", .letter = 'q', .kind = OPTION_FLAG, AT(quiet), .help = "Print nothing but answers and errors."},
    {0},
};

static const chat_settings defaults = {.predict = -1, .show_thinking = "auto"};

const command command_chat = {
    .name = "chat",
    .summary = "Talk with a model.",
    .usage = "-m FILE [-p TEXT]",
    .details =
        "  chat -m model.qbin\n"
        "  chat -m model.qbin --system 'Answer in one sentence.' --single-turn -p 'What is a quine?'\n"
        "  printf '%s\\n' 'My name is Ada.' 'What is my name?' | chat -m model.qbin -q\n"
        "\n"
        "On a terminal lines can be edited and completed, and arrow keys bring back earlier ones (they are kept in\n"
        "~/.local/state/qbin/chat_history). /help lists commands: /clear, /regen, /system, /save, /load, /set ...\n"
        "Ctrl-C stops an answer, Ctrl-D leaves. What is not a terminal is read line by line, and the first error ends it.\n"
        "\n"
        "Messages become a prompt through the chat template of the model; their texts never become special tokens. Of a\n"
        "conversation that goes on only what is new is computed: the line behind each answer says how much that was. Standard\n"
        "output has the answers alone.",
    .options = options,
    .settings_bytes = sizeof(chat_settings),
    .defaults = &defaults,
    .stray = "a model is given with -m, a message with -p",
    .run = run_chat,
};
