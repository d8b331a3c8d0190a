/* bench: how fast models read a prompt and write text. Tests, names, columns and JSON keys are those of llama-bench, so results can stand side by side. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/session.h"
#include "evaluate/stats.h"
#include "tools/bench_kernels.h"
#include "tools/command.h"
#include "tools/facts.h"
#include "tools/session_flags.h"
#include "tools/signals.h"
#include "tools/table.h"
#include "tools/timings.h"

typedef struct bench_settings {
    const char *prompt, *generate, *depth, *threads, *output;
    int64_t repetitions;
    text_list models, both;
    session_flags session;
    bool no_warmup, quiet, kernels, probe;
} bench_settings;

/* ---- lists of numbers: "512", "1,2,4" ---- */

enum { NUMBERS = 32 };

typedef struct numbers {
    size_t n;
    uint32_t list[NUMBERS];
} numbers;

static status parse_numbers(numbers *out, const char *text, const char *what, error *e) {
    char *at = (char *)text;
    for (out->n = 0; out->n < NUMBERS; at++) {
        const bool digit = isdigit((unsigned char)*at);
        const unsigned long long value = strtoull(at, &at, 10);
        if (!digit || value > 1 << 24 || (*at && *at != ',')) return fail(e, E_USAGE, "%s: '%s' is not a list of numbers like 1,2", what, text);
        out->list[out->n++] = (uint32_t)value;
        if (!*at) return OK;
    }
    return fail(e, E_USAGE, "%s: '%s' has more than %d numbers", what, text, NUMBERS);
}

/* ---- one test ---- */

typedef struct test { /* after `depth` tokens: `prompt` tokens at once, then `generate` tokens one by one */
    uint32_t prompt, generate, depth, threads;
} test;

enum { REPETITIONS = 100 };

typedef struct samples {
    size_t n;
    double seconds[REPETITIONS], speed[REPETITIONS];
} samples;

/* The time of a token does not depend on which it is, but for the caches: any will do. */
static void fill_ids(int32_t *ids, size_t n, uint32_t vocab) {
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        ids[i] = (int32_t)((uint64_t)state * vocab >> 32);
    }
}

/* The timed part: the session stands at the test's depth. */
static status run_once(session *s, const test *t, const int32_t *ids, double *seconds, error *e) {
    session_rewind(s, t->depth);
    const double start = clock_seconds();
    if (t->prompt) TRY(session_eval(s, ids, t->prompt, NULL, e));
    for (uint32_t i = 0; i < t->generate; i++) TRY(session_eval(s, ids + t->prompt + i, 1, NULL, e));
    *seconds = clock_seconds() - start;
    return OK;
}

static status run_session(session *s, const test *t, const bench_settings *set, const int32_t *ids, samples *out, error *e) {
    double seconds;
    if (t->depth) TRY(session_eval(s, ids, t->depth, NULL, e));
    const test warm = {.prompt = t->prompt, .generate = t->generate ? 1 : 0, .depth = t->depth};
    if (!set->no_warmup) TRY(run_once(s, &warm, ids, &seconds, e));
    out->n = 0;
    for (int64_t i = 0; i < set->repetitions; i++) {
        TRY(run_once(s, t, ids, &seconds, e));
        out->seconds[out->n] = seconds;
        out->speed[out->n++] = (t->prompt + t->generate) / seconds;
    }
    return OK;
}

static status run_test(session **s, const model *m, const test *t, const bench_settings *set, samples *out, error *e) {
    session_options o = session_flags_options(&set->session);
    o.threads = (int)t->threads;
    const size_t tokens = (size_t)t->prompt + t->generate, most = tokens > t->depth ? tokens : t->depth;
    o.context = t->depth + t->prompt + t->generate;
    TRY(session_open(s, m, &o, e));
    int32_t *ids = malloc(most * sizeof *ids);
    if (!ids) return fail(e, E_MEMORY, "no memory for %zu tokens", most);
    fill_ids(ids, most, model_spec(m)->vocab);
    const status ran = run_session(*s, t, set, ids, out, e);
    free(ids);
    return ran;
}

