#include "models/features.h"
#include "models/llama.h"
#include "models/rope.h"
#include "models/wanted.h"

static const expected_key expected[] = {
    {"attention_bias", "false"}, {"mlp_bias", "false"}, {"lm_head_bias", "false"}, {"full_attn_mod", "1"}, {"interpolate_factor", "1"}, {NULL, NULL},
};

/* Llama with fused matrices, a window, part of each head rotated, and two lists of frequencies. */
static status configure(spec *s, config *c, error *e) {
    double eps;
    TRY(features_sizes(s, c, e));
    TRY(config_number(c, "rms_norm_eps", 1e-5, &eps, e));
    TRY(config_bool(c, "tie_word_embeddings", false, &s->tied, e));
    TRY(features_activation(s, c, "hidden_act", "silu", e));
    TRY(features_window(s, c, "sliding_window", e));
    TRY(features_expect(c, expected, e));
    config_get(c, "original_max_position_embeddings"); /* read again by the scaling that uses it */
    config_get(c, "auto_map");                         /* code that comes with the file */
    s->norm_eps = (float)eps;
    return rope_configure_as(s, c, &(rope_keys){.theta = "rope_theta", .part = "partial_rotary_factor", .usual_part = 1}, e);
}

static status add_layer(const spec *s, wanted_list *out, uint32_t layer, error *e) {
    const uint64_t hidden = s->hidden, inner = s->intermediate, q = (uint64_t)s->heads * s->head_dim, kv = (uint64_t)s->kv_heads * s->head_dim;
    const uint64_t all = q + 2 * kv;
    const layer_part parts[] = {
        {"attn_norm", "input_layernorm.weight", hidden, 0, true, {0}},
        {"q", "self_attn.qkv_proj.weight", q, hidden, true, slice_of_rows(all, 0, q)},
        {"k", "self_attn.qkv_proj.weight", kv, hidden, true, slice_of_rows(all, q, kv)},
        {"v", "self_attn.qkv_proj.weight", kv, hidden, true, slice_of_rows(all, q + kv, kv)},
        {"o", "self_attn.o_proj.weight", hidden, q, true, {0}},
        {"mlp_norm", "post_attention_layernorm.weight", hidden, 0, true, {0}},
        {"gate", "mlp.gate_up_proj.weight", inner, hidden, true, slice_of_rows(2 * inner, 0, inner)},
        {"up", "mlp.gate_up_proj.weight", inner, hidden, true, slice_of_rows(2 * inner, inner, inner)},
        {"down", "mlp.down_proj.weight", hidden, inner, true, {0}},
    };
    return wanted_add_parts(out, layer, "model.layers", parts, sizeof parts / sizeof *parts, e);
}

static status tensors(const spec *s, wanted_list *out, error *e) {
    TRY(llama_add_embedding(s, out, e));
    for (uint32_t i = 0; i < s->layers; i++) TRY(add_layer(s, out, i, e));
    return llama_add_end(s, out, 0, e);
}

const arch arch_phi3 = {
    .model_type = "phi3",
    .summary = "Phi-3, Phi-3.5, Phi-4 and Phi-4-mini",
    .configure = configure,
    .tensors = tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
