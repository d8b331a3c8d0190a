/* features.h: what several architectures read from config.json in the same way. Owns the usual keys of sizes, the names of activations and the keys of layer
 * norms; an architecture says which of them it has, and what is meant where a key is absent. */
#ifndef QBIN_MODELS_FEATURES_H
#define QBIN_MODELS_FEATURES_H

#include "file/spec.h"
#include "models/config.h"

/* Layers, widths, heads (head_dim is hidden / heads if nothing says another), vocabulary and context under their usual keys; attention_scale and room for the
 * windows, which are 0. */
status features_sizes(spec *s, config *c, error *e);

/* Likewise, where files leave sizes out that have usual values; 0: it must be there, or follows from others. */
typedef struct usual_sizes {
    uint32_t layers, hidden, intermediate, heads, kv_heads, head_dim, vocab, context;
} usual_sizes;
status features_sizes_or(spec *s, config *c, const usual_sizes *usual, error *e);

/* What follows from the sizes once they are there: attention_scale and room for the windows, which are 0. */
status features_from_sizes(spec *s, error *e);

/* The activation that `key` names, or `fallback`: "gelu" is the erf form, "gelu_new", "gelu_fast" and "gelu_pytorch_tanh" that with tanh. */
status features_activation(spec *s, config *c, const char *key, const char *fallback, error *e);

/* Layer norms with biases and the epsilon that `key` names. */
status features_layer_norm(spec *s, config *c, const char *key, double fallback, error *e);

/* The same window for every layer: `key`, none if it is absent or null. */
status features_window(spec *s, config *c, const char *key, error *e);

/* A window for the layers that `layer_types` calls "sliding_attention", none for "full_attention"; where there is no such list, for those that slides(layer, n)
 * means. Another type of layer is refused. */
status features_sliding(spec *s, config *c, uint32_t window, bool (*slides)(uint32_t layer, uint32_t n), uint32_t n, error *e);
bool slides_but_each(uint32_t layer, uint32_t n); /* all but each n-th */
bool slides_from(uint32_t layer, uint32_t n);     /* from layer n on */

/* The keys of Qwen and SmolLM3: a window only if use_sliding_window says so, from layer max_window_layers on. */
status features_optional_window(spec *s, config *c, uint32_t first, error *e);

/* Keys whose meaning is not read: each, where it is there, must have this value, written as JSON. Ended by {NULL}. */
typedef struct expected_key {
    const char *key, *value;
} expected_key;
status features_expect(config *c, const expected_key *list, error *e);

/* Refuses a feature that is switched on by `key`. */
status features_refuse(config *c, const char *key, error *e);

#endif
