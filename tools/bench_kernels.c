#include "tools/bench_kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/cpu.h"
#include "base/pool.h"
#include "kernels/kernels.h"
#include "tools/bench_probe.h"
#include "tools/signals.h"
#include "tools/table.h"

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
    const probe *probe; /* of the table, or NULL */
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

typedef struct measured { /* best seconds of one run of each */
    double product, read, peak;
} measured;

/* Products and probes take turns, so that all see the same neighbours. */
static measured measure(work *w, int repetitions) {
    const bool numbers = w->acts.code == ACT_F32;
    measured m = {INFINITY, INFINITY, INFINITY};
    for (int i = 0; i < repetitions && !signals_caught(); i++) {
        m.product = stopwatch_best(&w->watch, run_product, w, m.product);
        m.read = stopwatch_read(&w->watch, w->data, w->copies * w->layout.bytes, m.read);
        if (w->probe) m.peak = (numbers ? stopwatch_floating : stopwatch_integer)(&w->watch, w->probe, m.peak);
        if (m.product > 1) break;
    }
    return m;
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

/* ---- rows ---- */

static const table_column product_columns[] = {
    {.title = "set", .key = "isa", .width = 7},
    {.title = "threads", .key = "n_threads"},
    {.title = "format", .key = "format", .width = 14},
    {.title = "bits", .key = "bits", .digits = 2, .width = 5},
    {.title = "rows", .key = "rows", .width = 5},
    {.title = "k", .key = "k", .width = 5},
    {.title = "tokens", .key = "n_tokens"},
    {.title = "time", .key = "seconds", .scale = 1e6, .digits = 1, .unit = " us", .width = 11},
    {.title = "weights", .key = "weights_gb_s", .digits = 2, .unit = " GB/s", .width = 11},
    {.title = "of read", .key = "read_share", .scale = 100, .digits = 1, .unit = " %", .width = 7},
    {.title = "products", .key = "gop_s", .digits = 1, .unit = " GOP/s", .width = 12},
    {.title = "of peak", .key = "peak_share", .scale = 100, .digits = 1, .unit = " %", .width = 7},
    {0},
};

static void show_product(table *out, const work *w, const measured *m) {
    char name[FORMAT_NAME];
    format_name(&w->format, name);
    const double bytes = (double)(w->copies * w->layout.bytes);
    const double operations = 2.0 * (double)(w->shape.rows * w->shape.k * w->tokens * w->copies);
    const double each = !w->probe ? NAN : w->acts.code == ACT_F32 ? w->probe->float_operations : w->probe->operations;
    const double peak = each * threads_of(w) / m->peak;
    json_t *row = json_object();
    row_text(row, "isa", w->table->name);
    row_count(row, "n_threads", (uint64_t)threads_of(w));
    row_text(row, "format", name);
    row_number(row, "bits", format_bits(&w->format, w->shape.rows, w->shape.k));
    row_count(row, "rows", w->shape.rows);
    row_count(row, "k", w->shape.k);
    row_count(row, "n_tokens", w->tokens);
    row_number(row, "seconds", m->product / (double)w->copies);
    row_number(row, "weights_gb_s", bytes / m->product * 1e-9);
    row_number(row, "read_gb_s", bytes / m->read * 1e-9);
    row_number(row, "read_share", m->read / m->product);
    row_number(row, "gop_s", operations / m->product * 1e-9);
    row_number(row, "peak_gop_s", peak * 1e-9);
    row_number(row, "peak_share", operations / m->product / peak);
    table_row(out, row);
}

/* ---- all of them ---- */

typedef struct plan {
    const kernels_wish *wish;
    table table;
    const kernels *isa;
    uint32_t threads;
} plan;

static status bench_product(plan *p, const format *f, struct shape shape, uint32_t tokens, error *e) {
    work w = {.table = p->isa, .format = *f, .shape = shape, .tokens = tokens, .probe = probe_of(p->isa)};
    status s = stopwatch_open(&w.watch, p->threads, e);
    if (s == OK) s = work_make(&w, e);
    if (s == OK) {
        const measured m = measure(&w, p->wish->repetitions);
        s = signals_check(e);
        if (s == OK) show_product(&p->table, &w, &m);
        char name[FORMAT_NAME];
        format_name(f, name);
        if (s == OK && !agrees(&w)) s = fail(e, E_FILE, "%s: results of %s differ from those of %s", name, p->isa->name, kernel_tables[0]->name);
    }
    work_free(&w);
    return s;
}

static status bench_format(plan *p, const format *f, error *e) {
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (size_t i = 0; i < p->wish->n_tokens; i++) TRY(bench_product(p, f, shapes[s], p->wish->tokens[i], e));
    }
    return OK;
}

