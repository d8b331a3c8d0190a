/* starcoder2: the Llama family's attention with layer norms, a plain MLP and biases, and a window. */
#include "models/classic.h"
#include "models/features.h"
#include "models/llama.h"
#include "models/rope.h"
#include "models/wanted.h"

static status configure(spec *s, config *c, error *e) {
    TRY(features_sizes(s, c, e));
    TRY(features_layer_norm(s, c, "norm_epsilon", 1e-5, e));
    TRY(features_activation(s, c, "hidden_act", "gelu_pytorch_tanh", e));
    TRY(features_window(s, c, "sliding_window", e));
    TRY(config_bool(c, "use_bias", true, &s->attention_bias, e));
    TRY(config_bool(c, "tie_word_embeddings", true, &s->tied, e));
    config_get(c, "residual_dropout");
    s->output_bias = s->mlp_bias = s->attention_bias;
    s->plain_mlp = true;
    return rope_configure(s, c, e);
}

static status add_layer(const spec *s, wanted_list *out, uint32_t layer, error *e) {
    const uint64_t n = s->hidden, inner = s->intermediate, q = (uint64_t)s->heads * s->head_dim, kv = (uint64_t)s->kv_heads * s->head_dim;
    const bool biased = s->attention_bias;
    const layer_part parts[] = {
        {"attn_norm", "input_layernorm.weight", n, 0, true, {0}},
        {"attn_norm_bias", "input_layernorm.bias", n, 0, true, {0}},
        {"q", "self_attn.q_proj.weight", q, n, true, {0}},
        {"k", "self_attn.k_proj.weight", kv, n, true, {0}},
        {"v", "self_attn.v_proj.weight", kv, n, true, {0}},
        {"q_bias", "self_attn.q_proj.bias", q, 0, biased, {0}},
        {"k_bias", "self_attn.k_proj.bias", kv, 0, biased, {0}},
        {"v_bias", "self_attn.v_proj.bias", kv, 0, biased, {0}},
        {"o", "self_attn.o_proj.weight", n, q, true, {0}},
        {"o_bias", "self_attn.o_proj.bias", n, 0, biased, {0}},
        {"mlp_norm", "post_attention_layernorm.weight", n, 0, true, {0}},
        {"mlp_norm_bias", "post_attention_layernorm.bias", n, 0, true, {0}},
        {"up", "mlp.c_fc.weight", inner, n, true, {0}},
        {"up_bias", "mlp.c_fc.bias", inner, 0, biased, {0}},
        {"down", "mlp.c_proj.weight", n, inner, true, {0}},
        {"down_bias", "mlp.c_proj.bias", n, 0, biased, {0}},
    };
    return wanted_add_parts(out, layer, "model.layers", parts, sizeof parts / sizeof *parts, e);
}

static status tensors(const spec *s, wanted_list *out, error *e) {
    TRY(wanted_add(out, "embed", "model.embed_tokens.weight", s->vocab, s->hidden, e));
    for (uint32_t i = 0; i < s->layers; i++) TRY(add_layer(s, out, i, e));
    TRY(wanted_add(out, "final_norm", "model.norm.weight", s->hidden, 0, e));
    TRY(wanted_add(out, "final_norm_bias", "model.norm.bias", s->hidden, 0, e));
    return s->tied ? OK : wanted_add(out, "head", "lm_head.weight", s->vocab, s->hidden, e);
}

const arch arch_starcoder2 = {
    .model_type = "starcoder2",
    .summary = "StarCoder2",
    .configure = configure,
    .tensors = tensors,
    .ignored = llama_ignored,
    .base = "model.",
};
