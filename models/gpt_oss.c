/* gpt_oss: experts in every layer, biases everywhere, sinks of attention, windows in every second layer. Experts lie in stacks, as [in, out] or as MXFP4, rows
 * of gate and up taking turns. */
#include <stdio.h>

#include "models/experts.h"
#include "models/features.h"
#include "models/llama.h"
#include "models/rope.h"
#include "models/wanted.h"

static const expected_key expected[] = {{"swiglu_alpha", "1.702"}, {"hidden_act", "\"silu\""}, {NULL, NULL}};

static status configure(spec *s, config *c, error *e) {
    double eps, limit;
    uint32_t window;
    TRY(features_sizes_or(s, c, &(usual_sizes){.head_dim = 64, .context = 131072}, e));
    TRY(config_number(c, "rms_norm_eps", 1e-5, &eps, e));
    TRY(config_number(c, "swiglu_limit", 7, &limit, e));
    TRY(config_uint(c, "sliding_window", 128, &window, e));
    TRY(config_bool(c, "attention_bias", true, &s->attention_bias, e));
    TRY(config_bool(c, "tie_word_embeddings", false, &s->tied, e));
    TRY(features_expect(c, expected, e));
    config_get(c, "initial_context_length"); /* rope_scaling says the same */
    s->norm_eps = (float)eps;
    s->mlp_limit = (float)limit;
    s->activation = ACTIVATION_SWIGLU_SHIFTED;
    s->output_bias = s->attention_bias;
    s->router_bias = s->expert_bias = s->sinks = true;
    TRY(experts_configure(s, c, "intermediate_size", e));
    TRY(features_sliding(s, c, window, slides_but_each, 2, e));
    return rope_configure(s, c, e);
}

static status add_expert(const spec *s, wanted_list *out, uint32_t layer, uint32_t i, error *e) {
    const uint64_t n = s->hidden, inner = s->expert_intermediate, all = s->n_experts;
    const slice gate = {.stack = all, .element = i, .group = 2, .first = 0, .take = 1, .turned = true};
    const slice up = {.stack = all, .element = i, .group = 2, .first = 1, .take = 1, .turned = true};
    const slice whole = {.stack = all, .element = i}, down = {.stack = all, .element = i, .turned = true};
    const layer_part parts[] = {
        {"gate", "mlp.experts.gate_up_proj", inner, n, true, gate},       {"up", "mlp.experts.gate_up_proj", inner, n, true, up},
        {"down", "mlp.experts.down_proj", n, inner, true, down},          {"gate_bias", "mlp.experts.gate_up_proj_bias", inner, 0, true, gate},
        {"up_bias", "mlp.experts.gate_up_proj_bias", inner, 0, true, up}, {"down_bias", "mlp.experts.down_proj_bias", n, 0, true, whole},
    };
    for (size_t j = 0; j < sizeof parts / sizeof *parts; j++) {
        char name[TENSOR_NAME];
        snprintf(name, sizeof name, "experts.%u.%s", i, parts[j].name);
        TRY(wanted_add_layer(out, layer, name, "model.layers", parts[j].source, parts[j].rows, parts[j].k, e));
        wanted_slice(out, parts[j].slice);
    }
    return OK;
}

static status add_layer(const spec *s, wanted_list *out, uint32_t layer, error *e) {
    const layer_part parts[] = {
        {"sinks", "self_attn.sinks", s->heads, 0, true, {0}},
        {"router", "mlp.router.weight", s->n_experts, s->hidden, true, {0}},
        {"router_bias", "mlp.router.bias", s->n_experts, 0, true, {0}},
    };
    TRY(llama_add_attention(s, out, layer, 0, e));
    TRY(wanted_add_parts(out, layer, "model.layers", parts, sizeof parts / sizeof *parts, e));
    for (uint32_t i = 0; i < s->n_experts; i++) TRY(add_expert(s, out, layer, i, e));
    return OK;
}

static status tensors(const spec *s, wanted_list *out, error *e) {
    TRY(llama_add_embedding(s, out, e));
    for (uint32_t i = 0; i < s->layers; i++) TRY(add_layer(s, out, i, e));
    return llama_add_end(s, out, 0, e);
}

const arch arch_gpt_oss = {
    .model_type = "gpt_oss",
    .summary = "gpt-oss 20B, 120B, as BF16 or MXFP4",
    .configure = configure,
    .tensors = tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
