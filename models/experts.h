/* experts.h: what architectures with experts share: the keys that say how many there are and which layers have them, and the list of their tensors. An
 * architecture says how its checkpoints call them. */
#ifndef QBIN_MODELS_EXPERTS_H
#define QBIN_MODELS_EXPERTS_H

#include "models/arch.h"
#include "models/config.h"

/* num_experts (or num_local_experts), num_experts_per_tok (or experts_per_token) and the width of an expert under the key `inner`; weights of the chosen are
 * normalised. Keys of their training are read and forgotten. */
status experts_configure(spec *s, config *c, const char *inner, error *e);

/* norm_topk_prob, false where it is absent; decoder_sparse_step and mlp_only_layers: layers with one MLP among the others. */
status experts_configure_layers(spec *s, config *c, error *e);

/* Does that layer have experts? */
bool experts_in_layer(const spec *s, uint32_t layer);

/* Names in a checkpoint, within a layer: "ROUTER.weight", "EXPERTS.E.GATE.weight" ... */
typedef struct expert_names {
    const char *router, *experts, *gate, *up, *down;
} expert_names;

/* The router and the matrices of every expert of a layer. */
status experts_add(const spec *s, wanted_list *out, uint32_t layer, const expert_names *names, error *e);

/* A whole model of the Llama family with them; `more` (or NULL) adds what else such a layer has. */
status experts_tensors(const spec *s, wanted_list *out, const expert_names *names,
                       status (*more)(const spec *s, wanted_list *out, uint32_t layer, error *e), error *e);

extern const arch arch_qwen2_moe, arch_qwen3_moe, arch_mixtral, arch_olmoe, arch_gpt_oss;

#endif