/* ---- what is shown ---- */

typedef struct job {
    const bench_settings *settings;
    numbers depth, threads;
    test tests[3 * NUMBERS]; /* without depth and threads */
    size_t n;
    table table;
} job;

static const table_column columns[] = {
    {.title = "model", .key = "model_type", .width = 20},
    {.title = "size", .key = "model_size", .scale = 0x1p-20, .digits = 2, .unit = " MiB", .width = 11},
    {.title = "params", .key = "model_n_params", .scale = 1e-6, .digits = 2, .unit = " M", .width = 10},
    {.title = "backend", .key = "backends", .width = 10},
    {.title = "threads", .key = "n_threads"},
    {.title = "test", .key = "test", .width = 13},
    {.title = "t/s", .key = "avg_ts", .error = "stddev_ts", .digits = 2, .width = 17},
    {0},
};

static void test_name(const test *t, char *name, size_t size) {
    char prompt[24] = "", generate[24] = "", depth[24] = "";
    if (t->prompt) snprintf(prompt, sizeof prompt, "pp%u", t->prompt);
    if (t->generate) snprintf(generate, sizeof generate, "%stg%u", t->prompt ? "+" : "", t->generate);
    if (t->depth) snprintf(depth, sizeof depth, " @ d%u", t->depth);
    snprintf(name, size, "%s%s%s", prompt, generate, depth);
}

static void row_samples(json_t *row, const char *key, const double *x, size_t n, double scale) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_real(scale * x[i]));
    json_object_set_new(row, key, list);
}

static void show_row(job *j, const char *path, const model *m, const session *s, const test *t, const samples *got) {
    const facts f = facts_of(m, j->settings->session.activations);
    const estimate speed = estimate_of(got->speed, got->n), seconds = estimate_of(got->seconds, got->n);
    char type[128], name[80], when[32];
    snprintf(type, sizeof type, "%s %s", model_spec(m)->architecture, f.formats);
    test_name(t, name, sizeof name);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime(&(time_t){time(NULL)}));
    json_t *row = json_object();
    row_text(row, "model_filename", path);
    row_text(row, "model_type", type);
    row_count(row, "model_size", f.bytes);
    row_count(row, "model_n_params", f.weights);
    row_text(row, "backends", session_isa(s));
    row_count(row, "n_threads", (uint64_t)session_threads(s));
    row_text(row, "test", name);
    row_count(row, "n_prompt", t->prompt);
    row_count(row, "n_gen", t->generate);
    row_count(row, "n_depth", t->depth);
    row_text(row, "test_time", when);
    row_number(row, "avg_ns", round(1e9 * seconds.mean));
    row_number(row, "stddev_ns", round(1e9 * seconds.deviation));
    row_number(row, "avg_ts", speed.mean);
    row_number(row, "stddev_ts", speed.deviation);
    row_samples(row, "samples_ns", got->seconds, got->n, 1e9);
    row_samples(row, "samples_ts", got->speed, got->n, 1);
    table_row(&j->table, row);
}

/* ---- all tests ---- */

static void add_test(job *j, uint32_t prompt, uint32_t generate) {
    if (prompt + generate > 0) j->tests[j->n++] = (test){.prompt = prompt, .generate = generate};
}

static status plan_tests(job *j, const bench_settings *set, error *e) {
    numbers list;
    TRY(parse_numbers(&list, set->prompt, "--n-prompt", e));
    for (size_t i = 0; i < list.n; i++) add_test(j, list.list[i], 0);
    TRY(parse_numbers(&list, set->generate, "--n-gen", e));
    for (size_t i = 0; i < list.n; i++) add_test(j, 0, list.list[i]);
    if (set->both.n > NUMBERS) return fail(e, E_USAGE, "--pg is given more than %d times", NUMBERS);
    for (size_t i = 0; i < set->both.n; i++) {
        TRY(parse_numbers(&list, set->both.items[i], "--pg", e));
        if (list.n != 2) return fail(e, E_USAGE, "--pg: '%s' is not two numbers like 512,128", set->both.items[i]);
        add_test(j, list.list[0], list.list[1]);
    }
    TRY(parse_numbers(&j->depth, set->depth, "--n-depth", e));
    TRY(parse_numbers(&j->threads, set->threads, "--threads", e));
    return j->n ? OK : fail(e, E_USAGE, "nothing to test: all of --n-prompt, --n-gen and --pg are 0");
}

