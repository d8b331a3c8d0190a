#include "tools/bench_kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tools/bench_sets.h"
#include "tools/bench_steps.h"
#include "tools/signals.h"

enum {
    FEW = 8,             /* tokens */
    SMALL_HALF = 0x2c12, /* a scale */
};

/* Of the 1.1B shape: gate and up, down. */
static const struct shape { size_t rows, k; } shapes[] = {{5632, 2048}, {2048, 5632}};

/* What is measured, seen by all threads. */
typedef struct work {
    stopwatch watch;
    void **scratch; /* [threads] */
    const kernels *table;
    format format;
    layout layout;
    uint8_t *data; /* copies of a tensor */
    size_t copies, tokens;
    struct shape shape;
    float *x, *y;
    acts acts;
} work;

static int threads_of(const work *w) {
    return pool_threads(w->watch.pool);
}

/* ---- what is timed ---- */

static void run_product(void *context, int thread) {
    work *w = context;
    linear_fn *run = kernels_linear(w->table, &w->format);
    const range mine = pool_share(w->layout.groups, 1, thread, threads_of(w));
    for (size_t c = 0; c < w->copies; c++) {
        const matrix m = {&w->format, &w->layout, w->data + c * w->layout.bytes};
        run(&m, &w->acts, mine.begin, mine.end, w->y, w->layout.groups * TILE_ROWS, w->scratch[thread]);
    }
}

/* ---- weights and activations ---- */

static uint64_t random_bits(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* Any codes, and scales of moderate size. */
static void fill_tensor(uint8_t *data, const format *f, const layout *l) {
    uint64_t seed = 1;
    for (size_t i = 0; i < l->side; i++) data[i] = (uint8_t)random_bits(&seed);
    const size_t number = f->bits / 8;
    for (size_t at = l->codes; f->family->plain && at < l->side; at += number) {
        f->family->store(data + at, (float)(random_bits(&seed) % 2001) * 0.001f - 1.0f);
    }
    const bool halves = f->grain == GRAIN_BLOCK;
    for (size_t at = l->side; at < l->bytes; at += halves ? 2 : 4) {
        const uint16_t half = SMALL_HALF;
        const float small = 0.01f;
        memcpy(data + at, halves ? (const void *)&half : &small, halves ? 2 : 4);
    }
}

static bool encode(work *w, const kernels *set) {
    size_t values, scales, sums;
    acts_bytes(w->format.act, w->tokens, w->shape.k, &values, &scales, &sums);
    const size_t tiles = w->shape.k / TILE_K;
    free(w->acts.values);
    w->acts = (acts){.code = w->format.act, .n = w->tokens, .tiles = tiles, .width = w->tokens < set->panel ? w->tokens : set->panel};
    uint8_t *room = probe_pages(values + scales + sums);
    if (!room) return false;
    w->acts.values = room;
    w->acts.scales = (float *)(void *)(room + values);
    w->acts.sums = (int32_t *)(void *)(room + values + scales);
    w->acts.act_scale = 0.01f;
    set->encode[w->format.act](&w->acts, w->x, w->shape.k, w->shape.k, 0, w->tokens, 0, tiles);
    return true;
}

static void work_free(work *w) {
    free(w->data);
    free(w->x);
    free(w->y);
    free(w->acts.values);
    for (int i = 0; w->scratch && i < threads_of(w); i++) free(w->scratch[i]);
    free(w->scratch);
    stopwatch_close(&w->watch);
}

static status work_make(work *w, error *e) {
    const size_t threads = (size_t)threads_of(w);
    format_layout(&w->format, w->shape.rows, w->shape.k, &w->layout);
    const size_t bytes = w->layout.bytes;
    w->copies = w->tokens <= FEW && bytes < BEYOND_CACHES ? BEYOND_CACHES / bytes : 1;
    w->scratch = calloc(threads, sizeof *w->scratch);
    w->data = probe_pages(w->copies * bytes);
    w->x = probe_pages(w->tokens * w->shape.k * sizeof *w->x);
    w->y = probe_pages(w->tokens * w->layout.groups * TILE_ROWS * sizeof *w->y);
    bool made = w->scratch && w->data && w->x && w->y;
    for (size_t i = 0; made && i < threads; i++) made = (w->scratch[i] = probe_pages(linear_scratch_bytes(w->shape.k))) != NULL;
    if (!made) return fail(e, E_MEMORY, "no memory for %zu MiB of weights and %zu tokens", w->copies * bytes >> 20, w->tokens);
    fill_tensor(w->data, &w->format, &w->layout);
    for (size_t c = 1; c < w->copies; c++) memcpy(w->data + c * bytes, w->data, bytes);
    uint64_t seed = 2;
    for (size_t i = 0; i < w->tokens * w->shape.k; i++) w->x[i] = (float)random_bits(&seed) * 0x1p-30f - 1.0f;
    return encode(w, w->table) ? OK : fail(e, E_MEMORY, "no memory for %zu tokens", w->tokens);
}

/* The first rows of the last tokens, again by the scalar table. What was encoded is encoded anew. */
static bool agrees(work *w) {
    enum { GROUPS = 2, LAST = 9, ROWS = GROUPS * TILE_ROWS };
    const size_t all = w->tokens, n = all < LAST ? all : LAST, ld = w->layout.groups * TILE_ROWS;
    const kernels *plain = kernel_tables[0];
    float *y = probe_pages(n * ROWS * sizeof *y), *x = w->x;
    w->tokens = n;
    w->x += (all - n) * w->shape.k;
    bool same = y && encode(w, plain);
    w->x = x;
    w->tokens = all;
    const matrix m = {&w->format, &w->layout, w->data};
    if (same) kernels_linear(plain, &w->format)(&m, &w->acts, 0, GROUPS, y, ROWS, w->scratch[0]);
    for (size_t t = 0; same && t < n; t++) same = !memcmp(y + t * ROWS, w->y + (all - n + t) * ld, ROWS * sizeof *y);
    free(y);
    return same;
}

/* ---- all of them ---- */

static status show_product(bench_plan *p, work *w, error *e) {
    const bool numbers = w->acts.code == ACT_F32;
    const size_t bytes = w->copies * w->layout.bytes;
    const measured m = bench_measure(p, &w->watch, run_product, w, w->data, bytes, numbers ? stopwatch_floating : stopwatch_integer);
    TRY(signals_check(e));
    char name[FORMAT_NAME];
    format_name(&w->format, name);
    const probe *limit = probe_of(p->isa);
    const kernel_row row = {
        .name = name,
        .bits = format_bits(&w->format, w->shape.rows, w->shape.k),
        .rows = w->shape.rows,
        .k = w->shape.k,
        .tokens = w->tokens,
        .times = w->copies,
        .bytes = (double)bytes,
        .operations = 2.0 * (double)(w->shape.rows * w->shape.k * w->tokens * w->copies),
        .each = !limit    ? (double)NAN
                : numbers ? limit->float_operations
                          : limit->operations,
    };
    bench_show(p, &row, &m, threads_of(w));
    return agrees(w) ? OK : fail(e, E_FILE, "%s: results of %s differ from those of %s", name, p->isa->name, kernel_tables[0]->name);
}

static status bench_product(bench_plan *p, const format *f, struct shape shape, uint32_t tokens, error *e) {
    work w = {.table = p->isa, .format = *f, .shape = shape, .tokens = tokens};
    status s = stopwatch_open(&w.watch, p->threads, e);
    if (s == OK) s = work_make(&w, e);
    if (s == OK) s = show_product(p, &w, e);
    work_free(&w);
    return s;
}

static status bench_format(bench_plan *p, const format *f, error *e) {
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (size_t i = 0; i < p->wish->n_tokens; i++) TRY(bench_product(p, f, shapes[s], p->wish->tokens[i], e));
    }
    return OK;
}

