#include "tools/gguf_inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "models/gguf.h"
#include "text/tokenizer.h"

/* "MODEL.gguf/NAME" with the text of `value`, in memory that map_close gives back. */
static status make_file(map *m, const char *model, const char *name, const json_t *value, error *e) {
    char *text = json_dumps(value, JSON_COMPACT), *path = NULL;
    if (!text || asprintf(&path, "%s/%s", model, name) < 0) {
        free(text);
        return fail(e, E_MEMORY, "no memory for %s", name);
    }
    const size_t size = strlen(text);
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data != MAP_FAILED) memcpy(data, text, size);
    free(text);
    if (data == MAP_FAILED) {
        free(path);
        return fail(e, E_MEMORY, "no memory for %s", name);
    }
    *m = (map){.data = data, .size = size, .path = path};
    return OK;
}

static status make_tokenizer(const gguf *g, map *words, map *config, const char *model, error *e) {
    json_t *json, *more;
    TRY(gguf_tokenizer(g, &json, &more, e));
    status s = json ? make_file(words, model, "tokenizer.json", json, e) : OK;
    if (s == OK && more) s = make_file(config, model, "tokenizer_config.json", more, e);
    json_decref(json);
    json_decref(more);
    return s;
}

static status make_inputs(inputs *in, gguf *g, const char *model, bool wanted, error *e) {
    json_t *config;
    TRY(gguf_model(g, &config, e));
    status s = make_file(&in->config, model, "config.json", config, e);
    json_decref(config);
    if (s == OK && wanted) s = make_tokenizer(g, &in->tokenizer, &in->tokenizer_config, model, e);
    return s;
}

status gguf_inputs_open(inputs *in, checkpoint *weights, const char *model, bool wanted, error *e) {
    gguf g;
    TRY(inputs_open_made(in, model, e));
    TRY(gguf_open(&g, model, e));
    const status s = make_inputs(in, &g, model, wanted, e);
    *weights = g.tensors;
    g.tensors = (checkpoint){0};
    gguf_close(&g);
    return s;
}

static status compile(const map *json, const map *config, uint8_t **block, size_t *bytes, const char *model, error *e) {
    if (!json->data) return fail(e, E_FILE, "%s: has no tokenizer", model);
    const status s = tokenizer_compile((const char *)json->data, json->size, (const char *)config->data, config->size, block, bytes, e);
    return s == E_FILE ? fail_in(e, json->path) : s;
}

status gguf_compile_tokenizer(const char *model, uint8_t **block, size_t *bytes, error *e) {
    gguf g;
    map json = {0}, config = {0};
    TRY(gguf_open(&g, model, e));
    status s = make_tokenizer(&g, &json, &config, model, e);
    if (s == OK) s = compile(&json, &config, block, bytes, model, e);
    map_close(&json);
    map_close(&config);
    gguf_close(&g);
    return s;
}
