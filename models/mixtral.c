#include "models/experts.h"
#include "models/features.h"
#include "models/llama.h"

/* Mistral with experts in every layer. */
static status configure(spec *s, config *c, error *e) {
    double eps;
    TRY(llama_configure(s, c, e));
    TRY(config_number(c, "rms_norm_eps", 1e-5, &eps, e));
    s->norm_eps = (float)eps;
    TRY(features_window(s, c, "sliding_window", e));
    return experts_configure(s, c, "intermediate_size", e);
}

static status tensors(const spec *s, wanted_list *out, error *e) {
    static const expert_names names = {"block_sparse_moe.gate", "block_sparse_moe.experts", "w1", "w3", "w2"};
    return experts_tensors(s, out, &names, NULL, e);
}

const arch arch_mixtral = {
    .model_type = "mixtral",
    .summary = "Mixtral 8x7B, 8x22B",
    .configure = configure,
    .tensors = tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
