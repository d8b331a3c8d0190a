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

status llama_biases(spec *s, config *c, error *e) {
    TRY(config_bool(c, "attention_bias", false, &s->attention_bias, e));
    TRY(config_bool(c, "mlp_bias", false, &s->mlp_bias, e));
    s->output_bias = s->attention_bias;
    return OK;
}

static status configure(spec *s, config *c, error *e) {
    TRY(llama_configure(s, c, e));
    return llama_biases(s, c, e);
}

/* After attention comes the norm that is called post_attention_layernorm: before the MLP, or, where results are normalised, of attention's own result. */
status llama_add_attention(const spec *s, wanted_list *out, uint32_t layer, float plus, error *e) {
    const uint64_t hidden = s->hidden, q = (uint64_t)s->heads * s->head_dim, kv = (uint64_t)s->kv_heads * s->head_dim;
    const bool before = s->norm_place != NORM_AFTER, after = s->norm_place != NORM_BEFORE, biased = s->norm_bias, qkv_bias = s->attention_bias;
    const bool two = before && s->residual != RESIDUAL_SHARED, whole = s->qk_norm == QK_NORM_WHOLE, qk = s->qk_norm != QK_NORM_NONE;
    const slice one = {.plus = plus};
    const layer_part parts[] = {
        {"attn_norm", "input_layernorm.weight", hidden, 0, before, one},
        {"attn_norm_bias", "input_layernorm.bias", hidden, 0, before && biased, {0}},
        {"q", "self_attn.q_proj.weight", q, hidden, true, {0}},
        {"k", "self_attn.k_proj.weight", kv, hidden, true, {0}},
        {"v", "self_attn.v_proj.weight", kv, hidden, true, {0}},
        {"o", "self_attn.o_proj.weight", hidden, q, true, {0}},
        {"q_bias", "self_attn.q_proj.bias", q, 0, qkv_bias, {0}},
        {"k_bias", "self_attn.k_proj.bias", kv, 0, qkv_bias, {0}},
        {"v_bias", "self_attn.v_proj.bias", kv, 0, qkv_bias, {0}},
        {"o_bias", "self_attn.o_proj.bias", hidden, 0, s->output_bias, {0}},
        {"q_norm", "self_attn.q_norm.weight", whole ? q : s->head_dim, 0, qk, one},
        {"k_norm", "self_attn.k_norm.weight", whole ? kv : s->head_dim, 0, qk, one},
        {"attn_post_norm", "post_attention_layernorm.weight", hidden, 0, after, one},
        {"mlp_norm", after ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight", hidden, 0, two, one},
        {"mlp_norm_bias", "post_attention_layernorm.bias", hidden, 0, two && biased, {0}},
        {"mlp_post_norm", "post_feedforward_layernorm.weight", hidden, 0, after, one},
    };
    return wanted_add_parts(out, layer, "model.layers", parts, sizeof parts / sizeof *parts, e);
}

status llama_add_mlp(const spec *s, wanted_list *out, uint32_t layer, error *e) {
    const uint64_t hidden = s->hidden, inner = s->intermediate;
    const layer_part parts[] = {
        {"gate", "mlp.gate_proj.weight", inner, hidden, true, {0}},  {"up", "mlp.up_proj.weight", inner, hidden, true, {0}},
        {"down", "mlp.down_proj.weight", hidden, inner, true, {0}},  {"gate_bias", "mlp.gate_proj.bias", inner, 0, s->mlp_bias, {0}},
        {"up_bias", "mlp.up_proj.bias", inner, 0, s->mlp_bias, {0}}, {"down_bias", "mlp.down_proj.bias", hidden, 0, s->mlp_bias, {0}},
    };
    return wanted_add_parts(out, layer, "model.layers", parts, sizeof parts / sizeof *parts, e);
}

status llama_add_embedding(const spec *s, wanted_list *out, error *e) {
    return wanted_add(out, "embed", "model.embed_tokens.weight", s->vocab, s->hidden, e);
}

status llama_add_end(const spec *s, wanted_list *out, float plus, error *e) {
    TRY(wanted_add(out, "final_norm", "model.norm.weight", s->hidden, 0, e));
    wanted_slice(out, (slice){.plus = plus});
    if (s->norm_bias) TRY(wanted_add(out, "final_norm_bias", "model.norm.bias", s->hidden, 0, e));
    return s->tied ? OK : wanted_add(out, "head", "lm_head.weight", s->vocab, s->hidden, e);
}

status llama_tensors_plus(const spec *s, wanted_list *out, float plus, error *e) {
    TRY(llama_add_embedding(s, out, e));
    for (uint32_t i = 0; i < s->layers; i++) {
        TRY(llama_add_attention(s, out, i, plus, e));
        TRY(llama_add_mlp(s, out, i, e));
    }
    return llama_add_end(s, out, plus, e);
}

status llama_tensors(const spec *s, wanted_list *out, error *e) {
    return llama_tensors_plus(s, out, 0, e);
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
