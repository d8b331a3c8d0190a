#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench_sets.h"
#include "tools/signals.h"

static const table_column probe_columns[] = {
    {.title = "set", .key = "isa", .width = 7},
    {.title = "threads", .key = "n_threads"},
    {.title = "read", .key = "read_gb_s", .digits = 2, .unit = " GB/s", .width = 11},
    {.title = "int8", .key = "peak_int8_gop_s", .digits = 1, .unit = " GOP/s", .width = 12},
    {.title = "f32", .key = "peak_f32_gop_s", .digits = 1, .unit = " GOP/s", .width = 12},
    {0},
};

/* Best seconds of each. */
static void probe_all(bench_plan *p, stopwatch *w, const probe *of, const uint8_t *data, double *read, double *integer, double *floating) {
    for (int i = 0; i < p->wish->repetitions && !signals_caught(); i++) {
        *read = stopwatch_read(w, data, BEYOND_CACHES, *read);
        if (of) *integer = stopwatch_integer(w, of, *integer);
        if (of) *floating = stopwatch_floating(w, of, *floating);
    }
}

static void show_probe(bench_plan *p, stopwatch *w, const uint8_t *data) {
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

static status probe_step(bench_plan *p, error *e) {
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
    return bench_sets(wish, "probe", probe_columns, probe_step, e);
}
