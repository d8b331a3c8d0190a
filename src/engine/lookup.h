/* lookup.h: guesses what follows a text from the text itself (prompt lookup decoding, Saxena 2023): where the last tokens have stood before, what came then
 * may come again. Owns the ids seen so far with an index over them, and how often guesses have been right; knows no model. A guess is never more than
 * that: who uses it checks every token. */
#ifndef QBIN_ENGINE_LOOKUP_H
#define QBIN_ENGINE_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { LOOKUP_MOST = 6 }; /* tokens of a guess; with the known one they are a panel of the widest kernels, and a second panel is dear */

typedef struct lookup lookup;

/* Remembers up to `room` ids; more are ignored. E_MEMORY. */
status lookup_open(lookup **out, size_t room, error *e);
void lookup_close(lookup **l);

/* The next id of the text. Constant time, allocates nothing. Follows the earlier place with the longest common past, and remembers whether the
 * id is the one that stood there: so the share of right guesses is known whether they are used or not. */
void lookup_add(lookup *l, int32_t id);

/* Forgets all but the first n ids; what is known of how good guesses are stays. */
void lookup_rewind(lookup *l, size_t n);

/* Fills guess[] with what may come next, `most` <= LOOKUP_MOST ids at most, and returns how many pay: as many as make most tokens for the time, with the shares
 * of right guesses so far, where a batch with n guesses takes cost[n] times as long as a token alone. 0: none does. */
size_t lookup_guess(const lookup *l, int32_t *guess, size_t most, const double cost[1 + LOOKUP_MOST]);

#endif
