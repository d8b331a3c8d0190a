#include "tools/bench_steps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tools/signals.h"

enum {
    WIDTH = 2048, /* of the 1.1B shape: values of a token */
    HEAD = 64,
    CALLS = 64, /* of a vector kernel in one run: its vectors stay in the caches, as they do between products */
};

/* What one thread works on. */
typedef struct lane {
    float *x, *y, *gain; /* [WIDTH] */
} lane;

typedef struct steps {
    stopwatch watch;
    const kernels *table;
    const struct step *step;
    lane *lanes; /* [threads] */
} steps;

/* A vector kernel: what it does to WIDTH values, the arrays of WIDTH floats that it reads and writes, and the float operations that it makes of each value;
 * 0 where most of them are those of exp. */
typedef struct step {
    const char *name;
    void (*run)(const kernels *k, lane *l);
    double arrays, operations;
} step;

static void run_rmsnorm(const kernels *k, lane *l) {
    k->rmsnorm(l->y, l->x, l->gain, WIDTH, 1e-5f);
}

static void run_layernorm(const kernels *k, lane *l) {
    k->layernorm(l->y, l->x, l->gain, l->gain, WIDTH, 1e-5f);
}

static void run_rope(const kernels *k, lane *l) {
    for (size_t at = 0; at < WIDTH; at += HEAD) k->rope_half(l->y + at, l->gain, HEAD);
}

static void run_rope_interleaved(const kernels *k, lane *l) {
    for (size_t at = 0; at < WIDTH; at += HEAD) k->rope_interleaved(l->y + at, l->gain, HEAD);
}

static void run_silu(const kernels *k, lane *l) {
    k->silu_mul(l->y, l->x, l->gain, WIDTH);
}

static void run_gelu(const kernels *k, lane *l) {
    k->gelu_mul(l->y, l->x, l->gain, WIDTH);
}

static void run_gelu_tanh(const kernels *k, lane *l) {
    k->gelu_tanh_mul(l->y, l->x, l->gain, WIDTH);
}

static void run_add(const kernels *k, lane *l) {
    k->add(l->y, l->x, WIDTH);
}

static void run_exp(const kernels *k, lane *l) {
    k->exp(l->y, l->x, WIDTH);
}

static void run_softmax(const kernels *k, lane *l) {
    l->y[0] = (float)k->sum_exp(l->x, WIDTH, k->max(l->x, WIDTH));
}

static const step list[] = {
    {"rmsnorm", run_rmsnorm, 3, 4},
    {"layernorm", run_layernorm, 4, 7},
    {"rope", run_rope, 2, 3},
    {"rope-interleaved", run_rope_interleaved, 2, 3},
    {"add", run_add, 3, 1},
    {"exp", run_exp, 2, 0},
    {"softmax-sum", run_softmax, 1, 0},
    {"silu-mul", run_silu, 3, 0},
    {"gelu-mul", run_gelu, 3, 0},
    {"gelu-tanh-mul", run_gelu_tanh, 3, 0},
    {0},
};

static bool is_wanted(const char *name, const char *kernel) {
    return !name || !strcmp(name, "steps") || !strcmp(name, kernel);
}

bool steps_have(const char *name) {
    bool found = is_wanted(name, "attend");
    for (const step *s = list; s->name; s++) found = found || is_wanted(name, s->name);
    return found;
}

/* ---- vectors ---- */

static void fill(float *x, size_t n, uint64_t seed) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)(seed >> 40) * 0x1p-23f - 1.0f;
    }
}

static void run_vector(void *context, int thread) {
    steps *s = context;
    for (int i = 0; i < CALLS; i++) s->step->run(s->table, &s->lanes[thread]);
}

/* From the same start, once by this table and once by the scalar one. */
static bool vectors_agree(steps *s) {
    lane *l = &s->lanes[0];
    float *mine = probe_pages(WIDTH * sizeof *mine);
    if (!mine) return false;
    memcpy(l->y, l->x, WIDTH * sizeof *l->y);
    s->step->run(s->table, l);
    memcpy(mine, l->y, WIDTH * sizeof *mine);
    memcpy(l->y, l->x, WIDTH * sizeof *l->y);
    s->step->run(kernel_tables[0], l);
    const bool same = !memcmp(mine, l->y, WIDTH * sizeof *mine);
    free(mine);
    return same;
}

static status lanes_make(steps *s, error *e) {
    const size_t threads = (size_t)pool_threads(s->watch.pool);
    s->lanes = calloc(threads, sizeof *s->lanes);
    for (size_t i = 0; s->lanes && i < threads; i++) {
        lane *l = &s->lanes[i];
        l->x = probe_pages(3 * WIDTH * sizeof *l->x);
        if (!l->x) break;
        l->y = l->x + WIDTH;
        l->gain = l->y + WIDTH;
        fill(l->x, 3 * WIDTH, i + 1);
    }
    return s->lanes && s->lanes[threads - 1].x ? OK : fail(e, E_MEMORY, "no memory for %zu threads", threads);
}

static void lanes_free(steps *s) {
    for (int i = 0; s->lanes && i < pool_threads(s->watch.pool); i++) free(s->lanes[i].x);
    free(s->lanes);
    stopwatch_close(&s->watch);
}

static status show_vector(bench_plan *p, steps *s, error *e) {
    const int threads = pool_threads(s->watch.pool);
    const double values = (double)WIDTH * CALLS * threads;
    const measured m = bench_measure(p, &s->watch, run_vector, s, (uint8_t *)s->lanes[0].x, WIDTH * sizeof(float), stopwatch_floating);
    TRY(signals_check(e));
    const probe *limit = probe_of(p->isa);
    const kernel_row row = {
        .name = s->step->name,
        .bits = (double)NAN,
        .rows = 1,
        .k = WIDTH,
        .tokens = 1,
        .times = CALLS,
        .bytes = (double)sizeof(float) * s->step->arrays * values,
        .operations = s->step->operations > 0 ? s->step->operations * values : (double)NAN,
        .each = limit ? limit->float_operations : (double)NAN,
    };
    bench_show(p, &row, &(measured){m.kernel, (double)NAN, m.peak}, threads);
    return vectors_agree(s) ? OK : fail(e, E_FILE, "%s: results of %s differ from those of %s", s->step->name, p->isa->name, kernel_tables[0]->name);
}

static status bench_vector(bench_plan *p, const step *of, error *e) {
    steps s = {.table = p->isa, .step = of};
    status code = stopwatch_open(&s.watch, p->threads, e);
    if (code == OK) code = lanes_make(&s, e);
    if (code == OK) code = show_vector(p, &s, e);
    lanes_free(&s);
    return code;
}

status bench_steps(bench_plan *p, const char *name, error *e) {
    for (const step *of = list; of->name; of++) {
        if (is_wanted(name, of->name)) TRY(bench_vector(p, of, e));
    }
    return is_wanted(name, "attend") ? bench_attend(p, e) : OK;
}
