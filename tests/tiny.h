/* tiny.h: small models with random weights, written as .qbin files, for tests of the engine and of programs that run models. */
#ifndef QBIN_TESTS_TINY_H
#define QBIN_TESTS_TINY_H

#include <stdbool.h>

#include "file/spec.h"

typedef struct tiny {
    const char *format; /* of all matrices but those of `other`; NULL: f32 */
    const char *other;  /* of v, down and the embedding, to mix formats; NULL: as the rest */
    uint32_t seed;
    float center;    /* of static activations */
    const char *odd; /* a matrix whose static scale is another than that of its neighbours, or NULL */
    bool no_shifts;  /* leave out the vectors that a centre needs */
} tiny;

/* A spec that a test may change before it writes: 3 layers, GQA, nothing a multiple of 64. tiny_spec_aligned: widths that are multiples of 64, which
 * every format can fill with random codes. Free with spec_free. */
spec tiny_spec(void);
spec tiny_spec_aligned(void);

/* Sets the rotation's frequencies for rope_dims: the usual base, and a small one for a second table. */
void tiny_rope(spec *s, uint32_t dims);

/* Writes the model; ends the test if that fails. */
void tiny_write(const char *path, const spec *s, const tiny *t);
/* The tensors of one spec under another. */
void tiny_write_as(const char *path, const spec *made, const spec *said, const tiny *t);

/* A deterministic sequence of ids below the vocabulary's size. */
void tiny_ids(int32_t *ids, size_t n, uint32_t vocab, uint32_t seed);

#endif
