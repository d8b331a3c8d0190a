/* gguf_out.h: the way back of gguf.h: the values of a GGUF file from a spec, its config.json and its tokenizer.json, by the same tables. What GGUF cannot say
 * is refused by name, so that nobody gets a file that another program runs as another model. */
#ifndef QBIN_MODELS_GGUF_OUT_H
#define QBIN_MODELS_GGUF_OUT_H

#include <jansson.h>

#include "file/gguf_write.h"
#include "file/spec.h"
#include "file/tensor.h"
#include "models/gguf.h"

/* The architecture of a model_type. E_FILE names one that has none and lists those that have. */
status gguf_arch_of(const gguf_arch **out, const char *model_type, error *e);

/* "model.layers.3.self_attn.q_proj.weight" to "blk.3.attn_q.weight"; *part is its row of the table, NULL outside of layers. */
status gguf_name_of(const gguf_arch *a, const char *name, char out[TENSOR_NAME], const gguf_pair **part, error *e);

/* Sizes, norms and positions; `config` is config.json, or its text_config. */
status gguf_put_model(gguf_values *v, const gguf_arch *a, const spec *s, const json_t *config, error *e);

/* Does its rope scaling come as a tensor, rope_freqs.weight? Then factors[rope_dims / 2] are filled. */
bool gguf_rope_factors(const spec *s, const json_t *config, float *factors);

/* Tokens, merges or scores, how text is split, tokens around a text, the chat template (NULL: none). `config`: tokenizer_config.json or NULL. Without
 * `tokenizer` the file says that it has none. */
status gguf_put_tokenizer(gguf_values *v, const spec *s, const json_t *tokenizer, const json_t *config, const json_t *chat, error *e);

#endif
