/* model.h: a loaded model: immutable, mapped, shared by sessions. Owns the map; refuses files whose tensors do not fit the spec. */
#ifndef QBIN_ENGINE_MODEL_H
#define QBIN_ENGINE_MODEL_H

#include "base/error.h"
#include "file/qbin.h"
#include "text/tokenizer.h"

typedef struct weight { /* one matrix with what is added to its products */
    const tensor *w;    /* NULL: the spec has none here */
    const float *bias;  /* [rows] or NULL */
    const float *shift; /* [rows]: the centre of its static activations times the sum of each row; NULL if the centre is 0 */
} weight;

typedef struct norm_gain { /* gain NULL: the spec has no norm here; bias NULL: it has none */
    const float *gain, *bias;
} norm_gain;

typedef struct mlp_weights { /* gate.w NULL: a plain MLP */
    weight gate, up, down;
} mlp_weights;

typedef struct expert_weights { /* of a layer that has many MLPs */
    weight router;
    mlp_weights *of;          /* [n_experts], and the shared one behind them; owned */
    const float *shared_gate; /* [hidden] or NULL */
} expert_weights;

typedef struct layer {                                            /* tensor names as in models/arch.h */
    norm_gain attn_norm, mlp_norm, attn_post_norm, mlp_post_norm; /* [hidden] */
    norm_gain q_norm, k_norm;                                     /* [head_dim], or of the whole projections */
    const float *sinks;                                           /* [heads] or NULL */
    weight q, k, v, o;
    mlp_weights mlp;         /* weights NULL in a layer with experts */
    expert_weights *experts; /* instead of it; NULL without. Owned */
} layer;

typedef struct model {
    qbin file;
    tokenizer *tokenizer; /* NULL if the file has none */
    weight embed, head;   /* the same when tied */
    norm_gain final_norm;
    const tensor *positions; /* [context, hidden] or NULL */
    layer *layers;           /* [spec.layers] */
} model;

static inline const spec *model_spec(const model *m) {
    return &m->file.spec;
}

/* The token that is put before a text because the tokenizer says so; -1: none. */
int32_t model_bos(const model *m);

/* Maps the file and checks every tensor that the spec asks for, and that matrices of one input agree on its static scale. E_FILE names file and tensor. */
status model_open(model **out, const char *path, error *e);
void model_close(model **m);

#endif
