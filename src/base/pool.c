#include "base/pool.h"

#include <assert.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    CACHE_LINE = 64,
    SPINS_PER_LOOK = 32,
    /* nanoseconds */
    PATIENCE_MOST = 50000, /* about what it costs to be woken on a CPU that has gone to sleep too */
    PATIENCE_LEAST = 2000,
    PATIENCE_GAIN = 100,
};

/* A thread that waits spins for as long as that has paid of late. Where other programs want the CPUs too it seldom pays: the thread that all wait for may
 * have lost its own, and spinning spends the time for which the scheduler would favour us when it comes back. Each wait in vain halves the patience, each
 * short one adds a little. */
typedef struct worker {
    _Alignas(CACHE_LINE) pool *pool;
    pthread_t thread; /* of thread 0: none, it is the caller */
    int index;
    long patience;                               /* of this thread alone */
    _Alignas(CACHE_LINE) _Atomic uint64_t taken; /* phase << 32 | how many pieces of its work are taken; those of an earlier phase are none */
} worker;

/* Everything a thread waits for is one number, `phase`: a run starts with a barrier, so starting, separating phases and ending are the
 * same thing. What is written often lies apart from what is only read. */
struct pool {
    atomic_int threads; /* changes only when pool_open fails half-way and ends the workers that it has */
    bool spins;         /* not when there are more threads than CPUs */
    pool_task *task;    /* of this run; NULL tells the workers to end */
    void *context;
    worker *workers; /* [threads] */
    _Alignas(CACHE_LINE) atomic_int arrived;
    _Alignas(CACHE_LINE) _Atomic uint32_t phase;
    _Alignas(CACHE_LINE) atomic_int sleepers;
};

#if defined(__x86_64__)
static inline void cpu_relax(void) {
    __builtin_ia32_pause();
}
#elif defined(__aarch64__)
static inline void cpu_relax(void) {
    __asm__ volatile("isb");
}
#else
static inline void cpu_relax(void) {
}
#endif

static int64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool spin_until_past(pool *p, uint32_t phase, long patience) {
    const int64_t end = nanoseconds() + patience;
    do {
        for (int i = 0; i < SPINS_PER_LOOK; i++) {
            if (atomic_load_explicit(&p->phase, memory_order_acquire) != phase) return true;
            cpu_relax();
        }
    } while (nanoseconds() < end);
    return false;
}

/* The sleeper counts itself before the kernel compares `phase`; the waker changes `phase` before it looks at the count: one of them sees
 * the other. */
static void sleep_until_past(pool *p, uint32_t phase) {
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(&p->phase) == phase) syscall(SYS_futex, &p->phase, FUTEX_WAIT_PRIVATE, phase, NULL, NULL, 0);
    atomic_fetch_sub(&p->sleepers, 1);
}

static void wait_until_past(pool *p, worker *w, uint32_t phase) {
    if (p->spins && spin_until_past(p, phase, w->patience)) {
        if (w->patience < PATIENCE_MOST) w->patience += PATIENCE_GAIN;
        return;
    }
    w->patience = w->patience / 2 > PATIENCE_LEAST ? w->patience / 2 : PATIENCE_LEAST;
    sleep_until_past(p, phase);
}

int pool_threads(const pool *p) {
    return atomic_load_explicit(&p->threads, memory_order_relaxed);
}

