/* constraint.h: which tokens may come next, so that a text stays a beginning of one that its grammar matches. Follows one text, borrows the grammar and
 * the texts of the tokens. Owns the masks that it has made: those of single states, which all positions with that state share, and those of whole
 * positions (the idea of an adaptive token mask cache: XGrammar, Dong et al. 2024, section 3). Says nothing about which of the allowed tokens is drawn. */
#ifndef QBIN_TEXT_CONSTRAINT_H
#define QBIN_TEXT_CONSTRAINT_H

#include <stdbool.h>

#include "text/grammar.h"
#include "text/token_texts.h"

typedef struct constraint constraint;

/* For ids below `vocab`, of which ends[n_ends] end a text: these are allowed exactly where the grammar may end. E_MEMORY. */
status constraint_open(constraint **out, const grammar *g, const token_texts *t, const int32_t *ends, size_t n_ends, size_t vocab, error *e);
void constraint_close(constraint **c);

/* Begins a new text; what has been learned stays. E_MEMORY. */
status constraint_restart(constraint *c, error *e);

/* masked[vocab] = logits[vocab], finite, where a token is allowed, and -infinity where it is not. E_MEMORY; E_RUN: no token can go on, or a grammar that
 * can go on in too many ways at once. */
status constraint_apply(constraint *c, const float *logits, float *masked, error *e);
/* The same as bits: token i is bit i % 64 of word i / 64. Good until the next call. */
status constraint_mask(constraint *c, const uint64_t **mask, error *e);

/* Appends a token to the text. E_RUN: it is not allowed. An end token changes nothing. */
status constraint_take(constraint *c, int32_t id, error *e);

bool constraint_may_end(const constraint *c);  /* the text so far is one that the grammar matches */
bool constraint_must_end(const constraint *c); /* ... and nothing can follow it */

typedef struct constraint_counts {
    size_t asked, made, states; /* masks that were wanted; that were not there yet; masks of states among what they were made of */
} constraint_counts;
constraint_counts constraint_count(const constraint *c);

#endif
