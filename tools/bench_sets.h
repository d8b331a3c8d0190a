/* bench_sets.h: what all measurements of kernels share: the instruction sets and numbers of threads that are walked, and the row that says what one kernel
 * did in a second beside what probes of the same run did. */
#ifndef QBIN_TOOLS_BENCH_SETS_H
#define QBIN_TOOLS_BENCH_SETS_H

#include "tools/bench_kernels.h"
#include "tools/bench_probe.h"
#include "tools/table.h"

typedef struct bench_plan {
    const kernels_wish *wish;
    table table;
    const kernels *isa;
    uint32_t threads;
} bench_plan;

/* Calls step for each instruction set and number of threads that is wished. */
status bench_sets(const kernels_wish *wish, const char *name, const table_column *columns, status (*step)(bench_plan *p, error *e), error *e);

/* Best seconds of what is timed, and of the probes that took turns with it, so that all saw the same neighbours. */
typedef struct measured {
    double kernel, read, peak;
} measured;

/* Runs the kernel and the probes `repetitions` times: reading of the bytes at `data`, and `operations` of the set's probe (NULL: none). */
typedef double probe_run(stopwatch *w, const probe *p, double best);
measured bench_measure(const bench_plan *p, stopwatch *w, pool_task *kernel, void *context, const uint8_t *data, size_t bytes, probe_run *operations);

/* A row. `times` is how often one run did it; bytes and operations are those of a whole run; each, of a probe's run on one thread: NAN if there are none. */
typedef struct kernel_row {
    const char *name;
    double bits; /* NAN: none */
    size_t rows, k, tokens, times;
    double bytes, operations, each;
} kernel_row;
extern const table_column kernel_columns[];
void bench_show(bench_plan *p, const kernel_row *r, const measured *m, int threads);

#endif
