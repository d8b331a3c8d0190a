/* calibrate: reads a text with a model and stores what its inputs look like. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "engine/session.h"
#include "evaluate/windows.h"
#include "quantize/statistics.h"
#include "tools/command.h"
#include "tools/names.h"
#include "tools/progress.h"
#include "tools/session_flags.h"
#include "tools/signals.h"
#include "tools/text_file.h"

typedef struct calibrate_settings {
    const char *model, *text, *output;
    text_list merge;
    int64_t window, chunks, skip;
    session_flags session;
    bool force, products, quiet;
} calibrate_settings;

typedef struct job {
    const calibrate_settings *set;
    model *model;       /* NULL: only files are put together */
    calibration *merge; /* [set->merge.n] */
    text_file text;
    id_list ids;
    windows windows;
    statistics *statistics;
    products *products; /* NULL unless they are wanted */
    session *session;
    int32_t *window; /* ids of one */
} job;

/* ---- what is read ---- */

static void warn_of_coarse_weights(const model *m, const char *path) {
    for (size_t i = 0; i < m->file.n_tensors; i++) {
        const tensor *t = &m->file.tensors[i];
        char name[FORMAT_NAME];
        format_name(&t->format, name);
        if (t->ndim == 1 || t->format.bits >= 8) continue;
        fprintf(stderr, "warning: %s: tensor %s is in %s: what is measured carries its errors\n", path, t->name, name);
        return;
    }
}

static status open_text(job *j, error *e) {
    const calibrate_settings *set = j->set;
    TRY(model_open(&j->model, set->model, e));
    if (!j->model->tokenizer) return fail(e, E_FILE, "%s: has no tokenizer to read a text with", set->model);
    if ((uint64_t)set->window > model_spec(j->model)->context) {
        return fail(e, E_USAGE, "%s: a window of %lld tokens is longer than the model's context of %u", set->model, (long long)set->window,
                    model_spec(j->model)->context);
    }
    warn_of_coarse_weights(j->model, set->model);
    TRY(text_file_open(&j->text, set->text, e));
    if (memchr(j->text.text, 0, j->text.bytes)) fprintf(stderr, "warning: %s: has bytes that are zero: is it a text?\n", set->text);
    if (tokenizer_encode(j->model->tokenizer, j->text.text, j->text.bytes, 0, &j->ids, e) != OK) return fail_in(e, set->model);
    const size_t chunks = set->chunks < 0 ? 0 : (size_t)set->chunks;
    if (windows_plan(&j->windows, conventions, j->ids.ids, j->ids.n, (size_t)set->window, chunks, model_bos(j->model), e) != OK) {
        return fail_in(e, set->text);
    }
    j->window = calloc(j->windows.context, sizeof *j->window);
    return j->window ? OK : fail(e, E_MEMORY, "no memory for a window of %zu tokens", j->windows.context);
}

static status open_merge(job *j, error *e) {
    j->merge = calloc(j->set->merge.n + 1, sizeof *j->merge);
    if (!j->merge) return fail(e, E_MEMORY, "no memory for %zu calibrations", j->set->merge.n);
    for (size_t i = 0; i < j->set->merge.n; i++) TRY(calibration_open(&j->merge[i], j->set->merge.items[i], e));
    return OK;
}

/* ---- reading ---- */

/* Products are of all tokens, those left out of the statistics too: the key of the token that attracts the attention of all others must be met as well as
 * theirs (SmolLM2-135M, down alone in 4 bits: divergence 0.12 without that token, 0.044 with it). */
static void take(void *context, int thread, const observation *seen) {
    const job *j = context;
    if (j->products) products_take(j->products, &(glimpse){seen->input, seen->position, seen->n, seen->channel, seen->channels, seen->x, seen->ld});
    const size_t skip = (size_t)j->set->skip, left_out = seen->position < skip ? skip - seen->position : 0;
    if (left_out >= seen->n) return;
    const sighting values = {seen->input, seen->n - left_out, seen->channel, seen->channels, seen->x + left_out * seen->ld, seen->ld};
    statistics_take(j->statistics, thread, &values);
}

