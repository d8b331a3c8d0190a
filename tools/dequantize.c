/* dequantize: a .qbin back to a folder that other programs load. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/json.h"
#include "file/qbin.h"
#include "file/safetensors_write.h"
#include "models/arch.h"
#include "quantize/restore.h"
#include "tools/command.h"
#include "tools/names.h"
#include "tools/progress.h"
#include "tools/signals.h"

#define WEIGHTS       "model.safetensors"
#define TOKENIZER     "tokenizer.json"
#define SENTENCEPIECE "tokenizer.model"

enum { CONFIG_BYTES = 16 << 20, CONFIG_VALUES = 1000000 };

typedef struct settings {
    const char *type, *model;
    int64_t threads;
    bool force, no_tokenizer, quiet;
} settings;

static const option options[] = {
    {.name = "type",
     .kind = OPTION_TEXT,
     .value = "TYPE",
     .offset = offsetof(settings, type),
     .choices = "f16|bf16|f32",
     .help = "What numbers are written as (default: f16)."},
    {.name = "model",
     .letter = 'm',
     .kind = OPTION_TEXT,
     .value = "FOLDER",
     .offset = offsetof(settings, model),
     .help = "The folder that it was made of: the tokenizer's files (and config.json, if the file does not have it) are taken from there."},
    {.name = "no-tokenizer", .kind = OPTION_FLAG, .offset = offsetof(settings, no_tokenizer), .help = "Write no files of the tokenizer."},
    {.name = "force", .kind = OPTION_FLAG, .offset = offsetof(settings, force), .help = "Replace files that are there."},
    {.name = "threads",
     .letter = 't',
     .kind = OPTION_INT,
     .value = "N",
     .offset = offsetof(settings, threads),
     .min = 0,
     .max = 1024,
     .help = "Threads; default: all cores that this process may use. The files do not depend on it."},
    {.name = "quiet", .letter = 'q', .kind = OPTION_FLAG, .offset = offsetof(settings, quiet), .help = "No progress."},
    {0},
};

static const settings defaults = {.type = "f16"};

static const struct plain_type { /* how others call a type */
    const char *name;
    const source_type *type;
    const char *torch;
} types[] = {{"f16", &source_f16, "float16"}, {"bf16", &source_bf16, "bfloat16"}, {"f32", &source_f32, "float32"}};

typedef struct job {
    const settings *set;
    const char *folder;
    bool made; /* it was not there */
    qbin in;
    json_t *config;
    spec spec;
    wanted_list wanted;
    const struct plain_type *called;
    safetensors_entry *entries;
    reader *readers;
    const source_type **types;
    safetensors_writer *writer;
} job;

static void job_close(job *j) {
    safetensors_abandon(&j->writer);
    free(j->entries);
    free(j->readers);
    free(j->types);
    wanted_free(&j->wanted);
    spec_free(&j->spec);
    json_decref(j->config);
    qbin_close(&j->in);
}

/* ---- what is to be written ---- */

static char *path_in(const char *folder, const char *name) {
    char *path;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static bool is_there(const char *folder, const char *name) {
    char *path = path_in(folder, name);
    const bool found = path && !access(path, F_OK);
    free(path);
    return found;
}

static status find_config(job *j, error *e) {
    const json_t *kept = json_object_get(json_object_get(j->in.meta, "files"), "config.json");
    if (json_is_object(kept)) {
        j->config = json_copy((json_t *)(uintptr_t)kept);
        return j->config ? OK : fail(e, E_MEMORY, "no memory");
    }
    if (!j->set->model) return fail(e, E_FILE, "%s: does not have the model's config.json; --model takes it from the folder", j->in.map.path);
    char *path = path_in(j->set->model, "config.json");
    const status s = path ? json_parse_file(&j->config, path, CONFIG_BYTES, e) : fail(e, E_MEMORY, "no memory");
    free(path);
    return s;
}

static status plan_tensor(job *j, size_t i, error *e) {
    const wanted *w = &j->wanted.items[i];
    const tensor *t = qbin_tensor(&j->in, w->name);
    const char *path = j->in.map.path;
    if (!t) return fail(e, E_FILE, "%s: tensor '%s' is missing", path, w->name);
    if (t->rows != w->rows || (w->k ? t->ndim != 2 || t->k != w->k : t->ndim != 1))
        return fail(e, E_FILE, "%s: tensor '%s' has another shape than config.json says", path, w->name);
    if (w->slice.take || w->slice.stack || w->slice.turned || w->slice.plus != 0)
        return fail(e, E_FILE, "tensor '%s' is a part of '%s' in the checkpoint; the way back is not known", w->name, w->source);
    j->readers[i] = reader_of_tensor(t, &j->in.map);
    j->types[i] = j->called->type;
    j->entries[i] = (safetensors_entry){
        .name = w->source, .dtype = j->types[i]->name, .shape = {w->rows, w->k}, .ndim = w->k ? 2 : 1, .bytes = j->types[i]->bytes};
    return OK;
}

static status plan(job *j, const char *path, error *e) {
    const arch *a;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!strcmp(types[i].name, j->set->type)) j->called = &types[i];
    }
    TRY(qbin_open(&j->in, path, e));
    TRY(qbin_expect(&j->in, &qbin_model, e));
    json_t *text;
    TRY(find_config(j, e));
    if (arch_text_config(&text, j->config, e) != OK) return fail_in(e, "config.json");
    json_decref(j->config);
    j->config = text;
    if (arch_configure(&a, &j->spec, j->config, NULL, e) != OK) return fail_in(e, "config.json");
    TRY(a->tensors(&j->spec, &j->wanted, e));
    j->entries = calloc(j->wanted.n + 1, sizeof *j->entries);
    j->readers = calloc(j->wanted.n + 1, sizeof *j->readers);
    j->types = calloc(j->wanted.n + 1, sizeof *j->types);
    if (!j->entries || !j->readers || !j->types) return fail(e, E_MEMORY, "no memory");
    for (size_t i = 0; i < j->wanted.n; i++) TRY(plan_tensor(j, i, e));
    return OK;
}

