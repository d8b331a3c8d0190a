#include "tools/bench_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/version.h"
#include "evaluate/stats.h"
#include "tools/facts.h"
#include "tools/timings.h"

void test_name(const test *t, char name[TEST_NAME]) {
    char prompt[24] = "", generate[24] = "", depth[24] = "";
    if (t->prompt) snprintf(prompt, sizeof prompt, "pp%u", t->prompt);
    if (t->generate) snprintf(generate, sizeof generate, "%stg%u", t->prompt ? "+" : "", t->generate);
    if (t->depth) snprintf(depth, sizeof depth, " @ d%u", t->depth);
    snprintf(name, TEST_NAME, "%s%s%s", prompt, generate, depth);
}

/* ---- running ---- */

/* The time of a token does not depend on which it is, but for the caches: any will do. */
static void fill_ids(int32_t *ids, size_t n, uint32_t vocab) {
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        ids[i] = (int32_t)((uint64_t)state * vocab >> 32);
    }
}

status timed_test_open(timed_test *t, const model *m, const test *what, const session_flags *flags, profile *steps, error *e) {
    *t = (timed_test){.test = what};
    session_options o = session_flags_options(flags);
    o.threads = (int)what->threads;
    o.profile = steps;
    const size_t tokens = (size_t)what->prompt + what->generate, most = tokens > what->depth ? tokens : what->depth;
    o.context = what->depth + what->prompt + what->generate;
    TRY(session_open(&t->session, m, &o, e));
    t->ids = malloc(most * sizeof *t->ids);
    if (!t->ids) return fail(e, E_MEMORY, "no memory for %zu tokens", most);
    fill_ids(t->ids, most, model_spec(m)->vocab);
    return what->depth ? session_eval(t->session, t->ids, what->depth, NULL, e) : OK;
}

void timed_test_close(timed_test *t) {
    session_close(&t->session);
    free(t->ids);
    t->ids = NULL;
}

static status run_tokens(timed_test *t, uint32_t generate, double *seconds, error *e) {
    const uint32_t prompt = t->test->prompt;
    session_rewind(t->session, t->test->depth);
    const double start = clock_seconds();
    if (prompt) TRY(session_eval(t->session, t->ids, prompt, NULL, e));
    for (uint32_t i = 0; i < generate; i++) TRY(session_eval(t->session, t->ids + prompt + i, 1, NULL, e));
    *seconds = clock_seconds() - start;
    return OK;
}

status timed_test_warm(timed_test *t, error *e) {
    double seconds;
    return run_tokens(t, t->test->generate ? 1 : 0, &seconds, e);
}

status timed_test_run(timed_test *t, samples *out, error *e) {
    double seconds = 0;
    TRY(run_tokens(t, t->test->generate, &seconds, e));
    out->seconds[out->n] = seconds;
    out->speed[out->n++] = (t->test->prompt + t->test->generate) / seconds;
    return OK;
}

/* ---- the row ---- */

/* What the system calls the processor; empty if it does not say. */
static void processor_name(char *name, size_t size) {
    char line[256], text[200];
    name[0] = 0;
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f && !name[0] && fgets(line, sizeof line, f)) {
        if (sscanf(line, "model name : %199[^\n]", text) == 1) snprintf(name, size, "%s", text);
    }
    if (f) fclose(f);
}

void row_samples(json_t *row, const char *key, const double *x, size_t n, double scale) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_real(scale * x[i]));
    json_object_set_new(row, key, list);
}

json_t *test_row(const char *path, const model *m, const session_flags *flags, const timed_test *t, const samples *got) {
    const facts f = facts_of(m, flags->activations);
    const estimate speed = estimate_of(got->speed, got->n), seconds = estimate_of(got->seconds, got->n);
    const uint64_t batch = session_batch(t->session);
    char type[128], name[TEST_NAME], when[32], processor[200];
    snprintf(type, sizeof type, "%s %s", model_spec(m)->architecture, f.formats);
    test_name(t->test, name);
    processor_name(processor, sizeof processor);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime(&(time_t){time(NULL)}));
    json_t *row = json_object();
    row_text(row, "build_commit", "qbin " QBIN_VERSION);
    row_text(row, "cpu_info", processor);
    row_text(row, "gpu_info", "");
    row_text(row, "backends", session_isa(t->session));
    row_text(row, "model_filename", path);
    row_text(row, "model_type", type);
    row_count(row, "model_size", f.bytes);
    row_count(row, "model_n_params", f.weights);
    row_count(row, "n_batch", batch);
    row_count(row, "n_ubatch", batch);
    row_count(row, "n_threads", (uint64_t)session_threads(t->session));
    row_text(row, "test", name);
    row_count(row, "n_prompt", t->test->prompt);
    row_count(row, "n_gen", t->test->generate);
    row_count(row, "n_depth", t->test->depth);
    row_text(row, "test_time", when);
    row_number(row, "avg_ns", round(1e9 * seconds.mean));
    row_number(row, "stddev_ns", round(1e9 * seconds.deviation));
    row_number(row, "avg_ts", speed.mean);
    row_number(row, "stddev_ts", speed.deviation);
    row_samples(row, "samples_ns", got->seconds, got->n, 1e9);
    row_samples(row, "samples_ts", got->speed, got->n, 1);
    return row;
}
