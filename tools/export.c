/* export: a .qbin as a GGUF file that other programs run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/json.h"
#include "file/gguf_write.h"
#include "file/qbin.h"
#include "models/arch.h"
#include "models/gguf_out.h"
#include "quantize/restore.h"
#include "tools/command.h"
#include "tools/names.h"
#include "tools/progress.h"
#include "tools/signals.h"

#define FACTORS "rope_freqs.weight"

enum { FILE_BYTES = 1 << 28, FACTORS_MAX = ROPE_DIMS_MAX / 2, QUANTIZATION_VERSION = 2 };

typedef struct settings {
    const char *output, *type, *model;
    int64_t threads;
    bool force, no_tokenizer, quiet;
} settings;

static const option options[] = {
    {.name = "output", .letter = 'o', .kind = OPTION_TEXT, .value = "FILE", .offset = offsetof(settings, output), .help = "The GGUF file to write."},
    {.name = "type",
     .kind = OPTION_TEXT,
     .value = "TYPE",
     .offset = offsetof(settings, type),
     .choices = "f16|q8_0|bf16|f32",
     .help =
         "What matrices are written as (default: f16). Vectors are f32; matrices whose rows are no whole blocks of 32 become f16 instead of q8_0."},
    {.name = "model",
     .letter = 'm',
     .kind = OPTION_TEXT,
     .value = "FOLDER",
     .offset = offsetof(settings, model),
     .help = "The folder that it was made of, for the tokenizer, if the file does not have it (convert --keep-tokenizer)."},
    {.name = "no-tokenizer", .kind = OPTION_FLAG, .offset = offsetof(settings, no_tokenizer), .help = "Write the weights alone."},
    {.name = "force", .kind = OPTION_FLAG, .offset = offsetof(settings, force), .help = "Replace a file that is there."},
    {.name = "threads",
     .letter = 't',
     .kind = OPTION_INT,
     .value = "N",
     .offset = offsetof(settings, threads),
     .min = 0,
     .max = 1024,
     .help = "Threads; default: all cores that this process may use. The file does not depend on it."},
    {.name = "quiet", .letter = 'q', .kind = OPTION_FLAG, .offset = offsetof(settings, quiet), .help = "No progress."},
    {0},
};

static const settings defaults = {.type = "f16"};

static const struct export_type {
    const char *name, *type;
    uint32_t file_type; /* general.file_type: what most of its tensors are */
} export_types[] = {{"f16", "F16", 1}, {"q8_0", "Q8_0", 7}, {"bf16", "BF16", 32}, {"f32", "F32", 0}};

typedef struct turned { /* a tensor whose rows get other places: rotary pairs side by side */
    reader from;
    uint64_t heads; /* 0: rows stay where they are */
} turned;

typedef struct job {
    const settings *set;
    const struct export_type *as;
    qbin in;
    json_t *config, *text, *tokenizer, *tokenizer_config;
    spec spec;
    wanted_list wanted;
    const gguf_arch *arch;
    size_t n; /* tensors */
    gguf_entry *entries;
    char (*names)[TENSOR_NAME];
    reader *readers;
    turned *turned;
    const source_type **types;
    float factors[FACTORS_MAX];
    gguf_values values;
    gguf_writer *writer;
} job;

static void job_close(job *j) {
    gguf_abandon(&j->writer);
    gguf_values_free(&j->values);
    free(j->entries);
    free(j->names);
    free(j->readers);
    free(j->turned);
    free(j->types);
    wanted_free(&j->wanted);
    spec_free(&j->spec);
    json_decref(j->config);
    json_decref(j->text);
    json_decref(j->tokenizer);
    json_decref(j->tokenizer_config);
    qbin_close(&j->in);
}

/* ---- files of the model ---- */

/* A file of the model: kept in the .qbin, as JSON or as text, else in --model. *out is NULL if it is nowhere. */
static status find_file(const job *j, const char *name, json_t **out, error *e) {
    const json_t *kept = json_object_get(json_object_get(j->in.meta, "files"), name);
    char *path;
    *out = NULL;
    if (json_is_object(kept)) *out = json_copy((json_t *)(uintptr_t)kept);
    if (json_is_string(kept)) TRY(json_parse(out, json_string_value(kept), json_string_length(kept), JSON_VALUES, e));
    if (*out || !j->set->model) return OK;
    if (asprintf(&path, "%s/%s", j->set->model, name) < 0) return fail(e, E_MEMORY, "no memory");
    const status s = access(path, F_OK) == 0 ? json_parse_file(out, path, FILE_BYTES, e) : OK;
    free(path);
    return s;
}