static status bench_test(job *j, const char *path, const model *m, const test *t, error *e) {
    char name[80];
    test_name(t, name, sizeof name);
    if (!j->settings->quiet) fprintf(stderr, "%s: %s, %lld times\n", path, name, (long long)j->settings->repetitions);
    session *s = NULL;
    samples got;
    const status ran = run_test(&s, m, t, j->settings, &got, e);
    if (ran == OK) show_row(j, path, m, s, t, &got);
    session_close(&s);
    if (ran == E_INTERRUPT) fprintf(stderr, "stopped in %s of %s, which has no row\n", name, path);
    return ran == OK ? OK : fail_in(e, path);
}

static status bench_model(job *j, const char *path, const model *m, error *e) {
    for (size_t d = 0; d < j->depth.n; d++) {
        for (size_t t = 0; t < j->threads.n; t++) {
            for (size_t i = 0; i < j->n; i++) {
                test one = j->tests[i];
                one.depth = j->depth.list[d];
                one.threads = j->threads.list[t];
                TRY(bench_test(j, path, m, &one, e));
            }
        }
    }
    return OK;
}

/* What a file is opened for: to be checked or to be measured. */
typedef status model_step(job *j, const char *path, const model *m, error *e);

static status check_model(job *j, const char *path, const model *m, error *e) {
    const size_t context = model_spec(m)->context;
    for (size_t i = 0; i < j->n; i++) {
        for (size_t d = 0; d < j->depth.n; d++) {
            test t = j->tests[i];
            t.depth = j->depth.list[d];
            const size_t tokens = (size_t)t.depth + t.prompt + t.generate;
            char name[80];
            test_name(&t, name, sizeof name);
            if (tokens > context) return fail(e, E_USAGE, "%s of %zu tokens: the context of %s has %zu", name, tokens, path, context);
        }
    }
    return OK;
}

static status with_model(job *j, const char *path, model_step *step, error *e) {
    model *m;
    TRY(model_open(&m, path, e));
    const status s = step(j, path, m, e);
    model_close(&m);
    return s;
}

static status with_models(job *j, const args *a, model_step *step, error *e) {
    const text_list *models = &j->settings->models;
    for (size_t i = 0; i < models->n; i++) TRY(with_model(j, models->items[i], step, e));
    for (size_t i = 0; i < a->n_operands; i++) TRY(with_model(j, a->operands[i], step, e));
    return OK;
}

static status run_kernels(const args *a, error *e) {
    const bench_settings *set = a->settings;
    numbers threads, prompt, tokens = {.n = 1, .list = {1}};
    TRY(parse_numbers(&threads, set->threads, "--threads", e));
    TRY(parse_numbers(&prompt, set->prompt, "--n-prompt", e));
    for (size_t i = 0; i < prompt.n && tokens.n < NUMBERS; i++) {
        if (prompt.list[i] > 1) tokens.list[tokens.n++] = prompt.list[i];
    }
    const kernels_wish wish = {
        .names = a->operands,
        .n_names = a->n_operands,
        .isa = set->session.isa,
        .threads = threads.list,
        .n_threads = threads.n,
        .tokens = tokens.list,
        .n_tokens = tokens.n,
        .repetitions = (int)set->repetitions,
        .style = set->output,
    };
    if (set->models.n) return fail(e, E_USAGE, "--kernels and --probe measure no model");
    return set->probe ? bench_probe(&wish, e) : bench_kernels(&wish, e);
}

