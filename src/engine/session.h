/* session.h: one inference timeline over a model: KV cache, scratch, threads. Everything is taken when it is made; evaluating allocates nothing.
 *
 * The same ids give the same logits to the last bit for any number of threads, any split into batches and calls, and any instruction set. */
#ifndef QBIN_ENGINE_SESSION_H
#define QBIN_ENGINE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/model.h"
#include "engine/profile.h"

typedef struct session session;

/* What an observer sees: values of some channels of one input, for n tokens that follow each other. */
typedef struct observation {
    size_t input;             /* its number (file/input.h) */
    size_t position, n;       /* of the first token; tokens */
    size_t channel, channels; /* the first one, and how many */
    const float *x;           /* x[t * ld + i]: channel + i of token t */
    size_t ld;
} observation;

/* Is given every input of every matrix product in f32, from all threads at once: each channel of a token exactly once, the tokens of a channel in order and in
 * one thread for all tokens of a batch. With an observer the last layer is computed for all tokens. */
typedef struct observer {
    void (*take)(void *context, int thread, const observation *seen);
    void *context;
} observer;

typedef struct session_options { /* zero means the default */
    uint32_t context;            /* positions; the model's context, at most 4096, if 0 */
    uint32_t batch;              /* tokens evaluated together; 512 */
    int threads;                 /* cpu_threads() */
    const char *isa;             /* NULL: the strongest */
    const char *key_type;        /* what keys are stored as: "f16", "f32"; NULL: f32 if all matrices are stored in 32 bits, else f16 */
    const char *value_type;      /* what values are stored as, likewise */
    const char *activations;     /* what all products multiply: "block", "b32", "b64", "token" or "f32"; NULL: what the file says */
    const observer *observer;    /* borrowed while the session lives; NULL: nobody looks, and that costs nothing */
    profile *profile;            /* borrowed likewise, for as many threads: where the time goes; NULL: that costs nothing */
    bool (*stopped)(void);       /* asked between layers by the calling thread; true: session_eval ends with E_INTERRUPT. NULL: never */
} session_options;

/* E_MEMORY says how much was wanted for what. */
status session_open(session **out, const model *m, const session_options *o, error *e);
void session_close(session **s);

/* Receives logits [vocab] f32 of a position (its index in the session), from any thread of the pool, each position once; NULL row = none. */
typedef struct logits_sink {
    void (*row)(void *context, size_t position, const float *logits);
    void *context;
    size_t first; /* the first position whose logits are wanted; the last position's are always kept for session_logits */
} logits_sink;

/* Evaluates n ids after those already there. sink may be NULL. E_RUN if the context is full (both numbers) or an id is out of range; E_INTERRUPT if it was
 * stopped: then whole batches that were done remain, and there are no logits before the next call. */
status session_eval(session *s, const int32_t *ids, size_t n, const logits_sink *sink, error *e);

const float *session_logits(const session *s); /* [vocab] of the last evaluated position; until the next eval */
size_t session_position(const session *s);     /* how many tokens are in the cache */
size_t session_context(const session *s);
size_t session_batch(const session *s);           /* tokens that are evaluated together */
void session_rewind(session *s, size_t position); /* forget all after it */

typedef struct session_memory {
    size_t cache, scratch; /* bytes */
} session_memory;
session_memory session_bytes(const session *s);
int session_threads(const session *s);
const char *session_isa(const session *s);

#endif
