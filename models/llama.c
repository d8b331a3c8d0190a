#include "models/llama.h"

#include <math.h>
#include <stdlib.h>

#include "models/rope.h"
#include "models/wanted.h"

static const char *const activations[] = {"silu", "swish", NULL};

static status read_sizes(spec *s, config *c, error *e) {
    TRY(config_uint(c, "num_hidden_layers", CONFIG_NEEDED, &s->layers, e));
    TRY(config_uint(c, "hidden_size", CONFIG_NEEDED, &s->hidden, e));
    TRY(config_uint(c, "intermediate_size", CONFIG_NEEDED, &s->intermediate, e));
    TRY(config_uint(c, "num_attention_heads", CONFIG_NEEDED, &s->heads, e));
    TRY(config_uint(c, "num_key_value_heads", s->heads, &s->kv_heads, e));
    TRY(config_uint(c, "vocab_size", CONFIG_NEEDED, &s->vocab, e));
    TRY(config_uint(c, "max_position_embeddings", 2048, &s->context, e));
    if (!s->heads || !s->layers || s->layers > SPEC_LAYERS_MAX) {
        return fail(e, E_FILE, "'num_attention_heads' is %u, 'num_hidden_layers' is %u", s->heads, s->layers);
    }
    return config_uint(c, "head_dim", s->hidden / s->heads, &s->head_dim, e);
}

status llama_configure(spec *s, config *c, error *e) {
    double eps;
    TRY(read_sizes(s, c, e));
    TRY(config_number(c, "rms_norm_eps", 1e-6, &eps, e));
    TRY(config_bool(c, "tie_word_embeddings", false, &s->tied, e));
    TRY(config_one_of(c, "hidden_act", activations, e));
    s->norm = NORM_RMS;
    s->norm_eps = (float)eps;
    s->activation = ACTIVATION_SILU;
    s->attention_scale = (float)(1 / sqrt(s->head_dim));
    s->window = calloc(s->layers, sizeof *s->window);
    if (!s->window) return fail(e, E_MEMORY, "no memory");
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
    const bool qkv_bias = s->attention_bias, o_bias = s->output_bias, mlp_bias = s->mlp_bias;
    const struct {
        const char *name, *source;
        uint64_t rows, k;
        bool present;
    } parts[] = {
        {"attn_norm", "input_layernorm.weight", hidden, 0, true}, {"q", "self_attn.q_proj.weight", q, hidden, true},
        {"k", "self_attn.k_proj.weight", kv, hidden, true},       {"v", "self_attn.v_proj.weight", kv, hidden, true},
        {"o", "self_attn.o_proj.weight", hidden, q, true},        {"q_bias", "self_attn.q_proj.bias", q, 0, qkv_bias},
        {"k_bias", "self_attn.k_proj.bias", kv, 0, qkv_bias},     {"v_bias", "self_attn.v_proj.bias", kv, 0, qkv_bias},
        {"o_bias", "self_attn.o_proj.bias", hidden, 0, o_bias},   {"mlp_norm", "post_attention_layernorm.weight", hidden, 0, true},
        {"gate", "mlp.gate_proj.weight", inner, hidden, true},    {"up", "mlp.up_proj.weight", inner, hidden, true},
        {"down", "mlp.down_proj.weight", hidden, inner, true},    {"gate_bias", "mlp.gate_proj.bias", inner, 0, mlp_bias},
        {"up_bias", "mlp.up_proj.bias", inner, 0, mlp_bias},      {"down_bias", "mlp.down_proj.bias", hidden, 0, mlp_bias},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].present) TRY(wanted_add_layer(out, layer, parts[i].name, "model.layers", parts[i].source, parts[i].rows, parts[i].k, e));
    }
    return OK;
}

status llama_tensors(const spec *s, wanted_list *out, error *e) {
    TRY(wanted_add(out, "embed", "model.embed_tokens.weight", s->vocab, s->hidden, e));
    for (uint32_t i = 0; i < s->layers; i++) TRY(add_layer(s, out, i, e));
    TRY(wanted_add(out, "final_norm", "model.norm.weight", s->hidden, 0, e));
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
