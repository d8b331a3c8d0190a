/* perplexity: how well models predict a text, and how far their predictions are from a reference's. One row per file. */
#include "evaluate/perplexity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/command.h"
#include "tools/comparison.h"
#include "tools/names.h"
#include "tools/plot.h"
#include "tools/progress.h"
#include "tools/session_flags.h"
#include "tools/signals.h"
#include "tools/table.h"
#include "tools/text_file.h"
#include "tools/timings.h"

typedef struct perplexity_settings {
    const char *text, *reference, *stride, *output, *sort, *plot;
    int64_t window, chunks;
    text_list models;
    session_flags session;
    bool quiet;
} perplexity_settings;

typedef struct entry {       /* one file */
    const char *path, *name; /* name: as it is shown */
    model *model;
    id_list own;        /* the text in its tokens, unless an entry before it has the same tokenizer */
    const id_list *ids; /* own, or that entry's */
    windows windows;
} entry;

typedef struct job {
    const perplexity_settings *settings;
    bool compared; /* the first entry is the reference */
    text_file text;
    entry *entries;
    subject *subjects; /* of each entry */
    result *results;   /* of those that are done: the first ones */
    size_t n, done;
} job;

/* ---- what is evaluated ---- */

static bool same_tokenizer(const model *a, const model *b) {
    return a->file.tokens_size == b->file.tokens_size && !memcmp(a->file.tokens, b->file.tokens, a->file.tokens_size);
}

static status open_entry(const job *j, entry *it, error *e) {
    TRY(model_open(&it->model, it->path, e));
    if (!it->model->tokenizer) return fail(e, E_FILE, "%s: has no tokenizer to read a text with", it->path);
    it->ids = &it->own;
    for (const entry *before = j->entries; before < it && it->ids == &it->own; before++) {
        if (same_tokenizer(before->model, it->model)) it->ids = before->ids;
    }
    if (it->ids != &it->own) return OK;
    if (tokenizer_encode(it->model->tokenizer, j->text.text, j->text.bytes, 0, &it->own, e) != OK) return fail_in(e, it->path);
    return OK;
}

/* Divergence compares distributions over the same ids after the same ids. */
static status check_reference(const entry *reference, const entry *it, error *e) {
    const uint32_t theirs = model_spec(reference->model)->vocab, ours = model_spec(it->model)->vocab;
    if (ours != theirs) return fail(e, E_FILE, "%s has a vocabulary of %u, the reference %s one of %u", it->path, ours, reference->path, theirs);
    const id_list *a = it->ids, *b = reference->ids;
    const bool same = a->n == b->n && !memcmp(a->ids, b->ids, a->n * sizeof *a->ids) && it->windows.bos == reference->windows.bos;
    if (!same) return fail(e, E_FILE, "%s and the reference %s have different tokenizers", it->path, reference->path);
    return OK;
}

static const convention *find_convention(const char *name) {
    const convention *c = conventions;
    while (c[1].name && strcmp(c->name, name)) c++;
    return c;
}

static status plan_entry(const job *j, entry *it, error *e) {
    const perplexity_settings *set = j->settings;
    TRY(open_entry(j, it, e));
    const size_t chunks = set->chunks < 0 ? 0 : (size_t)set->chunks;
    const status planned =
        windows_plan(&it->windows, find_convention(set->stride), it->ids->ids, it->ids->n, (size_t)set->window, chunks, model_bos(it->model), e);
    if (planned != OK) return fail_in(e, set->text);
    return j->compared && it != j->entries ? check_reference(j->entries, it, e) : OK;
}

/* ---- the running estimate: a line that is redrawn on a terminal, else "[1]27.41,[2]26.98," or, of several entries, "[1]27.41 28.02,[2]..." ---- */

typedef struct watch {
    const reading *reading;
    const subject *subjects; /* all, with the reference */
    size_t n, windows;
    double start;
    progress_line line;
    progress progress; /* {0}: not a terminal */
} watch;

