/* llama.h: what the architectures of the Llama family share: pre-norm RMSNorm, grouped queries, rotate-half positions, SwiGLU. An architecture
 * calls llama_configure and adds what is its own; llama_tensors follows the spec. */
#ifndef QBIN_MODELS_LLAMA_H
#define QBIN_MODELS_LLAMA_H

#include "models/arch.h"
#include "models/config.h"

/* Sizes, norms, activation, positions, scale; no biases, no windows. */
status llama_configure(spec *s, config *c, error *e);

/* attention_bias means all four projections, mlp_bias all three. */
status llama_biases(spec *s, config *c, error *e);

/* The tensors of the spec under the names that Hugging Face gives them: norms, biases and the rest where the spec has them. llama_tensors_plus: norms are
 * stored as what is added to `plus`. */
status llama_tensors(const spec *s, wanted_list *out, error *e);
status llama_tensors_plus(const spec *s, wanted_list *out, float plus, error *e);

/* Parts of them: the embedding; a layer's norms and attention; its MLP; the last norm and the head. */
status llama_add_embedding(const spec *s, wanted_list *out, error *e);
status llama_add_attention(const spec *s, wanted_list *out, uint32_t layer, float plus, error *e);
status llama_add_mlp(const spec *s, wanted_list *out, uint32_t layer, error *e);
status llama_add_end(const spec *s, wanted_list *out, float plus, error *e);

/* Tensors that such checkpoints may have and that nothing needs. */
extern const char *const llama_ignored[];

extern const arch arch_llama, arch_mistral, arch_qwen2, arch_qwen3, arch_smollm3, arch_olmo2, arch_granite, arch_phi3, arch_cohere2;
extern const arch arch_gemma, arch_gemma2, arch_gemma3, arch_olmo3, arch_cohere, arch_ernie4_5, arch_seed_oss, arch_exaone4, arch_glm4;

#endif
