#include "models/gemma.h"
#include "models/llama.h"
#include "models/rope.h"

/* Gemma 2 without caps, its heads normalised one by one, five of six layers with a window and with frequencies of their own. Files of the larger models say
 * only what differs from the reference's sizes. */
static status configure(spec *s, config *c, error *e) {
    static const usual_sizes sizes = {26, 2304, 9216, 8, 4, GEMMA_HEAD_DIM, 262208, 131072};
    static const rope_keys keys = {.theta = "rope_theta", .usual_theta = 1e6, .local = "rope_local_base_freq", .usual_local = 10000};
    TRY(gemma_configure(s, c, &sizes, e));
    TRY(gemma_configure_later(s, c, &(gemma_usual){.window = 4096, .pattern = 6}, e));
    s->qk_norm = QK_NORM_HEAD;
    return rope_configure_two(s, c, &keys, e);
}

const arch arch_gemma3 = {
    .model_type = "gemma3_text",
    .summary = "Gemma 3, the text part of the larger ones too",
    .configure = configure,
    .tensors = gemma_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
