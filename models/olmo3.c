#include "models/features.h"
#include "models/llama.h"
#include "models/rope.h"

enum { USUAL_WINDOW = 4096, PATTERN = 4 };

/* OLMo 2 with a window in three of four layers; only the others have their frequencies scaled. */
static status configure(spec *s, config *c, error *e) {
    static const rope_keys keys = {.theta = "rope_theta", .usual_theta = 500000, .local = "rope_theta", .usual_local = 500000};
    double eps;
    uint32_t window;
    TRY(features_sizes(s, c, e));
    TRY(config_number(c, "rms_norm_eps", 1e-5, &eps, e));
    TRY(config_bool(c, "tie_word_embeddings", false, &s->tied, e));
    TRY(config_bool(c, "attention_bias", false, &s->attention_bias, e));
    TRY(features_activation(s, c, "hidden_act", "silu", e));
    TRY(config_uint(c, "sliding_window", config_has(c, "sliding_window") ? 0 : USUAL_WINDOW, &window, e));
    TRY(features_sliding(s, c, window, slides_but_each, PATTERN, e));
    s->norm_eps = (float)eps;
    s->output_bias = s->attention_bias;
    s->norm_place = NORM_AFTER;
    s->qk_norm = QK_NORM_WHOLE;
    return rope_configure_two(s, c, &keys, e);
}

const arch arch_olmo3 = {
    .model_type = "olmo3",
    .summary = "OLMo 3",
    .configure = configure,
    .tensors = llama_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
