/* wanted.h: grows the list of tensors that an architecture wants. Owns the spelling of layer names in the .qbin. */
#ifndef QBIN_MODELS_WANTED_H
#define QBIN_MODELS_WANTED_H

#include <stdint.h>

#include "base/error.h"
#include "models/arch.h"

/* A matrix [rows, k], or a vector [rows] when k is 0. */
status wanted_add(wanted_list *list, const char *name, const char *from, uint64_t rows, uint64_t k, error *e);

/* "layers.<layer>.<name>" from "<prefix>.<layer>.<from>". */
status wanted_add_layer(wanted_list *list, uint32_t layer, const char *name, const char *prefix, const char *from, uint64_t rows, uint64_t k,
                        error *e);

#endif
