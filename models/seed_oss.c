#include "models/features.h"
#include "models/llama.h"

/* Llama with three kinds of biases, each with a key of its own. */
static status configure(spec *s, config *c, error *e) {
    if (!config_has(c, "head_dim")) return fail(e, E_FILE, "'head_dim' is missing");
    TRY(llama_configure(s, c, e));
    TRY(config_bool(c, "attention_bias", true, &s->attention_bias, e));
    TRY(config_bool(c, "attention_out_bias", false, &s->output_bias, e));
    config_get(c, "residual_dropout");
    return config_bool(c, "mlp_bias", false, &s->mlp_bias, e);
}

const arch arch_seed_oss = {
    .model_type = "seed_oss",
    .summary = "Seed-OSS",
    .configure = configure,
    .tensors = llama_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
