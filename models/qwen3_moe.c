#include "models/experts.h"
#include "models/features.h"
#include "models/llama.h"

enum { FIRST_WINDOW = 28 }; /* the reference's max_window_layers */

/* Qwen 3 with experts in most layers. */
static status configure(spec *s, config *c, error *e) {
    TRY(llama_configure(s, c, e));
    TRY(config_bool(c, "attention_bias", false, &s->attention_bias, e));
    s->output_bias = s->attention_bias;
    s->qk_norm = QK_NORM_HEAD;
    TRY(experts_configure(s, c, "moe_intermediate_size", e));
    TRY(experts_configure_layers(s, c, e));
    return features_optional_window(s, c, FIRST_WINDOW, e);
}

static status tensors(const spec *s, wanted_list *out, error *e) {
    static const expert_names names = {"mlp.gate", "mlp.experts", "gate_proj", "up_proj", "down_proj"};
    return experts_tensors(s, out, &names, NULL, e);
}

const arch arch_qwen3_moe = {
    .model_type = "qwen3_moe",
    .summary = "Qwen 3 with experts: 30B-A3B, 235B-A22B and others",
    .configure = configure,
    .tensors = tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
