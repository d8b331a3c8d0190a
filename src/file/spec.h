/* spec.h: the transformer spec, a set of orthogonal features that the one generic forward executes.
 *
 * No architecture name is needed to run. An architecture file (models/) fills it, the .qbin stores it as JSON, the engine reads it.
 * Every field that changes the mathematics is a row of one table (spec_table.c), from which it is written, read, checked and printed. A field
 * at its neutral value is not written, and a key that the table does not know is refused by name: so a file that uses a newer feature
 * is refused by an older program, and one that does not use it is not. */
#ifndef QBIN_FILE_SPEC_H
#define QBIN_FILE_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum {
    SPEC_LAYERS_MAX = 1024,
    SPEC_SIZE_MAX = 1 << 22, /* hidden, intermediate, heads * head_dim */
    HEAD_DIM_MAX = 1024,
    ROPE_DIMS_MAX = 1024,
    EOS_MAX = 16,
    SPEC_TEXT = 96,
};

typedef enum norm_kind { NORM_RMS, NORM_LAYER } norm_kind;
typedef enum activation_kind { ACTIVATION_SILU, ACTIVATION_GELU, ACTIVATION_GELU_TANH } activation_kind;
typedef enum rope_kind { ROPE_NONE, ROPE_HALF, ROPE_INTERLEAVED } rope_kind;

typedef struct spec {
    char architecture[32]; /* model_type it came from: for people, not for the engine */
    uint32_t layers, hidden, intermediate, heads, kv_heads, head_dim, vocab;
    uint32_t context; /* max_position_embeddings */
    bool tied;        /* the head is the embedding */
    norm_kind norm;
    float norm_eps;
    activation_kind activation;
    bool attention_bias; /* q, k, v have biases */
    bool output_bias;    /* o has a bias */
    bool mlp_bias;
    float attention_scale; /* multiplies q.k; head_dim^-0.5 by default */
    rope_kind rope;
    uint32_t rope_dims;   /* rotated dimensions of a head, even; 0 if rope is ROPE_NONE */
    float rope_attention; /* multiplies cos and sin (yarn), 1 by default */
    float *rope_inverse;  /* [rope_dims / 2] f32: angle = position * rope_inverse[i]; scaling is already in it. Owned. */
    uint32_t *window;     /* [layers]: keys that a query sees, itself included; 0 = all. Owned, never NULL in a valid spec. */
    /* generation */
    int32_t bos; /* -1: none */
    uint32_t n_eos;
    int32_t eos[EOS_MAX];
} spec;

void spec_free(spec *s); /* frees what it owns and zeroes it */

/* Checks ranges and consistency of every field (heads divisible by kv_heads, sizes > 0, products that fit, token ids below the vocabulary ...), so that the
 * engine does not. E_FILE names the field and its value. */
status spec_check(const spec *s, error *e);

/* spec -> JSON object (new reference, NULL without memory) and back. spec_from_json checks as spec_check does; nothing is kept on failure. */
json_t *spec_to_json(const spec *s);
status spec_from_json(spec *s, const json_t *json, error *e);

/* Calls line(context, key, value as text) for every field, neutral ones too, in the order of the struct. */
void spec_describe(const spec *s, void (*line)(void *context, const char *key, const char *value), void *context);

#endif
