#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/cpu.h"
#include "base/pool.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

Test(pool_share, is_contiguous_disjoint_complete_and_even) {
    for (size_t n = 0; n < 70; n++) {
        for (size_t grain = 1; grain < 20; grain++) {
            for (int threads = 1; threads < 9; threads++) {
                size_t next = 0, most = 0, least = SIZE_MAX;
                for (int t = 0; t < threads; t++) {
                    const range r = pool_share(n, grain, t, threads);
                    cr_assert_eq(r.begin, next);
                    cr_assert(r.begin % grain == 0 || r.begin == n);
                    const size_t units = (r.end - r.begin + grain - 1) / grain;
                    if (units > most) most = units;
                    if (units < least) least = units;
                    next = r.end;
                }
                cr_assert_eq(next, n);
                cr_assert_leq(most - least, 1);
            }
        }
    }
}

enum { UNITS = 203, TAKING_PHASES = 40 };

typedef struct dividing {
    pool *pool;
    int late;                               /* a thread that comes late to each phase; -1: none */
    atomic_int times[TAKING_PHASES][UNITS]; /* that a unit was taken */
    int taken[16];                          /* units, by thread */
} dividing;

static void divide(void *context, int thread) {
    dividing *d = context;
    for (int phase = 0; phase < TAKING_PHASES; phase++) {
        if (thread == d->late) nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        for (taking t = {0}; pool_take(d->pool, thread, &t);) {
            const range mine = pool_taken(UNITS, 1, &t);
            for (size_t i = mine.begin; i < mine.end; i++) atomic_fetch_add(&d->times[phase][i], 1);
            d->taken[thread] += (int)(mine.end - mine.begin);
        }
        pool_barrier(d->pool, thread);
    }
}

static int divided_by(int threads, int late) {
    static dividing d;
    memset(&d, 0, sizeof d);
    d.late = late;
    cr_assert_eq(pool_open(&d.pool, threads, NULL), OK);
    pool_run(d.pool, divide, &d);
    pool_close(&d.pool);
    for (int phase = 0; phase < TAKING_PHASES; phase++) {
        for (int i = 0; i < UNITS; i++) cr_assert_eq(atomic_load(&d.times[phase][i]), 1, "%d threads, phase %d, unit %d", threads, phase, i);
    }
    return late < 0 ? 0 : d.taken[late];
}

Test(pool_take, gives_each_part_once_whatever_the_threads, .timeout = 120) {
    for (int threads = 1; threads <= 9; threads++) divided_by(threads, -1);
}

Test(pool_take, leaves_little_to_a_thread_that_is_late, .timeout = 120) {
    const int even = UNITS * TAKING_PHASES / 2, late = divided_by(2, 1);
    cr_assert_lt(late, even / 2, "%d of %d", late, 2 * even);
}

typedef struct counting {
    pool *pool;
    int threads, phases;
    int cell[16][16]; /* [phase % 16][thread]: plain memory, ordered by the barriers alone */
    atomic_int wrong;
} counting;

/* Each thread writes its cell, and after the barrier reads all of them. */
static void count(void *context, int thread) {
    counting *c = context;
    for (int phase = 0; phase < c->phases; phase++) {
        c->cell[phase % 16][thread] = phase;
        pool_barrier(c->pool, thread);
        for (int t = 0; t < c->threads; t++) {
            if (c->cell[phase % 16][t] != phase) atomic_fetch_add(&c->wrong, 1);
        }
    }
}

static void run_counting(int threads, int phases, int runs) {
    static counting c;
    memset(&c, 0, sizeof c);
    c.threads = threads;
    c.phases = phases;
    cr_assert_eq(pool_open(&c.pool, threads, NULL), OK);
    cr_assert_eq(pool_threads(c.pool), threads);
    for (int run = 0; run < runs; run++) pool_run(c.pool, count, &c);
    pool_close(&c.pool);
    cr_assert_null(c.pool);
    cr_assert_eq(atomic_load(&c.wrong), 0);
}

Test(pool, phases_see_what_came_before_the_barrier, .timeout = 120) {
    for (int threads = 1; threads <= 8; threads++) run_counting(threads, 300, 3);
}

Test(pool, wakes_sleepers, .timeout = 60) {
    counting c = {.threads = 2, .phases = 1};
    cr_assert_eq(pool_open(&c.pool, 2, NULL), OK);
    for (int run = 0; run < 20; run++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* long enough that the worker sleeps */
        pool_run(c.pool, count, &c);
    }
    pool_close(&c.pool);
    cr_assert_eq(atomic_load(&c.wrong), 0);
}

Test(pool, burns_nothing_while_idle) {
    counting c = {.threads = 2, .phases = 100};
    pool *p = NULL;
    cr_assert_eq(pool_open(&p, 2, NULL), OK);
    c.pool = p;
    pool_run(p, count, &c);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    pool_close(&p);
    const double used = (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    cr_assert_lt(used, 0.05, "%.3f s of CPU time in 0.2 s of idling", used);
}

Test(pool, that_cannot_be_made_says_so_and_ends_its_threads) {
    if (sanitized || getenv("EMULATOR")) cr_skip_test("the sanitizers and an emulator need the address space");
    setrlimit(RLIMIT_AS, &(struct rlimit){.rlim_cur = 256u << 20, .rlim_max = 256u << 20});
    error e = {0};
    pool *p = NULL;
    cr_assert_eq(pool_open(&p, 100000, &e), E_MEMORY);
    cr_assert_null(p);
    cr_assert_not_null(strstr(e.text, "of 100000"), "%s", e.text);
}

Test(pool, close_takes_null) {
    pool *p = NULL;
    pool_close(&p);
}