static status read_windows(job *j, error *e) {
    const windows *w = &j->windows;
    progress_line line;
    const progress shown = progress_open(&line, "tokens", j->set->quiet);
    status s = OK;
    for (size_t i = 0; i < w->count && s == OK; i++) {
        progress_step(&shown, "calibrate", i * w->context, w->count * w->context);
        windows_copy(w, i, j->window);
        session_rewind(j->session, 0);
        s = session_eval(j->session, j->window, w->context, NULL, e);
        if (s == OK && j->products) s = products_end_window(j->products, w->context, e);
        if (s == OK && statistics_end_window(j->statistics, w->context - (size_t)j->set->skip, e) != OK) s = fail_in(e, j->set->model);
    }
    progress_close(&line);
    return s;
}

static json_t *describe_text(const job *j) {
    char hash[17], name[NAME_MAX + 1];
    name_printable(name, sizeof name, j->text.name);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)XXH3_64bits(j->text.text, j->text.bytes));
    return json_pack("{s:s, s:I, s:s, s:I, s:I, s:I, s:i}", "file", name, "bytes", (json_int_t)j->text.bytes, "xxh3", hash, "context",
                     (json_int_t)j->windows.context, "windows", (json_int_t)j->windows.count, "skip", (json_int_t)j->set->skip, "bos",
                     j->windows.bos);
}

static status open_products(job *j, const spec *s, size_t window, int threads, error *e) {
    if (!j->set->products) return OK;
    TRY(products_open(&j->products, s, window, threads, e));
    statistics_keep_products(j->statistics, j->products);
    return OK;
}

static status read_text(job *j, error *e) {
    const observer watching = {take, j};
    session_options o = session_flags_options(&j->set->session);
    o.context = (uint32_t)j->windows.context;
    o.observer = &watching;
    TRY(session_open(&j->session, j->model, &o, e));
    TRY(statistics_open(&j->statistics, model_spec(j->model), calibration_identity_of(&j->model->file), session_threads(j->session), e));
    TRY(open_products(j, model_spec(j->model), j->windows.context, session_threads(j->session), e));
    TRY(read_windows(j, e));
    statistics_add_text(j->statistics, describe_text(j));
    return OK;
}

/* ---- writing ---- */

static void say_silent(void *context, const char *input, size_t channels, size_t of) {
    (void)context;
    fprintf(stderr, "%s: %zu of %zu channels were never anything but zero\n", input, channels, of);
}

static status check_output(const calibrate_settings *set, error *e) {
    struct stat there;
    const char *out = set->output;
    if (!*out) return fail(e, E_USAGE, "-o: the name of the file is empty");
    if (same_file(out, set->model) || same_file(out, set->text)) return fail(e, E_USAGE, "%s: is an input", out);
    if (stat(out, &there) || set->force || S_ISDIR(there.st_mode) || qbin_is(out)) return OK;
    return fail(e, E_USAGE, "%s: exists and is not a .qbin file; --force replaces it", out);
}

static status calibrate(job *j, error *e) {
    const calibrate_settings *set = j->set;
    TRY(check_output(set, e));
    TRY(open_merge(j, e));
    if (set->model) TRY(open_text(j, e));
    signals_catch();
    if (set->model) {
        TRY(read_text(j, e));
    } else {
        TRY(statistics_open(&j->statistics, &j->merge->file.spec, j->merge->model, 1, e));
        TRY(open_products(j, &j->merge->file.spec, 1, 1, e));
    }
    for (size_t i = 0; i < set->merge.n; i++) {
        TRY(statistics_add(j->statistics, &j->merge[i], e));
        if (j->merge[i].has_products && !set->products && !set->quiet)
            fprintf(stderr, "%s: its products are left out; --products keeps them\n", set->merge.items[i]);
    }
    TRY(signals_check(e));
    TRY(statistics_write(j->statistics, set->output, e));
    statistics_silent(j->statistics, say_silent, NULL);
    if (!set->quiet && set->model) {
        fprintf(stderr, "%s: %zu windows of %zu tokens, the first %lld of each left out\n", set->output, j->windows.count, j->windows.context,
                (long long)set->skip);
    }
    return OK;
}

