/* bench_steps.h: the kernels between the matrix products: norms, rotations, gates, softmax, attention. Owns the list of what is measured of them. */
#ifndef QBIN_TOOLS_BENCH_STEPS_H
#define QBIN_TOOLS_BENCH_STEPS_H

#include <stdbool.h>

#include "tools/bench_sets.h"

/* Is it a step's name, "steps" for all of them, or "attend" for attention to a cache of every type? */
bool steps_have(const char *name);

/* A row for each step of that name, NULL: all of them. E_FILE if a bit differs from the scalar table. */
status bench_steps(bench_plan *p, const char *name, error *e);

/* Attention of the query heads of one KV head, eight, to a long context: a row for each type of the KV cache (bench_attend.c). */
status bench_attend(bench_plan *p, error *e);

#endif
