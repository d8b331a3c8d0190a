/* convert: a Hugging Face folder to one .qbin. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cpu.h"
#include "base/version.h"
#include "file/qbin.h"
#include "models/arch.h"
#include "quantize/pipeline.h"
#include "quantize/recipe.h"
#include "text/tokenizer.h"
#include "tools/command.h"
#include "tools/convert_inputs.h"
#include "tools/convert_report.h"
#include "tools/progress.h"
#include "tools/signals.h"

typedef struct settings {
    const char *output, *method, *embedding_type, *output_type;
    text_list tensor_types;
    int64_t threads;
    bool force, dry_run, allow_nonfinite, no_tokenizer, quiet;
} settings;

static const option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .value = "FILE",
     .offset = offsetof(settings, output),
     .help = "The file to write; default: model.qbin beside the input."},
    {.name = "force", .kind = OPTION_FLAG, .offset = offsetof(settings, force), .help = "Replace an existing file even if it is not a .qbin."},
    {.name = "method",
     .kind = OPTION_TEXT,
     .value = "NAME",
     .offset = offsetof(settings, method),
     .choices = "fit|rtn",
     .help = "How scales are chosen: fit searches the least squared error (default), rtn takes the range and rounds."},
    {.name = "tensor-type",
     .kind = OPTION_LIST,
     .value = "REGEX=FORMAT",
     .offset = offsetof(settings, tensor_types),
     .help = "The format of matrices whose name, here or in the checkpoint, matches; may be repeated, the last match wins."},
    {.name = "embedding-type",
     .kind = OPTION_TEXT,
     .value = "FORMAT",
     .offset = offsetof(settings, embedding_type),
     .help = "The format of the embedding; default: q8 if FORMAT has fewer bits, else FORMAT."},
    {.name = "output-type",
     .kind = OPTION_TEXT,
     .value = "FORMAT",
     .offset = offsetof(settings, output_type),
     .help = "The format of the output layer; default as for the embedding."},
    {.name = "dry-run",
     .kind = OPTION_FLAG,
     .offset = offsetof(settings, dry_run),
     .help = "Write nothing; print every tensor with its format and bytes, and the exact size of the file."},
    {.name = "allow-nonfinite",
     .kind = OPTION_FLAG,
     .offset = offsetof(settings, allow_nonfinite),
     .help =
         "Convert weights that are NaN or infinite: kept in f32, f16 and bf16; else NaN becomes 0 and an infinity the largest magnitude of its row."},
    {.name = "no-tokenizer",
     .kind = OPTION_FLAG,
     .offset = offsetof(settings, no_tokenizer),
     .help = "Convert a model without a tokenizer; such a file takes and gives token ids only."},
    {.name = "threads",
     .letter = 't',
     .kind = OPTION_INT,
     .value = "N",
     .offset = offsetof(settings, threads),
     .min = 0,
     .max = 1024,
     .help = "Threads; default: all cores that this process may use. The file does not depend on it."},
    {.name = "quiet", .letter = 'q', .kind = OPTION_FLAG, .offset = offsetof(settings, quiet), .help = "No progress and no report."},
    {0},
};

static const settings defaults = {.method = "fit"};

typedef struct conversion { /* all that a conversion holds; closed once, at the end */
    const settings *set;
    inputs in;
    checkpoint weights;
    spec spec;
    wanted_list wanted;
    recipe recipe;
    qbin_entry *entries;
    const source **sources;
    quantize_tensor *todo;
    size_t n;
    uint8_t *tokens;
    size_t tokens_size;
    char *output;
    json_t *meta;
    size_t meta_bytes;
    uint64_t file_bytes;
    qbin_writer *writer;
} conversion;

static void conversion_close(conversion *c) {
    qbin_abandon(&c->writer);
    json_decref(c->meta);
    free(c->output);
    free(c->tokens);
    free(c->entries);
    free(c->sources);
    free(c->todo);
    recipe_close(&c->recipe);
    wanted_free(&c->wanted);
    spec_free(&c->spec);
    checkpoint_close(&c->weights);
    inputs_close(&c->in);
}

/* ---- what is to be written ---- */

