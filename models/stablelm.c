/* stablelm: the Llama family with layer norms, part of each head rotated, and biases of queries, keys and values where the file says so. */
#include "models/classic.h"
#include "models/features.h"
#include "models/llama.h"
#include "models/rope.h"

static status configure(spec *s, config *c, error *e) {
    bool parallel;
    TRY(features_sizes(s, c, e));
    TRY(features_layer_norm(s, c, "layer_norm_eps", 1e-5, e));
    TRY(features_activation(s, c, "hidden_act", "silu", e));
    TRY(features_refuse(c, "qk_layernorm", e));
    TRY(config_bool(c, "use_qkv_bias", false, &s->attention_bias, e));
    TRY(config_bool(c, "use_parallel_residual", false, &parallel, e));
    TRY(config_bool(c, "tie_word_embeddings", false, &s->tied, e));
    s->residual = parallel ? RESIDUAL_SHARED : RESIDUAL_SERIAL;
    return rope_configure_as(s, c, &(rope_keys){.theta = "rope_theta", .part = "partial_rotary_factor", .usual_part = 0.25}, e);
}

const arch arch_stablelm = {
    .model_type = "stablelm",
    .summary = "StableLM 2, StableLM 3B and others of that shape",
    .configure = configure,
    .tensors = llama_tensors,
    .ignored = llama_ignored,
    .base = "model.",
};
