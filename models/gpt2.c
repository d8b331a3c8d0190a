/* gpt2: learned positions, layer norms, a plain MLP, biases everywhere. Its matrices lie as [in, out], queries, keys and values in one. */
#include "models/classic.h"
#include "models/features.h"
#include "models/wanted.h"

static status read_sizes(spec *s, config *c, error *e) {
    TRY(config_uint(c, "n_layer", CONFIG_NEEDED, &s->layers, e));
    TRY(config_uint(c, "n_embd", CONFIG_NEEDED, &s->hidden, e));
    TRY(config_uint(c, "n_head", CONFIG_NEEDED, &s->heads, e));
    TRY(config_uint(c, "n_inner", 4 * s->hidden, &s->intermediate, e));
    TRY(config_uint(c, "vocab_size", CONFIG_NEEDED, &s->vocab, e));
    TRY(config_uint(c, "n_positions", 1024, &s->context, e));
    if (!s->heads || !s->layers || s->layers > SPEC_LAYERS_MAX || s->hidden % s->heads || s->hidden > SPEC_SIZE_MAX) {
        return fail(e, E_FILE, "'n_head' is %u, 'n_layer' is %u, 'n_embd' is %u", s->heads, s->layers, s->hidden);
    }
    s->kv_heads = s->heads;
    s->head_dim = s->hidden / s->heads;
    return features_from_sizes(s, e);
}

/* What is trained, classified or computed more exactly changes no logits. */
static const char *const harmless[] = {
    "attn_pdrop",       "n_ctx", "reorder_and_upcast_attn", "summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type",
    "summary_use_proj", NULL};

static status configure(spec *s, config *c, error *e) {
    bool scaled;
    TRY(read_sizes(s, c, e));
    TRY(features_layer_norm(s, c, "layer_norm_epsilon", 1e-5, e));
    TRY(features_activation(s, c, "activation_function", "gelu_new", e));
    TRY(config_bool(c, "scale_attn_weights", true, &scaled, e));
    TRY(features_refuse(c, "scale_attn_by_inverse_layer_idx", e));
    TRY(config_bool(c, "tie_word_embeddings", true, &s->tied, e));
    for (size_t i = 0; harmless[i]; i++) config_get(c, harmless[i]);
    if (!scaled) s->attention_scale = 1;
    s->plain_mlp = s->attention_bias = s->output_bias = s->mlp_bias = s->learned_positions = true;
    return OK;
}

static status add_layer(const spec *s, wanted_list *out, uint32_t layer, error *e) {
    const uint64_t n = s->hidden, inner = s->intermediate;
    const slice turned = {.turned = true};
    const layer_part parts[] = {
        {"attn_norm", "ln_1.weight", n, 0, true, {0}},
        {"attn_norm_bias", "ln_1.bias", n, 0, true, {0}},
        {"q", "attn.c_attn.weight", n, n, true, {.group = 3 * n, .first = 0, .take = n, .turned = true}},
        {"k", "attn.c_attn.weight", n, n, true, {.group = 3 * n, .first = n, .take = n, .turned = true}},
        {"v", "attn.c_attn.weight", n, n, true, {.group = 3 * n, .first = 2 * n, .take = n, .turned = true}},
        {"q_bias", "attn.c_attn.bias", n, 0, true, slice_of_rows(3 * n, 0, n)},
        {"k_bias", "attn.c_attn.bias", n, 0, true, slice_of_rows(3 * n, n, n)},
        {"v_bias", "attn.c_attn.bias", n, 0, true, slice_of_rows(3 * n, 2 * n, n)},
        {"o", "attn.c_proj.weight", n, n, true, turned},
        {"o_bias", "attn.c_proj.bias", n, 0, true, {0}},
        {"mlp_norm", "ln_2.weight", n, 0, true, {0}},
        {"mlp_norm_bias", "ln_2.bias", n, 0, true, {0}},
        {"up", "mlp.c_fc.weight", inner, n, true, turned},
        {"up_bias", "mlp.c_fc.bias", inner, 0, true, {0}},
        {"down", "mlp.c_proj.weight", n, inner, true, turned},
        {"down_bias", "mlp.c_proj.bias", n, 0, true, {0}},
    };
    return wanted_add_parts(out, layer, "transformer.h", parts, sizeof parts / sizeof *parts, e);
}

static status tensors(const spec *s, wanted_list *out, error *e) {
    TRY(wanted_add(out, "embed", "transformer.wte.weight", s->vocab, s->hidden, e));
    TRY(wanted_add(out, "positions", "transformer.wpe.weight", s->context, s->hidden, e));
    for (uint32_t i = 0; i < s->layers; i++) TRY(add_layer(s, out, i, e));
    TRY(wanted_add(out, "final_norm", "transformer.ln_f.weight", s->hidden, 0, e));
    TRY(wanted_add(out, "final_norm_bias", "transformer.ln_f.bias", s->hidden, 0, e));
    return s->tied ? OK : wanted_add(out, "head", "lm_head.weight", s->vocab, s->hidden, e);
}

/* Masks of attention; a tied head. */
static const char *const ignored[] = {"^transformer\\.h\\.[0-9]+\\.attn\\.(bias|masked_bias)$", "^lm_head\\.weight$", NULL};

const arch arch_gpt2 = {
    .model_type = "gpt2",
    .summary = "GPT-2 and others of that shape, with or without a prefix before their names",
    .configure = configure,
    .tensors = tensors,
    .ignored = ignored,
    .base = "transformer.",
};
