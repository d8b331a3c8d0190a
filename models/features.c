#include "models/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

status features_from_sizes(spec *s, error *e) {
    s->attention_scale = (float)(1 / sqrt(s->head_dim));
    s->window = calloc(s->layers, sizeof *s->window);
    return s->window ? OK : fail(e, E_MEMORY, "no memory");
}

static uint32_t or_needed(uint32_t usual) {
    return usual ? usual : CONFIG_NEEDED;
}

status features_sizes_or(spec *s, config *c, const usual_sizes *usual, error *e) {
    TRY(config_uint(c, "num_hidden_layers", or_needed(usual->layers), &s->layers, e));
    TRY(config_uint(c, "hidden_size", or_needed(usual->hidden), &s->hidden, e));
    TRY(config_uint(c, "intermediate_size", or_needed(usual->intermediate), &s->intermediate, e));
    TRY(config_uint(c, "num_attention_heads", or_needed(usual->heads), &s->heads, e));
    TRY(config_uint(c, "num_key_value_heads", usual->kv_heads ? usual->kv_heads : s->heads, &s->kv_heads, e));
    TRY(config_uint(c, "vocab_size", or_needed(usual->vocab), &s->vocab, e));
    TRY(config_uint(c, "max_position_embeddings", or_needed(usual->context), &s->context, e));
    if (!s->heads || !s->layers || s->layers > SPEC_LAYERS_MAX) {
        return fail(e, E_FILE, "'num_attention_heads' is %u, 'num_hidden_layers' is %u", s->heads, s->layers);
    }
    TRY(config_uint(c, "head_dim", usual->head_dim ? usual->head_dim : s->hidden / s->heads, &s->head_dim, e));
    return features_from_sizes(s, e);
}

status features_sizes(spec *s, config *c, error *e) {
    return features_sizes_or(s, c, &(usual_sizes){.context = 2048}, e);
}

static const struct activation_row {
    const char *name;
    activation_kind kind;
} activations[] = {
    {"silu", ACTIVATION_SILU},          {"swish", ACTIVATION_SILU},          {"gelu", ACTIVATION_GELU},
    {"gelu_new", ACTIVATION_GELU_TANH}, {"gelu_fast", ACTIVATION_GELU_TANH}, {"gelu_pytorch_tanh", ACTIVATION_GELU_TANH},
};

status features_activation(spec *s, config *c, const char *key, const char *fallback, error *e) {
    const char *name;
    TRY(config_text(c, key, fallback, &name, e));
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        s->activation = activations[i].kind;
        if (strcmp(activations[i].name, name) == 0) return OK;
    }
    return fail(e, E_FILE, "'%s' is '%s', which is not supported", key, name);
}

status features_layer_norm(spec *s, config *c, const char *key, double fallback, error *e) {
    double eps;
    TRY(config_number(c, key, fallback, &eps, e));
    s->norm = NORM_LAYER;
    s->norm_bias = true;
    s->norm_eps = (float)eps;
    return OK;
}

status features_window(spec *s, config *c, const char *key, error *e) {
    uint32_t window;
    TRY(config_uint(c, key, 0, &window, e));
    for (uint32_t i = 0; i < s->layers; i++) s->window[i] = window;
    return OK;
}

bool slides_but_each(uint32_t layer, uint32_t n) {
    return (layer + 1) % n != 0;
}

bool slides_from(uint32_t layer, uint32_t n) {
    return layer >= n;
}

static status read_types(spec *s, const json_t *list, uint32_t window, error *e) {
    size_t n;
    TRY(json_to_array(list, "layer_types", SPEC_LAYERS_MAX, &n, e));
    if (n != s->layers) return fail(e, E_FILE, "'layer_types' has %zu entries instead of %u", n, s->layers);
    for (size_t i = 0; i < n; i++) {
        const char *type;
        TRY(json_to_text(json_array_get(list, i), "layer_types", &type, e));
        const bool slides = strcmp(type, "sliding_attention") == 0;
        if (!slides && strcmp(type, "full_attention") != 0) return fail(e, E_FILE, "'layer_types' has '%s', which is not supported", type);
        s->window[i] = slides ? window : 0;
    }
    return OK;
}

status features_sliding(spec *s, config *c, uint32_t window, bool (*slides)(uint32_t layer, uint32_t n), uint32_t n, error *e) {
    const json_t *types = config_get(c, "layer_types");
    if (types) return read_types(s, types, window, e);
    for (uint32_t i = 0; i < s->layers; i++) s->window[i] = slides(i, n) ? window : 0;
    return OK;
}

enum { QWEN_WINDOW = 4096 }; /* what the reference takes when config.json has no such key; null means none */

status features_optional_window(spec *s, config *c, uint32_t first, error *e) {
    bool used;
    uint32_t window;
    TRY(config_bool(c, "use_sliding_window", false, &used, e));
    TRY(config_uint(c, "sliding_window", config_has(c, "sliding_window") ? 0 : QWEN_WINDOW, &window, e));
    TRY(config_uint(c, "max_window_layers", first, &first, e));
    return features_sliding(s, c, used ? window : 0, slides_from, first, e);
}

status features_expect(config *c, const expected_key *list, error *e) {
    for (; list->key; list++) {
        const json_t *value = config_get(c, list->key);
        json_t *wanted = json_loads(list->value, JSON_DECODE_ANY, NULL);
        const bool same =
            json_equal(wanted, value) || (json_is_number(value) && json_is_number(wanted) && json_number_value(value) == json_number_value(wanted));
        json_decref(wanted);
        if (value && !same) return fail(e, E_FILE, "'%s' is not %s, which is all that is supported", list->key, list->value);
    }
    return OK;
}

status features_refuse(config *c, const char *key, error *e) {
    bool on;
    TRY(config_bool(c, key, false, &on, e));
    return on ? fail(e, E_FILE, "'%s' is true, which is not supported", key) : OK;
}
