#include "tools/bench_profile.h"

#include "base/cpu.h"
#include "evaluate/stats.h"
#include "tools/phases.h"

const table_column profile_columns[] = {
    {.title = "model", .key = "model_type", .width = 20},
    {.title = "threads", .key = "n_threads"},
    {.title = "test", .key = "test", .width = 13, .repeats = true},
    {.title = "step", .key = "step", .width = 13},
    {.title = "time", .key = "ms", .digits = 3, .unit = " ms", .width = 12},
    {.title = "share", .key = "share", .scale = 100, .digits = 1, .unit = " %", .width = 7},
    {.title = "bound by", .key = "bound", .width = 10},
    {.title = "of limit", .key = "limit_share", .scale = 100, .digits = 1, .unit = " %", .width = 8},
    {0},
};

static void show_step(table *out, const char *path, const model *m, const session_flags *flags, const timed_test *t, const samples *got,
                      const step_time *step) {
    json_t *row = test_row(path, m, flags, t, got);
    row_text(row, "step", step->name);
    row_number(row, "ms", 1e3 * step->seconds);
    row_number(row, "share", step->share);
    row_text(row, "bound", step->bound);
    row_number(row, "limit_ms", 1e3 * step->limit);
    row_number(row, "limit_share", step->limit / step->seconds);
    table_row(out, row);
}

static void show_steps(table *out, const char *path, const model *m, const session_flags *flags, const timed_test *t, const samples *got, profile *p,
                       const machine_limits *limits) {
    step_time times[STEP_TIMES];
    double spent[STEPS];
    profile_take(p, spent);
    const size_t batch = session_batch(t->session), prompt = t->test->prompt, generate = t->test->generate;
    const evaluated what = {
        .runs = got->n,
        .seconds = estimate_of(got->seconds, got->n).mean,
        .tokens = prompt + generate,
        .calls = (prompt + batch - 1) / batch + generate,
        .position = t->test->depth,
    };
    step_times(times, "between", spent, t->session, m, flags->activations, &what, limits);
    for (size_t i = 0; i < STEP_TIMES; i++) show_step(out, path, m, flags, t, got, &times[i]);
}

static status run_all(timed_test *t, samples *got, profile *p, size_t repetitions, error *e) {
    TRY(timed_test_warm(t, e));
    double warm[STEPS];
    profile_take(p, warm);
    for (size_t i = 0; i < repetitions; i++) TRY(timed_test_run(t, got, e));
    return OK;
}

status profile_test(table *out, const char *path, const model *m, const test *what, const session_flags *flags, size_t repetitions, error *e) {
    const int threads = what->threads ? (int)what->threads : cpu_threads(NULL, 0);
    machine_limits limits;
    profile *p;
    timed_test t;
    samples got = {0};
    TRY(machine_limits_of(&limits, flags->isa, threads, e));
    TRY(profile_open(&p, threads, e));
    status s = timed_test_open(&t, m, what, flags, p, e);
    if (s == OK) s = run_all(&t, &got, p, repetitions, e);
    if (s == OK) show_steps(out, path, m, flags, &t, &got, p, &limits);
    timed_test_close(&t);
    profile_close(&p);
    return s == OK ? OK : fail_in(e, path);
}