/* ---- files ---- */

static status write_bytes(const job *j, const char *name, const void *data, size_t bytes, error *e) {
    char *path = path_in(j->folder, name);
    if (!path) return fail(e, E_MEMORY, "no memory");
    if (j->set->force) unlink(path); /* a link may lead to the very file that is copied */
    FILE *out = fopen(path, "wxe");
    bool good = out && fwrite(data, 1, bytes, out) == bytes;
    if (out && fclose(out)) good = false;
    const status s = good ? OK : fail(e, errno == ENOSPC ? E_MEMORY : E_RUN, "%s: cannot be written: %s", path, strerror(errno));
    free(path);
    return s;
}

static status write_json(const job *j, const char *name, const json_t *value, error *e) {
    char *text = json_dumps(value, JSON_INDENT(2));
    const status s = text ? write_bytes(j, name, text, strlen(text), e) : fail(e, E_MEMORY, "no memory");
    free(text);
    return s;
}

/* Of the text part alone, whose weights are plain now. */
static status write_config(const job *j, error *e) {
    const char *const keys[] = {"torch_dtype", "dtype"};
    json_object_del(j->config, "quantization_config");
    json_object_set_new(j->config, keys[0], json_string(j->called->torch));
    if (json_object_get(j->config, keys[1])) json_object_set_new(j->config, keys[1], json_string(j->called->torch));
    TRY(write_json(j, "config.json", j->config, e));
    const json_t *generation = json_object_get(j->in.meta, "generation");
    return json_object_size(generation) ? write_json(j, "generation_config.json", generation, e) : OK;
}

static status copy_file(const job *j, const char *name, bool *copied, error *e) {
    char *path = path_in(j->set->model, name);
    map m = {0};
    status s = path ? OK : fail(e, E_MEMORY, "no memory");
    *copied = s == OK && access(path, F_OK) == 0;
    if (*copied) s = map_open(&m, path, e);
    if (*copied && s == OK) s = write_bytes(j, name, m.data, m.size, e);
    map_close(&m);
    free(path);
    return s;
}

static status copy_tokenizer(const job *j, error *e) {
    const char *const names[] = {TOKENIZER,           SENTENCEPIECE,        "tokenizer_config.json", "special_tokens_map.json",
                                 "added_tokens.json", "chat_template.jinja"};
    bool copied, any = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        TRY(copy_file(j, names[i], &copied, e));
        any = any || (copied && i < 2);
    }
    return any ? OK : fail(e, E_FILE, "%s/" TOKENIZER ": is missing", j->set->model);
}

static status write_kept(const job *j, error *e) {
    const json_t *files = json_object_get(j->in.meta, "files"), *chat = json_object_get(j->in.meta, "chat_template");
    const char *const names[] = {TOKENIZER, "tokenizer_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *text = json_object_get(files, names[i]);
        if (json_is_string(text)) TRY(write_bytes(j, names[i], json_string_value(text), json_string_length(text), e));
    }
    return json_is_string(chat) ? write_bytes(j, "chat_template.jinja", json_string_value(chat), json_string_length(chat), e) : OK;
}

