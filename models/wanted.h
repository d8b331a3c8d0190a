/* wanted.h: grows the list of tensors that an architecture wants. Owns the spelling of layer names in the .qbin. */
#ifndef QBIN_MODELS_WANTED_H
#define QBIN_MODELS_WANTED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "models/arch.h"

/* A matrix [rows, k], or a vector [rows] when k is 0. */
status wanted_add(wanted_list *list, const char *name, const char *from, uint64_t rows, uint64_t k, error *e);

/* "layers.<layer>.<name>" from "<prefix>.<layer>.<from>". */
status wanted_add_layer(wanted_list *list, uint32_t layer, const char *name, const char *prefix, const char *from, uint64_t rows, uint64_t k,
                        error *e);

/* What a layer wants. Arrays of them are tables of an architecture. */
typedef struct layer_part {
    const char *name, *source;
    uint64_t rows, k;
    bool wanted;
    slice slice;
} layer_part;

/* Those of parts[n] that are wanted, of a layer. */
status wanted_add_parts(wanted_list *list, uint32_t layer, const char *prefix, const layer_part *parts, size_t n, error *e);

/* The slice of what was added last. */
void wanted_slice(wanted_list *list, slice part);

/* Slices of fused matrices: `rows` rows from `first` of `all`; the rows that belong to number `i` of `n` which take turns. */
static inline slice slice_of_rows(uint64_t all, uint64_t first, uint64_t rows) {
    return (slice){.group = all, .first = first, .take = rows};
}
static inline slice slice_of_turns(uint64_t n, uint64_t i) {
    return (slice){.group = n, .first = i, .take = 1};
}

#endif
