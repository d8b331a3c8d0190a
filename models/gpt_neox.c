/* gpt_neox: layer norms, a plain MLP, part of each head rotated, attention and MLP side by side or one after the other. Queries, keys and values lie in one
 * matrix, head by head. */
#include "models/classic.h"
#include "models/features.h"
#include "models/rope.h"
#include "models/wanted.h"

static status configure(spec *s, config *c, error *e) {
    bool parallel;
    TRY(features_sizes(s, c, e));
    TRY(features_layer_norm(s, c, "layer_norm_eps", 1e-5, e));
    TRY(features_activation(s, c, "hidden_act", "gelu", e));
    TRY(config_bool(c, "attention_bias", true, &s->attention_bias, e));
    TRY(config_bool(c, "use_parallel_residual", true, &parallel, e));
    TRY(config_bool(c, "tie_word_embeddings", false, &s->tied, e));
    s->output_bias = s->attention_bias;
    s->plain_mlp = s->mlp_bias = true;
    s->residual = parallel ? RESIDUAL_PARALLEL : RESIDUAL_SERIAL;
    if (s->kv_heads != s->heads) return fail(e, E_FILE, "'num_key_value_heads' is %u, not %u", s->kv_heads, s->heads);
    return rope_configure_as(s, c, &(rope_keys){.theta = "rotary_emb_base", .part = "rotary_pct", .usual_part = 0.25}, e);
}

static status add_layer(const spec *s, wanted_list *out, uint32_t layer, error *e) {
    const uint64_t n = s->hidden, inner = s->intermediate, dim = s->head_dim, width = dim * s->heads;
    const slice q = {.group = 3 * dim, .first = 0, .take = dim}, k = {.group = 3 * dim, .first = dim, .take = dim},
                v = {.group = 3 * dim, .first = 2 * dim, .take = dim};
    const layer_part parts[] = {
        {"attn_norm", "input_layernorm.weight", n, 0, true, {0}},
        {"attn_norm_bias", "input_layernorm.bias", n, 0, true, {0}},
        {"q", "attention.query_key_value.weight", width, n, true, q},
        {"k", "attention.query_key_value.weight", width, n, true, k},
        {"v", "attention.query_key_value.weight", width, n, true, v},
        {"q_bias", "attention.query_key_value.bias", width, 0, s->attention_bias, q},
        {"k_bias", "attention.query_key_value.bias", width, 0, s->attention_bias, k},
        {"v_bias", "attention.query_key_value.bias", width, 0, s->attention_bias, v},
        {"o", "attention.dense.weight", n, width, true, {0}},
        {"o_bias", "attention.dense.bias", n, 0, s->output_bias, {0}},
        {"mlp_norm", "post_attention_layernorm.weight", n, 0, true, {0}},
        {"mlp_norm_bias", "post_attention_layernorm.bias", n, 0, true, {0}},
        {"up", "mlp.dense_h_to_4h.weight", inner, n, true, {0}},
        {"up_bias", "mlp.dense_h_to_4h.bias", inner, 0, true, {0}},
        {"down", "mlp.dense_4h_to_h.weight", n, inner, true, {0}},
        {"down_bias", "mlp.dense_4h_to_h.bias", n, 0, true, {0}},
    };
    return wanted_add_parts(out, layer, "gpt_neox.layers", parts, sizeof parts / sizeof *parts, e);
}

static status tensors(const spec *s, wanted_list *out, error *e) {
    TRY(wanted_add(out, "embed", "gpt_neox.embed_in.weight", s->vocab, s->hidden, e));
    for (uint32_t i = 0; i < s->layers; i++) TRY(add_layer(s, out, i, e));
    TRY(wanted_add(out, "final_norm", "gpt_neox.final_layer_norm.weight", s->hidden, 0, e));
    TRY(wanted_add(out, "final_norm_bias", "gpt_neox.final_layer_norm.bias", s->hidden, 0, e));
    return s->tied ? OK : wanted_add(out, "head", "embed_out.weight", s->vocab, s->hidden, e);
}

/* Masks and frequencies; a tied head. */
static const char *const ignored[] = {"^gpt_neox\\.layers\\.[0-9]+\\.attention\\.(bias|masked_bias|rotary_emb\\.inv_freq)$", "^embed_out\\.weight$",
                                      NULL};

const arch arch_gpt_neox = {
    .model_type = "gpt_neox",
    .summary = "GPT-NeoX, Pythia, Dolly 2, RedPajama and others of that shape",
    .configure = configure,
    .tensors = tensors,
    .ignored = ignored,
    .base = "gpt_neox.",
};
