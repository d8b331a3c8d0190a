/* run: continues a prompt. Text goes to stdout, everything else to stderr. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "tools/command.h"
#include "tools/constrain.h"
#include "tools/generator.h"
#include "tools/ids.h"
#include "tools/phases.h"
#include "tools/prompt.h"
#include "tools/sampling.h"
#include "tools/session_flags.h"
#include "tools/signals.h"
#include "tools/timings.h"

typedef struct run_settings {
    const char *model, *prompt, *file, *prompt_ids;
    int64_t predict;
    bool escape, lookup, ignore_eos, hide_prompt, ids, json_timings, profile, quiet;
    session_flags session;
    sampling_flags sampling;
    constrain_flags constrain;
} run_settings;

/* A run as it goes: what it owns, and where it is. */
typedef struct generation {
    const run_settings *settings;
    generator on;
    constrained *constrained; /* NULL: anything may be generated */
    decoder *decoder;
    id_list ids;      /* the prompt's */
    float *logits;    /* [vocab] without the end tokens, for --ignore-eos */
    size_t shown;     /* ids printed with --ids */
    size_t generated; /* tokens drawn */
    bool cut;         /* the text ended before the grammar did */
    timings times;
    profile *profile; /* NULL: --profile is not given */
    double prompt_steps[STEPS];
} generation;

/* ---- the prompt ---- */

static status encode_text(generation *g, error *e) {
    const run_settings *set = g->settings;
    const tokenizer *t = g->on.model->tokenizer;
    if (!t) return fail(e, E_USAGE, "%s has no tokenizer; give the prompt as --prompt-ids", set->model);
    prompt p;
    TRY(prompt_read(&p, set->prompt, set->file, set->escape, e));
    const status code = tokenizer_encode(t, p.text, p.bytes, ENCODE_PROMPT, &g->ids, e);
    prompt_free(&p);
    return code;
}

static status read_ids(generation *g, error *e) {
    const run_settings *set = g->settings;
    if (set->prompt_ids) {
        TRY(ids_parse(&g->ids, set->prompt_ids, e));
    } else {
        TRY(encode_text(g, e));
    }
    const int32_t bos = model_spec(g->on.model)->bos;
    if (g->ids.n == 0 && bos < 0) return fail(e, E_USAGE, "the prompt is empty, and the model has no token to begin with");
    if (g->ids.n == 0) TRY(ids_append(&g->ids, bos, e));
    const uint32_t vocab = model_spec(g->on.model)->vocab;
    for (size_t i = 0; i < g->ids.n; i++) {
        const int32_t id = g->ids.ids[i];
        if ((uint32_t)id >= vocab) return fail(e, E_RUN, "token id %" PRId32 " is not below the vocabulary's size %" PRIu32, id, vocab);
    }
    const size_t context = session_context(g->on.session);
    if (g->ids.n > context) return fail(e, E_RUN, "the prompt has %zu tokens, but the context has %zu (see -c)", g->ids.n, context);
    return OK;
}

/* ---- what is shown ---- */

static void show_text(const char *text, size_t n) {
    fwrite(text, 1, n, stdout);
    fflush(stdout); /* main says what went wrong with it */
}

/* Text appears when its bytes are whole characters; a hidden prompt still goes through the decoder, because what follows may depend on it. */
static status show(generation *g, int32_t id, bool visible, error *e) {
    if (g->settings->ids) {
        if (visible) printf(g->shown++ ? ",%" PRId32 : "%" PRId32, id);
        fflush(stdout);
        return OK;
    }
    const char *text;
    size_t n;
    TRY(decoder_feed(g->decoder, id, &text, &n, e));
    if (visible) show_text(text, n);
    return OK;
}

static status show_rest(generation *g, error *e) {
    if (g->settings->ids) {
        show_text("\n", 1);
        return OK;
    }
    const char *text;
    size_t n;
    TRY(decoder_finish(g->decoder, &text, &n, e));
    show_text(text, n);
    show_text("\n", 1); /* out before the timings, which go to the same terminal */
    return OK;
}

/* ---- generating ---- */

static status evaluate_prompt(generation *g, error *e) {
    const double start = clock_seconds();
    const status code = lookahead_prompt(g->on.text, g->ids.ids, g->ids.n, e);
    g->times.prompt_tokens = session_position(g->on.session);
    g->times.prompt = clock_seconds() - start;
    if (g->profile) profile_take(g->profile, g->prompt_steps);
    return code;
}

/* A guess of --lookup is taken if it is what is drawn here, so no guess passes by the grammar. */
static status draw(generation *g, int32_t *id, error *e) {
    const spec *s = model_spec(g->on.model);
    const float *logits = lookahead_logits(g->on.text);
    TRY(constrained_logits(g->constrained, &logits, e));
    if (g->logits) {
        memcpy(g->logits, logits, s->vocab * sizeof *logits);
        for (uint32_t i = 0; i < s->n_eos; i++) g->logits[s->eos[i]] = -INFINITY;
        logits = g->logits;
    }
    *id = sampler_draw(g->on.sampler, logits);
    return constrained_take(g->constrained, *id, e);
}

