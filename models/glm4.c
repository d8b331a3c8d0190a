#include "models/features.h"
#include "models/llama.h"
#include "models/rope.h"
#include "models/wanted.h"

/* Llama with norms before and after, half of each head rotated, by neighbouring dimensions, and gate and up in one matrix. */
static status configure(spec *s, config *c, error *e) {
    double eps;
    if (!config_has(c, "head_dim")) return fail(e, E_FILE, "'head_dim' is missing");
    TRY(features_sizes(s, c, e));
    TRY(config_number(c, "rms_norm_eps", 1.5625e-7, &eps, e));
    TRY(config_bool(c, "tie_word_embeddings", false, &s->tied, e));
    TRY(config_bool(c, "attention_bias", true, &s->attention_bias, e));
    TRY(features_activation(s, c, "hidden_act", "silu", e));
    TRY(rope_configure_as(s, c, &(rope_keys){.theta = "rope_theta", .part = "partial_rotary_factor", .usual_part = 0.5}, e));
    s->norm_eps = (float)eps;
    s->norm_place = NORM_AROUND;
    s->rope = ROPE_INTERLEAVED;
    return OK;
}

static status add_layer(const spec *s, wanted_list *out, uint32_t layer, error *e) {
    const uint64_t hidden = s->hidden, inner = s->intermediate, q = (uint64_t)s->heads * s->head_dim, kv = (uint64_t)s->kv_heads * s->head_dim;
    const layer_part parts[] = {
        {"attn_norm", "input_layernorm.weight", hidden, 0, true, {0}},
        {"q", "self_attn.q_proj.weight", q, hidden, true, {0}},
        {"k", "self_attn.k_proj.weight", kv, hidden, true, {0}},
        {"v", "self_attn.v_proj.weight", kv, hidden, true, {0}},
        {"o", "self_attn.o_proj.weight", hidden, q, true, {0}},
        {"q_bias", "self_attn.q_proj.bias", q, 0, s->attention_bias, {0}},
        {"k_bias", "self_attn.k_proj.bias", kv, 0, s->attention_bias, {0}},
        {"v_bias", "self_attn.v_proj.bias", kv, 0, s->attention_bias, {0}},
        {"attn_post_norm", "post_self_attn_layernorm.weight", hidden, 0, true, {0}},
        {"mlp_norm", "post_attention_layernorm.weight", hidden, 0, true, {0}},
        {"gate", "mlp.gate_up_proj.weight", inner, hidden, true, slice_of_rows(2 * inner, 0, inner)},
        {"up", "mlp.gate_up_proj.weight", inner, hidden, true, slice_of_rows(2 * inner, inner, inner)},
        {"down", "mlp.down_proj.weight", hidden, inner, true, {0}},
        {"mlp_post_norm", "post_mlp_layernorm.weight", hidden, 0, true, {0}},
    };
    return wanted_add_parts(out, layer, "model.layers", parts, sizeof parts / sizeof *parts, e);
}

static status tensors(const spec *s, wanted_list *out, error *e) {
    TRY(llama_add_embedding(s, out, e));
    for (uint32_t i = 0; i < s->layers; i++) TRY(add_layer(s, out, i, e));
    return llama_add_end(s, out, 0, e);
}

const arch arch_glm4 = {
    .model_type = "glm4",
    .summary = "GLM-4-0414",
    .configure = configure,
    .tensors = tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
