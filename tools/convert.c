/* convert: a Hugging Face folder to one .qbin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/version.h"
#include "file/gguf.h"
#include "models/arch.h"
#include "text/tokenizer.h"
#include "tools/calibrate_step.h"
#include "tools/conversion.h"
#include "tools/conversion_calibration.h"
#include "tools/convert_inputs.h"
#include "tools/gguf_inputs.h"

typedef struct settings {
    conversion_flags how;
    bool no_tokenizer, keep_tokenizer;
} settings;

static const option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .value = "FILE",
     .offset = offsetof(settings, how.output),
     .help = "The file to write; default: model.qbin beside the input, NAME.qbin for NAME.gguf."},
    FORMAT_OPTIONS(settings),
    {.name = "no-tokenizer",
     .excludes = "only",
     .kind = OPTION_FLAG,
     .offset = offsetof(settings, no_tokenizer),
     .help = "Convert a model without a tokenizer; such a file takes and gives token ids only."},
    {.name = "keep-tokenizer",
     .excludes = "no-tokenizer|only",
     .kind = OPTION_FLAG,
     .offset = offsetof(settings, keep_tokenizer),
     .help = "Keep tokenizer.json and tokenizer_config.json in the file as they are, for dequantize; it grows by their size."},
    ONLY_OPTION(settings,
                "Change only matrices whose name, here or in the checkpoint, matches, in the file named by -o, which was made of this model."),
    WRITE_OPTIONS(settings),
    {0},
};

static const settings defaults = {.how = CONVERSION_DEFAULTS};

enum { OTHERS = 7 }; /* files of a model that are not weights */

typedef struct job { /* all that a conversion of a folder holds; closed once, at the end */
    const settings *set;
    conversion out;
    inputs in;
    checkpoint weights;
    spec spec;
    wanted_list wanted;
    uint8_t *tokens;
    calibrate_step step;
    const char *calibration; /* path of what is used, or NULL */
    calibrated calibrated;
    json_t *sources; /* described; without hashes until they are needed */
    qbin existing;   /* that some tensors of are changed */
    selector only;
    const map **maps; /* [weights.n_files + OTHERS] */
} job;

static void job_close(job *j) {
    conversion_close(&j->out);
    calibrate_step_close(&j->step);
    calibrated_close(&j->calibrated);
    json_decref(j->sources);
    selector_close(&j->only);
    qbin_close(&j->existing);
    free(j->maps);
    free(j->tokens);
    wanted_free(&j->wanted);
    spec_free(&j->spec);
    checkpoint_close(&j->weights);
    inputs_close(&j->in);
}

static status add_tensors(job *j, error *e) {
    for (size_t i = 0; i < j->wanted.n; i++) {
        const wanted *w = &j->wanted.items[i];
        const reader from = reader_of_view(&w->from);
        TRY(conversion_add(&j->out, w->name, w->source, &from, !w->k, j->spec.layers, e));
    }
    return OK;
}

/* ---- some tensors of an existing file ---- */

static status find_source(void *context, const tensor *t, reader *from, const char **origin, error *e) {
    const job *j = context;
    for (size_t i = 0; i < j->wanted.n; i++) {
        const wanted *w = &j->wanted.items[i];
        if (strcmp(w->name, t->name)) continue;
        *from = reader_of_view(&w->from);
        *origin = w->source;
        if (t->rows == from->rows && t->k == from->k) return OK;
    }
    return fail(e, E_FILE, "%s: tensor '%s' is not one of this model", j->existing.map.path, t->name);
}

static status check_origin(const job *j, error *e) {
    uint64_t ours = 0, theirs = 0;
    const char *path = j->existing.map.path;
    calibration_identity(j->sources, &ours);
    if (!calibration_identity(json_object_get(j->existing.meta, "sources"), &theirs) || ours != theirs)
        return fail(e, E_FILE, "%s: was made of another model: the hashes of its sources differ", path);
    if (calibration_smoothed(&j->existing))
        return fail(e, E_FILE, "%s: is smoothed: its matrices belong together and cannot be changed one by one", path);
    return OK;
}

static status open_existing(job *j, error *e) {
    const conversion_flags *how = &j->set->how;
    if (!how->output) return fail(e, E_USAGE, "--only changes an existing file: name it with -o");
    TRY(selector_open_regex(&j->only, how->only, strlen(how->only), e));
    TRY(qbin_open(&j->existing, how->output, e));
    TRY(qbin_expect(&j->existing, &qbin_model, e));
    TRY(check_origin(j, e));
    j->out.tokens = j->existing.tokens;
    j->out.tokens_bytes = j->existing.tokens_size;
    return conversion_replace(&j->out, &(replacement){&j->existing, &j->only, find_source, j}, e);
}

/* ---- the tokenizer ---- */

static tokenizer_file text_of(const map *m) {
    return (tokenizer_file){(const char *)m->data, m->size};
}