static size_t wanted(const generation *g) {
    return g->settings->predict < 0 ? SIZE_MAX : (size_t)g->settings->predict - g->generated;
}

static status generate(generation *g, error *e) {
    const double start = clock_seconds();
    while (wanted(g) && !constrained_is_over(g->constrained)) {
        int32_t id;
        TRY(draw(g, &id, e));
        g->generated++;
        if (g->times.first_token == 0) g->times.first_token = clock_seconds() - g->times.start;
        if (generator_ends(&g->on, id)) break;
        TRY(show(g, id, true, e));
        TRY(signals_check(e));
        if (!wanted(g) || lookahead_position(g->on.text) == session_context(g->on.session) || constrained_is_over(g->constrained)) break;
        TRY(lookahead_take(g->on.text, id, wanted(g) - 1, e));
        g->times.generated_tokens++;
        g->times.generation = clock_seconds() - start;
    }
    return OK;
}

static status prompt_and_generate(generation *g, error *e) {
    for (size_t i = 0; i < g->ids.n; i++) {
        sampler_accept(g->on.sampler, g->ids.ids[i]);
        TRY(show(g, g->ids.ids[i], !g->settings->hide_prompt, e));
    }
    TRY(evaluate_prompt(g, e));
    TRY(generate(g, e));
    g->cut = constrained_is_cut(g->constrained);
    return OK;
}

/* ---- the command ---- */

static status open_sampler(generation *g, const args *a, error *e) {
    const uint32_t vocab = model_spec(g->on.model)->vocab;
    TRY(generator_sample(&g->on, a, offsetof(run_settings, sampling), e));
    if (g->settings->ignore_eos && !(g->logits = calloc(vocab, sizeof *g->logits))) return fail(e, E_MEMORY, "no memory for logits");
    if (g->settings->quiet) return OK;
    generator_describe_model(&g->on);
    generator_describe_sampler(&g->on);
    return OK;
}

static status prepare(generation *g, const args *a, error *e) {
    const run_settings *set = g->settings;
    session_options o = session_flags_options(&set->session);
    if (o.threads == 0) o.threads = cpu_threads(NULL, 0);
    if (set->profile) TRY(profile_open(&g->profile, o.threads, e));
    o.profile = g->profile;
    TRY(generator_open(&g->on, set->model, &o, set->lookup, e));
    const session_memory memory = session_bytes(g->on.session);
    g->times.cache_bytes = memory.cache;
    g->times.scratch_bytes = memory.scratch;
    TRY(read_ids(g, e));
    TRY(constrained_open(&g->constrained, &set->constrain, g->on.model, e));
    TRY(open_sampler(g, a, e));
    if (!set->ids && !g->on.model->tokenizer) return fail(e, E_USAGE, "%s has no tokenizer; ask for --ids", set->model);
    if (!set->ids) TRY(decoder_open(&g->decoder, g->on.model->tokenizer, true, e));
    g->times.load = clock_seconds() - g->times.start;
    return OK;
}

/* What the constraint cost, and that it is not fulfilled. */
static void show_constraint(const generation *g) {
    const constrained *c = g->constrained;
    if (!c) return;
    const constraint_counts n = constraint_count(c->constraint);
    const grammar_counts size = grammar_count(c->grammar);
    if (!g->settings->json_timings)
        fprintf(stderr, "grammar    %10.1f ms for %zu masks, %zu of them new (%zu rules, %zu states, read in %.1f ms)\n", c->seconds * 1e3, n.asked,
                n.made, size.rules, size.states, c->load * 1e3);
    if (!g->cut) return;
    const bool context = lookahead_position(g->on.text) == session_context(g->on.session);
    fprintf(stderr, "warning: the text was cut before it was what the grammar wants: %s\n",
            context ? "the context is full (see -c)" : "-n allows no more tokens");
}

/* The prompt's steps, and those of what came after it. */
static status show_profile(generation *g, error *e) {
    const run_settings *set = g->settings;
    const size_t read = g->times.prompt_tokens, generated = g->times.generated_tokens, batch = session_batch(g->on.session);
    const evaluated first = {.runs = 1, .seconds = g->times.prompt, .tokens = read, .calls = (read + batch - 1) / batch};
    const size_t guessed = g->times.lookup.guessed, calls = generated - g->times.lookup.right; /* a right guess saves a call */
    const evaluated then = {.runs = 1, .seconds = g->times.generation, .tokens = calls + guessed, .calls = calls, .position = read};
    double generation_steps[STEPS];
    machine_limits limits;
    step_time times[STEP_TIMES];
    profile_take(g->profile, generation_steps);
    TRY(machine_limits_of(&limits, session_isa(g->on.session), session_threads(g->on.session), e));
    step_times(times, "between", g->prompt_steps, g->on.session, g->on.model, set->session.activations, &first, &limits);
    step_times_print("prompt", times);
    step_times(times, "sampling", generation_steps, g->on.session, g->on.model, set->session.activations, &then, &limits);
    if (generated) step_times_print("generation", times);
    return OK;
}