/* What has been found so far: "window 3 of 60: 27.41 28.02". */
static void say_step(void *context, size_t tokens) {
    const watch *w = context;
    char text[256];
    size_t n = (size_t)snprintf(text, sizeof text, "window %zu of %zu%s", w->windows + (w->windows < w->reading->windows->count),
                                w->reading->windows->count, w->windows ? ", PPL" : "");
    for (size_t i = 0; i < w->n && w->windows && n < sizeof text; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, " %.2f", subject_perplexity(&w->subjects[i]));
    }
    progress_step(&w->progress, text, tokens, reading_tokens(w->reading));
}

static void say_window(void *context, size_t window) {
    watch *w = context;
    w->windows = window + 1;
    if (w->progress.step) return;
    const size_t count = w->reading->windows->count;
    if (window == 0) {
        const double pass = clock_seconds() - w->start;
        fprintf(stderr, "%.2f seconds a window, %.1f minutes in all\n", pass, pass * (double)count / 60);
    }
    fprintf(stderr, "[%zu]", window + 1);
    for (size_t i = 0; i < w->n; i++) fprintf(stderr, i ? " %.4f" : "%.4f", subject_perplexity(&w->subjects[i]));
    fputs(window + 1 < count ? "," : "\n", stderr);
}

/* Entries [first, first + n) are about to be read by *r. */
static void watch_open(watch *w, const job *j, size_t first, size_t n, reading *r) {
    *w = (watch){.reading = r, .subjects = j->subjects + first, .n = n, .start = clock_seconds()};
    if (j->settings->quiet) return;
    fprintf(stderr, "%s:", r->windows->how->name);
    for (size_t i = 0; i < n; i++) fprintf(stderr, " %s", j->entries[first + i].name);
    fprintf(stderr, ", %zu windows of %zu tokens\n", r->windows->count, r->windows->context);
    w->progress = progress_open(&w->line, "tokens", false);
    r->watch = (reading_watch){w->progress.step ? say_step : NULL, say_window, w};
}

/* Somebody who stops it wants to know what it was good for. */
static void say_stopped(const watch *w, const job *j, size_t first) {
    if (w->windows && !w->progress.step && !j->settings->quiet) fputc('\n', stderr);
    fprintf(stderr, "stopped after %zu of %zu windows", w->windows, w->reading->windows->count);
    if (!j->compared) fprintf(stderr, " of %s, which has no row", j->entries[first].name);
    fputc('\n', stderr);
}

/* ---- evaluating ---- */

static status keep_result(job *j, size_t i, error *e) {
    const entry *it = &j->entries[i];
    const subject *s = &j->subjects[i];
    result *r = &j->results[i];
    *r = (result){.name = it->name, .windows = &it->windows, .reference = j->compared && i == 0, .order = i};
    r->facts = facts_of(it->model, j->settings->session.activations);
    r->tokens = s->scored;
    r->threads = session_threads(s->session);
    r->isa = session_isa(s->session);
    j->done = i + 1;
    return subject_verdict(&r->verdict, s, j->compared ? j->subjects : NULL, e);
}

/* The reference keeps the usual cache: beside itself a model shows what another type costs. */
static status open_subject(job *j, size_t i, error *e) {
    const bool reference = j->compared && i == 0;
    session_options o = session_flags_options(&j->settings->session);
    if (reference) o.key_type = o.value_type = NULL;
    const entry *it = &j->entries[i];
    return subject_open(&j->subjects[i], it->path, it->model, &o, &it->windows, j->compared && !reference, e);
}

/* Entries [first, first + n) go through the windows together; with a reference these are all. Stopped, these have gone through some of them: that is a
 * result, because all have read the same, but one file of several is not. */