static bool keeps_tokenizer(const job *j) {
    return json_is_string(json_object_get(json_object_get(j->in.meta, "files"), TOKENIZER));
}

static status write_tokenizer(const job *j, error *e) {
    if (j->set->no_tokenizer || !j->in.tokens_size) return OK;
    return j->set->model ? copy_tokenizer(j, e) : write_kept(j, e);
}

static status check_tokenizer(const job *j, error *e) {
    if (j->set->no_tokenizer || !j->in.tokens_size) return OK;
    if (j->set->model)
        return is_there(j->set->model, TOKENIZER) || is_there(j->set->model, SENTENCEPIECE)
                   ? OK
                   : fail(e, E_FILE, "%s/" TOKENIZER ": is missing; --no-tokenizer writes the weights alone", j->set->model);
    if (keeps_tokenizer(j)) return OK;
    return fail(
        e, E_USAGE,
        "%s: has the tokenizer only as tables: --model FOLDER takes its files from the model, --no-tokenizer writes none (convert --keep-tokenizer "
        "keeps them in the file)",
        j->in.map.path);
}

/* Nothing is written into a folder where something is in the way. */
static status open_folder(job *j, char **weights, error *e) {
    if (same_file(j->folder, j->set->model)) return fail(e, E_USAGE, "%s: is the input", j->folder);
    j->made = !mkdir(j->folder, 0777);
    if (!j->made && errno != EEXIST) return fail(e, E_RUN, "%s: cannot be made: %s", j->folder, strerror(errno));
    *weights = path_in(j->folder, WEIGHTS);
    if (!*weights) return fail(e, E_MEMORY, "no memory");
    const char *const names[] = {WEIGHTS, "config.json", "generation_config.json", TOKENIZER};
    for (size_t i = 0; i < sizeof names / sizeof *names && !j->set->force; i++) {
        if (is_there(j->folder, names[i])) return fail(e, E_USAGE, "%s/%s: is there already; --force replaces it", j->folder, names[i]);
    }
    return OK;
}

/* ---- the command ---- */

static status write_tensor(void *file, size_t i, uint64_t at, const void *data, size_t bytes, error *e) {
    return safetensors_write(file, i, at, data, bytes, e);
}

static status write_weights(job *j, const char *path, error *e) {
    progress_line line;
    const progress shown = progress_open(&line, "B", j->set->quiet);
    struct stat there;
    if (j->set->force && lstat(path, &there) == 0 && S_ISLNK(there.st_mode)) unlink(path); /* it is the link that is replaced, not what it leads to */
    TRY(safetensors_create(&j->writer, path, j->entries, j->wanted.n, e));
    const restore_job todo = {
        .write = write_tensor,
        .file = j->writer,
        .readers = j->readers,
        .n = j->wanted.n,
        .types = j->types,
        .threads = j->set->threads ? (int)j->set->threads : cpu_threads(NULL, 0),
        .progress = &shown,
        .stopped = signals_stopped,
    };
    const status s = restore_run(&todo, e);
    progress_close(&line);
    return s == OK ? safetensors_commit(&j->writer, e) : s;
}

static status dequantize(job *j, const char *path, error *e) {
    char *weights = NULL;
    TRY(plan(j, path, e));
    TRY(check_tokenizer(j, e));
    signals_catch();
    status s = open_folder(j, &weights, e);
    if (s == OK) s = write_weights(j, weights, e);
    if (s == OK) s = write_config(j, e);
    if (s == OK) s = write_tokenizer(j, e);
    if (s != OK) safetensors_abandon(&j->writer);
    if (s != OK && j->made) rmdir(j->folder); /* if nothing has come to lie in it */
    free(weights);
    return s;
}

static status run(const args *a, error *e) {
    job j = {.set = a->settings, .folder = a->operands[1]};
    const status s = dequantize(&j, a->operands[0], e);
    job_close(&j);
    return s;
}

const command command_dequantize = {
    .name = "dequantize",
    .summary = "Write a .qbin file as a Hugging Face folder again.",
    .usage = "IN.qbin OUT-FOLDER",
    .details =
        "The folder has config.json, generation_config.json, model.safetensors with the weights as the file decodes to them, and the tokenizer: kept "
        "in\n"
        "the file (convert --keep-tokenizer), or taken from the model's folder. Other programs that load it get the same text.\n"
        "\n"
        "  dequantize model-q4.qbin FOLDER --model ORIGINAL\n"
        "  dequantize model-q4.qbin FOLDER --type f32",
    .options = options,
    .settings_bytes = sizeof(settings),
    .defaults = &defaults,
    .min_operands = 2,
    .max_operands = 2,
    .run = run,
};
