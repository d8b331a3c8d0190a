/* sampler.h: from logits to one id. A chain of stages, each a row of data; the same seed gives the same ids everywhere. */
#ifndef QBIN_ENGINE_SAMPLER_H
#define QBIN_ENGINE_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct sampler_options {
    float temperature;    /* 0: greedy */
    uint32_t top_k;       /* 0: off */
    float top_p;          /* 1: off */
    float min_p;          /* 0: off */
    float repeat_penalty; /* 1: off */
    uint32_t repeat_last; /* tokens looked back at */
    uint64_t seed;
    const char *isa; /* as of the session (no result depends on it); NULL: the strongest */
} sampler_options;

typedef struct sampler sampler;

/* `vocab` ids; those from `usable` on are never drawn (padding rows of the embedding). */
status sampler_open(sampler **out, const sampler_options *o, size_t vocab, size_t usable, error *e);
void sampler_close(sampler **s);

/* Draws from logits[vocab] and remembers the id; sampler_accept remembers one of the prompt. Allocates nothing. */
int32_t sampler_draw(sampler *s, const float *logits);
void sampler_accept(sampler *s, int32_t id);

/* Remembers none; its random numbers go on. */
void sampler_forget(sampler *s);

/* One line: "temp 0.7 · top-k 40 · ..." of the stages that are on. */
void sampler_describe(const sampler *s, char *line, size_t size);

#endif
