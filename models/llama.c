#include "models/llama.h"

#include "models/features.h"
#include "models/rope.h"
#include "models/wanted.h"

status llama_configure(spec *s, config *c, error *e) {
    double eps;
    TRY(features_sizes(s, c, e));
    TRY(config_number(c, "rms_norm_eps", 1e-6, &eps, e));
    TRY(config_bool(c, "tie_word_embeddings", false, &s->tied, e));
    TRY(features_activation(s, c, "hidden_act", "silu", e));
    s->norm = NORM_RMS;
    s->norm_eps = (float)eps;
    return rope_configure(s, c, e);
}

static status configure(spec *s, config *c, error *e) {
    TRY(llama_configure(s, c, e));
    TRY(config_bool(c, "attention_bias", false, &s->attention_bias, e));
    TRY(config_bool(c, "mlp_bias", false, &s->mlp_bias, e));
    s->output_bias = s->attention_bias;
    return OK;
}

static status add_layer(const spec *s, wanted_list *out, uint32_t layer, error *e) {
    const uint64_t hidden = s->hidden, inner = s->intermediate, q = (uint64_t)s->heads * s->head_dim, kv = (uint64_t)s->kv_heads * s->head_dim;
    const bool qkv_bias = s->attention_bias, o_bias = s->output_bias, mlp_bias = s->mlp_bias, norm_bias = s->norm_bias;
    const bool two_norms = s->residual != RESIDUAL_SHARED;
    const layer_part parts[] = {
        {"attn_norm", "input_layernorm.weight", hidden, 0, true, {0}},
        {"attn_norm_bias", "input_layernorm.bias", hidden, 0, norm_bias, {0}},
        {"q", "self_attn.q_proj.weight", q, hidden, true, {0}},
        {"k", "self_attn.k_proj.weight", kv, hidden, true, {0}},
        {"v", "self_attn.v_proj.weight", kv, hidden, true, {0}},
        {"o", "self_attn.o_proj.weight", hidden, q, true, {0}},
        {"q_bias", "self_attn.q_proj.bias", q, 0, qkv_bias, {0}},
        {"k_bias", "self_attn.k_proj.bias", kv, 0, qkv_bias, {0}},
        {"v_bias", "self_attn.v_proj.bias", kv, 0, qkv_bias, {0}},
        {"o_bias", "self_attn.o_proj.bias", hidden, 0, o_bias, {0}},
        {"mlp_norm", "post_attention_layernorm.weight", hidden, 0, two_norms, {0}},
        {"mlp_norm_bias", "post_attention_layernorm.bias", hidden, 0, two_norms && norm_bias, {0}},
        {"gate", "mlp.gate_proj.weight", inner, hidden, true, {0}},
        {"up", "mlp.up_proj.weight", inner, hidden, true, {0}},
        {"down", "mlp.down_proj.weight", hidden, inner, true, {0}},
        {"gate_bias", "mlp.gate_proj.bias", inner, 0, mlp_bias, {0}},
        {"up_bias", "mlp.up_proj.bias", inner, 0, mlp_bias, {0}},
        {"down_bias", "mlp.down_proj.bias", hidden, 0, mlp_bias, {0}},
    };
    return wanted_add_parts(out, layer, "model.layers", parts, sizeof parts / sizeof *parts, e);
}

status llama_tensors(const spec *s, wanted_list *out, error *e) {
    TRY(wanted_add(out, "embed", "model.embed_tokens.weight", s->vocab, s->hidden, e));
    for (uint32_t i = 0; i < s->layers; i++) TRY(add_layer(s, out, i, e));
    TRY(wanted_add(out, "final_norm", "model.norm.weight", s->hidden, 0, e));
    if (s->norm_bias) TRY(wanted_add(out, "final_norm_bias", "model.norm.bias", s->hidden, 0, e));
    return s->tied ? OK : wanted_add(out, "head", "lm_head.weight", s->vocab, s->hidden, e);
}

/* Old checkpoints store the frequencies; a tied head is sometimes stored as well. */
const char *const llama_ignored[] = {"^model\\.layers\\.[0-9]+\\.self_attn\\.rotary_emb\\.inv_freq$", "^lm_head\\.weight$", NULL};

const arch arch_llama = {
    .model_type = "llama",
    .summary = "Llama 2, 3, 3.1, 3.2, TinyLlama, SmolLM 1 and 2 and others of that shape",
    .configure = configure,
    .tensors = llama_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
