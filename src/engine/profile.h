/* profile.h: where the time of evaluating goes: seconds of each step of the forward pass. Owns a clock and a counter per step for each thread; nothing is
 * shared while tokens are computed. What the numbers are compared with is for those who show them. */
#ifndef QBIN_ENGINE_PROFILE_H
#define QBIN_ENGINE_PROFILE_H

#include "base/error.h"

typedef enum profile_step {
    STEP_EMBED,
    STEP_NORM, /* norms, and encoding the inputs of products */
    STEP_QKV,
    STEP_STORE, /* rotations, and new keys and values into the cache */
    STEP_ATTENTION,
    STEP_O,
    STEP_GATE_UP, /* with the activation, and encoding its result */
    STEP_DOWN,
    STEP_HEAD,
    STEP_WAIT, /* for other threads, between steps */
    STEPS,
} profile_step;

extern const char *const profile_step_names[STEPS];

typedef struct profile profile;

/* Of sessions with at most so many threads. */
status profile_open(profile **out, int threads, error *e);
void profile_close(profile **p);

/* A thread begins; the time since its last call was the step's. */
void profile_start(profile *p, int thread);
void profile_end(profile *p, int thread, profile_step step);

/* Seconds of each step since it was made or last taken: means of the threads. Not while tokens are computed. */
void profile_take(profile *p, double seconds[STEPS]);

#endif
