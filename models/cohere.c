#include "models/features.h"
#include "models/llama.h"
#include "models/rope.h"

/* One layer norm without a bias for attention and MLP side by side; neighbouring dimensions are rotated. */
static status configure(spec *s, config *c, error *e) {
    double logits;
    TRY(features_sizes(s, c, e));
    TRY(features_layer_norm(s, c, "layer_norm_eps", 1e-5, e));
    TRY(features_activation(s, c, "hidden_act", "silu", e));
    TRY(features_refuse(c, "use_qk_norm", e));
    TRY(config_bool(c, "tie_word_embeddings", true, &s->tied, e));
    TRY(config_bool(c, "attention_bias", false, &s->attention_bias, e));
    TRY(config_number(c, "logit_scale", 0.0625, &logits, e));
    TRY(rope_configure_as(s, c, &(rope_keys){.theta = "rope_theta", .usual_theta = 500000}, e));
    s->output_bias = s->attention_bias;
    s->norm_bias = false;
    s->residual = RESIDUAL_SHARED;
    s->rope = ROPE_INTERLEAVED;
    s->logit_scale = (float)logits;
    return OK;
}

const arch arch_cohere = {
    .model_type = "cohere",
    .summary = "Command R, Aya 23 and others of that shape, without normalised heads",
    .configure = configure,
    .tensors = llama_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
