/* arch.h: an architecture maps a checkpoint to the spec and to named tensors. Used by convert alone; the engine never sees it.
 *
 * A file in models/ is one const `arch` and one line in registry.c. It fills the spec from config.json, lists the tensors it wants with
 * the checkpoint names they come from, and names the checkpoint tensors that may be skipped. A config key or value that would change the
 * mathematics and is not understood is refused by name: config keys are read through `config` (config.h), which knows at the end which
 * keys nobody asked for, and only those on the list of harmless keys may be left over. */
#ifndef QBIN_MODELS_ARCH_H
#define QBIN_MODELS_ARCH_H

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"
#include "file/spec.h"
#include "file/tensor.h"
#include "file/view.h"

typedef struct config config; /* models/config.h */

/* What a tensor of the .qbin is made from. Canonical names; what stands in brackets is there only if the spec says so:
 *
 *   embed, [head, head_bias], [positions: [context, hidden]], final_norm, [final_norm_bias], and for layer N "layers.N." followed by
 *   [attn_norm, mlp_norm]             before attention and MLP (norm_place before and around); a shared residual has attn_norm alone
 *   [attn_post_norm, mlp_post_norm]   after them (norm_place after and around)
 *   [attn_norm_bias ...]              with norm_bias, of every norm above
 *   q, k, v, o, [q_bias, k_bias, v_bias, o_bias], [q_norm, k_norm: [head_dim], or the width of q and k], [sinks: [heads]]
 *   gate, up, down, [gate_bias, up_bias, down_bias]      of an MLP; no gate in a plain one
 *   router: [n_experts, hidden], [router_bias], experts.E.gate, .up, .down, [experts.E.gate_bias ...]      of a layer with experts, instead of an MLP
 *   [shared.gate, shared.up, shared.down], [shared_gate: a vector [hidden]]
 *
 * Norms multiply by what is stored: a checkpoint whose norms mean 1 + w has the 1 added here. */
typedef struct wanted {
    char name[TENSOR_NAME];   /* in the .qbin */
    char source[TENSOR_NAME]; /* in the checkpoint */
    uint64_t rows, k;         /* expected shape; k = 0 for a vector [rows] */
    slice slice;              /* which part of it; {0}: all, as it lies */
    view from;                /* filled by arch_resolve: where it lies in the checkpoint, which it borrows */
} wanted;

typedef struct wanted_list {
    wanted *items;
    size_t n, room;
    size_t skipped; /* filled by arch_resolve: tensors of the checkpoint that belong to other parts than the language model */
    char first_skipped[TENSOR_NAME];
} wanted_list;

typedef struct arch {
    const char *model_type;
    const char *summary;
    status (*configure)(spec *s, config *c, error *e);
    status (*tensors)(const spec *s, wanted_list *out, error *e);
    const char *const *ignored; /* POSIX extended regular expressions of checkpoint tensors that may be left out; NULL-terminated */
    /* What the checkpoint's names of the layer stack begin with: "model.". Files that leave it out, or put "language_model." before it, are read as well. */
    const char *base;
} arch;
extern const arch *const archs[]; /* NULL-terminated: the list */

/* Reads config.json, finds the architecture by model_type (E_FILE names an unknown one and lists the known), fills the spec, checks that
 * the checkpoint has every wanted tensor in the expected shape and a readable dtype, and no other tensor. If generation_config.json lies beside it, its
 * token ids win over those of config.json. The caller frees spec and list; nothing is kept on failure. */
status arch_resolve(const checkpoint *c, const char *config_path, spec *s, wanted_list *out, error *e);

/* The same of a config.json and a generation_config.json (or NULL) that have been read; `name` is what messages call the first. */
status arch_resolve_config(const checkpoint *c, const char *name, const json_t *root, const json_t *generation, spec *s, wanted_list *out, error *e);

/* What arch_configure and arch_resolve read of a config.json: itself, or the text_config of a model that does more than text, with what it leaves to the whole.
 * New reference. E_FILE names a key beside text_config that is not understood. */
status arch_text_config(json_t **out, const json_t *root, error *e);

/* The part of arch_resolve that needs no checkpoint: `root` is the content of config.json, `generation` that of generation_config.json or NULL. */
status arch_configure(const arch **a, spec *s, const json_t *root, const json_t *generation, error *e);

void wanted_free(wanted_list *list);

#endif
