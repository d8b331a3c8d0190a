#include "base/json.h"
#include "models/features.h"
#include "models/llama.h"
#include "models/rope.h"

enum { USUAL_INTERVAL = 4 };

/* Layers that know no positions: those with a 0 in the list, or each n-th where there is none. */
static status read_layers(spec *s, config *c, error *e) {
    const json_t *list = config_get(c, "no_rope_layers");
    uint32_t interval;
    size_t n = s->layers;
    TRY(config_uint(c, "no_rope_layer_interval", USUAL_INTERVAL, &interval, e));
    if (list) TRY(json_to_array(list, "no_rope_layers", SPEC_LAYERS_MAX, &n, e));
    if (n != s->layers) return fail(e, E_FILE, "'no_rope_layers' has %zu entries instead of %u", n, s->layers);
    if (!interval) return fail(e, E_FILE, "'no_rope_layer_interval' is 0");
    for (uint32_t i = 0; i < s->layers; i++) {
        uint64_t rotates = (i + 1) % interval != 0;
        if (list) TRY(json_to_uint(json_array_get(list, i), "no_rope_layers", 0, 1, &rotates, e));
        if (!rotates) TRY(rope_leave_out(s, i, e));
    }
    return OK;
}

/* A window is off unless it is switched on; then layers that know no positions have it, or those that the file lists. */
static status read_window(spec *s, config *c, error *e) {
    bool used;
    uint32_t window;
    TRY(config_bool(c, "use_sliding_window", false, &used, e));
    TRY(config_uint(c, "sliding_window", 0, &window, e));
    config_get(c, "max_window_layers"); /* the reference does not read it */
    TRY(features_sliding(s, c, used ? window : 0, slides_from, s->layers, e));
    for (uint32_t i = 0; i < s->layers && used && !config_get(c, "layer_types"); i++) {
        s->window[i] = s->rope_layer && s->rope_layer[i] == ROPE_NOT_HERE ? window : 0;
    }
    return OK;
}

static status configure(spec *s, config *c, error *e) {
    if (!config_get(c, "rope_theta") && !config_get(c, "rope_parameters")) return fail(e, E_FILE, "'rope_theta' is missing");
    TRY(llama_configure(s, c, e));
    TRY(llama_biases(s, c, e));
    TRY(config_bool(c, "tie_word_embeddings", true, &s->tied, e));
    TRY(read_layers(s, c, e));
    return read_window(s, c, e);
}

const arch arch_smollm3 = {
    .model_type = "smollm3",
    .summary = "SmolLM 3",
    .configure = configure,
    .tensors = llama_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
