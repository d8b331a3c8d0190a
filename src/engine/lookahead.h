/* lookahead.h: a text that grows token by token, faster where it repeats itself: tokens that lookup.h guesses are evaluated in one batch with the one that is
 * known, and taken if they are what is drawn. Owns the guesses and their logits, borrows the session. The logits that it gives are those of the session without
 * guesses, to the last bit, since a session's do not depend on batches; which tokens are drawn from them is not its business. */
#ifndef QBIN_ENGINE_LOOKAHEAD_H
#define QBIN_ENGINE_LOOKAHEAD_H

#include <stdbool.h>

#include "engine/session.h"

typedef struct lookahead lookahead;

/* `guessing` false: one token after the other. The session is used by nobody else meanwhile. E_MEMORY. */
status lookahead_open(lookahead **out, session *s, size_t vocab, bool guessing, error *e);
void lookahead_close(lookahead **l);

/* Evaluates n ids as they are; errors of session_eval. */
status lookahead_prompt(lookahead *l, const int32_t *ids, size_t n, error *e);

/* Forgets all but the first `position` ids, which are no more than there are. There are no logits before the next call. */
void lookahead_rewind(lookahead *l, size_t position);

/* Takes the id that was drawn: evaluates it, and guesses with it, unless it was guessed and has been evaluated. `more` is how many ids will at most be
 * taken after it. Allocates nothing; errors of session_eval. */
status lookahead_take(lookahead *l, int32_t id, size_t more, error *e);

const float *lookahead_logits(const lookahead *l); /* [vocab] after the ids so far; until the next call */
size_t lookahead_position(const lookahead *l);     /* how many ids those are */

typedef struct lookahead_counts {
    size_t guessed, right; /* tokens */
} lookahead_counts;
lookahead_counts lookahead_count(const lookahead *l);

#endif
