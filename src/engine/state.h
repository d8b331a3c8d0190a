/* state.h: what a session is made of; for the files of the engine alone. Buffers are [tokens of a batch][width], widths padded to 64 floats,
 * and belong to the session's arena. */
#ifndef QBIN_ENGINE_STATE_H
#define QBIN_ENGINE_STATE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/pool.h"
#include "engine/activation.h"
#include "engine/linear.h"
#include "engine/profile.h"
#include "engine/session.h"
#include "kernels/kernels.h"

enum {
    BLOCK_ROWS = 64, /* rows of a product that are finished (residual, gate) before the next: as many as make one tile of the next input */
    PART_EXTRA = 16, /* floats of a part for its maximum and sum */
};

typedef struct mlp { /* gate.w NULL: a plain one */
    linear gate, up, down;
    encoding inner_in; /* of what down reads */
} mlp;

typedef struct experts { /* of a layer */
    linear router;       /* [n_experts, hidden] in f32 */
    mlp *of;             /* [n], and behind them the shared one if there is one */
    size_t n;
    bool shared;
    const float *shared_gate; /* [hidden], or NULL: the shared one's weight is sigmoid(shared_gate . x), or 1 */
} experts;

typedef struct expert_task { /* the tokens of a batch that an expert gets */
    const mlp *mlp;
    size_t first, n;         /* its seats, one for each token */
    activation input, inner; /* of those tokens */
} expert_task;

typedef struct expert_room { /* what layers with experts work in */
    float *scores;           /* [batch][scores_ld]: of the router */
    size_t scores_ld;
    uint32_t *chosen; /* [batch][experts_per_token] */
    float *weights;   /* [batch][weights_ld]: of those that are chosen, then of the shared one */
    size_t weights_ld;
    size_t *counts;    /* [n_experts] */
    uint32_t *tokens;  /* [seats]: the token of a seat */
    float *shares;     /* [seats]: the weight of its result */
    activation inputs; /* [seats]: tokens as they were gathered */
    activation inners; /* [seats] of those that are chosen */
    activation shared; /* [batch] of the shared one */
    float *kept;       /* [seats][kept_ld]: inner vectors that are encoded by whole tokens; NULL if none is */
    size_t kept_ld;
    expert_task *tasks; /* [n_experts + 1] */
    size_t n_tasks;
} expert_room;

typedef struct block { /* a layer: its weights with their kernels, and its keys and values */
    const layer *of;   /* its norms and sinks */
    linear q, k, v, o;
    mlp mlp;
    experts *experts;                   /* instead of it, or NULL. Owned */
    encoding attn_in, heads_in, mlp_in; /* of their inputs */
    uint32_t window;
    const float *table;     /* [batch][rope_dims] of the session's tables; NULL: this layer does not rotate */
    uint8_t *keys, *values; /* [kv_heads][capacity / CACHE_POSITIONS] units of their types */
} block;

typedef struct worker { /* what a thread alone writes */
    activation input;   /* of one token: then every thread encodes for itself, and nobody waits */
    float *rows;        /* [panel][hidden]: normalised tokens on their way to the encoder */
    float *gate, *up;   /* [batch][BLOCK_ROWS] */
    float *q, *o;       /* of a work item of attention: [queries][head_pad], queries as the type of the keys wants them */
    float *query;       /* [head_pad]: one on its way there */
    float *max, *sum;   /* [queries] */
    float *attend;      /* scratch of the attention kernel */
    void *linear;       /* scratch of the linear kernels */
} worker;

/* A norm of either kind: y[n] of x. */
typedef void norm_fn(const kernels *k, float *y, const float *x, const norm_gain *norm, size_t n, float eps);

/* What becomes of rows of a product that belong to the residual stream at `at`, counted from its start. May write to y. */
typedef void land_fn(const session *s, size_t at, float *y, size_t rows);

struct session {
    const model *model;
    const spec *spec;
    const kernels *kernels;
    const cache_type *key_type, *value_type; /* of the cache */
    norm_fn *norm;
    void (*gated)(float *y, const float *gate, const float *up, size_t n);
    void (*plain)(float *y, const float *x, size_t n); /* the activation of a plain MLP */
    void (*rope)(float *x, const float *table, size_t dims);
    land_fn *land_attention, *land_mlp;
    bool settles;              /* queries and keys are finished by tokens before they are stored */
    const float *rope_inverse; /* [rope_tables][rope_dims / 2], as the context wants them */
    const observer *observer;  /* NULL: none */
    profile *profile;          /* NULL: nobody asks */
    bool (*stopped)(void);     /* NULL: never */
    pool *pool;
    int threads;
    arena arena;
    block *blocks;
    linear head;
    encoding head_in;
    worker *workers; /* [threads] */
    size_t context, batch, position;
    size_t capacity; /* positions that the cache has room for: the context padded to CACHE_POSITIONS */

    /* sizes */
    size_t hidden, inner, query, key; /* widths as padded to 64 */
    size_t head_pad;
    size_t key_unit, value_unit; /* bytes of CACHE_POSITIONS keys and values */
    size_t item_tokens;          /* of a work item of attention, at most */
    size_t slice;                /* positions whose logits are computed together */
    size_t cache_bytes, scratch_bytes;

    /* buffers of a batch */
    float *x;          /* [batch][hidden]: the residual stream */
    float *q, *k, *v;  /* [batch][query], [batch][key], [batch][key]; the result of attention replaces q */
    float *aside;      /* [batch][hidden]: what attention or the MLP adds to x, while it waits; NULL if nothing does */
    float *tables;     /* [rope_tables][batch][rope_dims]: cosines and sines */
    activation input;  /* of the products of hidden and query width */
    activation down;   /* of the product of inner width */
    float *gated_rows; /* [batch][inner]: input of that product while it is not encoded; NULL if no layer encodes it by whole tokens */
    float *logits;     /* [slice][vocab] */
    float *seen;       /* [batch][hidden]: normalised tokens as an observer or experts get them; NULL where there are none */
    expert_room experts;
    float *parts; /* [kv_heads][chunks][heads of a KV head][head_pad + PART_EXTRA]: attention of one token to single chunks */

    /* the batch that is being evaluated */
    const int32_t *ids;
    size_t n;
    size_t wanted; /* the last layer is computed from this token of the batch on; n: not at all */
    size_t scored; /* ... and logits from this one on: a later one only with an observer */
    bool halt;     /* written by thread 0 before a barrier, read by all after it */
    const logits_sink *sink;
    const float *last; /* logits of the last position */
};

/* Is there one among these encodings that needs whole rows? */
static inline bool encodes_tokens(unsigned codes) {
    bool whole = false;
    for (act_code code = 0; code < ACT_CODES; code++) whole = whole || (act_is_token(code) && codes & 1u << code);
    return whole;
}

static inline size_t logits_width(const session *s) {
    return s->head.w->layout.groups * TILE_ROWS;
}

/* ---- forward.c: the task that every thread runs for a batch ---- */
void forward(void *session, int thread);

/* ---- attention.c ---- */

/* Tokens of the widest work item of attention. */
size_t attention_item_tokens(const spec *s);

/* Normalises and rotates the batch's keys and puts them and the values into the cache; then, for the tokens from `first` on, q = attention(q). With a barrier
 * between them if one is needed: not if the thread that attends has itself stored all keys that are new to it. attention_run of a single token may meet at a
 * barrier too. */
void attention_store(session *s, const block *b, int thread);
bool attention_needs_barrier(const session *s, const block *b);
void attention_run(session *s, const block *b, size_t first, int thread);

#endif
