/* Runs the tests of a Criterion program without Criterion's runner, which cannot start under ThreadSanitizer (its memory arena wants addresses that belong
 * to the shadow). Each test is a plain fork; the few functions that the macros of <criterion/criterion.h> call are defined here and so replace
 * the library's. Prints TAP on stdout, or to the file of --tap=FILE. */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern struct criterion_test *__start_cr_tst[], *__stop_cr_tst[];
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak)), *__stop_cr_sts[] __attribute__((weak));

enum { SKIPPED = 77 };

static const struct criterion_test *current;
static bool failed;

/* ---- what the macros call ---- */

static const struct criterion_test_extra_data *suite_data(void) {
    for (struct criterion_suite **s = __start_cr_sts; s && s < __stop_cr_sts; s++) {
        if (!strcmp((*s)->name, current->category)) return (*s)->data;
    }
    static const struct criterion_test_extra_data none;
    return &none;
}

void criterion_internal_test_setup(void) {
    if (suite_data()->init) suite_data()->init();
    if (current->data->init) current->data->init();
}

void criterion_internal_test_main(void (*body)(void)) {
    body();
}

void criterion_internal_test_teardown(void) {
    if (current->data->fini) current->data->fini();
    if (suite_data()->fini) suite_data()->fini();
}

void criterion_send_assert(struct criterion_assert_stats *stats) {
    if (!stats->passed) fprintf(stderr, "%s:%u: %s\n", stats->file, stats->line, stats->message);
}

void criterion_abort_test(void) {
    exit(EXIT_FAILURE);
}

void criterion_continue_test(void) {
    failed = true;
}

void criterion_skip_test(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    exit(SKIPPED);
}

/* ---- the runner ---- */

static int run_test(const struct criterion_test *test) {
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        current = test;
        test->test();
        exit(failed ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    int state = 0;
    if (child < 0 || waitpid(child, &state, 0) != child) return EXIT_FAILURE;
    if (WIFSIGNALED(state)) return WTERMSIG(state) == test->data->signal ? EXIT_SUCCESS : EXIT_FAILURE;
    const int code = WEXITSTATUS(state);
    return code == test->data->exit_code ? EXIT_SUCCESS : code;
}

int main(int argc, char **argv) {
    const char *wish = argc > 1 ? argv[1] : "";
    FILE *tap = strncmp(wish, "--tap=", 6) ? stdout : fopen(wish + 6, "w");
    if (!tap) return EXIT_FAILURE;
    int failures = 0;
    for (struct criterion_test **t = __start_cr_tst; t < __stop_cr_tst; t++) {
        const bool runs = !(*t)->data->disabled && (*t)->data->kind_ == CR_TEST_NORMAL;
        const int code = runs ? run_test(*t) : SKIPPED;
        const bool good = code == EXIT_SUCCESS || code == SKIPPED;
        fprintf(tap, "%s - %s::%s%s\n", good ? "ok" : "not ok", (*t)->category, (*t)->name, code == SKIPPED ? " # SKIP" : "");
        failures += !good;
    }
    return fclose(tap) == 0 && failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