static status evaluate(job *j, size_t first, size_t n, error *e) {
    const windows *w = &j->entries[first].windows;
    subject *subjects = j->subjects + first;
    for (size_t i = first; i < first + n; i++) TRY(open_subject(j, i, e));
    const size_t skip = j->compared ? 1 : 0;
    reading r = {.windows = w, .subjects = subjects + skip, .n = n - skip, .reference = skip ? subjects : NULL};
    watch watched;
    watch_open(&watched, j, first, n, &r);
    const status ran = perplexity_run(&r, e);
    if (watched.progress.step) progress_close(&watched.line);
    if (ran == E_INTERRUPT) say_stopped(&watched, j, first);
    const bool whole = ran == OK || (ran == E_INTERRUPT && j->compared && watched.windows);
    for (size_t i = 0; i < n && whole; i++) TRY(keep_result(j, first + i, e));
    for (size_t i = 0; i < n; i++) subject_close(&subjects[i]);
    return ran;
}

static status show(const job *j, bool whole, error *e) {
    comparison c = {.text = j->text.name, .results = j->results, .n = j->done};
    if (j->compared) c.reference = j->entries->name;
    for (size_t i = 0; i < j->done; i++) c.mixed = c.mixed || j->entries[i].ids != j->entries->ids;
    comparison_arrange(&c, j->settings->sort);
    comparison_show(&c, j->settings->output);
    fflush(stdout);
    return whole && j->settings->plot ? comparison_plot(&c, j->settings->plot, e) : OK;
}

/* Everything that can be wrong with the files is found before the first is evaluated. */
static status evaluate_all(job *j, error *e) {
    const perplexity_settings *set = j->settings;
    TRY(text_file_open(&j->text, set->text, e));
    for (size_t i = 0; i < j->n; i++) {
        TRY(plan_entry(j, &j->entries[i], e));
        TRY(open_subject(j, i, e));
        subject_close(&j->subjects[i]);
    }
    if (set->chunks > 0 && (size_t)set->chunks > j->entries->windows.count && !set->quiet) {
        fprintf(stderr, "the text has %zu windows, not %lld\n", j->entries->windows.count, (long long)set->chunks);
    }
    const size_t together = j->compared ? j->n : 1;
    status s = OK;
    for (size_t i = 0; i < j->n && s == OK; i += together) s = evaluate(j, i, together, e);
    if (s != OK && s != E_INTERRUPT && !j->done) return s;
    const status shown = show(j, s == OK, e);
    return s == OK ? shown : s;
}

/* The name of a file, or its path if another has the same name. */
static void name_entries(job *j) {
    for (size_t i = 0; i < j->n; i++) {
        entry *it = &j->entries[i];
        it->name = name_of(it->path);
        for (size_t k = 0; k < j->n; k++) {
            const char *other = j->entries[k].path;
            if (strcmp(other, it->path) && !strcmp(name_of(other), name_of(it->path))) it->name = it->path;
        }
    }
}

static status open_job(job *j, const args *a, error *e) {
    const perplexity_settings *set = a->settings;
    *j = (job){.settings = set, .compared = set->reference};
    if (!set->text) return fail(e, E_USAGE, "no text: give one with -f");
    if (set->chunks == 0) return fail(e, E_USAGE, "--chunks 0 evaluates nothing; -1 is all");
    if (set->models.n + a->n_operands == 0) return fail(e, E_USAGE, "no model");
    if (!set->reference && !strcmp(set->sort, "kld")) return fail(e, E_USAGE, "--sort kld: there is no divergence without a --reference");
    if (set->plot) TRY(plot_check(set->plot, e));
    const size_t room = 1 + set->models.n + a->n_operands;
    j->entries = calloc(room, sizeof *j->entries);
    j->subjects = calloc(room, sizeof *j->subjects);
    j->results = calloc(room, sizeof *j->results);
    if (!j->entries || !j->subjects || !j->results) return fail(e, E_MEMORY, "no memory for %zu models", room);
    if (set->reference) j->entries[j->n++].path = set->reference;
    for (size_t i = 0; i < set->models.n; i++) j->entries[j->n++].path = set->models.items[i];
    for (size_t i = 0; i < a->n_operands; i++) j->entries[j->n++].path = a->operands[i];
    name_entries(j);
    return OK;
}

