#include "models/features.h"
#include "models/llama.h"

enum { FIRST_WINDOW = 28 }; /* the reference's max_window_layers */

/* Llama with biases of queries, keys and values whatever the file says, and a window that is off unless it is switched on. */
static status configure(spec *s, config *c, error *e) {
    TRY(llama_configure(s, c, e));
    TRY(features_refuse(c, "use_mrope", e));
    s->attention_bias = true;
    return features_optional_window(s, c, FIRST_WINDOW, e);
}

const arch arch_qwen2 = {
    .model_type = "qwen2",
    .summary = "Qwen 1.5, 2 and 2.5, QwQ and others of that shape",
    .configure = configure,
    .tensors = llama_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
