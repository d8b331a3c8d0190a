/* The commands of a chat: each is a row of a table, from which /help and completion are made too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "tools/chat.h"

typedef status chat_action(chat *c, const char *operand, error *e);

typedef struct chat_row {
    const char *name, *other; /* with the slash; another name that people try, or NULL */
    const char *operand;      /* "[TEXT]", "FILE", "" */
    const char *help;
    chat_action *run; /* the operand is what stands behind the name, without blanks around it; "" if nothing does */
    bool file;        /* the operand is the name of a file */
} chat_row;

static chat_action show_help; /* walks the table */

static status leave(chat *c, const char *operand, error *e) {
    (void)operand, (void)e;
    c->leave = true;
    return OK;
}

static status clear(chat *c, const char *operand, error *e) {
    (void)operand, (void)e;
    messages_clear(c->messages);
    if (c->typed) fprintf(stderr, "a new conversation%s\n", messages_system(c->messages) ? "; the system prompt stays" : "");
    return OK;
}

static status answer_again(chat *c, const char *operand, error *e) {
    (void)operand;
    return chat_say_again(c, e);
}

static status set_system(chat *c, const char *operand, error *e) {
    const char *now = messages_system(c->messages);
    if (*operand) return messages_set_system(c->messages, strcmp(operand, "-") ? operand : NULL, e);
    fprintf(stderr, "%s\n", now ? now : "there is no system prompt");
    return OK;
}

/* "~/x" is in the home, as in a shell. */
static char *expand(const char *path) {
    const char *home = getenv("HOME");
    char *name;
    const bool below = path[0] == '~' && path[1] == '/' && home;
    return asprintf(&name, "%s%s", below ? home : "", path + below) < 0 ? NULL : name;
}

static status save(chat *c, const char *operand, error *e) {
    char *path = expand(operand);
    const status s = path ? messages_save(c->messages, path, e) : fail(e, E_MEMORY, "no memory");
    if (s == OK && c->typed) fprintf(stderr, "%zu messages are in %s\n", json_array_size(c->messages), path);
    free(path);
    return s;
}

static status load(chat *c, const char *operand, error *e) {
    char *path = expand(operand);
    json_t *messages = NULL;
    const status s = path ? messages_load(&messages, path, e) : fail(e, E_MEMORY, "no memory");
    if (s == OK) {
        json_decref(c->messages);
        c->messages = messages;
        if (c->typed) fprintf(stderr, "%zu messages from %s\n", json_array_size(messages), path);
    }
    free(path);
    return s;
}

static const chat_row rows[] = {
    {"/help", "/?", "", "This list.", show_help, false},
    {"/exit", "/quit", "", "Leave; so does Ctrl-D.", leave, false},
    {"/clear", "/new", "", "Begin a new conversation with the same system prompt.", clear, false},
    {"/regen", "/retry", "", "Answer the last message again.", answer_again, false},
    {"/system", NULL, "[TEXT]", "Show the system prompt, or set it; - removes it.", set_system, false},
    {"/save", NULL, "FILE", "Write the conversation to a file (JSON).", save, true},
    {"/load", NULL, "FILE", "Go on with the conversation in a file.", load, true},
    {"/set", NULL, "[NAME VALUE]", "Show how answers are drawn, or change it.", chat_set, false},
};
enum { ROWS = sizeof rows / sizeof *rows };

static status show_help(chat *c, const char *operand, error *e) {
    (void)c, (void)operand, (void)e;
    for (size_t i = 0; i < ROWS; i++) fprintf(stderr, "  %-8s%-14s%s\n", rows[i].name, rows[i].operand, rows[i].help);
    fprintf(stderr,
            "A line that ends in \\ goes on in the next; \"\"\" begins a message of several lines and ends it.\n"
            "Ctrl-C stops an answer; Tab completes a command, arrow keys bring back earlier lines.\n");
    return OK;
}

const char *chat_command_name(size_t i) {
    return i < ROWS ? rows[i].name : NULL;
}

bool chat_command_takes_file(size_t i) {
    return rows[i].file;
}

/* ---- finding one ---- */

static const chat_row *find_row(const char *name) {
    for (size_t i = 0; i < ROWS; i++) {
        if (!strcmp(name, rows[i].name) || (rows[i].other && !strcmp(name, rows[i].other))) return &rows[i];
    }
    return NULL;
}

static status unknown(const char *name, error *e) {
    nearest n = {.word = name};
    for (size_t i = 0; i < ROWS; i++) nearest_offer(&n, rows[i].name);
    if (n.best) return fail(e, E_USAGE, "unknown command '%.60s'; did you mean '%s'?", name, n.best);
    return fail(e, E_USAGE, "unknown command '%.60s'; /help lists them, and a message that begins with a slash goes between \"\"\"", name);
}

static status run_row(chat *c, const chat_row *row, const char *operand, error *e) {
    const bool wants = *row->operand && *row->operand != '[';
    if (wants && !*operand) return fail(e, E_USAGE, "%s wants a %s", row->name, row->operand);
    if (!*row->operand && *operand) return fail(e, E_USAGE, "%s stands alone", row->name);
    return row->run(c, operand, e);
}

status chat_command(chat *c, const char *line, error *e) {
    static const char blanks[] = " \t\r";
    char *copy = strdup(line), *end = copy ? copy + strlen(copy) : NULL;
    if (!copy) return fail(e, E_MEMORY, "no memory");
    while (end > copy && strchr(blanks, end[-1])) *--end = 0;
    char *operand = copy + strcspn(copy, blanks);
    if (*operand) *operand++ = 0;
    operand += strspn(operand, blanks);
    const chat_row *row = find_row(copy);
    const status s = row ? run_row(c, row, operand, e) : unknown(copy, e);
    free(copy);
    return s;
}
