/* The commands about the program itself: help, version, completion. They have no names of their own outside qbin. */
#include <string.h>

#include "base/version.h"
#include "tools/help.h"

typedef struct help_settings {
    bool markdown;
} help_settings;

static const option help_options[] = {
    {.name = "markdown",
     .kind = OPTION_FLAG,
     .offset = offsetof(help_settings, markdown),
     .help = "Print the reference of all commands as markdown."},
    {0},
};

static status run_help(const args *a, error *e) {
    const help_settings *s = a->settings;
    if (s->markdown) {
        help_markdown(stdout);
    } else if (!a->n_operands) {
        help_commands(stdout);
    } else {
        const command *c;
        TRY(choose_command(&c, a->operands[0], e));
        char program[64];
        snprintf(program, sizeof program, "qbin %s", c->name);
        help_command(stdout, c, program);
    }
    return OK;
}

static status run_version(const args *a, error *e) {
    (void)a, (void)e;
    printf("qbin %s\n", QBIN_VERSION);
    return OK;
}

static status run_completion(const args *a, error *e) {
    if (strcmp(a->operands[0], "bash") != 0) return fail(e, E_USAGE, "no completion for the shell '%s'; known: bash", a->operands[0]);
    help_completion(stdout);
    return OK;
}

const command command_help = {
    .name = "help",
    .summary = "Print the list of commands, or what one of them does.",
    .usage = "[COMMAND]",
    .options = help_options,
    .settings_bytes = sizeof(help_settings),
    .max_operands = 1,
    .run = run_help,
};

const command command_version = {.name = "version", .summary = "Print the version.", .usage = "", .run = run_version};

const command command_completion = {
    .name = "completion",
    .summary = "Print a script that completes commands and options in a shell.",
    .usage = "bash",
    .details = "  source <(qbin completion bash)",
    .min_operands = 1,
    .max_operands = 1,
    .run = run_completion,
};
