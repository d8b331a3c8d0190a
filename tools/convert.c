/* convert: a Hugging Face folder to one .qbin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/version.h"
#include "models/arch.h"
#include "text/tokenizer.h"
#include "tools/conversion.h"
#include "tools/conversion_calibration.h"
#include "tools/convert_inputs.h"

typedef struct settings {
    conversion_flags how;
    bool no_tokenizer;
} settings;

static const option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .value = "FILE",
     .offset = offsetof(settings, how.output),
     .help = "The file to write; default: model.qbin beside the input."},
    FORMAT_OPTIONS(settings),
    {.name = "no-tokenizer",
     .kind = OPTION_FLAG,
     .offset = offsetof(settings, no_tokenizer),
     .help = "Convert a model without a tokenizer; such a file takes and gives token ids only."},
    WRITE_OPTIONS(settings),
    {0},
};

static const settings defaults = {.how = CONVERSION_DEFAULTS};

enum { OTHERS = 5 }; /* files of a model that are not weights */

typedef struct job { /* all that a conversion of a folder holds; closed once, at the end */
    const settings *set;
    conversion out;
    inputs in;
    checkpoint weights;
    spec spec;
    wanted_list wanted;
    uint8_t *tokens;
    calibrated calibrated;
    json_t *sources;  /* described; without hashes until they are needed */
    const map **maps; /* [weights.n_files + OTHERS] */
} job;

static void job_close(job *j) {
    conversion_close(&j->out);
    calibrated_close(&j->calibrated);
    json_decref(j->sources);
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
        const reader from = reader_of_source(checkpoint_find(&j->weights, w->source));
        TRY(conversion_add(&j->out, w->name, w->source, &from, !w->k, j->spec.layers, e));
    }
    return OK;
}

static status compile_tokenizer(job *j, error *e) {
    const map *json = &j->in.tokenizer, *more = &j->in.tokenizer_config;
    if (j->set->no_tokenizer) return OK;
    if (!json->data) return fail(e, E_FILE, "%s: tokenizer.json is missing; --no-tokenizer converts the weights alone", j->in.folder);
    size_t *bytes = &j->out.tokens_bytes;
    const status s = tokenizer_compile((const char *)json->data, json->size, (const char *)more->data, more->size, &j->tokens, bytes, e);
    j->out.tokens = j->tokens;
    return s == OK ? OK : fail_in(e, json->path);
}

/* ---- the metadata ---- */

static status list_maps(job *j, error *e) {
    const map *const others[OTHERS] = {&j->in.config, &j->in.generation, &j->in.tokenizer, &j->in.tokenizer_config, &j->in.template_file};
    size_t n = 0;
    j->maps = calloc(j->weights.n_files + OTHERS, sizeof *j->maps);
    if (!j->maps) return fail(e, E_MEMORY, "no memory");
    for (size_t i = 0; i < j->weights.n_files; i++) j->maps[n++] = &j->weights.files[i];
    for (size_t i = 0; i < OTHERS; i++) {
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

/* A calibration is of a model, so hashes are needed now. */
static status calibrate(job *j, error *e) {
    uint64_t identity = 0;
    const char *path = j->set->how.calibration;
    j->sources = describe_sources(j, path);
    j->out.complete = path ? NULL : hash_sources;
    j->out.owner = j;
    if (!path) return OK;
    calibration_identity(j->sources, &identity);
    return calibrated_open(&j->calibrated, path, identity, &j->out, e);
}

static status describe(job *j, error *e) {
    json_t *generation, *chat;
    TRY(inputs_generation(&j->in, &generation, e));
    const status s = inputs_template(&j->in, &chat, e);
    if (s != OK) json_decref(generation);
    TRY(s);
    json_t *formats = conversion_recipe(&j->out);
    if (j->set->how.calibration) json_object_set_new(formats, "calibration", calibrated_describe(&j->calibrated));
    j->out.meta = json_pack("{s:o, s:[], s:o, s:o*, s:o, s:O, s:s}", "spec", spec_to_json(&j->spec), "requires", "generation", generation,
                            "chat_template", chat, "recipe", formats, "sources", j->sources, "producer", "qbin " QBIN_VERSION);
    return OK;
}

static status convert(job *j, const char *model, const char *base, error *e) {
    TRY(conversion_open(&j->out, &j->set->how, base, e));
    TRY(checkpoint_open(&j->weights, model, e));
    TRY(inputs_open(&j->in, model, e));
    TRY(arch_resolve(&j->weights, j->in.config_path, &j->spec, &j->wanted, e));
    TRY(add_tensors(j, e));
    TRY(compile_tokenizer(j, e));
    TRY(list_maps(j, e));
    TRY(calibrate(j, e));
    TRY(describe(j, e));
    j->out.output = j->set->how.output ? strdup(j->set->how.output) : inputs_path(&j->in, "model.qbin");
    return j->out.output ? conversion_run(&j->out, e) : fail(e, E_MEMORY, "no memory");
}

static status run_convert(const args *a, error *e) {
    job j = {.set = a->settings};
    const status s = convert(&j, a->operands[0], a->n_operands > 1 ? a->operands[1] : NULL, e);
    job_close(&j);
    return s;
}

const command command_convert = {
    .name = "convert",
    .summary = "Quantize a Hugging Face model into one .qbin file.",
    .usage = "MODEL [FORMAT] [-o FILE]",
    .details =
        "MODEL is a folder, or a .safetensors file with config.json and tokenizer.json beside it; shards are found through their index.\n"
        "FORMAT is one of the lists below. Vectors (norms, biases) are always f32.\n"
        "\n"
        "  convert models/demo q4                      models/demo/model.qbin, 4 bits a weight\n"
        "  convert model.safetensors q8 -o small.qbin\n"
        "  convert FOLDER q4 --tensor-type 'down=q8' --tensor-type 'layers\\.0\\.=q8'\n"
        "  convert FOLDER q4-mix                       formats by a built-in recipe\n"
        "  convert FOLDER --recipe my.txt              by a recipe of one's own\n"
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
