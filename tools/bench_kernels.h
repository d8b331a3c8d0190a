/* bench_kernels.h: the matrix products of each format, and the steps between them, against what the machine can do: bytes read and operations made in a
 * second, beside what probes measure in the same run. Needs no model. */
#ifndef QBIN_TOOLS_BENCH_KERNELS_H
#define QBIN_TOOLS_BENCH_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct kernels_wish {
    const char *const *names; /* formats, or "all", or steps (bench_steps.h); none: the formats that --help lists, and all steps */
    size_t n_names;
    const char *isa; /* NULL: each that this CPU has */
    const uint32_t *threads, *tokens;
    size_t n_threads, n_tokens;
    int repetitions;
    const char *style; /* of the table */
} kernels_wish;

/* Prints a row for each instruction set, format, shape, number of threads and of tokens. Results are compared with the scalar kernels: E_FILE if
 * a bit differs. */
status bench_kernels(const kernels_wish *wish, error *e);

/* Prints the probes alone. */
status bench_probe(const kernels_wish *wish, error *e);

#endif