static status find_files(job *j, error *e) {
    const char *path = j->in.map.path;
    TRY(find_file(j, "config.json", &j->config, e));
    if (!j->config) return fail(e, E_FILE, "%s: does not have the model's config.json; --model takes it from the folder", path);
    TRY(arch_text_config(&j->text, j->config, e));
    if (j->set->no_tokenizer || !j->in.tokens_size) return OK;
    TRY(find_file(j, "tokenizer.json", &j->tokenizer, e));
    TRY(find_file(j, "tokenizer_config.json", &j->tokenizer_config, e));
    if (j->tokenizer) return OK;
    return fail(e, E_USAGE, "%s: has the tokenizer only as tables: --model FOLDER takes it from the model, --no-tokenizer writes none", path);
}

/* ---- tensors ---- */

static void read_turned(const reader *r, uint64_t row, float *out) {
    const turned *t = r->from;
    const uint64_t rows = r->rows / t->heads, in_head = row % rows;
    t->from.read(&t->from, row - in_head + (in_head % 2 ? rows / 2 : 0) + in_head / 2, out);
}

/* The numbers of a vector move as rows do. */
static void read_turned_vector(const reader *r, uint64_t row, float *out) {
    const turned *t = r->from;
    const tensor *stored = t->from.from;
    const uint64_t n = r->k / t->heads;
    (void)row;
    for (uint64_t i = 0; i < r->k; i++) {
        memcpy(out + i, stored->data + (i - i % n + (i % n % 2 ? n / 2 : 0) + i % n / 2) * sizeof *out, sizeof *out);
    }
}

static void turned_done(const reader *r, uint64_t row, uint64_t n) {
    (void)r, (void)row, (void)n; /* other rows than those were read */
}

static void turn(job *j, size_t i, const gguf_pair *part) {
    const bool is_q = part && !strcmp(part->gguf, "attn_q"), is_k = part && !strcmp(part->gguf, "attn_k");
    if (!j->arch->pairs || (!is_q && !is_k)) return;
    j->turned[i] = (turned){j->readers[i], is_q ? j->spec.heads : j->spec.kv_heads};
    j->readers[i].from = &j->turned[i];
    j->readers[i].read = j->wanted.items[i].k ? read_turned : read_turned_vector;
    j->readers[i].done = turned_done;
}

static const gguf_type *type_named(const char *name) {
    const gguf_type *t = gguf_types;
    while (t->as && strcmp(t->as->name, name)) t++;
    return t;
}

static const gguf_type *type_of(const job *j, const wanted *w) {
    const gguf_type *wish = type_named(w->k ? j->as->type : "F32");
    return w->k % wish->as->block ? type_named("F16") : wish;
}

/* Norms that architectures take as 1 + w are stored so in both kinds of files; other slices have no way back. */
static bool lies_whole(const job *j, const wanted *w) {
    const slice *s = &w->slice;
    return !s->take && !s->stack && !s->turned && s->plus == (s->plus != 0 ? j->arch->norm_plus : 0);
}

static status plan_tensor(job *j, size_t i, error *e) {
    const wanted *w = &j->wanted.items[i];
    const tensor *t = qbin_tensor(&j->in, w->name);
    const char *path = j->in.map.path;
    const gguf_pair *part;
    if (!t) return fail(e, E_FILE, "%s: tensor '%s' is missing", path, w->name);
    if (t->rows != w->rows || (w->k ? t->ndim != 2 || t->k != w->k : t->ndim != 1))
        return fail(e, E_FILE, "%s: tensor '%s' has another shape than config.json says", path, w->name);
    if (!lies_whole(j, w)) return fail(e, E_FILE, "tensor '%s' is a part of '%s' in the checkpoint; the way back is not known", w->name, w->source);
    TRY(gguf_name_of(j->arch, w->source, j->names[i], &part, e));
    const gguf_type *type = type_of(j, w);
    j->readers[i] = reader_of_tensor(t, &j->in.map);
    j->types[i] = type->as;
    j->entries[i] = (gguf_entry){.name = j->names[i], .type = type, .shape = {w->rows, w->k}, .ndim = w->k ? 2 : 1};
    turn(j, i, part);
    return OK;
}

static void read_factors(const reader *r, uint64_t row, float *out) {
    (void)row;
    memcpy(out, r->from, r->k * sizeof *out);
}

/* Llama 3's scaling of positions is a tensor. */
static void plan_factors(job *j) {
    const size_t half = j->spec.rope_dims / 2, i = j->wanted.n;
    if (!gguf_rope_factors(&j->spec, j->text, j->factors)) return;
    j->n++;
    snprintf(j->names[i], TENSOR_NAME, FACTORS);
    j->readers[i] =
        (reader){.name = FACTORS, .file = &j->in.map, .rows = 1, .k = half, .from = j->factors, .read = read_factors, .done = turned_done};
    j->types[i] = &source_f32;
    j->entries[i] = (gguf_entry){.name = j->names[i], .type = type_named("F32"), .shape = {half}, .ndim = 1};
}

