/* import.c: tokenizer_compile: tokenizer.json, or tokenizer.model, and the files beside it to a block. */
#include "text/import.h"

#include <stdlib.h>

#include "base/json.h"
#include "text/encoder.h"
#include "text/spm.h"

enum { JSON_BYTES_MAX = 1 << 28, SEQUENCE_DEPTH = 8 };

typedef struct sort_keys { /* where a sort of stages stands in tokenizer.json */
    const char *key, *name, *members;
    const stage_kind *const *kinds;
} sort_keys;

static const sort_keys sorts[SORTS] = {
    [SORT_NORMALIZER] = {"normalizer", "normalizer", "normalizers", normalizer_kinds},
    [SORT_SPLITTER] = {"pre_tokenizer", "pre-tokenizer", "pretokenizers", splitter_kinds},
    [SORT_DECODER] = {"decoder", "decoder", "decoders", decoder_kinds},
};

static const char *const root_keys[] = {"version",       "truncation",     "padding", "added_tokens", "normalizer",
                                        "pre_tokenizer", "post_processor", "decoder", "model",        NULL};

static status add_stage(importer *in, stage_sort sort, const stage_kind *kind, const json_t *options, error *e) {
    if (in->n_stages[sort] == STAGES_MAX) return fail(e, E_FILE, "more than %d stages of sort %s", STAGES_MAX, sorts[sort].name);
    if (sort == SORT_SPLITTER && in->flags & BLOCK_BYTES) return fail(e, E_FILE, "a pre-tokenizer after ByteLevel is not supported");
    stage_record *record = &in->stages[sort][in->n_stages[sort]];
    memcpy(record->type, kind->type, strlen(kind->type));
    if (kind->import) TRY(kind->import(in, options, record, e));
    if (record->type[0]) {
        in->n_stages[sort]++;
    } else {
        *record = (stage_record){0};
    }
    return OK;
}

/* One stage, or the members of a Sequence in its place. */
static status import_stage(importer *in, stage_sort sort, const json_t *options, int depth, error *e) {
    const sort_keys *keys = &sorts[sort];
    const char *type;
    TRY(field_type(options, keys->name, &type, e));
    if (strcmp(type, "Sequence") == 0) {
        const json_t *list = json_object_get(options, keys->members);
        if (!json_is_array(list) || depth == SEQUENCE_DEPTH) return fail(e, E_FILE, "%s Sequence: \"%s\" is not a list", keys->name, keys->members);
        for (size_t i = 0; i < json_array_size(list); i++) TRY(import_stage(in, sort, json_array_get(list, i), depth + 1, e));
        return OK;
    }
    const stage_kind *kind = stage_find(keys->kinds, type);
    if (!kind || !kind->keys) return fail(e, E_FILE, "%s \"%s\" is not supported", keys->name, type);
    TRY(fields_known(options, type, kind->keys, e));
    return add_stage(in, sort, kind, options, e);
}

static status import_stages(importer *in, error *e) {
    for (size_t i = 0; i < SORTS; i++) {
        const json_t *options = json_object_get(in->root, sorts[i].key);
        if (options && !json_is_null(options)) TRY(import_stage(in, (stage_sort)i, options, 0, e));
    }
    const json_t *last = json_object_get(in->root, "decoder");
    return last && !json_is_null(last) ? OK : add_stage(in, SORT_DECODER, &decoder_join, NULL, e);
}

static status import_model(importer *in, error *e) {
    const json_t *model = json_object_get(in->root, "model");
    const char *type;
    if (!json_is_object(model)) return fail(e, E_FILE, "\"model\" is missing");
    TRY(field_type(model, "model", &type, e));
    const token_model *kind = model_find(type);
    if (!kind) return fail(e, E_FILE, "model \"%s\" is not supported", type);
    TRY(fields_known(model, type, kind->keys, e));
    memcpy(in->model_type, type, strlen(type));
    return kind->import(in, model, e);
}

static status import_template(importer *in, error *e) {
    const json_t *processor = json_object_get(in->root, "post_processor");
    if (processor && !json_is_null(processor)) TRY(import_processor(in, processor, false, e));
    if (in->n_template == 0) in->template[in->n_template++] = TEMPLATE_TEXT;
    return OK;
}

/* The id of "bos_token": "<s>" or {"content": "<s>"}; -1. */
static int32_t token_named(const importer *in, const json_t *names, const char *key) {
    const json_t *token = json_object_get(names, key);
    if (json_is_object(token)) token = json_object_get(token, "content");
    return json_is_string(token) ? import_id(in, slice_of_json(token)) : -1;
}

