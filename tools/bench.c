/* bench: how fast models read a prompt and write text. Tests, names, columns and JSON keys are those of llama-bench, so results can stand side by side. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench_compare.h"
#include "tools/bench_kernels.h"
#include "tools/bench_profile.h"
#include "tools/bench_test.h"
#include "tools/command.h"
#include "tools/signals.h"
#include "tools/table.h"

typedef struct bench_settings {
    const char *prompt, *generate, *depth, *threads, *output, *peer;
    int64_t repetitions;
    text_list models, both, peer_models, peer_flags;
    session_flags session;
    bool no_warmup, quiet, kernels, probe, profile;
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

/* ---- what is shown ---- */

typedef struct job job;

struct job {
    const bench_settings *settings;
    numbers depth, threads;
    test tests[3 * NUMBERS]; /* without depth and threads */
    size_t n;
    size_t nth; /* model of the command line, from 0 */
    compare_wish compare;
    status (*each)(job *j, const char *path, const model *m, const test *t, error *e);
    table table;
};

static const table_column columns[] = {
    {.title = "model", .key = "model_type", .width = 20},
    {.title = "size", .key = "model_size", .scale = 0x1p-20, .digits = 2, .unit = " MiB", .width = 11},
    {.title = "params", .key = "model_n_params", .scale = 1e-6, .digits = 2, .unit = " M", .width = 10},
    {.title = "backend", .key = "backends", .width = 10},
    {.title = "threads", .key = "n_threads"},
    {.title = "test", .key = "test", .width = 13, .repeats = true},
    {.title = "t/s", .key = "avg_ts", .error = "stddev_ts", .digits = 2, .width = 17},
    {0},
};

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

static status run_test(timed_test *t, const job *j, const model *m, const test *what, samples *out, error *e) {
    TRY(timed_test_open(t, m, what, &j->settings->session, NULL, e));
    if (!j->settings->no_warmup) TRY(timed_test_warm(t, e));
    for (int64_t i = 0; i < j->settings->repetitions; i++) TRY(timed_test_run(t, out, e));
    return OK;
}

static status bench_test(job *j, const char *path, const model *m, const test *t, error *e) {
    char name[TEST_NAME];
    test_name(t, name);
    if (!j->settings->quiet) fprintf(stderr, "%s: %s, %lld times\n", path, name, (long long)j->settings->repetitions);
    timed_test timed;
    samples got = {0};
    const status ran = run_test(&timed, j, m, t, &got, e);
    if (ran == OK) table_row(&j->table, test_row(path, m, &j->settings->session, &timed, &got));
    timed_test_close(&timed);
    return ran == OK ? OK : fail_in(e, path);
}

static status bench_pair(job *j, const char *path, const model *m, const test *t, error *e) {
    return compare_test(&j->table, &j->compare, path, m, j->settings->peer_models.items[j->nth], t, e);
}

static status bench_steps(job *j, const char *path, const model *m, const test *t, error *e) {
    return profile_test(&j->table, path, m, t, &j->settings->session, (size_t)j->settings->repetitions, e);
}

static void say_where(const test *t, const char *path) {
    char name[TEST_NAME];
    test_name(t, name);
    fprintf(stderr, "stopped in %s of %s, which has no row\n", name, path);
}