static status run(const args *a, error *e) {
    const bench_settings *set = a->settings;
    if (set->kernels || set->probe) return run_kernels(a, e);
    job j = {.settings = set};
    if (set->models.n + a->n_operands == 0) return fail(e, E_USAGE, "no model: give one with -m");
    TRY(plan_tests(&j, set, e));
    TRY(with_models(&j, a, check_model, e));
    signals_catch();
    table_open(&j.table, set->output, columns);
    const status ran = with_models(&j, a, bench_model, e);
    if (ran == OK || ran == E_INTERRUPT) table_close(&j.table);
    return ran;
}

/* ---- the command ---- */

static const bench_settings defaults = {
    .prompt = "512",
    .generate = "128",
    .depth = "0",
    .threads = "0",
    .output = "md",
    .repetitions = 5,
};

#define TEXT(long_name, short_name, field, what, text) \
    .name = long_name, .letter = short_name, .kind = OPTION_TEXT, .value = what, .offset = offsetof(bench_settings, field), .help = text
static const option options[] = {
    {.name = "model",
     .letter = 'm',
     .kind = OPTION_LIST,
     .value = "MODEL",
     .offset = offsetof(bench_settings, models),
     .help = "A model, as an operand is; repeatable."},
    {TEXT("n-prompt", 'p', prompt, "N,...", "Prompts of N tokens, 0 is none (default: 512).")},
    {TEXT("n-gen", 'n', generate, "N,...", "Generate N tokens, 0 is none (default: 128).")},
    {.name = "pg",
     .kind = OPTION_LIST,
     .value = "P,N",
     .offset = offsetof(bench_settings, both),
     .help = "A prompt of P tokens, then N generated; repeatable (default: none)."},
    {TEXT("n-depth", 'd', depth, "N,...", "Tokens that are in the context before, not timed (default: 0).")},
    {.name = "repetitions",
     .letter = 'r',
     .kind = OPTION_INT,
     .value = "N",
     .offset = offsetof(bench_settings, repetitions),
     .min = 1,
     .max = REPETITIONS,
     .help = "Times that each test is run, after one run to warm up (default: 5)."},
    {TEXT("threads", 't', threads, "N,...", "Numbers of threads (default: the physical cores that affinity and cgroup allow).")},
    KERNEL_OPTIONS(bench_settings),
    {TEXT("output", 'o', output, "STYLE", "How rows are printed (default: md)."), .choices = TABLE_STYLES},
    {.name = "no-warmup", .kind = OPTION_FLAG, .offset = offsetof(bench_settings, no_warmup), .help = "Time the first run too."},
    {.name = "kernels",
     .kind = OPTION_FLAG,
     .offset = offsetof(bench_settings, kernels),
     .help = "Measure the matrix products of formats instead of models: operands are names of formats, or all (default: those that convert --help "
             "lists)."},
    {.name = "probe",
     .kind = OPTION_FLAG,
     .offset = offsetof(bench_settings, probe),
     .help = "Measure what the machine can do at best, and nothing else."},
    {.name = "quiet", .letter = 'q', .kind = OPTION_FLAG, .offset = offsetof(bench_settings, quiet), .help = "Do not say on stderr what is tested."},
    {0},
};

const command command_bench = {
    .name = "bench",
    .summary = "Measure how fast models read prompts and write text.",
    .usage = "-m MODEL ...",
    .details =
        "Tests are named as llama-bench names them: pp512 reads a prompt of 512 tokens at once, tg128 writes 128 tokens one by one, each with the "
        "mean\n"
        "speed and its standard deviation over the repetitions. --output json has the same keys as well.\n"
        "\n"
        "  bench -m model-q4.qbin -p 512 -n 128 -t 1,2 -r 3 -o json\n"
        "\n"
        "With --kernels a row is one product of a matrix of the 1.1B shape with one token or with the tokens of -p: the weights that it reads in a "
        "second "
        "beside\n"
        "what a probe reads, and its operations beside what the instruction set can do on registers. Without --isa each set of this CPU has its "
        "rows.\n"
        "\n"
        "  bench --kernels q4 q3 ternary5 --isa avx512 -t 1",
    .options = options,
    .settings_bytes = sizeof(bench_settings),
    .defaults = &defaults,
    .max_operands = 1000,
    .run = run,
};
