/* facts.h: a model file in a few words and numbers, for tables. */
#ifndef QBIN_TOOLS_FACTS_H
#define QBIN_TOOLS_FACTS_H

#include <stdint.h>

#include "engine/model.h"

typedef struct facts {
    uint64_t bytes;     /* of the file */
    uint64_t weights;   /* all numbers of all tensors, a tied one counted once */
    double bits;        /* of the whole file, tokenizer and all, per weight */
    double tensor_bits; /* of the tensors alone */
    char formats[64];   /* of the matrices, most weights first: "q4+q8" */
    char shares[96];    /* the same with their parts of all weights: "q4 78% q8 22%" */
} facts;

/* `activations` as of session_options: formats are named with what they really multiply, where it is not what a format does by itself ("q4@token"). */
facts facts_of(const model *m, const char *activations);

#endif
