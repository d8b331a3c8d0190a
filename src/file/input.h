/* input.h: the inputs of a model's matrix products, by name and by number. Matrices that multiply the same vector share an input: what calibration measures
 * and what static scales and smoothing belong to. Knows names and widths only.
 *
 * Names: "layers.N.attn" (read by q, k, v), "layers.N.heads" (o), "layers.N.mlp" (gate, up), "layers.N.inner" (down) and "head" (the output layer). */
#ifndef QBIN_FILE_INPUT_H
#define QBIN_FILE_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "file/spec.h"

enum { INPUT_NAME = 32 };

typedef enum layer_input { INPUT_ATTN, INPUT_HEADS, INPUT_MLP, INPUT_INNER, LAYER_INPUTS } layer_input;

/* Inputs are numbered layer by layer; the output layer's is the last. */
static inline size_t input_index(size_t of_layer, layer_input which) {
    return of_layer * LAYER_INPUTS + which;
}

static inline bool input_is(const spec *s, size_t index, layer_input which) {
    return index / LAYER_INPUTS < s->layers && index % LAYER_INPUTS == which;
}

static inline size_t input_count(const spec *s) {
    return (size_t)s->layers * LAYER_INPUTS + 1;
}

size_t input_width(const spec *s, size_t index);
void input_name(const spec *s, size_t index, char name[INPUT_NAME]);

/* The number of the input that the matrix `tensor` multiplies; "embed" multiplies the head's if the two are tied, for its rows are those of the output layer.
 * False for everything else that is no matrix of the spec. */
bool input_of_tensor(const spec *s, const char *tensor, size_t *index);

#endif