void import_special_ids(importer *in) {
    in->bos = token_named(in, in->config, "bos_token");
    in->eos = token_named(in, in->config, "eos_token");
    if (!json_object_get(in->config, "bos_token")) in->bos = token_named(in, in->special, "bos_token");
    if (!json_object_get(in->config, "eos_token")) in->eos = token_named(in, in->special, "eos_token");
}

static status import_config(importer *in, error *e) {
    bool add_bos = false;
    TRY(field_flag(in->config, "tokenizer_config.json", "add_bos_token", &add_bos, e));
    import_special_ids(in);
    if (add_bos && in->bos >= 0) in->flags |= BLOCK_ADD_BOS;
    return OK;
}

/* Marks the tokens that the model makes from their own text, so that encoding such a word is one look into the vocabulary. */
static status mark_whole(uint8_t *block, size_t size, error *e) {
    tokenizer *t;
    TRY(tokenizer_open(&t, block, size, e));
    encoder *x = encoder_new(t);
    const status s = x ? OK : fail(e, E_MEMORY, "no memory for an encoder");
    uint16_t *flags = (uint16_t *)(void *)(block + t->view.header->sections[SECTION_FLAGS].offset);
    const unsigned wanted = TOKEN_PRESENT | (t->view.header->flags & BLOCK_BYTES ? TOKEN_MAPPED : 0u);
    for (size_t id = 0; x && t->model->whole && id < t->view.n_ids; id++) {
        if ((flags[id] & wanted) == wanted && t->model->whole(x, (int32_t)id)) flags[id] |= TOKEN_WHOLE;
    }
    encoder_free(x);
    tokenizer_close(&t);
    return s;
}

static status import_json(importer *in, error *e) {
    TRY(fields_known(in->root, "tokenizer.json", root_keys, e));
    TRY(import_stages(in, e));
    TRY(import_model(in, e));
    TRY(import_added(in, e));
    TRY(import_template(in, e));
    return import_config(in, e);
}

static status parse(json_t **out, const char *name, tokenizer_file file, error *e) {
    if (file.size > JSON_BYTES_MAX) return fail(e, E_FILE, "%s: %zu bytes are more than %d", name, file.size, JSON_BYTES_MAX);
    if (json_parse(out, file.text, file.size, JSON_VALUES, e) != OK) return e ? fail_in(e, name) : E_FILE;
    return json_is_object(*out) ? OK : fail(e, E_FILE, "%s: not an object", name);
}

static status parse_others(importer *in, const tokenizer_files *files, error *e) {
    if (files->config.text) TRY(parse(&in->config, "tokenizer_config.json", files->config, e));
    if (files->special_tokens.text) TRY(parse(&in->special, "special_tokens_map.json", files->special_tokens, e));
    if (files->added_tokens.text) TRY(parse(&in->more, "added_tokens.json", files->added_tokens, e));
    return OK;
}

static status import_files(importer *in, const tokenizer_files *files, error *e) {
    const slice file = {(const uint8_t *)files->tokenizer.text, files->tokenizer.size};
    if (!spm_is(file)) {
        TRY(parse(&in->root, "tokenizer.json", files->tokenizer, e));
        TRY(parse_others(in, files, e));
        return import_json(in, e);
    }
    TRY(parse_others(in, files, e));
    in->root = json_object();
    if (!in->root) return fail(e, E_MEMORY, "no memory to read tokenizer.model");
    const status s = spm_import(in, file, e);
    return s == OK || !e ? s : fail_in(e, "tokenizer.model");
}

static void importer_close(importer *in) {
    for (size_t i = 0; i < in->n_kept; i++) buffer_free(&in->kept[i]);
    free(in->kept);
    free(in->added);
    free(in->tokens);
    free(in->merges);
    buffer_free(&in->text);
    buffer_free(&in->model);
    json_decref(in->config);
    json_decref(in->special);
    json_decref(in->more);
    json_decref(in->root);
    free(in);
}

status tokenizer_compile_files(const tokenizer_files *files, uint8_t **block, size_t *size, error *e) {
    importer *in = calloc(1, sizeof *in);
    *block = NULL;
    *size = 0;
    if (!in) return fail(e, E_MEMORY, "no memory to read a tokenizer");
    in->bos = in->eos = -1;
    status s = import_files(in, files, e);
    if (s == OK) s = importer_assemble(in, block, size, e);
    if (s == OK) s = mark_whole(*block, *size, e);
    importer_close(in);
    if (s != OK) {
        free(*block);
        *block = NULL;
        *size = 0;
    }
    return s;
}

status tokenizer_compile(const char *json, size_t json_size, const char *config, size_t config_size, uint8_t **block, size_t *size, error *e) {
    return tokenizer_compile_files(&(tokenizer_files){.tokenizer = {json, json_size}, .config = {config, config_size}}, block, size, e);
}