static status bench_model(job *j, const char *path, const model *m, error *e) {
    for (size_t d = 0; d < j->depth.n; d++) {
        for (size_t t = 0; t < j->threads.n; t++) {
            for (size_t i = 0; i < j->n; i++) {
                test one = j->tests[i];
                one.depth = j->depth.list[d];
                one.threads = j->threads.list[t];
                const status s = j->each(j, path, m, &one, e);
                if (s == E_INTERRUPT) say_where(&one, path);
                TRY(s);
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
            char name[TEST_NAME];
            test_name(&t, name);
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
    for (j->nth = 0; j->nth < models->n + a->n_operands; j->nth++) {
        TRY(with_model(j, j->nth < models->n ? models->items[j->nth] : a->operands[j->nth - models->n], step, e));
    }
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

/* Models and peers are pairs in the order in which they are given. */
static status plan_compare(job *j, size_t models, error *e) {
    const bench_settings *set = j->settings;
    if (set->peer_models.n != models) {
        return fail(e, E_USAGE, "--compare: %zu models and %zu of --peer-model are no pairs", models, set->peer_models.n);
    }
    if (set->peer_flags.n > COMPARE_SETS) return fail(e, E_USAGE, "--peer-flags is given more than %d times", COMPARE_SETS);
    j->each = bench_pair;
    j->compare = (compare_wish){.flags = &set->peer_flags, .rounds = (size_t)set->repetitions, .quiet = set->quiet, .session = &set->session};
    return peer_find(j->compare.program, set->peer, e);
}

static status run(const args *a, error *e) {
    const bench_settings *set = a->settings;
    if (set->kernels || set->probe) return run_kernels(a, e);
    job j = {.settings = set, .each = set->profile ? bench_steps : bench_test};
    const size_t models = set->models.n + a->n_operands;
    if (models == 0) return fail(e, E_USAGE, "no model: give one with -m");
    TRY(plan_tests(&j, set, e));
    if (set->peer) TRY(plan_compare(&j, models, e));
    TRY(with_models(&j, a, check_model, e));
    signals_catch();
    table_open(&j.table, set->output, "llama_bench", set->peer ? compare_columns : set->profile ? profile_columns : columns);
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
     .max = TEST_REPETITIONS,
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
    {.name = "profile",
     .kind = OPTION_FLAG,
     .offset = offsetof(bench_settings, profile),
     .excludes = "kernels|probe|compare|no-warmup",
     .help = "Show where the time of each test goes, step by step, beside what bounds it on this machine."},
    {.name = "compare",
     .kind = OPTION_TEXT,
     .value = "FOLDER",
     .offset = offsetof(bench_settings, peer),
     .needs = "peer-model",
     .excludes = "kernels|probe|no-warmup",
     .help =
         "Run llama-bench, which is in the folder or in its bin, in turn with us, and show the ratios of the speeds; -r is the number of rounds."},
    {.name = "peer-model",
     .kind = OPTION_LIST,
     .value = "FILE",
     .offset = offsetof(bench_settings, peer_models),
     .needs = "compare",
     .help = "A model of the peer, for the model that is given in the same place; repeatable."},
    {.name = "peer-flags",
     .kind = OPTION_LIST,
     .value = "FLAGS",
     .offset = offsetof(bench_settings, peer_flags),
     .needs = "compare",
     .help = "More options of the peer, such as '-fa 1 -ctk q8_0'; given again, the fastest set counts for each test (default: " COMPARE_FLAGS ")."},
    {.name = "quiet", .letter = 'q', .kind = OPTION_FLAG, .offset = offsetof(bench_settings, quiet), .help = "Do not say on stderr what is tested."},
    {0},
};

const command command_bench = {
    .name = "bench",
    .summary = "Measure how fast models read prompts and write text.",
    .usage = "-m MODEL ...",
    .details =
        "Tests are named as llama-bench names them: pp512 reads a prompt of 512 tokens at once, tg128 writes 128 tokens one by one, each with the\n"
        "mean speed and its standard deviation over the repetitions. JSON, CSV and SQL have its keys too.\n"
        "\n"
        "  bench -m model-q4.qbin -p 512 -n 128 -t 1,2 -r 3 -o json\n"
        "\n"
        "With --compare both programs run each test in turn. The ratio is ours by theirs: the median of the rounds, the lowest and the highest, and "
        "the\n"
        "best run by the best. Sizes are ratios too. What of the read bandwidth our weights take while tokens are written stands beside the "
        "bandwidth\n"
        "that a probe measured before and after.\n"
        "\n"
        "  bench --compare llama/build -m q4.qbin --peer-model Q4_0.gguf -m q8.qbin --peer-model Q8_0.gguf\n"
        "\n"
        "With --profile a row is one step of a test: how long the threads were at it, on average, and what part of that it would take if nothing but "
        "reading\n"
        "its weights (for attention: keys and values) or making its operations, whichever is longer, had to be done as fast as a probe does it.\n"
        "\n"
        "With --kernels a row is one product of a matrix of the 1.1B shape with one token or with the tokens of -p: the weights that it reads in a\n"
        "second beside what a probe reads, and its operations beside what the instruction set can do on registers; or one of the steps between\n"
        "products (operand 'steps', or its name): norms, rotations, gates, softmax, attention to caches of each type. Without --isa each set of\n"
        "this CPU has its rows. All results are compared with those of the scalar set.\n"
        "\n"
        "  bench --kernels q4 q3 ternary5 steps --isa avx512 -t 1",
    .options = options,
    .settings_bytes = sizeof(bench_settings),
    .defaults = &defaults,
    .max_operands = 1000,
    .run = run,
};