static status compile_tokenizer(job *j, error *e) {
    const inputs *in = &j->in;
    if (j->set->no_tokenizer) return OK;
    if (!in->tokenizer.data && in->made)
        return fail(e, E_FILE, "%s: has no tokenizer; --no-tokenizer converts the weights alone", j->weights.files[0].path);
    if (!in->tokenizer.data)
        return fail(e, E_FILE, "%s: tokenizer.json and tokenizer.model are missing; --no-tokenizer converts the weights alone", in->folder);
    const tokenizer_files files = {text_of(&in->tokenizer), text_of(&in->tokenizer_config), text_of(&in->special_tokens), text_of(&in->added_tokens)};
    const status s = tokenizer_compile_files(&files, &j->tokens, &j->out.tokens_bytes, e);
    j->out.tokens = j->tokens;
    return s == OK ? OK : fail_in(e, in->tokenizer.path);
}

/* ---- the metadata ---- */

static status list_maps(job *j, error *e) {
    const map *const others[OTHERS] = {&j->in.config,        &j->in.generation,     &j->in.tokenizer,   &j->in.tokenizer_config,
                                       &j->in.template_file, &j->in.special_tokens, &j->in.added_tokens};
    size_t n = 0;
    j->maps = calloc(j->weights.n_files + OTHERS, sizeof *j->maps);
    if (!j->maps) return fail(e, E_MEMORY, "no memory");
    for (size_t i = 0; i < j->weights.n_files; i++) j->maps[n++] = &j->weights.files[i];
    for (size_t i = 0; i < OTHERS && !j->in.made; i++) {
        if (others[i]->data) j->maps[n++] = others[i];
    }
    j->out.inputs = j->maps;
    j->out.n_inputs = n;
    return OK;
}

static json_t *describe_sources(const job *j, bool hash) {
    json_t *list = json_array();
    for (size_t i = 0; i < j->out.n_inputs; i++) json_array_append_new(list, inputs_describe(j->maps[i], hash));
    return list;
}

/* Hashes come when everything else has been done, in as many bytes as the zeros had. */
static void hash_sources(conversion *c, void *owner) {
    json_object_set_new(c->meta, "sources", describe_sources(owner, true));
}

/* Hashes are needed now where something else must be of the same model. */
static void describe_model(job *j) {
    const bool now = j->calibration || j->set->how.only;
    j->sources = describe_sources(j, now);
    j->out.complete = now ? NULL : hash_sources;
    j->out.owner = j;
}

static status calibrate(job *j, error *e) {
    uint64_t identity = 0;
    if (j->calibration) calibration_identity(j->sources, &identity);
    return calibrated_open(&j->calibrated, j->calibration, identity, &j->out, e);
}

/* config.json as it is, and the tokenizer's files if they are to be kept: what dequantize makes a folder of again. */
static status describe_files(const job *j, json_t **out, error *e) {
    const map *const kept[] = {&j->in.tokenizer, &j->in.tokenizer_config};
    *out = json_object();
    json_t *kept_config;
    TRY(json_parse(&kept_config, (const char *)j->in.config.data, j->in.config.size, JSON_VALUES, e));
    json_object_set_new(*out, "config.json", kept_config);
    for (size_t i = 0; j->set->keep_tokenizer && i < sizeof kept / sizeof *kept; i++) {
        if (!kept[i]->data) continue;
        json_t *text = json_stringn((const char *)kept[i]->data, kept[i]->size);
        if (!text) return fail(e, E_FILE, "%s: is not UTF-8", kept[i]->path);
        json_object_set_new(*out, strrchr(kept[i]->path, '/') + 1, text);
    }
    return OK;
}

static status describe(job *j, error *e) {
    json_t *generation = NULL, *chat = NULL, *files = NULL;
    status s = inputs_generation(&j->in, &generation, e);
    if (s == OK) s = inputs_chat(&j->in, j->set->how.quiet, &chat, e);
    if (s == OK) s = describe_files(j, &files, e);
    if (s == OK) {
        j->out.meta = json_pack("{s:o, s:[], s:O, s:o, s:O, s:O, s:s}", "spec", spec_to_json(&j->spec), "requires", "generation", generation,
                                "recipe", conversion_recipe(&j->out), "sources", j->sources, "files", files, "producer", "qbin " QBIN_VERSION);
        json_object_update(j->out.meta, chat);
    }
    json_decref(generation);
    json_decref(chat);
    json_decref(files);
    return s;
}

static status make(job *j, error *e) {
    TRY(compile_tokenizer(j, e));
    return describe(j, e);
}

static status change(job *j, error *e) {
    j->out.meta = conversion_metadata(&j->out, &j->existing);
    return j->out.meta ? OK : fail(e, E_MEMORY, "no memory");
}

static status convert(job *j, const char *model, const char *base, error *e);

/* The numbers of the checkpoint as a format; of those that are codes with scales, the nearest plain one. */
static const char *numbers_of(const job *j) {
    format f;
    const char *name = j->wanted.items[0].from.type->name;
    return format_parse(&f, name, NULL) == OK ? name : "bf16";
}