static status choose_formats(conversion *c, const char *base, error *e) {
    const settings *s = c->set;
    const recipe_wish wish = {base, s->embedding_type, s->output_type, s->tensor_types.items, s->tensor_types.n};
    TRY(recipe_open(&c->recipe, &wish, e));
    c->n = c->wanted.n;
    c->entries = calloc(c->n, sizeof *c->entries);
    c->sources = calloc(c->n, sizeof *c->sources);
    c->todo = calloc(c->n, sizeof *c->todo);
    if (!c->entries || !c->sources || !c->todo) return fail(e, E_MEMORY, "no memory");
    bool has_head = false;
    for (size_t i = 0; i < c->n; i++) {
        const wanted *w = &c->wanted.items[i];
        qbin_entry *t = &c->entries[i];
        c->sources[i] = checkpoint_find(&c->weights, w->source);
        c->todo[i].from = reader_of_source(c->sources[i]);
        *t = (qbin_entry){.ndim = w->k ? 2 : 1, .rows = w->rows, .k = w->k ? w->k : 1};
        memcpy(t->name, w->name, sizeof t->name);
        has_head = has_head || !strcmp(w->name, "head");
        if (w->k) t->format = recipe_choose(&c->recipe, w->name, w->source);
        if (!w->k) TRY(format_parse(&t->format, "f32", e));
    }
    return recipe_check(&c->recipe, has_head, e);
}

static status compile_tokenizer(conversion *c, error *e) {
    const map *json = &c->in.tokenizer, *more = &c->in.tokenizer_config;
    if (c->set->no_tokenizer) return OK;
    if (!json->data) return fail(e, E_FILE, "%s: tokenizer.json is missing; --no-tokenizer converts the weights alone", c->in.folder);
    const status s = tokenizer_compile((const char *)json->data, json->size, (const char *)more->data, more->size, &c->tokens, &c->tokens_size, e);
    return s == OK ? OK : fail_in(e, json->path);
}

static json_t *describe_recipe(const conversion *c) {
    const settings *s = c->set;
    json_t *rules = json_array(), *tensors = json_object();
    for (size_t i = 0; i < s->tensor_types.n; i++) json_array_append_new(rules, json_string(s->tensor_types.items[i]));
    for (size_t i = 0; i < c->n; i++) {
        char name[FORMAT_NAME];
        format_name(&c->entries[i].format, name);
        if (c->entries[i].ndim == 2) json_object_set_new(tensors, c->entries[i].name, json_string(name));
    }
    return json_pack("{s:s, s:s, s:s?, s:s?, s:o, s:b, s:b, s:o}", "format", c->recipe.wish.format, "method", s->method, "embedding_type",
                     s->embedding_type, "output_type", s->output_type, "tensor_types", rules, "allow_nonfinite", s->allow_nonfinite, "no_tokenizer",
                     s->no_tokenizer, "tensors", tensors);
}

static json_t *describe_sources(const conversion *c, bool hash) {
    const inputs *in = &c->in;
    const map *const others[] = {&in->config, &in->generation, &in->tokenizer, &in->tokenizer_config, &in->template_file};
    json_t *list = json_array();
    for (size_t i = 0; i < c->weights.n_files; i++) json_array_append_new(list, inputs_describe(&c->weights.files[i], hash));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (others[i]->data) json_array_append_new(list, inputs_describe(others[i], hash));
    }
    return list;
}

/* The metadata, with zeros for the hashes of the sources: they come when everything else has been done, in as many bytes. */
static status describe(conversion *c, error *e) {
    json_t *generation, *chat;
    TRY(inputs_generation(&c->in, &generation, e));
    const status s = inputs_template(&c->in, &chat, e);
    if (s != OK) json_decref(generation);
    TRY(s);
    c->meta = json_pack("{s:o, s:[], s:o, s:o*, s:o, s:o, s:s}", "spec", spec_to_json(&c->spec), "requires", "generation", generation,
                        "chat_template", chat, "recipe", describe_recipe(c), "sources", describe_sources(c, false), "producer", "qbin " QBIN_VERSION);
    c->meta_bytes = c->meta ? json_dumpb(c->meta, NULL, 0, JSON_COMPACT) : 0;
    return c->meta_bytes ? OK : fail(e, E_RUN, "the metadata cannot be written: a name or option is not UTF-8");
}

static status plan(conversion *c, const char *model, const char *base, error *e) {
    TRY(checkpoint_open(&c->weights, model, e));
    TRY(inputs_open(&c->in, model, e));
    TRY(arch_resolve(&c->weights, c->in.config_path, &c->spec, &c->wanted, e));
    TRY(choose_formats(c, base, e));
    TRY(compile_tokenizer(c, e));
    TRY(describe(c, e));
    c->output = c->set->output ? strdup(c->set->output) : inputs_path(&c->in, "model.qbin");
    if (!c->output) return fail(e, E_MEMORY, "no memory");
    if (!*c->output) return fail(e, E_USAGE, "-o: the name of the file is empty");
    return qbin_plan(c->entries, c->n, c->meta_bytes, c->tokens_size, &c->file_bytes, e);
}

