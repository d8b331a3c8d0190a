/* timings.h: how long the parts of a run took and how much memory it had. Says it on stderr, for people or as JSON. */
#ifndef QBIN_TOOLS_TIMINGS_H
#define QBIN_TOOLS_TIMINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/lookahead.h"

typedef struct timings { /* seconds of a monotonic clock, counted from `start`; 0: not reached */
    double start;
    double load;        /* until the model and the session were ready */
    double prompt;      /* spent on the prompt */
    double generation;  /* spent on what came after it */
    double first_token; /* when the first token was drawn */
    size_t prompt_tokens, generated_tokens;
    size_t cache_bytes, scratch_bytes;
    lookahead_counts lookup;
} timings;

/* Of an answer in a conversation. */
typedef struct turn_timings {
    double start, prompt, generation, first_token; /* as above */
    size_t reused_tokens, prompt_tokens;           /* of the conversation: already in the session; computed */
    size_t generated_tokens;
    size_t position, context; /* tokens now in the session, and its room */
    lookahead_counts lookup;  /* so far */
} turn_timings;

double clock_seconds(void);

void timings_print(const timings *t, bool json);

/* One line on stderr. */
void timings_print_turn(const turn_timings *t, bool json);

#endif
