/* pool.h: the runner's threads. One task is run by every thread at once (SPMD); phases inside it are separated by barriers.
 *
 * The caller is thread 0. Waiting spins for 50 microseconds at most, less where that has been in vain, then sleeps on a futex: an idle session burns nothing.
 * Work is cut by position in static ranges, never by who comes first: results do not depend on the number of threads. */
#ifndef QBIN_BASE_POOL_H
#define QBIN_BASE_POOL_H

#include <stddef.h>

#include "base/error.h"

typedef struct pool pool;
typedef void pool_task(void *context, int thread);

/* `threads` >= 1. E_MEMORY when a thread cannot be made (those made are joined again). pool_close takes a pointer to NULL too. */
status pool_open(pool **out, int threads, error *e);
void pool_close(pool **p);
int pool_threads(const pool *p);

/* Runs task(context, thread) on all threads and returns when the last has returned. Not reentrant. */
void pool_run(pool *p, pool_task *task, void *context);

/* Inside a task: returns when every thread of the pool has come here. All writes before it are visible after it. */
void pool_barrier(pool *p, int thread);

typedef struct range {
    size_t begin, end;
} range;

/* The thread's share of n items in units of `unit`: contiguous, disjoint, complete, sizes differ by at most one unit. */
static inline range pool_share(size_t n, size_t unit, int thread, int threads) {
    const size_t units = (n + unit - 1) / unit;
    const size_t begin = units * (size_t)thread / (size_t)threads * unit;
    const size_t end = units * ((size_t)thread + 1) / (size_t)threads * unit;
    return (range){begin < n ? begin : n, end < n ? end : n};
}

#endif
