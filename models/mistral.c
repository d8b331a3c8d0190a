#include "models/llama.h"

enum { DEFAULT_WINDOW = 4096 }; /* what the reference takes when config.json has no such key; null means none */

/* Llama without biases, and a window that every layer has: a query sees that many keys, itself included. */
static status configure(spec *s, config *c, error *e) {
    uint32_t window;
    TRY(llama_configure(s, c, e));
    TRY(config_uint(c, "sliding_window", config_has(c, "sliding_window") ? 0 : DEFAULT_WINDOW, &window, e));
    for (uint32_t i = 0; i < s->layers; i++) s->window[i] = window;
    return OK;
}

const arch arch_mistral = {
    .model_type = "mistral",
    .summary = "Mistral 7B, Nemo and others of that shape, with or without a sliding window",
    .configure = configure,
    .tensors = llama_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
