/* phases.h: where the time of evaluating goes, step by step, each beside what bounds it on this machine: the weights that it must read, or the operations that
 * it must make, whichever takes longer at the speed that a probe measures in the same run. */
#ifndef QBIN_TOOLS_PHASES_H
#define QBIN_TOOLS_PHASES_H

#include <stddef.h>
#include <stdint.h>

#include "engine/session.h"

typedef struct machine_limits { /* in a second, of all threads; not finite: not known */
    double bytes, integer, floating;
} machine_limits;

/* Takes about half a second. */
status machine_limits_of(machine_limits *out, const char *isa, int threads, error *e);

/* What was evaluated while the profile counted, `runs` times. */
typedef struct evaluated {
    size_t runs;
    double seconds;       /* of a run */
    size_t tokens, calls; /* 1 token a call: generation */
    size_t position;      /* of the first token */
} evaluated;

typedef struct step_time {
    const char *name;
    double seconds;    /* the mean of the threads */
    double share;      /* of the whole */
    double limit;      /* seconds that it takes at least; NAN: nothing bounds it that a probe knows */
    const char *bound; /* "read", "operations" or NULL */
} step_time;

enum { STEP_TIMES = STEPS + 1 }; /* the last one is `rest`: what the steps leave of the whole */

/* Of a run. `spent` is what a profile counted; `activations` as of session_options. */
void step_times(step_time out[STEP_TIMES], const char *rest, const double spent[STEPS], const session *s, const model *m, const char *activations,
                const evaluated *what, const machine_limits *limits);

/* On stderr, for people; `title` stands above. */
void step_times_print(const char *title, const step_time times[STEP_TIMES]);

#endif