static void release(generation *g) {
    decoder_close(&g->decoder);
    constrained_close(&g->constrained);
    generator_close(&g->on);
    profile_close(&g->profile);
    free(g->logits);
    free(g->ids.ids);
}

static status run_model(const args *a, error *e) {
    generation g = {.settings = a->settings, .times = {.start = clock_seconds()}};
    status code = prepare(&g, a, e);
    if (code == OK) {
        signals_catch();
        code = prompt_and_generate(&g, e);
        const status rest = code == OK || code == E_INTERRUPT ? show_rest(&g, e) : OK;
        if (code == OK) code = rest;
        g.times.lookup = lookahead_count(g.on.text);
        if (g.settings->json_timings || !g.settings->quiet) timings_print(&g.times, g.settings->json_timings);
        if (!g.settings->quiet) show_constraint(&g);
        if (code == OK && g.profile) code = show_profile(&g, e);
    }
    release(&g);
    return code;
}

#define AT(field) .offset = offsetof(run_settings, field)

static const option options[] = {
    {.name = "model", .letter = 'm', .kind = OPTION_TEXT, .value = "FILE", AT(model), .help = "The .qbin file to run."},
    {.name = "prompt",
     .letter = 'p',
     .kind = OPTION_TEXT,
     .value = "TEXT",
     AT(prompt),
     .help = "The text to continue; - or no prompt at all reads standard input."},
    {.name = "file", .letter = 'f', .kind = OPTION_TEXT, .value = "FILE", AT(file), .help = "Read the prompt from a file.", .alias = "prompt-file"},
    {.name = "prompt-ids",
     .excludes = "prompt|file|escape",
     .kind = OPTION_TEXT,
     .value = "IDS",
     AT(prompt_ids),
     .help = "The prompt as token ids, like 1,5,7; nothing is added to it."},
    {.name = "escape",
     .letter = 'e',
     .kind = OPTION_FLAG,
     AT(escape),
     .help = "Read \\n, \\t, \\r, \\\", \\', \\\\ and \\xHH in the prompt as in C."},
    {.name = "predict",
     .letter = 'n',
     .kind = OPTION_INT,
     .value = "N",
     AT(predict),
     .min = -1,
     .max = 1e9,
     .help = "Tokens to generate; -1 goes on to the end token or the end of the context (default: -1).",
     .alias = "n-predict|max-tokens"},
    CONTEXT_OPTION(run_settings),
    SESSION_OPTIONS(run_settings),
    SAMPLING_OPTIONS(run_settings),
    CONSTRAIN_OPTIONS(run_settings),
    {.name = "lookup",
     .kind = OPTION_FLAG,
     AT(lookup),
     .help = "Guess tokens from what is in the text already and check several at once: the same text, sooner where it repeats itself."},
    {.name = "ignore-eos", .kind = OPTION_FLAG, AT(ignore_eos), .help = "Never draw an end token."},
    {.name = "no-display-prompt", .kind = OPTION_FLAG, AT(hide_prompt), .help = "Print only what is generated."},
    {.name = "ids", .kind = OPTION_FLAG, AT(ids), .help = "Print token ids, separated by commas, instead of text."},
    {.name = "json-timings", .kind = OPTION_FLAG, AT(json_timings), .help = "Print the timings as one JSON object (on standard error)."},
    {.name = "profile",
     .kind = OPTION_FLAG,
     AT(profile),
     .help = "Show (on standard error) where the time went, step by step, and what part of it the step takes at least on this machine: reading its "
             "weights, or making its operations."},
    {.name = "quiet", .letter = 'q', .kind = OPTION_FLAG, AT(quiet), .help = "Print nothing but results and errors."},
    {0},
};

static const run_settings defaults = {.predict = -1};

const command command_run = {
    .name = "run",
    .summary = "Continue a prompt with a model.",
    .usage = "-m FILE [-p TEXT]",
    .details =
        "  run -m model.qbin -p 'Once upon a time' -n 100\n"
        "  echo 'The capital of France is' | run -m model.qbin -n 8 --temp 0\n"
        "\n"
        "Standard output has the text alone: the prompt (unless --no-display-prompt) and what follows it. What a run is made of\n"
        "and its timings are on standard error. Sampling is as the model's generation_config.json says, if it says do_sample,\n"
        "else as in llama.cpp; options win. The same seed gives the same text for any number of threads, any batch and any\n"
        "instruction set. Ctrl-C ends it after the current token (exit code 130).",
    .options = options,
    .settings_bytes = sizeof(run_settings),
    .defaults = &defaults,
    .stray = "a model is given with -m, a prompt with -p",
    .run = run_model,
};
