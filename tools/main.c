/* One program: `qbin COMMAND ...`, or a command by the name of a link to it (convert, qbin-convert). This file owns the list of commands, the streams
 * and the exit code; a command prints its results to stdout and returns a status. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/version.h"
#include "tools/args.h"
#include "tools/help.h"
#include "tools/signals.h"

/* The list: a command is a file and a line here, in the order of the help. */
#define COMMANDS(entry)                                                                                                                           \
    entry(command_convert) entry(command_requantize) entry(command_dequantize) entry(command_export) entry(command_calibrate) entry(command_run)  \
        entry(command_chat) entry(command_perplexity) entry(command_bench) entry(command_inspect) entry(command_tokenize) entry(command_template) \
            entry(command_logits) entry(command_help) entry(command_version) entry(command_completion)

#define DECLARE(c) extern const command c;
COMMANDS(DECLARE)

#define ADDRESS(c) &c,
const command *const commands[] = {COMMANDS(ADDRESS) NULL};

/* A stream that the caller has closed would give its number to the next file opened, and a message could end up in a model. */
static void keep_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY); /* takes the number; using it fails */
    }
}

/* Results that could not be written are a failure, but a reader that has seen enough is not one to talk about. */
static status flush_results(error *e) {
    const bool failed = ferror(stdout);
    if (fflush(stdout) == 0 && !failed) return OK;
    if (errno == EPIPE) return fail(e, E_INTERRUPT, "standard output was closed");
    return fail(e, errno == ENOSPC ? E_MEMORY : E_RUN, "standard output: %s", strerror(errno));
}

static int exit_code(status s, const error *e) {
    if (s == E_INTERRUPT) return 128 + (signals_caught() ? signals_caught() : SIGPIPE);
    if (s != OK) fprintf(stderr, "error: %s\n", e->text);
    return (int)s;
}

static void point_to_help(const char *program, error *e) {
    const error said = *e;
    fail(e, said.code, "%.400s (see '%s --help')", said.text, program);
}

static status run(const command *c, const char *program, int argc, char **argv, error *e) {
    args a;
    args_want want = ARGS_RUN;
    status s = args_parse(&a, c, argc, argv, &want, e);
    if (s == E_USAGE) point_to_help(program, e);
    if (s == OK && want == ARGS_HELP) help_command(stdout, c, program);
    if (s == OK && want == ARGS_VERSION) printf("qbin %s\n", QBIN_VERSION);
    if (s == OK && want == ARGS_RUN) s = c->run(&a, e);
    args_free(&a);
    const status flushed = flush_results(s == OK ? e : NULL);
    return s == OK ? flushed : s;
}

/* `qbin`, `qbin --help`, `qbin --version`, `qbin COMMAND ...` */
static status run_qbin(int argc, char **argv, error *e) {
    const char *first = argc > 1 ? argv[1] : "";
    if (!*first) {
        help_commands(stderr);
        return fail(e, E_USAGE, "no command");
    }
    if (!strcmp(first, "--help") || !strcmp(first, "-h")) first = "help";
    if (!strcmp(first, "--version")) first = "version";
    const command *c;
    TRY(choose_command(&c, first, e));
    char program[64];
    snprintf(program, sizeof program, "qbin %s", c->name);
    return run(c, program, argc - 2, argv + 2, e);
}

int main(int argc, char **argv) {
    setlocale(LC_CTYPE, "C.UTF-8");
    keep_streams();
    signals_start();
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = argc > 0 ? (slash ? slash + 1 : argv[0]) : "qbin";
    const command *c = find_command(strncmp(name, "qbin-", 5) ? name : name + 5);
    error e = {0};
    const status s = c ? run(c, name, argc - 1, argv + 1, &e) : run_qbin(argc, argv, &e);
    return exit_code(s, &e);
}
