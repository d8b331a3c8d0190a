/* The two long forms of the tables: the markdown reference and shell completion. */
#include <string.h>

#include "tools/args.h"
#include "tools/help.h"

/* ---- markdown ---- */

/* A table cell: a bar would end it. */
static void print_cell(FILE *out, const char *text) {
    for (; *text; text++) {
        if (*text == '|') fputc('\\', out);
        fputc(*text, out);
    }
}

static void markdown_option(FILE *out, const option *o) {
    fprintf(out, "| `");
    if (o->letter) fprintf(out, "-%c`, `", o->letter);
    fprintf(out, "--%s", o->name);
    if (o->kind != OPTION_FLAG) {
        fputc(' ', out);
        print_cell(out, o->value);
    }
    fprintf(out, "` | ");
    char text[768];
    help_explain(o, text, sizeof text);
    print_cell(out, text);
    fprintf(out, " |\n");
}

/* Paragraphs stay; examples, which begin with a space, become blocks of code. */
static void markdown_details(FILE *out, const char *details) {
    for (bool start = true; *details; details++) {
        if (start && *details == ' ') fprintf(out, "  ");
        fputc(*details, out);
        start = *details == '\n';
    }
    fputc('\n', out);
}

static void markdown_command(FILE *out, const command *c) {
    fprintf(out, "\n## %s\n\n%s\n\n    %s%s%s\n", c->name, c->summary, c->name, *c->usage ? " " : "", c->usage);
    if (c->details) {
        fputc('\n', out);
        markdown_details(out, c->details);
    }
    if (c->lists) {
        fprintf(out, "\n```\n");
        c->lists(out);
        fprintf(out, "```\n");
    }
    if (!c->options) return;
    fprintf(out, "\n| option | meaning |\n|---|---|\n");
    for (const option *o = c->options; o->name; o++) markdown_option(out, o);
}

void help_markdown(FILE *out) {
    fprintf(out,
            "# Commands\n\n"
            "Made from the option tables by `make docs`; a test checks that it is current. Every command is `qbin COMMAND`, and a program of its\n"
            "own: `bin/COMMAND` in the tree, `qbin-COMMAND` when installed. Every option can also be set by an environment variable:\n"
            "`--some-option` by `QBIN_SOME_OPTION` (flags: 1 or 0); the command line wins.\n\n"
            "Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed while running, 2 wrong command line, 3 bad file,\n"
            "4 no memory or no space, 130 and 143 ended by a signal.\n");
    for (size_t i = 0; commands[i]; i++) markdown_command(out, commands[i]);
}

/* ---- completion ---- */

static void completion_command(FILE *out, const command *c) {
    fprintf(out, "    %s) words=\"--help --version", c->name);
    for (const option *o = c->options; o && o->name; o++) fprintf(out, " --%s", o->name);
    fprintf(out, "\" ;;\n");
}

static void completion_choices(FILE *out, const command *c) {
    for (const option *o = c->options; o && o->name; o++) {
        if (!o->choices) continue;
        fprintf(out, "    %s:--%s) words=\"", c->name, o->name);
        for (const char *choice = o->choices; *choice; choice++) fputc(*choice == '|' ? ' ' : *choice, out);
        fprintf(out, "\" ;;\n");
    }
}

void help_completion(FILE *out) {
    fprintf(out,
            "_qbin() {\n"
            "  local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[0]##*/} words=\n"
            "  command=${command#qbin-}\n"
            "  [[ $command == qbin && $COMP_CWORD -gt 1 ]] && command=${COMP_WORDS[1]}\n"
            "  case $command:$last in\n");
    for (size_t i = 0; commands[i]; i++) completion_choices(out, commands[i]);
    fprintf(out, "  esac\n  [[ $words ]] || case $command in\n    qbin) words=\"");
    for (size_t i = 0; commands[i]; i++) fprintf(out, "%s ", commands[i]->name);
    fprintf(out, "\" ;;\n");
    for (size_t i = 0; commands[i]; i++) completion_command(out, commands[i]);
    fprintf(out,
            "  esac\n"
            "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
            "}\n"
            "complete -o default -F _qbin qbin");
    for (size_t i = 0; commands[i]; i++) fprintf(out, " qbin-%s", commands[i]->name);
    fprintf(out, "\n");
}
