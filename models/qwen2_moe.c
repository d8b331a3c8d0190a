#include "models/experts.h"
#include "models/features.h"
#include "models/llama.h"
#include "models/wanted.h"

enum { FIRST_WINDOW = 28 }; /* the reference's max_window_layers */

/* Qwen 2 with experts in most layers, and one MLP beside them that all tokens go through, as much of it as a gate says. */
static status configure(spec *s, config *c, error *e) {
    TRY(llama_configure(s, c, e));
    TRY(config_bool(c, "qkv_bias", true, &s->attention_bias, e));
    TRY(experts_configure(s, c, "moe_intermediate_size", e));
    TRY(experts_configure_layers(s, c, e));
    TRY(config_uint(c, "shared_expert_intermediate_size", CONFIG_NEEDED, &s->shared_intermediate, e));
    s->shared_gate = true;
    return features_optional_window(s, c, FIRST_WINDOW, e);
}

static status add_shared(const spec *s, wanted_list *out, uint32_t layer, error *e) {
    const uint64_t hidden = s->hidden, inner = s->shared_intermediate;
    const layer_part parts[] = {
        {"shared.gate", "mlp.shared_expert.gate_proj.weight", inner, hidden, true, {0}},
        {"shared.up", "mlp.shared_expert.up_proj.weight", inner, hidden, true, {0}},
        {"shared.down", "mlp.shared_expert.down_proj.weight", hidden, inner, true, {0}},
        {"shared_gate", "mlp.shared_expert_gate.weight", hidden, 0, true, {.stack = 1}}, /* [1, hidden] */
    };
    return wanted_add_parts(out, layer, "model.layers", parts, sizeof parts / sizeof *parts, e);
}

static status tensors(const spec *s, wanted_list *out, error *e) {
    static const expert_names names = {"mlp.gate", "mlp.experts", "gate_proj", "up_proj", "down_proj"};
    return experts_tensors(s, out, &names, add_shared, e);
}

const arch arch_qwen2_moe = {
    .model_type = "qwen2_moe",
    .summary = "Qwen 1.5 and 2 with experts: 14B-A2.7B, 57B-A14B",
    .configure = configure,
    .tensors = tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
