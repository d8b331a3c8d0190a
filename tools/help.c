#include "tools/help.h"

#include <string.h>

#include "base/nearest.h"
#include "tools/args.h"

enum { WIDTH = 100, COLUMN = 30 };

const command *find_command(const char *name) {
    size_t i = 0;
    while (commands[i] && strcmp(commands[i]->name, name) != 0) i++;
    return commands[i];
}

status choose_command(const command **out, const char *name, error *e) {
    *out = find_command(name);
    if (*out) return OK;
    nearest n = {.word = name};
    for (size_t i = 0; commands[i]; i++) nearest_offer(&n, commands[i]->name);
    if (n.best) return fail(e, E_USAGE, "unknown command '%s'; did you mean '%s'?", name, n.best);
    return fail(e, E_USAGE, "unknown command '%s'; 'qbin help' lists them", name);
}

/* ---- text ---- */

/* Prints the words of text[size] from column `at` on, indented to `indent`, no line wider than WIDTH; ends with a newline. */
static void wrap(FILE *out, const char *text, size_t size, size_t at, size_t indent) {
    const char *const end = text + size;
    while (text += strspn(text, " \n"), text < end) {
        const size_t n = strcspn(text, " \n");
        if (at > indent && at + 1 + n > WIDTH) {
            fputc('\n', out);
            at = 0;
        }
        const size_t gap = at < indent ? indent - at : at > indent;
        fprintf(out, "%*s%.*s", (int)gap, "", (int)n, text);
        at += gap + n;
        text += n;
    }
    fputc('\n', out);
}

/* "-n, --name VALUE" into text; its length. */
static size_t spell(const option *o, char *text, size_t size) {
    const char letter[] = {'-', o->letter, ',', ' ', 0};
    const char *value = o->kind == OPTION_FLAG ? "" : o->value;
    return (size_t)snprintf(text, size, "%s--%s%s%s", o->letter ? letter : "    ", o->name, *value ? " " : "", value);
}

void help_explain(const option *o, char *text, size_t size) {
    size_t n = (size_t)snprintf(text, size, "%s", o->help);
    if (o->choices && n < size) n += (size_t)snprintf(text + n, size - n, " One of %s.", o->choices);
    for (const char *name = o->alias, *lead = " Also "; name && *name && n < size; lead = ", ") {
        const int length = (int)strcspn(name, "|");
        n += (size_t)snprintf(text + n, size - n, "%s-%s%.*s%s", lead, length > 1 ? "-" : "", length, name, name[length] ? "" : ".");
        name += length + (name[length] == '|');
    }
}

static void print_option(FILE *out, const char *spelling, size_t n, const char *text) {
    fprintf(out, "  %s", spelling);
    if (n + 4 > COLUMN) fputc('\n', out);
    wrap(out, text, strlen(text), n + 4 > COLUMN ? 0 : n + 2, COLUMN);
}

/* The length of a paragraph: to the end of a line that is followed by an empty one, an example or nothing. */
static size_t paragraph_length(const char *text) {
    size_t n = strcspn(text, "\n");
    while (text[n] && text[n + 1] && text[n + 1] != '\n' && text[n + 1] != ' ') n += 1 + strcspn(text + n + 1, "\n");
    return n;
}

/* Paragraphs are wrapped; a line that begins with a space is an example and stays as it is. */
static void print_details(FILE *out, const char *details) {
    while (*details) {
        const bool example = *details == ' ' || *details == '\n';
        const size_t n = example ? strcspn(details, "\n") : paragraph_length(details);
        if (example) {
            fprintf(out, "%.*s\n", (int)n, details);
        } else {
            wrap(out, details, n, 0, 0);
        }
        details += n + (details[n] == '\n');
    }
}

void help_command(FILE *out, const command *c, const char *program) {
    fprintf(out, "usage: %s%s%s\n\n%s\n", program, *c->usage ? " " : "", c->usage, c->summary);
    if (c->details) {
        fputc('\n', out);
        print_details(out, c->details);
    }
    if (c->lists) {
        fputc('\n', out);
        c->lists(out);
    }
    fprintf(out, "\noptions:\n");
    for (const option *o = c->options; o && o->name; o++) {
        char spelling[96], text[768];
        help_explain(o, text, sizeof text);
        print_option(out, spelling, spell(o, spelling, sizeof spelling), text);
    }
    print_option(out, "-h, --help", 10, "Print this text.");
    print_option(out, "    --version", 13, "Print the version.");
    if (c->options) fprintf(out, "\nAn option that is not given is taken from the environment: --some-option from QBIN_SOME_OPTION.\n");
}

void help_commands(FILE *out) {
    fprintf(out, "usage: qbin COMMAND ...\n\ncommands:\n");
    for (size_t i = 0; commands[i]; i++) fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(out, "\n'qbin help COMMAND' describes one.\n");
}
