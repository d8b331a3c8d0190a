#include "tools/convert_inputs.h"

#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/json.h"
#include "text/jinja.h"
#include "tools/convert_chat.h"

enum { CONFIG_BYTES = 16 << 20, CONFIG_VALUES = 1000000, HASH_STEP = 8 << 20 };

/* ---- files ---- */

static char *folder_of(const char *model) {
    struct stat info;
    if (stat(model, &info) == 0 && S_ISDIR(info.st_mode)) return strdup(model);
    char *copy = strdup(model), *folder = copy ? strdup(dirname(copy)) : NULL;
    free(copy);
    return folder;
}

char *inputs_path(const inputs *in, const char *name) {
    char *path;
    const size_t length = strlen(in->folder);
    const char *slash = length && in->folder[length - 1] == '/' ? "" : "/";
    return asprintf(&path, "%s%s%s", in->folder, slash, name) < 0 ? NULL : path;
}

static status map_optional(const inputs *in, map *m, const char *name, error *e) {
    char *path = inputs_path(in, name);
    if (!path) return fail(e, E_MEMORY, "no memory");
    const status s = access(path, F_OK) == 0 ? map_open(m, path, e) : OK;
    free(path);
    return s;
}

/* Without a tokenizer.json: what it would hold is spread over these. */
static status map_model(inputs *in, error *e) {
    TRY(map_optional(in, &in->tokenizer, "tokenizer.model", e));
    TRY(map_optional(in, &in->special_tokens, "special_tokens_map.json", e));
    return map_optional(in, &in->added_tokens, "added_tokens.json", e);
}

status inputs_open(inputs *in, const char *model, error *e) {
    *in = (inputs){.folder = folder_of(model)};
    if (in->folder) in->config_path = inputs_path(in, "config.json");
    if (!in->config_path) return fail(e, E_MEMORY, "no memory");
    const struct {
        map *map;
        const char *name;
    } files[] = {
        {&in->generation, "generation_config.json"},
        {&in->tokenizer, "tokenizer.json"},
        {&in->tokenizer_config, "tokenizer_config.json"},
        {&in->template_file, "chat_template.jinja"},
    };
    TRY(map_open(&in->config, in->config_path, e));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) TRY(map_optional(in, files[i].map, files[i].name, e));
    return in->tokenizer.data ? OK : map_model(in, e);
}

status inputs_open_made(inputs *in, const char *model, error *e) {
    *in = (inputs){.folder = folder_of(model), .made = true};
    if (in->folder && asprintf(&in->config_path, "%s/config.json", model) < 0) in->config_path = NULL;
    return in->config_path ? OK : fail(e, E_MEMORY, "no memory");
}

void inputs_close(inputs *in) {
    map_close(&in->config);
    map_close(&in->generation);
    map_close(&in->tokenizer);
    map_close(&in->tokenizer_config);
    map_close(&in->special_tokens);
    map_close(&in->added_tokens);
    map_close(&in->template_file);
    free(in->config_path);
    free(in->folder);
    *in = (inputs){0};
}

static status parse_map(json_t **out, const map *m, error *e) {
    if (m->size > CONFIG_BYTES) return fail(e, E_FILE, "%s: %zu bytes are too many", m->path, m->size);
    if (json_parse(out, (const char *)m->data, m->size, CONFIG_VALUES, e) != OK) return fail_in(e, m->path);
    if (json_is_object(*out)) return OK;
    json_decref(*out);
    *out = NULL;
    return fail(e, E_FILE, "%s: is not a JSON object", m->path);
}

status inputs_config(const inputs *in, json_t **config, json_t **generation, error *e) {
    *config = *generation = NULL;
    TRY(parse_map(config, &in->config, e));
    const status s = in->generation.data ? parse_map(generation, &in->generation, e) : OK;
    if (s == OK) return OK;
    json_decref(*config);
    *config = NULL;
    return s;
}

/* ---- generation defaults ---- */

