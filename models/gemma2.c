#include "models/gemma.h"
#include "models/llama.h"
#include "models/rope.h"

/* Gemma with norms before and after, every other layer with a window, and caps of scores and logits. */
static status configure(spec *s, config *c, error *e) {
    static const gemma_usual usual = {.window = 4096, .pattern = 2, .score_cap = 50, .logit_cap = 30};
    TRY(gemma_configure(s, c, &(usual_sizes){.head_dim = GEMMA_HEAD_DIM, .context = GEMMA_CONTEXT}, e));
    TRY(gemma_configure_later(s, c, &usual, e));
    return rope_configure(s, c, e);
}

const arch arch_gemma2 = {
    .model_type = "gemma2",
    .summary = "Gemma 2",
    .configure = configure,
    .tensors = gemma_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
