/* follow.h: draws texts from a grammar over a small vocabulary, for fuzz targets. Owns the vocabulary, to the end. */
#ifndef QBIN_TESTS_FUZZ_FOLLOW_H
#define QBIN_TESTS_FUZZ_FOLLOW_H

#include <stdint.h>

#include "text/grammar.h"

/* Every token that a mask allows is taken, and single bytes agree with the mask; of a schema, what comes to its end is JSON. */
void follow_grammar(const grammar *g, uint64_t seed);
void follow_schema(const grammar *g, uint64_t seed);

#endif
