#include "tools/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/names.h"
#include "tools/signals.h"

enum { ARGUMENTS = 64, LOOK_NANOSECONDS = 20000000 };

extern char **environ;

status peer_find(char program[PEER_PATH], const char *folder, error *e) {
    static const char *const places[] = {"", "bin/"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const int n = snprintf(program, PEER_PATH, "%s/%sllama-bench", folder, places[i]);
        if (n < PEER_PATH && access(program, X_OK) == 0) return OK;
    }
    return fail(e, E_FILE, "%s: there is no llama-bench in it or in its bin", folder);
}

/* ---- the command line ---- */

typedef struct command_line {
    char numbers[4][16], both[32], flags[512];
    char *list[ARGUMENTS];
    size_t n;
} command_line;

static void add(command_line *c, const char *argument) {
    if (c->n + 1 < ARGUMENTS) c->list[c->n++] = (char *)argument;
}

static void add_number(command_line *c, size_t room, const char *name, uint32_t value) {
    snprintf(c->numbers[room], sizeof c->numbers[room], "%u", value);
    add(c, name);
    add(c, c->numbers[room]);
}

/* A prompt and what follows it are one test of -pg; else -p and -n say 0 for what is not wanted. */
static void fill(command_line *c, const char *program, const char *file, const test *t, int threads, const char *flags) {
    static const char *const always[] = {"-r", "1", "-o", "json"};
    const bool both = t->prompt && t->generate;
    add(c, program);
    add(c, "-m");
    add(c, file);
    add_number(c, 0, "-p", both ? 0 : t->prompt);
    add_number(c, 1, "-n", both ? 0 : t->generate);
    snprintf(c->both, sizeof c->both, "%u,%u", t->prompt, t->generate);
    if (both) {
        add(c, "-pg");
        add(c, c->both);
    }
    if (t->depth) add_number(c, 2, "-d", t->depth);
    add_number(c, 3, "-t", (uint32_t)threads);
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) add(c, always[i]);
    snprintf(c->flags, sizeof c->flags, "%s", flags);
    char *rest = NULL;
    for (char *word = strtok_r(c->flags, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) add(c, word);
}

/* ---- the process ---- */

static status start(pid_t *child, command_line *c, FILE *out, FILE *err, error *e) {
    posix_spawn_file_actions_t files;
    if (posix_spawn_file_actions_init(&files) != 0) return fail(e, E_MEMORY, "no memory to start %s", c->list[0]);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, fileno(out), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, fileno(err), STDERR_FILENO);
    const int code = posix_spawn(child, c->list[0], &files, NULL, c->list, environ);
    posix_spawn_file_actions_destroy(&files);
    return code == 0 ? OK : fail(e, E_RUN, "%s: cannot be started: %s", c->list[0], strerror(code));
}

/* Looks now and then, so that a signal to us ends the peer too, wherever it comes. */
static status wait_for(pid_t child, int *state, error *e) {
    bool told = false;
    for (;;) {
        const pid_t ended = waitpid(child, state, WNOHANG);
        if (ended == child) return signals_check(e);
        if (ended < 0 && errno != EINTR) return fail(e, E_RUN, "the peer is lost: %s", strerror(errno));
        if (signals_stopped() && !told) told = kill(child, SIGTERM) == 0;
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NANOSECONDS}, NULL);
    }
}

/* The last line that is not empty. */
static void last_line(FILE *f, char *text, size_t size) {
    char line[400];
    text[0] = 0;
    rewind(f);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0]) name_printable(text, size, line);
    }
}

/* ---- the answer ---- */

static uint32_t count_of(const json_t *row, const char *key) {
    return (uint32_t)json_integer_value(json_object_get(row, key));
}

static void copy_text(char *to, size_t size, const json_t *row, const char *key) {
    const char *text = json_string_value(json_object_get(row, key));
    name_printable(to, size, text ? text : "");
}

static status read_answer(peer_answer *out, FILE *f, const test *t, const char *program, error *e) {
    json_error_t why;
    rewind(f);
    json_t *all = json_loadf(f, 0, &why);
    const json_t *row = json_array_get(all, 0);
    const double speed = json_number_value(json_object_get(row, "avg_ts"));
    const bool same = count_of(row, "n_prompt") == t->prompt && count_of(row, "n_gen") == t->generate && count_of(row, "n_depth") == t->depth;
    if (speed > 0 && same) {
        *out = (peer_answer){.speed = speed, .size = (uint64_t)json_integer_value(json_object_get(row, "model_size"))};
        copy_text(out->type, sizeof out->type, row, "model_type");
        copy_text(out->build, sizeof out->build, row, "build_commit");
    }
    json_decref(all);
    if (!all) return fail(e, E_RUN, "%s: its answer is no JSON: %.100s", program, why.text);
    return speed > 0 && same ? OK : fail(e, E_RUN, "%s: its answer has no speed of the test that it was given", program);
}

static status run_and_read(peer_answer *out, command_line *c, const char *file, const test *t, FILE *answer, FILE *talk, error *e) {
    pid_t child;
    int state = 0;
    TRY(start(&child, c, answer, talk, e));
    TRY(wait_for(child, &state, e));
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return read_answer(out, answer, t, c->list[0], e);
    char said[200];
    last_line(talk, said, sizeof said);
    const bool ended = WIFEXITED(state);
    return fail(e, E_RUN, "%s -m %s: %s %d: %s", c->list[0], file, ended ? "ended with" : "ended by signal",
                ended ? WEXITSTATUS(state) : WTERMSIG(state), said);
}

status peer_run(peer_answer *out, const char *program, const char *file, const test *t, int threads, const char *flags, error *e) {
    command_line c = {0};
    fill(&c, program, file, t, threads, flags);
    FILE *answer = tmpfile(), *talk = tmpfile();
    const status s = answer && talk ? run_and_read(out, &c, file, t, answer, talk, e) : fail(e, E_RUN, "no temporary file: %s", strerror(errno));
    if (answer) fclose(answer);
    if (talk) fclose(talk);
    return s;
}
