#include "models/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

status features_from_sizes(spec *s, error *e) {
    s->attention_scale = (float)(1 / sqrt(s->head_dim));
    s->window = calloc(s->layers, sizeof *s->window);
    return s->window ? OK : fail(e, E_MEMORY, "no memory");
}

status features_sizes(spec *s, config *c, error *e) {
    TRY(config_uint(c, "num_hidden_layers", CONFIG_NEEDED, &s->layers, e));
    TRY(config_uint(c, "hidden_size", CONFIG_NEEDED, &s->hidden, e));
    TRY(config_uint(c, "intermediate_size", CONFIG_NEEDED, &s->intermediate, e));
    TRY(config_uint(c, "num_attention_heads", CONFIG_NEEDED, &s->heads, e));
    TRY(config_uint(c, "num_key_value_heads", s->heads, &s->kv_heads, e));
    TRY(config_uint(c, "vocab_size", CONFIG_NEEDED, &s->vocab, e));
    TRY(config_uint(c, "max_position_embeddings", 2048, &s->context, e));
    if (!s->heads || !s->layers || s->layers > SPEC_LAYERS_MAX) {
        return fail(e, E_FILE, "'num_attention_heads' is %u, 'num_hidden_layers' is %u", s->heads, s->layers);
    }
    TRY(config_uint(c, "head_dim", s->hidden / s->heads, &s->head_dim, e));
    return features_from_sizes(s, e);
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

status features_refuse(config *c, const char *key, error *e) {
    bool on;
    TRY(config_bool(c, key, false, &on, e));
    return on ? fail(e, E_FILE, "'%s' is true, which is not supported", key) : OK;
}
