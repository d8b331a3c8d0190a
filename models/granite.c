#include "models/llama.h"

/* Llama with four multipliers. */
static status configure(spec *s, config *c, error *e) {
    double embedding, residual, attention, logits;
    TRY(llama_configure(s, c, e));
    TRY(llama_biases(s, c, e));
    TRY(config_number(c, "embedding_multiplier", 1, &embedding, e));
    TRY(config_number(c, "residual_multiplier", 1, &residual, e));
    TRY(config_number(c, "attention_multiplier", 1, &attention, e));
    TRY(config_number(c, "logits_scaling", 1, &logits, e));
    if (!(logits > 0)) return fail(e, E_FILE, "'logits_scaling' is %g, not above 0", logits);
    s->embedding_scale = (float)embedding;
    s->residual_scale = (float)residual;
    s->attention_scale = (float)attention;
    s->logit_scale = (float)(1 / logits);
    return OK;
}

const arch arch_granite = {
    .model_type = "granite",
    .summary = "Granite 3 and 3.x, dense",
    .configure = configure,
    .tensors = llama_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
