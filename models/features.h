/* features.h: what several architectures read from config.json in the same way. Owns the usual keys of sizes, the names of activations and the keys of layer
 * norms; an architecture says which of them it has, and what is meant where a key is absent. */
#ifndef QBIN_MODELS_FEATURES_H
#define QBIN_MODELS_FEATURES_H

#include "file/spec.h"
#include "models/config.h"

/* Layers, widths, heads (head_dim is hidden / heads if nothing says another), vocabulary and context under their usual keys; attention_scale and room for the
 * windows, which are 0. */
status features_sizes(spec *s, config *c, error *e);

/* What follows from the sizes once they are there: attention_scale and room for the windows, which are 0. */
status features_from_sizes(spec *s, error *e);

/* The activation that `key` names, or `fallback`: "gelu" is the erf form, "gelu_new", "gelu_fast" and "gelu_pytorch_tanh" that with tanh. */
status features_activation(spec *s, config *c, const char *key, const char *fallback, error *e);

/* Layer norms with biases and the epsilon that `key` names. */
status features_layer_norm(spec *s, config *c, const char *key, double fallback, error *e);

/* The same window for every layer: `key`, none if it is absent or null. */
status features_window(spec *s, config *c, const char *key, error *e);

/* Refuses a feature that is switched on by `key`. */
status features_refuse(config *c, const char *key, error *e);

#endif