/* ---- writing ---- */

static bool is_map(const struct stat *there, const map *m) {
    struct stat file;
    return m->data && !stat(m->path, &file) && file.st_dev == there->st_dev && file.st_ino == there->st_ino;
}

/* Is it one of the files that the model is made of? --force does not replace those. */
static bool is_input(const conversion *c, const struct stat *there) {
    const map *const others[] = {&c->in.config, &c->in.generation, &c->in.tokenizer, &c->in.tokenizer_config, &c->in.template_file};
    for (size_t i = 0; i < c->weights.n_files; i++) {
        if (is_map(there, &c->weights.files[i])) return true;
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (is_map(there, others[i])) return true;
    }
    return false;
}

static status check_output(const conversion *c, error *e) {
    struct stat there;
    if (stat(c->output, &there)) return OK;
    if (is_input(c, &there)) return fail(e, E_USAGE, "%s: is the input", c->output);
    if (S_ISDIR(there.st_mode)) return fail(e, E_USAGE, "%s: is a directory, not a file to write", c->output);
    if (c->set->force || qbin_is(c->output)) return OK;
    return fail(e, E_USAGE, "%s: exists and is not a .qbin file; --force replaces it", c->output);
}

static bool stopped(void) {
    return signals_caught() != 0;
}

static status write_weights(conversion *c, error *e) {
    progress_line line;
    const progress shown = progress_open(&line, "B", c->set->quiet);
    const quantize_job job = {
        .writer = c->writer,
        .entries = c->entries,
        .tensors = c->todo,
        .n = c->n,
        .method = method_find(c->set->method),
        .allow_nonfinite = c->set->allow_nonfinite,
        .threads = c->set->threads ? (int)c->set->threads : cpu_threads(NULL, 0),
        .progress = &shown,
        .stopped = stopped,
    };
    const status s = quantize_run(&job, e);
    progress_close(&line);
    return s;
}

static status commit(conversion *c, error *e) {
    json_object_set_new(c->meta, "sources", describe_sources(c, true));
    char *text = malloc(c->meta_bytes);
    if (!text || json_dumpb(c->meta, text, c->meta_bytes, JSON_COMPACT) != c->meta_bytes) {
        free(text);
        return fail(e, E_MEMORY, "no memory for the metadata");
    }
    status s = stopped() ? fail(e, E_INTERRUPT, "interrupted") : OK;
    if (s == OK) s = qbin_commit(&c->writer, text, c->tokens, e);
    free(text);
    return s;
}

static status write_file(conversion *c, error *e) {
    TRY(check_output(c, e));
    signals_catch();
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like a full disk */
    TRY(qbin_create(&c->writer, c->output, c->entries, c->n, c->meta_bytes, c->tokens_size, e));
    TRY(write_weights(c, e));
    return commit(c, e);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static status run_convert(const args *a, error *e) {
    const double start = now();
    conversion c = {.set = a->settings};
    status s = plan(&c, a->operands[0], a->operands[1], e);
    const conversion_plan report = {c.output, c.entries, c.sources, c.n, c.file_bytes, c.meta_bytes, c.tokens_size};
    if (s == OK && c.set->dry_run) report_plan(stdout, &report);
    if (s == OK && !c.set->dry_run) {
        s = write_file(&c, e);
        if (s == OK && !c.set->quiet) report_result(stderr, &report, now() - start);
    }
    conversion_close(&c);
    return s;
}

static void list_formats(FILE *out) {
    fprintf(out, "formats:\n");
    for (const format_entry *f = format_list; f->name; f++) fprintf(out, "  %-10s %s\n", f->name, f->summary);
}

const command command_convert = {
    .name = "convert",
    .summary = "Quantize a Hugging Face model into one .qbin file.",
    .usage = "MODEL FORMAT [-o FILE]",
    .details =
        "MODEL is a folder, or a .safetensors file with config.json and tokenizer.json beside it; shards are found through their index.\n"
        "FORMAT is one of the list below. Vectors (norms, biases) are always f32.\n"
        "\n"
        "  convert models/demo q4                      models/demo/model.qbin, 4 bits a weight\n"
        "  convert model.safetensors q8 -o small.qbin\n"
        "  convert FOLDER q4 --tensor-type 'down=q8' --tensor-type 'layers\\.0\\.=q8'\n"
        "  convert FOLDER km4 --dry-run                what it would write, to the byte",
    .lists = list_formats,
    .options = options,
    .settings_bytes = sizeof(settings),
    .defaults = &defaults,
    .min_operands = 2,
    .max_operands = 2,
    .run = run_convert,
};
