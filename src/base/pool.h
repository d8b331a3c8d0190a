/* pool.h: the runner's threads. One task is run by every thread at once (SPMD); phases inside it are separated by barriers.
 *
 * The caller is thread 0. Waiting spins for 50 microseconds at most, less where that has been in vain, then sleeps on a futex: an idle session burns nothing.
 * Work is cut by position, and which thread computes a part changes no bit of it: results do not depend on the number of threads. */
#ifndef QBIN_BASE_POOL_H
#define QBIN_BASE_POOL_H

#include <stdbool.h>
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

/* Parts of a phase's work as one thread takes them; begin with {0}. The work is thought of as `of` equal parts, as if there were so many threads. */
typedef struct taking {
    size_t first, last, of; /* what was taken: parts [first, last) */
    int passed;             /* threads whose parts are all taken */
} taking;

/* Takes the next parts of the work of this phase, at most one such work between two barriers: first those of the thread itself, then what others have not
 * begun, for CPUs are not equally fast, and some are taken away for a while. False when none is left. */
bool pool_take(pool *p, int thread, taking *t);

/* The thread's share of n items in units of `unit`: contiguous, disjoint, complete, sizes differ by at most one unit. */
static inline range pool_share(size_t n, size_t unit, int thread, int threads) {
    const size_t units = (n + unit - 1) / unit;
    const size_t begin = units * (size_t)thread / (size_t)threads * unit;
    const size_t end = units * ((size_t)thread + 1) / (size_t)threads * unit;
    return (range){begin < n ? begin : n, end < n ? end : n};
}

/* Of n items in units of `unit`, those that were taken. */
static inline range pool_taken(size_t n, size_t unit, const taking *t) {
    return (range){pool_share(n, unit, (int)t->first, (int)t->of).begin, pool_share(n, unit, (int)t->last - 1, (int)t->of).end};
}

#endif
