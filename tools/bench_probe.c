#include "tools/bench_probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/check.h"
#include "base/cpu.h"

enum { PAGE = 4096, LARGE_PAGE = 2 << 20 };

struct stopwatch_lane {
    _Alignas(64) double spent; /* seconds on a processor */
    uint64_t sink;
};

void *probe_pages(size_t bytes) {
    const size_t page = bytes < LARGE_PAGE ? PAGE : LARGE_PAGE;
    void *data = aligned_alloc(page, round_up(bytes ? bytes : 1, page));
    if (data && page == LARGE_PAGE) madvise(data, round_up(bytes, page), MADV_HUGEPAGE); /* as the weights of a model are mapped, at best */
    return data;
}

status stopwatch_open(stopwatch *w, uint32_t threads, error *e) {
    *w = (stopwatch){0};
    TRY(pool_open(&w->pool, threads ? (int)threads : cpu_threads(NULL, 0), e));
    w->lanes = probe_pages((size_t)pool_threads(w->pool) * sizeof *w->lanes);
    return w->lanes ? OK : fail(e, E_MEMORY, "no memory for %d threads", pool_threads(w->pool));
}

void stopwatch_close(stopwatch *w) {
    free(w->lanes);
    pool_close(&w->pool);
}

static double seconds_of_thread(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void run_timed(void *context, int thread) {
    stopwatch *w = context;
    const double start = seconds_of_thread();
    w->task(w->context, thread);
    w->lanes[thread].spent = seconds_of_thread() - start;
}

static double seconds_of(stopwatch *w) {
    double slowest = 0;
    pool_run(w->pool, run_timed, w);
    for (int i = 0; i < pool_threads(w->pool); i++) slowest = fmax(slowest, w->lanes[i].spent);
    return slowest;
}

double stopwatch_best(stopwatch *w, pool_task *task, void *context, double best) {
    w->task = task;
    w->context = context;
    for (double spent = 0; spent < 0.02;) {
        const double seconds = seconds_of(w);
        best = fmin(best, seconds);
        spent += fmax(seconds, 1e-6);
    }
    return best;
}

/* ---- probes ---- */

typedef struct reading {
    stopwatch *watch;
    const uint8_t *data;
    size_t bytes;
} reading;

static void run_read(void *context, int thread) {
    const reading *r = context;
    const range mine = pool_share(r->bytes, PAGE, thread, pool_threads(r->watch->pool));
    r->watch->lanes[thread].sink = probe_read(r->data + mine.begin, mine.end - mine.begin);
}

double stopwatch_read(stopwatch *w, const uint8_t *data, size_t bytes, double best) {
    reading r = {w, data, bytes};
    return stopwatch_best(w, run_read, &r, best);
}

static void run_operations(void *context, int thread) {
    (void)thread;
    void (*const *run)(void) = context;
    (*run)();
}

double stopwatch_integer(stopwatch *w, const probe *p, double best) {
    void (*run)(void) = p->integer;
    return stopwatch_best(w, run_operations, &run, best);
}

double stopwatch_floating(stopwatch *w, const probe *p, double best) {
    void (*run)(void) = p->floating;
    return stopwatch_best(w, run_operations, &run, best);
}

const probe *probe_of(const kernels *table) {
    for (const probe *p = probes; p->isa; p++) {
        if (!strcmp(p->isa, table->name)) return p;
    }
    return NULL;
}

static status read_beyond_caches(double *out, stopwatch *w, error *e) {
    enum { ROUNDS = 3 };
    uint8_t *data = probe_pages(BEYOND_CACHES);
    if (!data) return fail(e, E_MEMORY, "no memory for %d MiB", BEYOND_CACHES >> 20);
    memset(data, 1, BEYOND_CACHES);
    double best = INFINITY;
    for (int i = 0; i < ROUNDS; i++) best = stopwatch_read(w, data, BEYOND_CACHES, best);
    free(data);
    *out = BEYOND_CACHES / best;
    return OK;
}

status probe_bandwidth(double *out, uint32_t threads, error *e) {
    stopwatch w;
    status s = stopwatch_open(&w, threads, e);
    if (s == OK) s = read_beyond_caches(out, &w, e);
    stopwatch_close(&w);
    return s;
}
