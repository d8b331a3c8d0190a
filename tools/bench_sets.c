#include "tools/bench_sets.h"

#include <math.h>

#include "base/cpu.h"
#include "tools/signals.h"

status bench_sets(const kernels_wish *wish, const char *name, const table_column *columns, status (*step)(bench_plan *p, error *e), error *e) {
    const kernels *only = NULL;
    if (wish->isa) TRY(kernels_choose(&only, wish->isa, e));
    bench_plan p = {.wish = wish};
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

measured bench_measure(const bench_plan *p, stopwatch *w, pool_task *kernel, void *context, const uint8_t *data, size_t bytes,
                       probe_run *operations) {
    const probe *limit = probe_of(p->isa);
    measured m = {INFINITY, INFINITY, INFINITY};
    for (int i = 0; i < p->wish->repetitions && !signals_caught(); i++) {
        m.kernel = stopwatch_best(w, kernel, context, m.kernel);
        m.read = stopwatch_read(w, data, bytes, m.read);
        if (limit) m.peak = operations(w, limit, m.peak);
        if (m.kernel > 1) break;
    }
    return m;
}

const table_column kernel_columns[] = {
    {.title = "set", .key = "isa", .width = 7},
    {.title = "threads", .key = "n_threads"},
    {.title = "kernel", .key = "format", .width = 16},
    {.title = "bits", .key = "bits", .digits = 2, .width = 5},
    {.title = "rows", .key = "rows", .width = 5},
    {.title = "k", .key = "k", .width = 5},
    {.title = "tokens", .key = "n_tokens"},
    {.title = "time", .key = "seconds", .scale = 1e6, .digits = 2, .unit = " us", .width = 11},
    {.title = "reads", .key = "weights_gb_s", .digits = 2, .unit = " GB/s", .width = 11},
    {.title = "of read", .key = "read_share", .scale = 100, .digits = 1, .unit = " %", .width = 7},
    {.title = "makes", .key = "gop_s", .digits = 1, .unit = " GOP/s", .width = 12},
    {.title = "of peak", .key = "peak_share", .scale = 100, .digits = 1, .unit = " %", .width = 7},
    {0},
};

void bench_show(bench_plan *p, const kernel_row *r, const measured *m, int threads) {
    const double peak = r->each * threads / m->peak;
    json_t *row = json_object();
    row_text(row, "isa", p->isa->name);
    row_count(row, "n_threads", (uint64_t)threads);
    row_text(row, "format", r->name);
    row_number(row, "bits", r->bits);
    row_count(row, "rows", r->rows);
    row_count(row, "k", r->k);
    row_count(row, "n_tokens", r->tokens);
    row_number(row, "seconds", m->kernel / (double)r->times);
    row_number(row, "weights_gb_s", r->bytes / m->kernel * 1e-9);
    row_number(row, "read_gb_s", r->bytes / m->read * 1e-9);
    row_number(row, "read_share", m->read / m->kernel);
    row_number(row, "gop_s", r->operations / m->kernel * 1e-9);
    row_number(row, "peak_gop_s", peak * 1e-9);
    row_number(row, "peak_share", r->operations / m->kernel / peak);
    table_row(&p->table, row);
}
