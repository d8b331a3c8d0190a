#include "models/features.h"
#include "models/llama.h"

/* Llama that rotates neighbouring dimensions, with biases everywhere or nowhere. */
static status configure(spec *s, config *c, error *e) {
    if (!config_has(c, "head_dim")) return fail(e, E_FILE, "'head_dim' is missing");
    if (!config_has(c, "rms_norm_eps")) return fail(e, E_FILE, "'rms_norm_eps' is missing");
    TRY(llama_configure(s, c, e));
    TRY(config_bool(c, "tie_word_embeddings", true, &s->tied, e));
    TRY(config_bool(c, "use_bias", false, &s->attention_bias, e));
    s->output_bias = s->mlp_bias = s->attention_bias;
    s->rope = ROPE_INTERLEAVED;
    return OK;
}

const arch arch_ernie4_5 = {
    .model_type = "ernie4_5",
    .summary = "ERNIE 4.5, dense",
    .configure = configure,
    .tensors = llama_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