void pool_barrier(pool *p, int thread) {
    if (pool_threads(p) == 1) return;
    const uint32_t phase = atomic_load_explicit(&p->phase, memory_order_relaxed); /* cannot move before this thread has come */
    const int before = atomic_fetch_add_explicit(&p->arrived, 1, memory_order_acq_rel);
    if (before == pool_threads(p) - 1) { /* counted only now: who comes after end_workers must see how many it left */
        atomic_store_explicit(&p->arrived, 0, memory_order_relaxed);
        atomic_store(&p->phase, phase + 1);
        if (atomic_load(&p->sleepers)) syscall(SYS_futex, &p->phase, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
        return;
    }
    wait_until_past(p, &p->workers[thread], phase);
}

/* The pieces of a thread's work, in parts: few steps while all is well, small ones towards the end. */
enum { PARTS = 16, PIECES = 5 };
static const uint8_t piece_ends[PIECES + 1] = {0, 8, 12, 14, 15, PARTS};

/* The next piece of a thread's work in this phase; PIECES when all are taken. */
static uint32_t take_piece(worker *w, uint32_t phase) {
    uint64_t seen = atomic_load_explicit(&w->taken, memory_order_relaxed);
    for (;;) {
        const uint32_t piece = seen >> 32 == phase ? (uint32_t)seen : 0;
        if (piece == PIECES) return piece;
        if (atomic_compare_exchange_weak_explicit(&w->taken, &seen, (uint64_t)phase << 32 | (piece + 1), memory_order_relaxed, memory_order_relaxed))
            return piece;
    }
}

bool pool_take(pool *p, int thread, taking *t) {
    const int threads = pool_threads(p);
    const uint32_t phase = atomic_load_explicit(&p->phase, memory_order_relaxed);
    if (threads == 1) { /* for whom there are no phases either */
        *t = (taking){.last = 1, .of = 1, .passed = t->passed + 1};
        return t->passed == 1;
    }
    for (t->of = (size_t)threads * PARTS; t->passed < threads; t->passed++) {
        const size_t owner = ((size_t)thread + (size_t)t->passed) % (size_t)threads;
        const uint32_t piece = take_piece(&p->workers[owner], phase);
        if (piece == PIECES) continue;
        t->first = owner * PARTS + piece_ends[piece];
        t->last = owner * PARTS + piece_ends[piece + 1];
        return true;
    }
    return false;
}

static void *work(void *argument) {
    const worker *self = argument;
    pool *p = self->pool;
    for (;;) {
        pool_barrier(p, self->index);
        if (!p->task) return NULL;
        p->task(p->context, self->index);
        pool_barrier(p, self->index);
    }
}

void pool_run(pool *p, pool_task *task, void *context) {
    assert(task);
    p->task = task;
    p->context = context;
    pool_barrier(p, 0);
    task(context, 0);
    pool_barrier(p, 0);
}

static int allowed_cpus(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : INT32_MAX; /* fails only where there are very many */
}

/* Tells the others of `threads` threads, which wait, to end and joins them. */
static void end_workers(pool *p, int threads) {
    p->task = NULL;
    p->threads = threads;
    pool_barrier(p, 0);
    for (int i = 1; i < threads; i++) pthread_join(p->workers[i].thread, NULL);
}

static void pool_free(pool *p) {
    free(p->workers);
    free(p);
}

status pool_open(pool **out, int threads, error *e) {
    assert(threads >= 1);
    *out = NULL;
    pool *p = aligned_alloc(CACHE_LINE, sizeof *p);
    if (!p) return fail(e, E_MEMORY, "no memory for a thread pool");
    memset(p, 0, sizeof *p);
    p->threads = threads;
    p->spins = threads <= allowed_cpus();
    p->workers = aligned_alloc(CACHE_LINE, (size_t)threads * sizeof *p->workers);
    if (!p->workers) {
        pool_free(p);
        return fail(e, E_MEMORY, "no memory for %d threads", threads);
    }
    for (int i = 0; i < threads; i++) p->workers[i] = (worker){.pool = p, .index = i, .patience = PATIENCE_MOST};
    for (int i = 1; i < threads; i++) {
        const int code = pthread_create(&p->workers[i].thread, NULL, work, &p->workers[i]);
        if (code != 0) {
            end_workers(p, i);
            pool_free(p);
            return fail(e, E_MEMORY, "cannot make thread %d of %d: %s", i + 1, threads, strerror(code));
        }
    }
    *out = p;
    return OK;
}

void pool_close(pool **p) {
    if (!*p) return;
    end_workers(*p, pool_threads(*p));
    pool_free(*p);
    *p = NULL;
}