static void close_job(job *j) {
    session_close(&j->session);
    statistics_close(&j->statistics);
    products_close(&j->products);
    for (size_t i = 0; j->merge && i < j->set->merge.n; i++) calibration_close(&j->merge[i]);
    free(j->merge);
    free(j->window);
    free(j->ids.ids);
    text_file_close(&j->text);
    model_close(&j->model);
}

static status run(const args *a, error *e) {
    const calibrate_settings *set = a->settings;
    if (!set->output) return fail(e, E_USAGE, "no file to write: give one with -o");
    if (!set->model != !set->text) return fail(e, E_USAGE, "a model (-m) and a text (-f) belong together");
    if (!set->model && !set->merge.n) return fail(e, E_USAGE, "nothing to do: give a model and a text, or files with --merge");
    if (set->chunks == 0) return fail(e, E_USAGE, "--chunks 0 reads nothing; -1 is all");
    if (set->skip >= set->window)
        return fail(e, E_USAGE, "--skip %lld leaves nothing of a window of %lld", (long long)set->skip, (long long)set->window);
    job j = {.set = set};
    const status s = calibrate(&j, e);
    close_job(&j);
    return s;
}

/* ---- the command ---- */

static const calibrate_settings defaults = {.window = 512, .chunks = -1, .skip = 1};

#define FIELD(name) offsetof(calibrate_settings, name)
static const option options[] = {
    {.name = "model", .letter = 'm', .kind = OPTION_TEXT, .value = "FILE", .offset = FIELD(model), .help = "The .qbin file to read with; best f16."},
    {.name = "file",
     .letter = 'f',
     .kind = OPTION_TEXT,
     .value = "TEXT",
     .offset = FIELD(text),
     .help = "Text to read (UTF-8); - is standard input."},
    {.name = "output", .letter = 'o', .kind = OPTION_TEXT, .value = "FILE", .offset = FIELD(output), .help = "The calibration to write."},
    {.name = "force", .kind = OPTION_FLAG, .offset = FIELD(force), .help = "Replace an existing file even if it is not a .qbin."},
    WINDOW_OPTIONS(calibrate_settings, "model"),
    {.name = "skip",
     .needs = "model",
     .kind = OPTION_INT,
     .value = "N",
     .offset = FIELD(skip),
     .min = 0,
     .max = 1 << 24,
     .help = "Tokens at the start of each window that are left out: BOS, or what else attracts the attention of all others, has values unlike any "
             "(default: 1)."},
    {.name = "merge",
     .kind = OPTION_LIST,
     .value = "FILE",
     .offset = FIELD(merge),
     .help = "A calibration of the same model that is added; repeatable."},
    {.name = "products",
     .kind = OPTION_FLAG,
     .offset = FIELD(products),
     .help = "Also store how channels go together (k * k / 2 numbers for an input of k), for convert --method gptq."},
    SESSION_OPTIONS(calibrate_settings),
    {.name = "quiet", .letter = 'q', .kind = OPTION_FLAG, .offset = FIELD(quiet), .help = "No progress and no report."},
    {0},
};

const command command_calibrate = {
    .name = "calibrate",
    .summary = "Read a text with a model and store the statistics of its inputs.",
    .usage = "-m MODEL -f TEXT -o FILE",
    .details =
        "The text is cut into windows as perplexity does it. For each input of a matrix the file holds mean, mean square, range and moving range\n"
        "of every channel and a histogram of all values; `convert --calibration FILE` weights errors by them and chooses static scales.\n"
        "It belongs to one model, whatever format that is stored in, and is refused for another.\n"
        "\n"
        "  calibrate -m model-f16.qbin -f text.txt -o model.calibration\n"
        "  calibrate --merge a.calibration --merge b.calibration -o both.calibration\n"
        "\n"
        "The file does not depend on threads, batches and instruction set.",
    .options = options,
    .settings_bytes = sizeof(calibrate_settings),
    .defaults = &defaults,
    .max_operands = 0,
    .run = run,
};
