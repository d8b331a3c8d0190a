/* constrained.h: texts that a constraint lets through, drawn by the real sampler from random logits over a small vocabulary, for tests. */
#ifndef QBIN_TESTS_CONSTRAINED_H
#define QBIN_TESTS_CONSTRAINED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/constraint.h"

/* Every byte, and pieces of JSON and of words, some of them alike, some ending inside a character. The last id ends a text. Kept to the end. */
const token_texts *small_vocabulary(void);
enum { SMALL_STEPS = 3000 }; /* tokens of a text, at most */

/* The grammar of a text (a schema if it begins with {); ends the test if there is none. */
grammar *grammar_of(const char *text);

/* One text, NUL-terminated, to be freed; NULL if it was not ready after SMALL_STEPS tokens. Every mask on the way is compared with what single bytes allow if
 * `compare`. Different seeds are different samplers too. */
char *draw_text(const grammar *g, uint64_t seed, bool compare, size_t *bytes);

/* Does the grammar match the text? By bytes, without masks. */
bool grammar_matches(const grammar *g, const char *text, size_t bytes);

#endif
