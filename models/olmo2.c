#include "models/llama.h"

/* Llama that normalises what attention and MLP give instead of what they get, and whole projections of queries and keys. */
static status configure(spec *s, config *c, error *e) {
    double eps;
    TRY(llama_configure(s, c, e));
    TRY(config_number(c, "rms_norm_eps", 1e-5, &eps, e));
    TRY(config_bool(c, "attention_bias", false, &s->attention_bias, e));
    s->norm_eps = (float)eps;
    s->output_bias = s->attention_bias;
    s->norm_place = NORM_AFTER;
    s->qk_norm = QK_NORM_WHOLE;
    return OK;
}

const arch arch_olmo2 = {
    .model_type = "olmo2",
    .summary = "OLMo 2",
    .configure = configure,
    .tensors = llama_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
