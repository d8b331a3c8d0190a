/* llama.h: what the architectures of the Llama family share: pre-norm RMSNorm, grouped queries, rotate-half positions, SwiGLU. An architecture
 * calls llama_configure and adds what is its own; llama_tensors follows the spec. */
#ifndef QBIN_MODELS_LLAMA_H
#define QBIN_MODELS_LLAMA_H

#include "models/arch.h"
#include "models/config.h"

/* Sizes, norms, activation, positions, scale; no biases, no windows. */
status llama_configure(spec *s, config *c, error *e);

/* The tensors of the spec under the names that Hugging Face gives them, biases included where the spec has them. */
status llama_tensors(const spec *s, wanted_list *out, error *e);

/* Tensors that such checkpoints may have and that nothing needs. */
extern const char *const llama_ignored[];

extern const arch arch_llama, arch_mistral;

#endif
