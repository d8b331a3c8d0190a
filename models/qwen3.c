#include "models/features.h"
#include "models/llama.h"

enum { FIRST_WINDOW = 28 }; /* the reference's max_window_layers */

/* Llama whose heads of queries and keys are normalised one by one. Their size does not follow from the others. */
static status configure(spec *s, config *c, error *e) {
    if (!config_has(c, "head_dim")) return fail(e, E_FILE, "'head_dim' is missing");
    TRY(llama_configure(s, c, e));
    TRY(config_bool(c, "attention_bias", false, &s->attention_bias, e));
    s->output_bias = s->attention_bias;
    s->qk_norm = QK_NORM_HEAD;
    return features_optional_window(s, c, FIRST_WINDOW, e);
}

const arch arch_qwen3 = {
    .model_type = "qwen3",
    .summary = "Qwen 3, dense",
    .configure = configure,
    .tensors = llama_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
