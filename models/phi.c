/* phi: one layer norm for attention and MLP side by side, a plain MLP, part of each head rotated, biases everywhere, the head's too. */
#include "models/classic.h"
#include "models/features.h"
#include "models/llama.h"
#include "models/rope.h"
#include "models/wanted.h"

static status configure(spec *s, config *c, error *e) {
    TRY(features_sizes(s, c, e));
    TRY(features_layer_norm(s, c, "layer_norm_eps", 1e-5, e));
    TRY(features_activation(s, c, "hidden_act", "gelu_new", e));
    TRY(features_refuse(c, "qk_layernorm", e));
    TRY(config_bool(c, "tie_word_embeddings", false, &s->tied, e));
    s->residual = RESIDUAL_SHARED;
    s->plain_mlp = s->attention_bias = s->output_bias = s->mlp_bias = s->head_bias = true;
    return rope_configure_as(s, c, &(rope_keys){.theta = "rope_theta", .part = "partial_rotary_factor", .usual_part = 0.5}, e);
}

static status add_layer(const spec *s, wanted_list *out, uint32_t layer, error *e) {
    const uint64_t n = s->hidden, inner = s->intermediate, q = (uint64_t)s->heads * s->head_dim, kv = (uint64_t)s->kv_heads * s->head_dim;
    const layer_part parts[] = {
        {"attn_norm", "input_layernorm.weight", n, 0, true, {0}},
        {"attn_norm_bias", "input_layernorm.bias", n, 0, true, {0}},
        {"q", "self_attn.q_proj.weight", q, n, true, {0}},
        {"k", "self_attn.k_proj.weight", kv, n, true, {0}},
        {"v", "self_attn.v_proj.weight", kv, n, true, {0}},
        {"q_bias", "self_attn.q_proj.bias", q, 0, true, {0}},
        {"k_bias", "self_attn.k_proj.bias", kv, 0, true, {0}},
        {"v_bias", "self_attn.v_proj.bias", kv, 0, true, {0}},
        {"o", "self_attn.dense.weight", n, q, true, {0}},
        {"o_bias", "self_attn.dense.bias", n, 0, true, {0}},
        {"up", "mlp.fc1.weight", inner, n, true, {0}},
        {"up_bias", "mlp.fc1.bias", inner, 0, true, {0}},
        {"down", "mlp.fc2.weight", n, inner, true, {0}},
        {"down_bias", "mlp.fc2.bias", n, 0, true, {0}},
    };
    return wanted_add_parts(out, layer, "model.layers", parts, sizeof parts / sizeof *parts, e);
}

static status tensors(const spec *s, wanted_list *out, error *e) {
    TRY(wanted_add(out, "embed", "model.embed_tokens.weight", s->vocab, s->hidden, e));
    for (uint32_t i = 0; i < s->layers; i++) TRY(add_layer(s, out, i, e));
    TRY(wanted_add(out, "final_norm", "model.final_layernorm.weight", s->hidden, 0, e));
    TRY(wanted_add(out, "final_norm_bias", "model.final_layernorm.bias", s->hidden, 0, e));
    if (!s->tied) TRY(wanted_add(out, "head", "lm_head.weight", s->vocab, s->hidden, e));
    return wanted_add(out, "head_bias", "lm_head.bias", s->vocab, 0, e);
}

const arch arch_phi = {
    .model_type = "phi",
    .summary = "Phi-1, Phi-1.5, Phi-2",
    .configure = configure,
    .tensors = tensors,
    .ignored = llama_ignored,
    .base = "model.",
};
