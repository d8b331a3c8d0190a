/* tiny_run.h: runs small models for tests of the engine: one file at a time, opened, evaluated in calls of some size, all logits kept. */
#ifndef QBIN_TESTS_TINY_RUN_H
#define QBIN_TESTS_TINY_RUN_H

#include "engine/session.h"
#include "tiny.h"

/* For .init and .fini of a suite. */
void tiny_make_path(void);
void tiny_remove_path(void);

/* Writes the model to that path and opens it; frees the spec. */
model *tiny_open(spec *s, const tiny *t);

/* A sink that keeps rows: data[position - first][vocab]. */
typedef struct tiny_rows {
    float *data;
    size_t vocab, first;
} tiny_rows;
void tiny_keep(void *context, size_t position, const float *logits);

/* logits[n][vocab] of ids[n], evaluated in calls of `call` ids; to be freed. */
float *tiny_logits(const model *m, const session_options *o, const int32_t *ids, size_t n, size_t call);

/* max|a - b| / max|b|; infinity if there is a NaN */
double largest_distance(const float *a, const double *b, size_t n);

#endif
