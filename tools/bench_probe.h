/* bench_probe.h: times what all threads do at once, and what the machine can do at best: bytes read, operations made. */
#ifndef QBIN_TOOLS_BENCH_PROBE_H
#define QBIN_TOOLS_BENCH_PROBE_H

#include <stdint.h>

#include "base/pool.h"
#include "kernels/kernels.h"
#include "simd/probe.h"

typedef struct stopwatch_lane stopwatch_lane;

typedef struct stopwatch {
    pool *pool;
    stopwatch_lane *lanes; /* [threads] */
    pool_task *task;
    void *context;
} stopwatch;

/* `threads` 0: the default number. Close it in any case. */
status stopwatch_open(stopwatch *w, uint32_t threads, error *e);
void stopwatch_close(stopwatch *w);

/* The smaller of `best` and the seconds of one run of the task: what the slowest thread spent on its processor, so others that use the machine do not
 * count as far as they leave the caches alone. The best of several runs that take at least a fiftieth of a second together. */
double stopwatch_best(stopwatch *w, pool_task *task, void *context, double best);

/* Best seconds of reading `bytes` at `data` once, by all threads, as stopwatch_best. */
double stopwatch_read(stopwatch *w, const uint8_t *data, size_t bytes, double best);
double stopwatch_integer(stopwatch *w, const probe *p, double best);
double stopwatch_floating(stopwatch *w, const probe *p, double best);

/* What bounds this table's products; NULL: not known. */
const probe *probe_of(const kernels *table);

/* Bytes per second that `threads` threads (0: the default number) read from more memory than caches hold. */
status probe_bandwidth(double *out, uint32_t threads, error *e);

enum { BEYOND_CACHES = 256 << 20 }; /* bytes */

/* Page-aligned memory to be freed, in large pages if it is large; NULL: none. */
void *probe_pages(size_t bytes);

#endif