static status check_flag(const json_t *value, const char *name, error *e) {
    bool flag;
    return json_to_bool(value, name, &flag, e);
}

static status check_number(const json_t *value, const char *name, error *e) {
    double number;
    return json_to_number(value, name, 0, 1e9, &number, e);
}

static status check_id(const json_t *value, const char *name, error *e) {
    int64_t id;
    return json_to_int(value, name, 0, INT32_MAX, &id, e);
}

static status check_ids(const json_t *value, const char *name, error *e) {
    size_t n, i;
    const json_t *id;
    if (json_is_integer(value)) return check_id(value, name, e);
    TRY(json_to_array(value, name, 1024, &n, e));
    json_array_foreach(value, i, id) TRY(check_id(id, name, e));
    return OK;
}

/* Names and meanings are those of Hugging Face. */
static const struct generation_key {
    const char *name;
    status (*check)(const json_t *value, const char *name, error *e);
} generation_keys[] = {
    {"do_sample", check_flag},
    {"temperature", check_number},
    {"top_k", check_number},
    {"top_p", check_number},
    {"min_p", check_number},
    {"typical_p", check_number},
    {"repetition_penalty", check_number},
    {"max_new_tokens", check_number},
    {"max_length", check_number},
    {"bos_token_id", check_id},
    {"pad_token_id", check_ids},
    {"eos_token_id", check_ids},
};

static status copy_generation(json_t *to, const json_t *from, error *e) {
    for (size_t i = 0; i < sizeof generation_keys / sizeof *generation_keys; i++) {
        const struct generation_key *key = &generation_keys[i];
        json_t *value = json_object_get(from, key->name);
        if (!value || json_is_null(value)) continue;
        TRY(key->check(value, key->name, e));
        if (json_object_set(to, key->name, value)) return fail(e, E_MEMORY, "no memory");
    }
    return OK;
}

status inputs_generation(const inputs *in, json_t **out, error *e) {
    *out = json_object();
    if (!*out) return fail(e, E_MEMORY, "no memory");
    if (!in->generation.data) return OK;
    json_t *file;
    status s = parse_map(&file, &in->generation, e);
    if (s == OK) {
        s = copy_generation(*out, file, e);
        if (s == E_FILE) fail_in(e, in->generation.path);
        json_decref(file);
    }
    if (s != OK) {
        json_decref(*out);
        *out = NULL;
    }
    return s;
}

/* ---- chats ---- */

status inputs_chat(const inputs *in, bool quiet, json_t **out, error *e) {
    TRY(chat_texts_read(&in->tokenizer_config, &in->template_file, out, e));
    const json_t *text = chat_text(*out, NULL);
    jinja *program = NULL;
    error why;
    if (text && jinja_compile(&program, json_string_value(text), json_string_length(text), NULL, &why) != OK && !quiet)
        fprintf(stderr, "%s: the chat template cannot be run and is kept as it is: %s\n", in->folder, why.text);
    if (!text && in->template_file.data && !quiet) fprintf(stderr, "%s: a chat template this large is left out\n", in->template_file.path);
    jinja_close(&program);
    return OK;
}

/* ---- hashes ---- */

static uint64_t hash_map(const map *m) {
    XXH3_state_t *state = XXH3_createState();
    if (!state) return 0;
    XXH3_64bits_reset(state);
    for (size_t at = 0; at < m->size; at += HASH_STEP) {
        const size_t n = m->size - at < HASH_STEP ? m->size - at : HASH_STEP;
        XXH3_64bits_update(state, m->data + at, n);
        map_done(m, at, n);
    }
    const uint64_t hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return hash;
}

json_t *inputs_describe(const map *m, bool hash) {
    char digits[17];
    snprintf(digits, sizeof digits, "%016" PRIx64, hash ? hash_map(m) : 0);
    const char *slash = strrchr(m->path, '/');
    return json_pack("{s:s, s:I, s:s}", "file", slash ? slash + 1 : m->path, "bytes", (json_int_t)m->size, "xxh3", digits);
}