static void close_job(job *j) {
    for (size_t i = 0; i < j->n; i++) {
        subject_close(&j->subjects[i]);
        model_close(&j->entries[i].model);
        free(j->entries[i].own.ids);
    }
    free(j->entries);
    free(j->subjects);
    free(j->results);
    text_file_close(&j->text);
}

static status run(const args *a, error *e) {
    job j;
    signals_catch();
    status s = open_job(&j, a, e);
    if (s == OK) s = evaluate_all(&j, e);
    close_job(&j);
    return s;
}

/* ---- the command ---- */

static const perplexity_settings defaults = {.stride = "half", .output = "md", .sort = "size", .window = 512, .chunks = -1};

#define FIELD(name) offsetof(perplexity_settings, name)
static const option options[] = {
    {.name = "file",
     .letter = 'f',
     .kind = OPTION_TEXT,
     .value = "TEXT",
     .offset = FIELD(text),
     .help = "Text to predict (UTF-8): a file, a pipe, or - for standard input."},
    {.name = "model",
     .letter = 'm',
     .kind = OPTION_LIST,
     .value = "MODEL",
     .offset = FIELD(models),
     .help = "A model, as an operand is; repeatable."},
    WINDOW_OPTIONS(perplexity_settings, NULL),
    {.name = "stride",
     .kind = OPTION_TEXT,
     .value = "HOW",
     .offset = FIELD(stride),
     .choices = "half|all",
     .help = "What is scored: half, the second half of each window after BOS, as llama.cpp does; all, every token, as papers do (default: half)."},
    {.name = "reference",
     .kind = OPTION_TEXT,
     .value = "MODEL",
     .offset = FIELD(reference),
     .help = "Also show how far predictions are from this model's: Kullback-Leibler divergence, same most likely token."},
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .value = "STYLE",
     .offset = FIELD(output),
     .choices = TABLE_STYLES,
     .help = "How rows are printed (default: md)."},
    {.name = "sort",
     .kind = OPTION_TEXT,
     .value = "ORDER",
     .offset = FIELD(sort),
     .choices = COMPARISON_ORDERS,
     .help = "Order of the rows: the largest file first, the best perplexity or divergence first, or by name (default: size)."},
    {.name = "plot",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .offset = FIELD(plot),
     .help = "Also draw perplexity and divergence against bits per weight, with gnuplot; FILE ends in .svg or .png."},
    SESSION_OPTIONS(perplexity_settings),
    {.name = "quiet", .letter = 'q', .kind = OPTION_FLAG, .offset = FIELD(quiet), .help = "No running estimate on stderr."},
    {0},
};

const command command_perplexity = {
    .name = "perplexity",
    .summary = "Measure how well models predict a text, and how far they are from a reference.",
    .usage = "-f TEXT MODEL ...",
    .details =
        "The text is encoded whole and cut into windows; each model reads each window from its start. The perplexity is exp of the mean\n"
        "negative log likelihood of the scored tokens, with its standard error. Two conventions are in use, and their numbers must not\n"
        "be compared: see --stride.\n"
        "\n"
        "With --reference all models go through each window together with the reference, which is evaluated once, and a row also has the\n"
        "mean and the 99th percentile of the divergence KL(reference || model) in nats, the perplexity by the reference's (its error is\n"
        "that of the differences, so it tells models apart that one perplexity does not), and how often both find the same token most\n"
        "likely. Of several files those are marked that no other file beats: with no more bytes and no higher divergence, or perplexity.\n"
        "\n"
        "  perplexity -f wiki.test.raw --chunks 20 --reference model-f16.qbin model-q8.qbin model-q4.qbin\n"
        "\n"
        "Types of the KV cache are for the models; the reference keeps the usual one. So a model beside itself shows what a type costs:\n"
        "\n"
        "  perplexity -f wiki.test.raw --chunks 20 --reference model.qbin model.qbin --cache-type q8\n"
        "\n"
        "The result does not depend on threads, batches and instruction set. Ctrl-C ends it with what is complete (exit code 130).\n",
    .options = options,
    .settings_bytes = sizeof(perplexity_settings),
    .defaults = &defaults,
    .max_operands = 1000,
    .run = run,
};
