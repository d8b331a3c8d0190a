#include "tools/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/plot_script.h"
#include "tools/signals.h"

extern char **environ;

static const struct {
    const char *ending;
    const plot_terminal terminal;
} kinds[] = {
    {".svg", {.command = "svg dynamic background '#ffffff' font 'sans-serif,12'", .letter = 6.6}},
    {".png", {.command = "pngcairo background '#ffffff' font 'Sans,9'", .letter = 7.2}},
};

static const plot_terminal *terminal_of(const char *path) {
    const size_t n = strlen(path);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const size_t end = strlen(kinds[i].ending);
        if (n > end && !strcmp(path + n - end, kinds[i].ending)) return &kinds[i].terminal;
    }
    return NULL;
}

/* ---- gnuplot ---- */

/* Runs it with these streams and waits: its exit status as of waitpid. */
static status run_gnuplot(const char *argument, int in, int out, int err, int *ended, error *e) {
    char *const argv[] = {(char *)"gnuplot", (char *)argument, NULL};
    posix_spawn_file_actions_t streams;
    if (posix_spawn_file_actions_init(&streams)) return fail(e, E_MEMORY, "no memory to start gnuplot");
    const int given[] = {in, out, err};
    int code = 0;
    for (int i = 0; i < 3 && code == 0; i++) code = posix_spawn_file_actions_adddup2(&streams, given[i], i);
    pid_t pid;
    if (code == 0) code = posix_spawnp(&pid, argv[0], &streams, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&streams);
    if (code == ENOENT) return fail(e, E_RUN, "--plot wants gnuplot, which is not installed (Debian: apt install gnuplot-nox)");
    if (code) return fail(e, E_RUN, "gnuplot: %s", strerror(code));
    while (waitpid(pid, ended, 0) < 0) {
        if (errno != EINTR) return fail(e, E_RUN, "gnuplot: %s", strerror(errno));
    }
    return OK;
}

/* What it complained of: the last line that says something. */
static status gnuplot_failed(FILE *said, int ended, error *e) {
    char line[256], last[256] = "it said nothing";
    rewind(said);
    while (fgets(line, sizeof line, said)) {
        const size_t blank = strspn(line, " \t^"), n = strcspn(line + blank, "\r\n");
        if (n) snprintf(last, sizeof last, "%.*s", (int)n, line + blank);
    }
    if (signals_caught()) return fail(e, E_INTERRUPT, "gnuplot was interrupted");
    const bool killed = WIFSIGNALED(ended);
    return fail(e, E_RUN, "gnuplot %s %d: %s", killed ? "was ended by signal" : "failed with", killed ? WTERMSIG(ended) : WEXITSTATUS(ended), last);
}

static status draw(const plot *p, const plot_terminal *terminal, int out, error *e) {
    FILE *script = tmpfile(), *said = tmpfile();
    status s = script && said ? OK : fail(e, E_RUN, "no temporary file for gnuplot: %s", strerror(errno));
    if (s == OK) s = plot_script(script, p, terminal, e);
    if (s == OK && (fflush(script) != 0 || fseek(script, 0, SEEK_SET) != 0)) s = fail(e, E_RUN, "commands for gnuplot: %s", strerror(errno));
    int ended = 0;
    if (s == OK) s = run_gnuplot("-d", fileno(script), out, fileno(said), &ended, e);
    if (s == OK && (!WIFEXITED(ended) || WEXITSTATUS(ended))) s = gnuplot_failed(said, ended, e);
    if (s == OK && lseek(out, 0, SEEK_END) <= 0) s = gnuplot_failed(said, ended, e); /* it reports some errors and exits with 0 */
    if (script) fclose(script);
    if (said) fclose(said);
    return s;
}

/* ---- the file ---- */

static status check_folder(const char *path, error *e) {
    char *copy = strdup(path);
    if (!copy) return fail(e, E_MEMORY, "no memory");
    const bool writable = access(dirname(copy), W_OK) == 0;
    const int reason = errno;
    free(copy);
    return writable ? OK : fail(e, E_RUN, "%s: %s", path, strerror(reason));
}

status plot_check(const char *path, error *e) {
    if (!terminal_of(path)) return fail(e, E_USAGE, "--plot: %s ends neither in .svg nor in .png", path);
    TRY(check_folder(path, e));
    const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0) return fail(e, E_RUN, "/dev/null: %s", strerror(errno));
    int ended;
    const status s = run_gnuplot("--version", nothing, nothing, nothing, &ended, e);
    close(nothing);
    return s;
}

static status write_temp(const plot *p, const char *path, const char *temp, error *e) {
    const int out = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (out < 0) return fail(e, E_RUN, "%s: %s", temp, strerror(errno));
    status s = draw(p, terminal_of(path), out, e);
    if (s == OK && fsync(out) != 0) s = fail(e, errno == ENOSPC ? E_MEMORY : E_RUN, "%s: %s", path, strerror(errno));
    if (close(out) != 0 && s == OK) s = fail(e, E_RUN, "%s: %s", path, strerror(errno));
    if (s == OK && rename(temp, path) != 0) s = fail(e, E_RUN, "%s: %s", path, strerror(errno));
    if (s != OK) unlink(temp);
    return s;
}

status plot_write(const plot *p, const char *path, error *e) {
    const size_t room = strlen(path) + 32;
    char *temp = malloc(room);
    if (!temp) return fail(e, E_MEMORY, "no memory");
    snprintf(temp, room, "%s.tmp-%ld", path, (long)getpid());
    const status s = write_temp(p, path, temp, e);
    free(temp);
    return s;
}
