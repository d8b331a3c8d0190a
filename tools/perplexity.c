/* perplexity: how well models predict a text, and how far their predictions are from a reference's. One row per file. */
#include "evaluate/perplexity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/command.h"
#include "tools/facts.h"
#include "tools/session_flags.h"
#include "tools/table.h"
#include "tools/text_file.h"
#include "tools/timings.h"

typedef struct perplexity_settings {
    const char *text, *reference, *stride, *output;
    int64_t window, chunks;
    text_list models;
    session_flags session;
    bool quiet;
} perplexity_settings;

typedef struct entry { /* one file */
    const char *path;
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
    size_t n;
    table table;
} job;

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- what is evaluated ---- */

static bool same_tokenizer(const model *a, const model *b) {
    return a->file.tokens_size == b->file.tokens_size && !memcmp(a->file.tokens, b->file.tokens, a->file.tokens_size);
}

static int32_t bos_of(const model *m) {
    if (!tokenizer_adds_bos(m->tokenizer)) return -1;
    const int32_t bos = tokenizer_bos(m->tokenizer);
    return bos >= 0 ? bos : model_spec(m)->bos;
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
        windows_plan(&it->windows, find_convention(set->stride), it->ids->ids, it->ids->n, (size_t)set->window, chunks, bos_of(it->model), e);
    if (planned != OK) return fail_in(e, set->text);
    return j->compared && it != j->entries ? check_reference(j->entries, it, e) : OK;
}

/* ---- what is shown ---- */

static const table_column columns[] = {
    {.title = "model", .key = "model", .width = 20},
    {.title = "formats", .key = "formats", .width = 16},
    {.title = "size", .key = "bytes", .scale = 1e-6, .digits = 2, .unit = " MB", .width = 10},
    {.title = "bits/weight", .key = "bits_per_weight", .digits = 3},
    {.title = "PPL", .key = "ppl", .error = "ppl_error", .digits = 4, .width = 18},
    {.title = "tokens/s", .key = "tokens_per_s", .digits = 1},
    {.title = "mean KLD", .key = "kld", .error = "kld_error", .digits = 6, .width = 19},
    {.title = "99 % KLD", .key = "kld_99", .digits = 6},
    {.title = "same top-1", .key = "top1", .error = "top1_error", .scale = 100, .digits = 2, .unit = " %", .width = 15},
    {0},
};
enum { COLUMNS = sizeof columns / sizeof *columns, COLUMNS_ALONE = 6 }; /* without a reference the last ones say nothing */

static void show_caption(const job *j) {
    char line[512];
    const windows *w = &j->entries->windows;
    snprintf(line, sizeof line, "Perplexity of %s, %zu windows of %zu tokens; scored (%s): %s.", file_name(j->settings->text), w->count, w->context,
             w->how->name, w->how->summary);
    table_caption(&j->table, line);
}

static void show_row(job *j, size_t i, const verdict *v) {
    const entry *it = &j->entries[i];
    const subject *s = &j->subjects[i];
    const facts f = facts_of(it->model);
    if (i == 0) show_caption(j);
    json_t *row = json_object();
    row_text(row, "model", file_name(it->path));
    row_text(row, "formats", f.shares);
    row_count(row, "bytes", f.bytes);
    row_count(row, "weights", f.weights);
    row_number(row, "bits_per_weight", f.bits);
    row_number(row, "tensor_bits_per_weight", f.tensor_bits);
    row_text(row, "text", file_name(j->settings->text));
    row_text(row, "stride", it->windows.how->name);
    row_count(row, "context", it->windows.context);
    row_count(row, "windows", it->windows.count);
    row_count(row, "tokens", s->scored);
    row_number(row, "nll", v->nll);
    row_number(row, "ppl", v->ppl);
    row_number(row, "ppl_error", v->ppl_error);
    row_text(row, "reference", j->compared && i > 0 ? file_name(j->entries->path) : NULL);
    row_number(row, "kld", v->kld);
    row_number(row, "kld_error", v->kld_error);
    row_number(row, "kld_99", v->kld_99);
    row_number(row, "top1", v->top1);
    row_number(row, "top1_error", v->top1_error);
    row_count(row, "threads", (uint64_t)session_threads(s->session));
    row_text(row, "isa", session_isa(s->session));
    row_number(row, "tokens_per_s", v->tokens_per_s);
    table_row(&j->table, row);
}

/* ---- the running estimate on stderr: "[1]27.41,[2]26.98," or, of several entries, "[1]27.41 28.02,[2]..." ---- */

typedef struct watch {
    const subject *subjects;
    size_t n, windows;
    double start;
} watch;

static void say_window(void *context, size_t window) {
    const watch *w = context;
    if (window == 0) {
        const double pass = clock_seconds() - w->start;
        fprintf(stderr, "%.2f seconds a window, %.1f minutes in all\n", pass, pass * (double)w->windows / 60);
    }
    fprintf(stderr, "[%zu]", window + 1);
    for (size_t i = 0; i < w->n; i++) fprintf(stderr, i ? " %.4f" : "%.4f", subject_perplexity(&w->subjects[i]));
    fputs(window + 1 < w->windows ? "," : "\n", stderr);
}

/* ---- evaluating ---- */