static status plan_tensors(job *j, error *e) {
    const size_t room = j->wanted.n + 1;
    j->n = j->wanted.n;
    j->entries = calloc(room, sizeof *j->entries);
    j->names = calloc(room, sizeof *j->names);
    j->readers = calloc(room, sizeof *j->readers);
    j->turned = calloc(room, sizeof *j->turned);
    j->types = calloc(room, sizeof *j->types);
    if (!j->entries || !j->names || !j->readers || !j->turned || !j->types) return fail(e, E_MEMORY, "no memory for %zu tensors", room);
    for (size_t i = 0; i < j->wanted.n; i++) TRY(plan_tensor(j, i, e));
    plan_factors(j);
    return OK;
}

/* ---- values ---- */

static status gather_values(job *j, error *e) {
    const char *name = name_of(j->set->output), *dot = strrchr(name, '.');
    gguf_put_text(&j->values, "general.name", name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
    gguf_put_u32(&j->values, "general.file_type", j->as->file_type);
    gguf_put_u32(&j->values, "general.quantization_version", QUANTIZATION_VERSION);
    TRY(gguf_put_model(&j->values, j->arch, &j->spec, j->text, e));
    return gguf_put_tokenizer(&j->values, &j->spec, j->tokenizer, j->tokenizer_config, json_object_get(j->in.meta, "chat_template"), e);
}

/* The ids that end a text may be in generation_config.json alone; the .qbin knows them. */
static status open_model(job *j, const char *path, error *e) {
    const arch *a;
    TRY(qbin_open(&j->in, path, e));
    TRY(qbin_expect(&j->in, &qbin_model, e));
    TRY(find_files(j, e));
    if (arch_configure(&a, &j->spec, j->config, NULL, e) != OK) return fail_in(e, "config.json");
    j->spec.bos = j->in.spec.bos;
    j->spec.n_eos = j->in.spec.n_eos;
    memcpy(j->spec.eos, j->in.spec.eos, sizeof j->spec.eos);
    TRY(a->tensors(&j->spec, &j->wanted, e));
    return gguf_arch_of(&j->arch, a->model_type, e);
}

/* ---- the command ---- */

static status write_tensor(void *file, size_t i, uint64_t at, const void *data, size_t bytes, error *e) {
    return gguf_write(file, i, at, data, bytes, e);
}

static status write_file(job *j, error *e) {
    progress_line line;
    TRY(gguf_create(&j->writer, j->set->output, &j->values, j->entries, j->n, e));
    const progress shown = progress_open(&line, "B", j->set->quiet);
    const restore_job todo = {
        .write = write_tensor,
        .file = j->writer,
        .readers = j->readers,
        .types = j->types,
        .n = j->n,
        .threads = j->set->threads ? (int)j->set->threads : cpu_threads(NULL, 0),
        .progress = &shown,
        .stopped = signals_stopped,
    };
    const status s = restore_run(&todo, e);
    progress_close(&line);
    return s == OK ? gguf_commit(&j->writer, e) : s;
}

static status check_output(const job *j, error *e) {
    struct stat there;
    const char *path = j->set->output;
    if (stat(path, &there)) return OK;
    if (same_file(path, j->in.map.path)) return fail(e, E_USAGE, "%s: is the input", path);
    if (!S_ISREG(there.st_mode)) return fail(e, E_USAGE, "%s: is not a file to write", path);
    return j->set->force ? OK : fail(e, E_USAGE, "%s: is there already; --force replaces it", path);
}

static status export_file(job *j, const char *path, error *e) {
    if (!j->set->output || !*j->set->output) return fail(e, E_USAGE, "no file to write: give one with -o");
    for (size_t i = 0; i < sizeof export_types / sizeof *export_types; i++) {
        if (!strcmp(export_types[i].name, j->set->type)) j->as = &export_types[i];
    }
    TRY(open_model(j, path, e));
    TRY(check_output(j, e));
    TRY(plan_tensors(j, e));
    TRY(gather_values(j, e));
    signals_catch();
    return write_file(j, e);
}

static status run(const args *a, error *e) {
    job j = {.set = a->settings};
    const status s = export_file(&j, a->operands[0], e);
    job_close(&j);
    return s;
}

const command command_export = {
    .name = "export",
    .summary = "Write a .qbin file as a GGUF file for other programs.",
    .usage = "IN.qbin -o OUT.gguf",
    .details =
        "The file has the weights as the .qbin decodes to them, in a type that GGUF has, and all that llama.cpp needs to run it: sizes, the "
        "tokenizer, the\n"
        "chat template. Architectures: llama, mistral, qwen2, qwen3, gemma, gemma2, gemma3.\n"
        "\n"
        "  export model-f16.qbin -o model.gguf --model FOLDER\n"
        "  export model-q8.qbin -o model.gguf --type q8_0",
    .options = options,
    .settings_bytes = sizeof(settings),
    .defaults = &defaults,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
