#include "models/experts.h"
#include "models/llama.h"

/* Llama with experts in every layer, norms of whole projections, and a limit for them. */
static status configure(spec *s, config *c, error *e) {
    double eps, clip;
    TRY(llama_configure(s, c, e));
    TRY(config_number(c, "rms_norm_eps", 1e-5, &eps, e));
    TRY(config_number(c, "clip_qkv", 0, &clip, e));
    TRY(config_bool(c, "attention_bias", false, &s->attention_bias, e));
    s->norm_eps = (float)eps;
    s->clip_qkv = (float)clip;
    s->output_bias = s->attention_bias;
    s->qk_norm = QK_NORM_WHOLE;
    TRY(experts_configure(s, c, "intermediate_size", e));
    return config_bool(c, "norm_topk_prob", false, &s->experts_normalized, e);
}

static status tensors(const spec *s, wanted_list *out, error *e) {
    static const expert_names names = {"mlp.gate", "mlp.experts", "gate_proj", "up_proj", "down_proj"};
    return experts_tensors(s, out, &names, NULL, e);
}

const arch arch_olmoe = {
    .model_type = "olmoe",
    .summary = "OLMoE",
    .configure = configure,
    .tensors = tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