/* Entries [first, first + n) go through the windows together; with a reference these are all. */
static status evaluate(job *j, size_t first, size_t n, error *e) {
    const session_options o = session_flags_options(&j->settings->session);
    const windows *w = &j->entries[first].windows;
    subject *subjects = j->subjects + first;
    for (size_t i = 0; i < n; i++) {
        const entry *it = &j->entries[first + i];
        TRY(subject_open(&subjects[i], it->path, it->model, &o, w, j->compared && i > 0, e));
    }
    watch watched = {subjects, n, w->count, clock_seconds()};
    if (!j->settings->quiet) {
        fprintf(stderr, "%s:", w->how->name);
        for (size_t i = 0; i < n; i++) fprintf(stderr, " %s", file_name(j->entries[first + i].path));
        fprintf(stderr, ", %zu windows of %zu tokens\n", w->count, w->context);
    }
    const size_t skip = j->compared ? 1 : 0;
    reading r = {.windows = w, .subjects = subjects + skip, .n = n - skip, .reference = skip ? subjects : NULL};
    if (!j->settings->quiet) r.watch = (window_watch){say_window, &watched};
    TRY(perplexity_run(&r, e));
    for (size_t i = 0; i < n; i++) {
        verdict v;
        TRY(subject_verdict(&v, &subjects[i], e));
        show_row(j, first + i, &v);
        subject_close(&subjects[i]);
    }
    return OK;
}

/* Everything that can be wrong with the files is found before the first is evaluated. */
static status evaluate_all(job *j, error *e) {
    const perplexity_settings *set = j->settings;
    TRY(text_file_open(&j->text, set->text, e));
    for (size_t i = 0; i < j->n; i++) TRY(plan_entry(j, &j->entries[i], e));
    if (set->chunks > 0 && (size_t)set->chunks > j->entries->windows.count && !set->quiet) {
        fprintf(stderr, "the text has %zu windows, not %lld\n", j->entries->windows.count, (long long)set->chunks);
    }
    table_column shown[COLUMNS];
    memcpy(shown, columns, sizeof shown);
    if (!j->compared) shown[COLUMNS_ALONE].title = NULL;
    table_open(&j->table, set->output, shown);
    const size_t together = j->compared ? j->n : 1;
    for (size_t i = 0; i < j->n; i += together) TRY(evaluate(j, i, together, e));
    table_close(&j->table);
    return OK;
}

static status open_job(job *j, const args *a, error *e) {
    const perplexity_settings *set = a->settings;
    *j = (job){.settings = set, .compared = set->reference};
    if (!set->text) return fail(e, E_USAGE, "no text: give one with -f");
    if (set->chunks == 0) return fail(e, E_USAGE, "--chunks 0 evaluates nothing; -1 is all");
    if (set->models.n + a->n_operands == 0) return fail(e, E_USAGE, "no model");
    const size_t room = 1 + set->models.n + a->n_operands;
    j->entries = calloc(room, sizeof *j->entries);
    j->subjects = calloc(room, sizeof *j->subjects);
    if (!j->entries || !j->subjects) return fail(e, E_MEMORY, "no memory for %zu models", room);
    if (set->reference) j->entries[j->n++].path = set->reference;
    for (size_t i = 0; i < set->models.n; i++) j->entries[j->n++].path = set->models.items[i];
    for (size_t i = 0; i < a->n_operands; i++) j->entries[j->n++].path = a->operands[i];
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
    text_file_close(&j->text);
}

static status run(const args *a, error *e) {
    job j;
    status s = open_job(&j, a, e);
    if (s == OK) s = evaluate_all(&j, e);
    close_job(&j);
    return s;
}

/* ---- the command ---- */

static const perplexity_settings defaults = {.stride = "half", .output = "md", .window = 512, .chunks = -1};

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
    {.name = "ctx-size",
     .letter = 'c',
     .kind = OPTION_INT,
     .value = "N",
     .offset = FIELD(window),
     .min = 3,
     .max = 1 << 24,
     .help = "Tokens of a window (default: 512).",
     .alias = "context"},
    {.name = "chunks",
     .kind = OPTION_INT,
     .value = "N",
     .offset = FIELD(chunks),
     .min = -1,
     .max = 1e9,
     .help = "Windows at most, -1 is all (default: -1)."},
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
    SESSION_OPTIONS(perplexity_settings),
    {.name = "quiet", .letter = 'q', .kind = OPTION_FLAG, .offset = FIELD(quiet), .help = "No running estimate on stderr."},
    {0},
};

const command command_perplexity = {
    .name = "perplexity",
    .summary = "Measure how well models predict a text, and how far they are from a reference.",
    .usage = "-f TEXT MODEL ...",
    .details =
        "The text is encoded whole and cut into windows; each model reads each window from its start. The perplexity is exp of the mean negative "
        "log\n"
        "likelihood of the scored tokens, with its standard error. Two conventions are in use, and their numbers must not be compared: see "
        "--stride.\n"
        "\n"
        "With --reference all models read each window together with the reference, which is evaluated once, and a row also has the mean and the "
        "99th\n"
        "percentile of the divergence KL(reference || model) in nats, and how often both find the same token most likely.\n"
        "\n"
        "  perplexity -f wiki.test.raw --chunks 20 --reference model-f16.qbin model-q8.qbin model-q4.qbin\n"
        "\n"
        "The result does not depend on threads, batches and instruction set.\n",
    .options = options,
    .settings_bytes = sizeof(perplexity_settings),
    .defaults = &defaults,
    .max_operands = 1000,
    .run = run,
};
