/* Every linear kernel of every instruction set, at one token and at many: GB/s of weights, GOP/s, and the share of what the machine can do, probed in the
 * same run. The matrix of the one-token rows is larger than the caches; that of the others fits. Results are checked against the scalar table.
 *
 *   kernels [-t THREADS] [-s SECONDS per row] [WORD ...]     only rows whose instruction set or format is one of the words */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/cpu.h"
#include "base/pool.h"
#include "kernels/kernels.h"
#include "probe/probe.h"

enum {
    LARGE = 256 << 20, /* bytes of weights for one token */
    THREADS_MAX = 64,
};

typedef struct shape {
    size_t tokens, rows, k;
    size_t bytes; /* of weights to pass over, by copies of the matrix; 0: one copy */
} shape;
static const shape shapes[] = {{1, 2048, 4096, LARGE}, {4, 2048, 4096, LARGE}, {512, 2048, 2048, 0}};

typedef struct work {
    const kernels *table;
    linear_fn *run;
    const layout *layout;
    const format *format;
    const uint8_t *data;
    size_t copies;
    acts acts;
    float *y;
    size_t ld;
    void *scratch[THREADS_MAX];
    const probe *probe;
    bool floating;
    uint64_t sink[THREADS_MAX];
    pool_task *task;
    double spent[THREADS_MAX];
} work;

static pool *threads;

static void *zeros(size_t bytes) {
    void *p = aligned_alloc(4096, round_up(bytes, 4096));
    if (!p) exit(4);
    return memset(p, 0, round_up(bytes, 4096));
}