static status bench_names(plan *p, error *e) {
    format f;
    const kernels_wish *wish = p->wish;
    for (const format_entry *entry = format_list; wish->n_names == 0 && entry->name; entry++) {
        TRY(format_parse(&f, entry->name, e));
        TRY(bench_format(p, &f, e));
    }
    for (size_t i = 0; i < wish->n_names; i++) {
        if (!strcmp(wish->names[i], "all")) {
            for (size_t nth = 0; format_nth(nth, &f); nth++) TRY(bench_format(p, &f, e));
        } else {
            TRY(format_parse(&f, wish->names[i], e));
            TRY(bench_format(p, &f, e));
        }
    }
    return OK;
}

/* Calls step for each instruction set and number of threads that is wished. */
static status with_sets(const kernels_wish *wish, const char *name, const table_column *columns, status (*step)(plan *p, error *e), error *e) {
    const kernels *only = NULL;
    if (wish->isa) TRY(kernels_choose(&only, wish->isa, e));
    plan p = {.wish = wish};
    signals_catch();
    table_open(&p.table, wish->style, name, columns);
    status s = OK;
    for (const kernels *const *at = kernel_tables; s == OK && *at; at++) {
        p.isa = *at;
        if (only ? p.isa != only : (p.isa->needs & ~cpu_features()) != 0) continue;
        for (size_t i = 0; s == OK && i < wish->n_threads; i++) {
            p.threads = wish->threads[i];
            s = step(&p, e);
        }
    }
    table_close(&p.table);
    return s;
}

status bench_kernels(const kernels_wish *wish, error *e) {
    format f;
    for (size_t i = 0; i < wish->n_names; i++) { /* before anything is timed */
        if (strcmp(wish->names[i], "all") != 0) TRY(format_parse(&f, wish->names[i], e));
    }
    return with_sets(wish, "kernels", product_columns, bench_names, e);
}

/* ---- the probes alone ---- */

static const table_column probe_columns[] = {
    {.title = "set", .key = "isa", .width = 7},
    {.title = "threads", .key = "n_threads"},
    {.title = "read", .key = "read_gb_s", .digits = 2, .unit = " GB/s", .width = 11},
    {.title = "int8", .key = "peak_int8_gop_s", .digits = 1, .unit = " GOP/s", .width = 12},
    {.title = "f32", .key = "peak_f32_gop_s", .digits = 1, .unit = " GOP/s", .width = 12},
    {0},
};

/* Best seconds of each. */
static void probe_all(plan *p, stopwatch *w, const probe *of, const uint8_t *data, double *read, double *integer, double *floating) {
    for (int i = 0; i < p->wish->repetitions && !signals_caught(); i++) {
        *read = stopwatch_read(w, data, BEYOND_CACHES, *read);
        if (of) *integer = stopwatch_integer(w, of, *integer);
        if (of) *floating = stopwatch_floating(w, of, *floating);
    }
}

static void show_probe(plan *p, stopwatch *w, const uint8_t *data) {
    const probe *of = probe_of(p->isa);
    const int threads = pool_threads(w->pool);
    double read = INFINITY, integer = INFINITY, floating = INFINITY;
    probe_all(p, w, of, data, &read, &integer, &floating);
    json_t *row = json_object();
    row_text(row, "isa", p->isa->name);
    row_count(row, "n_threads", (uint64_t)threads);
    row_number(row, "read_gb_s", BEYOND_CACHES / read * 1e-9);
    row_number(row, "peak_int8_gop_s", of ? of->operations * threads / integer * 1e-9 : NAN);
    row_number(row, "peak_f32_gop_s", of ? of->float_operations * threads / floating * 1e-9 : NAN);
    table_row(&p->table, row);
}

static status probe_step(plan *p, error *e) {
    stopwatch w;
    uint8_t *data = probe_pages(BEYOND_CACHES);
    status s = data ? stopwatch_open(&w, p->threads, e) : fail(e, E_MEMORY, "no memory for %d MiB", BEYOND_CACHES >> 20);
    if (s == OK) {
        memset(data, 1, BEYOND_CACHES);
        show_probe(p, &w, data);
        s = signals_check(e);
    }
    if (data) stopwatch_close(&w);
    free(data);
    return s;
}

status bench_probe(const kernels_wish *wish, error *e) {
    return with_sets(wish, "probe", probe_columns, probe_step, e);
}
