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
    ROPE_TABLES_MAX = 2,
    ROPE_NOT_HERE = -1, /* of rope_layer */
    EXPERTS_MAX = 1024,
    EOS_MAX = 16,
    SPEC_TEXT = 96,
};

typedef enum norm_kind { NORM_RMS, NORM_LAYER } norm_kind;
/* Where a layer normalises: x + f(norm(x)), x + norm(f(x)) or x + norm(f(norm(x))), f = attention, then the MLP */
typedef enum norm_place { NORM_BEFORE, NORM_AFTER, NORM_AROUND } norm_place;
/* x + attention, then + MLP of the sum; or both of the same x at once, each with its own norm or with that of attention */
typedef enum residual_kind { RESIDUAL_SERIAL, RESIDUAL_PARALLEL, RESIDUAL_SHARED } residual_kind;
/* Queries and keys before they are rotated: as they are, each head normalised, or the whole projection of a token */
typedef enum qk_norm_kind { QK_NORM_NONE, QK_NORM_HEAD, QK_NORM_WHOLE } qk_norm_kind;
/* ACTIVATION_SWIGLU_SHIFTED: gate * sigmoid(1.702 gate) * (up + 1) */
typedef enum activation_kind { ACTIVATION_SILU, ACTIVATION_GELU, ACTIVATION_GELU_TANH, ACTIVATION_SWIGLU_SHIFTED } activation_kind;
typedef enum rope_kind { ROPE_NONE, ROPE_HALF, ROPE_INTERLEAVED } rope_kind;

typedef struct spec {
    char architecture[32]; /* model_type it came from: for people, not for the engine */
    uint32_t layers, hidden, intermediate, heads, kv_heads, head_dim, vocab;
    uint32_t context; /* max_position_embeddings */
    bool tied;        /* the head is the embedding */
    norm_kind norm;   /* of all norms */
    norm_place norm_place;
    bool norm_bias; /* layer norms have biases; those of queries and keys never do */
    float norm_eps;
    residual_kind residual;
    activation_kind activation;
    bool plain_mlp;      /* down(act(up x)) instead of down(act(gate x) * up x): there is no gate */
    float mlp_limit;     /* before the activation: gate at most this, up within plus and minus this; 0: no limit */
    bool attention_bias; /* q, k, v have biases */
    bool output_bias;    /* o has a bias */
    bool mlp_bias;
    bool head_bias;
    qk_norm_kind qk_norm;
    float clip_qkv;          /* q, k and v, normalised, are kept within plus and minus this; 0: no limit */
    float attention_scale;   /* multiplies q.k; head_dim^-0.5 by default */
    float attention_softcap; /* scores become c tanh(score / c); 0: they do not */
    bool sinks;              /* each head has one more score that takes its part of the softmax and has no value */
    float embedding_scale;   /* multiplies embeddings, 1 by default */
    float residual_scale;    /* multiplies what attention and MLP add to x */
    float logit_scale;       /* multiplies logits */
    float logit_softcap;     /* then they become c tanh(logit / c); 0: they do not */
    bool learned_positions;  /* a row of the tensor "positions" [context, hidden] is added to each embedding, after its scale */
    rope_kind rope;          /* of all layers that rope_layer does not except */
    uint32_t rope_dims;      /* rotated dimensions of a head, its first, even; 0 if rope is ROPE_NONE */
    float rope_attention;    /* multiplies cos and sin of table 0 (yarn, longrope), 1 by default; those of other tables are as they are */
    uint32_t rope_tables;    /* 1, or more when layers turn differently */
    uint32_t rope_original;  /* a session for more positions than this turns by rope_long; 0: there is no such choice */
    uint32_t n_experts;      /* 0: every layer has one MLP */
    uint32_t experts_per_token;
    uint32_t expert_intermediate;
    bool experts_normalized; /* weights of the chosen experts sum to 1 (the same as a softmax after the choice); else they are softmax over all */
    bool router_bias, expert_bias; /* expert_bias: of gate, up and down of every expert */
    uint32_t shared_intermediate;  /* of an MLP that every token goes through as well; 0: none */
    bool shared_gate;              /* its result is multiplied by sigmoid(shared_gate . x) */
    float *rope_inverse;           /* [rope_tables][rope_dims / 2] f32: angle = position * rope_inverse[i]; scaling is already in it. Owned. */
    float *rope_long;              /* likewise if rope_original > 0, else NULL. Owned. */
    int32_t *rope_layer;           /* [layers]: its table, or ROPE_NOT_HERE. Owned; NULL means table 0 for all. */
    uint32_t *window;              /* [layers]: keys that a query sees, itself included; 0 = all. Owned, never NULL in a valid spec. */
    uint32_t *dense; /* [layers]: 1 = this layer has one MLP (of `intermediate`) although the model has experts. Owned; NULL means none. */
    /* generation */
    int32_t bos; /* -1: none */
    uint32_t n_eos;
    int32_t eos[EOS_MAX];
} spec;

/* What a spec has before an architecture says anything: ones where zero would mean something else. */
void spec_start(spec *s);

void spec_free(spec *s); /* frees what it owns and zeroes it */

/* Checks ranges and consistency of every field (heads divisible by kv_heads, sizes > 0, products that fit, token ids below the vocabulary ...), so that the
 * engine does not. E_FILE names the field and its value. */
status spec_check(const spec *s, error *e);

/* spec -> JSON object (new reference, NULL without memory) and back. spec_from_json checks as spec_check does; nothing is kept on failure. */
json_t *spec_to_json(const spec *s);
status spec_from_json(spec *s, const json_t *json, error *e);

/* Calls line(context, key, value as text) for every field that is not at its neutral value, in the order of the table. */
void spec_describe(const spec *s, void (*line)(void *context, const char *key, const char *value), void *context);

#endif
