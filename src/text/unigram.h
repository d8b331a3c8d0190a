/* unigram.h: the model kind "Unigram": the cut of a text into tokens whose scores add up to the most (Kudo 2018, "Subword Regularization", section 3.2, best
 * segmentation by Viterbi). What it keeps in SECTION_MODEL. It reads characters: ByteLevel before it is refused. */
#ifndef QBIN_TEXT_UNIGRAM_H
#define QBIN_TEXT_UNIGRAM_H

#include "text/encoder.h"

enum {
    UNIGRAM_BYTE_FALLBACK = 1 << 0, /* unknown text is byte tokens where those are there */
    UNIGRAM_SINGLE = 1 << 1,        /* sums are rounded to single precision, as SentencePiece does; the Hugging Face library does not */
    UNIGRAM_KNOWN_FLAGS = 3,
};

typedef struct unigram_tables { /* behind it: double[n_scores], by id; then trie_node[n_nodes] of all tokens */
    uint32_t flags;
    int32_t unknown;      /* -1: text that is no token is an error */
    double unknown_score; /* of a character that is no token */
    uint32_t n_scores, n_nodes;
    uint32_t longest; /* bytes of the longest token */
    uint32_t zero;
    int32_t fallback[256]; /* ids of <0x00> ... <0xFF>; -1 */
} unigram_tables;

/* What the score of unknown characters is below the lowest. */
#define UNIGRAM_UNKNOWN_PENALTY 10.0

extern const token_model unigram_model;

/* Import, in unigram_import.c. */
extern const char *const unigram_keys[];
status unigram_import(importer *in, const json_t *model, error *e);
/* Fills SECTION_MODEL from the tokens, their scores by id and what is filled in of *u: flags, unknown, unknown_score, fallback. */
status unigram_build(importer *in, unigram_tables *u, const double *scores, error *e);

#endif
