/* resolve.h: finds what an architecture wants in a checkpoint. Owns the prefixes that files put before the names of a language model, and the refusal of
 * tensors that nobody wants. */
#ifndef QBIN_MODELS_RESOLVE_H
#define QBIN_MODELS_RESOLVE_H

#include "models/arch.h"

/* Fills source and from of every item, and what was skipped; `root` is the content of config.json. E_FILE names the tensor that is missing, has another
 * shape, cannot be read or is not known. */
status resolve_tensors(const arch *a, const checkpoint *c, const json_t *root, wanted_list *list, error *e);

#endif