static status bench_all(bench_plan *p, error *e) {
    format f;
    for (size_t nth = 0; format_nth(nth, &f); nth++) TRY(bench_format(p, &f, e));
    return OK;
}

static status bench_listed(bench_plan *p, error *e) {
    format f;
    for (const format_entry *entry = format_list; entry->name; entry++) {
        TRY(format_parse(&f, entry->name, e));
        TRY(bench_format(p, &f, e));
    }
    return bench_steps(p, NULL, e);
}

static status bench_names(bench_plan *p, error *e) {
    const kernels_wish *wish = p->wish;
    if (!wish->n_names) return bench_listed(p, e);
    for (size_t i = 0; i < wish->n_names; i++) {
        const char *name = wish->names[i];
        format f;
        if (!strcmp(name, "all")) {
            TRY(bench_all(p, e));
        } else if (steps_have(name)) {
            TRY(bench_steps(p, name, e));
        } else {
            TRY(format_parse(&f, name, e));
            TRY(bench_format(p, &f, e));
        }
    }
    return OK;
}

status bench_kernels(const kernels_wish *wish, error *e) {
    format f;
    for (size_t i = 0; i < wish->n_names; i++) { /* before anything is timed */
        if (strcmp(wish->names[i], "all") != 0 && !steps_have(wish->names[i])) TRY(format_parse(&f, wish->names[i], e));
    }
    return bench_sets(wish, "kernels", kernel_columns, bench_names, e);
}