static uint64_t random_bits(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* ---- what is timed ---- */

static void run_product(void *context, int thread) {
    work *w = context;
    const range mine = pool_share(w->layout->groups, 1, thread, pool_threads(threads));
    for (size_t c = 0; c < w->copies; c++) {
        const matrix m = {w->format, w->layout, w->data + c * w->layout->bytes};
        w->run(&m, &w->acts, mine.begin, mine.end, w->y, w->ld, w->scratch[thread]);
    }
}

static void run_read(void *context, int thread) {
    work *w = context;
    const range mine = pool_share(w->copies * w->layout->bytes, 4096, thread, pool_threads(threads));
    w->sink[thread] = probe_read(w->data + mine.begin, mine.end - mine.begin);
}

static void run_compute(void *context, int thread) {
    const work *w = context;
    (void)thread;
    if (w->floating)
        w->probe->floating();
    else
        w->probe->integer();
}

/* Time is what the slowest thread spent on its processor: others that use the machine do not count, as far as they leave the caches alone. */
static void run_timed(void *context, int thread) {
    work *w = context;
    const double start = seconds_of_thread();
    w->task(w, thread);
    w->spent[thread] = seconds_of_thread() - start;
}

static double best_of(pool_task *task, work *w, double seconds) {
    double best = INFINITY;
    w->task = task;
    pool_run(threads, run_timed, w);
    for (const double end = seconds_now() + seconds; seconds_now() < end;) {
        double slowest = 0;
        pool_run(threads, run_timed, w);
        for (int i = 0; i < pool_threads(threads); i++) slowest = fmax(slowest, w->spent[i]);
        best = fmin(best, slowest);
    }
    return best;
}

/* ---- one row ---- */

static void fill(uint8_t *data, const layout *l, const format *f, uint64_t seed) {
    for (size_t i = 0; i < l->side; i++) data[i] = (uint8_t)random_bits(&seed);
    if (f->family->plain) { /* numbers of moderate size */
        const size_t bytes = f->bits / 8;
        for (size_t i = 0; i < (l->side - l->codes) / bytes; i++) {
            f->family->store(data + l->codes + i * bytes, (float)(random_bits(&seed) % 2001) * 0.001f - 1.0f);
        }
    }
    static const uint8_t small_half[2] = {0x12, 0x2c};
    for (size_t i = l->side; i < l->bytes; i++) data[i] = small_half[i % 2];
}

static acts encoded(const kernels *t, act_code code, const float *x, size_t n, size_t k) {
    size_t values, scales, sums;
    acts_bytes(code, n, k, &values, &scales, &sums);
    acts a = {code, n, k / TILE_K, n < t->panel ? n : t->panel, zeros(values), zeros(scales), zeros(sums), 0, 0};
    t->encode[code](&a, x, k, k, 0, n, 0, k / TILE_K);
    return a;
}

static void acts_free(acts *a) {
    free(a->values);
    free(a->scales);
    free(a->sums);
}

/* The first rows of the last tokens, again by the scalar table. */
static bool agrees(const work *w, const format *f, const shape *s, const float *x) {
    enum { ROWS = 32, LAST = 9 };
    const size_t n = s->tokens < LAST ? s->tokens : LAST, first = s->tokens - n;
    const kernels *plain = kernel_tables[0];
    acts a = encoded(plain, f->act, x + first * s->k, n, s->k);
    float *y = zeros(n * ROWS * sizeof *y);
    const matrix m = {f, w->layout, w->data};
    kernels_linear(plain, f)(&m, &a, 0, ROWS / TILE_ROWS, y, ROWS, w->scratch[0]);
    bool same = true;
    for (size_t t = 0; t < n; t++) same = same && !memcmp(y + t * ROWS, w->y + (first + t) * w->ld, ROWS * sizeof *y);
    acts_free(&a);
    free(y);
    return same;
}

static bool row(const kernels *t, const char *name, const shape *s, double seconds) {
    format f;
    layout l;
    error e;
    if (format_parse(&f, name, &e) != OK || !format_layout(&f, s->rows, s->k, &l)) exit(1);
    work w = {
        .table = t, .run = kernels_linear(t, &f), .layout = &l, .format = &f, .ld = s->rows, .copies = s->bytes > l.bytes ? s->bytes / l.bytes : 1};
    uint8_t *data = zeros(w.copies * l.bytes);
    fill(data, &l, &f, 1);
    for (size_t c = 1; c < w.copies; c++) memcpy(data + c * l.bytes, data, l.bytes);
    w.data = data;
    float *x = zeros(s->tokens * s->k * sizeof *x);
    uint64_t seed = 2;
    for (size_t i = 0; i < s->tokens * s->k; i++) x[i] = (float)random_bits(&seed) * 0x1p-30f - 1.0f;
    w.acts = encoded(t, f.act, x, s->tokens, s->k);
    w.y = zeros(s->tokens * w.ld * sizeof *w.y);
    for (int i = 0; i < pool_threads(threads); i++) w.scratch[i] = zeros(linear_scratch_bytes(s->k));

    const double time = best_of(run_product, &w, seconds), bytes = (double)(w.copies * l.bytes);
    const double operations = 2.0 * (double)(s->rows * s->k * s->tokens * w.copies);
    const double read = best_of(run_read, &w, seconds / 2);
    double compute = NAN;
    w.floating = f.act == ACT_F32;
    for (w.probe = probes; w.probe->isa; w.probe++) {
        if (strcmp(w.probe->isa, t->name)) continue;
        const double each = best_of(run_compute, &w, seconds / 2);
        compute = (w.floating ? w.probe->float_operations : w.probe->operations) * pool_threads(threads) / each;
    }
    const bool same = agrees(&w, &f, s, x);
    printf("%-7s %-8s %4zu  %8.2f GB/s %5.1f %%  %9.1f GOP/s %5.1f %%  %s\n", t->name, name, s->tokens, bytes / time * 1e-9, 100 * read / time,
           operations / time * 1e-9, 100 * operations / time / compute, same ? "same as scalar" : "DIFFERS from scalar");
    fflush(stdout);
    for (int i = 0; i < pool_threads(threads); i++) free(w.scratch[i]);
    acts_free(&w.acts);
    free(data);
    free(x);
    free(w.y);
    return same;
}

static bool wanted(const char *const *words, const char *isa, const char *name) {
    bool isa_named = false, isa_ok = false, name_named = false, name_ok = false;
    for (; *words; words++) {
        bool is_isa = false;
        for (const kernels *const *t = kernel_tables; *t; t++) is_isa = is_isa || !strcmp((*t)->name, *words);
        if (is_isa)
            isa_named = true, isa_ok = isa_ok || !strcmp(*words, isa);
        else
            name_named = true, name_ok = name_ok || !strcmp(*words, name);
    }
    return (!isa_named || isa_ok) && (!name_named || name_ok);
}

int main(int argc, char **argv) {
    int count = 1;
    double seconds = 0.3;
    for (int option; (option = getopt(argc, argv, "t:s:")) != -1;) {
        if (option == 't')
            count = atoi(optarg);
        else if (option == 's')
            seconds = atof(optarg);
        else
            return 2;
    }
    error e;
    if (count < 1 || count > THREADS_MAX || pool_open(&threads, count, &e) != OK) return 2;
    printf("%d thread%s\nset     format  tokens  weights, of read speed   products, of the unit's peak\n", count, count > 1 ? "s" : "");
    bool same = true;
    for (const kernels *const *t = kernel_tables; *t; t++) {
        if ((*t)->needs & ~cpu_features()) continue;
        for (const format_entry *f = format_list; f->name; f++) {
            if (!wanted((const char *const *)argv + optind, (*t)->name, f->name)) continue;
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) same = row(*t, f->name, &shapes[s], seconds) && same;
        }
    }
    pool_close(&threads);
    return !same;
}