static void say_what_is_left_out(const job *j) {
    const wanted_list *list = &j->wanted;
    if (!list->skipped || j->set->how.quiet) return;
    fprintf(stderr, "%s: only the language model is converted: %zu tensors of other parts are left out, '%s' is the first\n", j->in.folder,
            list->skipped, list->first_skipped);
}

/* With --calibrate: the model in the numbers of its checkpoint reads the text. */
static status measure(job *j, const char *model, error *e) {
    const conversion_flags *how = &j->set->how;
    j->calibration = how->calibration;
    if (!how->calibrate) return OK;
    TRY(calibrate_step_open(&j->step, how, j->out.output, e));
    j->calibration = j->step.calibration;
    settings plain = {.how = CONVERSION_DEFAULTS};
    plain.how.output = j->step.model;
    plain.how.quiet = true;
    plain.how.threads = how->threads;
    job inner = {.set = &plain};
    const status s = convert(&inner, model, numbers_of(j), e);
    job_close(&inner);
    return s == OK ? calibrate_step_run(&j->step, how, j->step.model, j->spec.context, e) : s;
}

static status open_model(job *j, const char *model, error *e) {
    json_t *root, *generation;
    if (gguf_is(model)) {
        TRY(gguf_inputs_open(&j->in, &j->weights, model, !j->set->no_tokenizer && !j->set->how.only, e));
    } else {
        TRY(checkpoint_open(&j->weights, model, e));
        TRY(inputs_open(&j->in, model, e));
    }
    TRY(inputs_config(&j->in, &root, &generation, e));
    const status s = arch_resolve_config(&j->weights, j->in.config_path, root, generation, &j->spec, &j->wanted, e);
    json_decref(root);
    json_decref(generation);
    return s;
}

static char *usual_output(const job *j, const char *model) {
    const size_t n = strlen(model), suffix = strlen(GGUF_SUFFIX);
    char *path;
    if (n <= suffix || strcasecmp(model + n - suffix, GGUF_SUFFIX) != 0) return inputs_path(&j->in, "model.qbin");
    return asprintf(&path, "%.*s.qbin", (int)(n - suffix), model) < 0 ? NULL : path;
}

static status convert(job *j, const char *model, const char *base, error *e) {
    const conversion_flags *how = &j->set->how;
    TRY(conversion_open(&j->out, how, base, e));
    TRY(open_model(j, model, e));
    say_what_is_left_out(j);
    TRY(list_maps(j, e));
    j->out.output = how->output ? strdup(how->output) : usual_output(j, model);
    if (!j->out.output) return fail(e, E_MEMORY, "no memory");
    TRY(measure(j, model, e));
    describe_model(j);
    TRY(how->only ? open_existing(j, e) : add_tensors(j, e));
    TRY(calibrate(j, e));
    TRY(how->only ? change(j, e) : make(j, e));
    calibrated_record(&j->calibrated, how, j->out.meta);
    return conversion_run(&j->out, e);
}

static status run_convert(const args *a, error *e) {
    job j = {.set = a->settings};
    const status s = convert(&j, a->operands[0], a->n_operands > 1 ? a->operands[1] : NULL, e);
    job_close(&j);
    return s;
}

const command command_convert = {
    .name = "convert",
    .summary = "Quantize a Hugging Face or GGUF model into one .qbin file.",
    .usage = "MODEL [FORMAT] [-o FILE]",
    .details =
        "MODEL is a folder, or a .safetensors file with config.json and tokenizer.json beside it; shards are found through their index. Or it is a "
        "GGUF\n"
        "file, which has everything in it.\n"
        "FORMAT is one of the lists below, or 'keep': the very same numbers, which f32, f16, bf16, Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1 allow. Vectors "
        "(norms,\n"
        "biases) are always f32.\n"
        "\n"
        "  convert models/demo q4                      models/demo/model.qbin, 4 bits a weight\n"
        "  convert model.safetensors q8 -o small.qbin\n"
        "  convert FOLDER q4 --tensor-type 'down=q8' --tensor-type 'layers\\.0\\.=q8'\n"
        "  convert FOLDER q4-mix                       formats by a built-in recipe\n"
        "  convert FOLDER --recipe my.txt              by a recipe of one's own\n"
        "  convert FOLDER q4-mix --calibrate text.txt  errors weighted by what a text makes of the inputs\n"
        "  convert FOLDER q8 --only 'down' -o model.qbin\n"
        "                                              changes the matrices of that name in that file\n"
        "  convert MODEL.gguf keep                     as the file has them, or in any other format\n"
        "  convert FOLDER km4 --dry-run                what it would write, to the byte\n"
        "\n" RECIPE_HELP,
    .lists = list_formats,
    .options = options,
    .settings_bytes = sizeof(settings),
    .defaults = &defaults,
    .min_operands = 1,
    .max_operands = 2,
    .run = run_convert,
};
