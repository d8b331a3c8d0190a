#include "quantize/pipeline.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "quantize/factors.h"
#include "quantize/learn.h"

enum {
    CHUNK_BYTES = 1 << 20,  /* of source, that a thread takes at once: large enough to write, small enough to share */
    BATCH_BYTES = 64 << 20, /* of source, whose codebooks are learned together before its chunks are encoded */
    BATCH_ITEMS = 64,
};

typedef struct run run;
typedef struct item item;
typedef struct worker worker;

struct item { /* a tensor of the batch */
    size_t index;
    qbin_entry *entry;
    quantize_tensor *todo;
    encoder en; /* of a matrix */
    shared shared;
    status (*chunk)(run *r, worker *w, const item *it, size_t chunk, error *e);
    size_t chunk_groups, first_chunk, chunks;
    uint64_t chunk_bytes; /* of source */
    size_t chunks_left;
};

typedef struct place { /* of a value in the source */
    size_t tensor;
    uint64_t index;
    float value;
} place;

typedef struct tally { /* of a chunk; added in their order, so that sums do not depend on the threads */
    losses lost;
    double seconds;
} tally;

struct run { /* shared by the threads */
    const quantize_job *job;
    item items[BATCH_ITEMS];
    size_t n_items, n_chunks;
    tally *tallies;       /* [n_chunks] of the batch */
    factor_set factors;   /* of the batch */
    uint64_t done, total; /* source bytes */
    bool bad;
    place first_bad; /* the first value that cannot be stored */
    status failed;
    error why;
};

struct worker { /* what a thread owns, made for one tensor at a time */
    const item *of;
    group group;
    uint8_t *head, *codes, *side;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- rows ---- */

static void scale_row(float *x, size_t k, const quantize_tensor *todo, size_t row) {
    if (todo->row_factors) {
        for (size_t i = 0; i < k; i++) x[i] *= todo->row_factors[row];
    }
    if (todo->column_factors) {
        for (size_t i = 0; i < k; i++) x[i] *= todo->column_factors[i];
    }
}

static void fill_rows(const row_source *from, const encoder *en, group *g) {
    const quantize_tensor *todo = from->context;
    for (size_t r = 0; r < g->rows; r++) {
        const size_t row = g->index * TILE_ROWS + r;
        todo->from.read(&todo->from, row, group_row(g, en, r));
        scale_row(group_row(g, en, r), en->k, todo, row);
    }
}

static void group_done(const row_source *from, const encoder *en, const group *g) {
    const quantize_tensor *todo = from->context;
    (void)en;
    todo->from.done(&todo->from, g->index * TILE_ROWS, g->rows);
}

/* ---- what threads tell each other ---- */

static void note_failure(run *r, status failed, const error *why) {
#pragma omp critical(quantize)
    if (!r->failed) {
        r->failed = failed;
        r->why = *why;
    }
}

static bool before(const place *a, const place *b) {
    return a->tensor < b->tensor || (a->tensor == b->tensor && a->index < b->index);
}

static void note_bad(run *r, const place *at) {
    if (r->job->allow_nonfinite) return;
#pragma omp critical(quantize)
    if (!r->bad || before(at, &r->first_bad)) {
        r->bad = true;
        r->first_bad = *at;
    }
}

/* Chunks are handed out in order: those after the first bad value need not be done, those before it have been begun. */
static bool chunk_wanted(run *r, const item *it, size_t chunk) {
    const place here = {it->index, chunk * it->chunk_groups * TILE_ROWS * it->en.k, 0};
    bool wanted;
    if (r->job->stopped && r->job->stopped()) note_failure(r, E_INTERRUPT, &(error){.code = E_INTERRUPT, .text = "interrupted"});
#pragma omp critical(quantize)
    wanted = !r->failed && (!r->bad || before(&here, &r->first_bad));
    return wanted;
}

static void chunk_ended(run *r, item *it, uint64_t bytes) {
    bool last;
#pragma omp critical(quantize)
    {
        r->done += bytes;
        last = --it->chunks_left == 0;
        progress_step(r->job->progress, it->entry->name, r->done, r->total);
    }
    const reader *from = &it->todo->from;
    if (last) from->done(from, 0, from->rows); /* pages that two chunks share */
}

/* ---- chunks ---- */

static void worker_close(worker *w) {
    group_close(&w->group);
    free(w->head);
    free(w->codes);
    free(w->side);
    *w = (worker){0};
}

static status worker_open(worker *w, const item *it, error *e) {
    const layout *l = &it->en.layout;
    if (w->of == it) return OK;
    worker_close(w);
    TRY(group_open(&w->group, &it->en, e));
    w->head = malloc(it->chunk_groups * l->group_head + 1);
    w->codes = malloc(it->chunk_groups * l->tiles * l->tile_codes);
    w->side = malloc(it->chunk_groups * l->group_side + 1);
    if (!w->head || !w->codes || !w->side) return fail(e, E_MEMORY, "no memory for the rows of a tensor");
    w->of = it;
    return OK;
}

/* What the centre of the activations adds to each output: centre * sum of the row as it is stored. */
static status write_shift(const run *r, const item *it, const group *g, error *e) {
    float shift[TILE_ROWS];
    for (size_t i = 0; i < g->rows; i++) shift[i] = (float)((double)it->entry->act_center * group_row_sum(g, &it->en, i));
    return qbin_write(r->job->writer, it->todo->shift - 1, g->index * sizeof shift, shift, g->rows * sizeof *shift, e);
}

static status matrix_chunk(run *r, worker *w, const item *it, size_t chunk, error *e) {
    const layout *l = &it->en.layout;
    const row_source from = {fill_rows, NULL, it->todo};
    const size_t first = chunk * it->chunk_groups, group_codes = l->tiles * l->tile_codes;
    const size_t groups = it->chunk_groups < l->groups - first ? it->chunk_groups : l->groups - first;
    tally *t = &r->tallies[it->first_chunk + chunk];
    TRY(worker_open(w, it, e));
    for (size_t i = 0; i < groups; i++) {
        group *g = &w->group;
        group_read(g, &it->en, &from, first + i);
        if (g->first_bad != UINT64_MAX) note_bad(r, &(place){it->index, g->first_bad, g->bad_value});
        group_encode(g, &it->en, (group_parts){w->head + i * l->group_head, w->codes + i * group_codes, w->side + i * l->group_side});
        losses_add(&t->lost, &g->lost);
        if (it->todo->shift) TRY(write_shift(r, it, g, e));
    }
    const uint64_t begin = first * TILE_ROWS, rows = groups * TILE_ROWS, left = it->todo->from.rows - begin;
    it->todo->from.done(&it->todo->from, begin, rows < left ? rows : left);
    if (l->group_head) TRY(qbin_write(r->job->writer, it->index, first * l->group_head, w->head, groups * l->group_head, e));
    TRY(qbin_write(r->job->writer, it->index, l->codes + first * group_codes, w->codes, groups * group_codes, e));
    if (!l->group_side) return OK;
    return qbin_write(r->job->writer, it->index, l->side + first * l->group_side, w->side, groups * l->group_side, e);
}

/* A vector is stored as it is, in f32. */
static status vector_chunk(run *r, worker *w, const item *it, size_t chunk, error *e) {
    const reader *from = &it->todo->from;
    const float *factors = it->todo->row_factors;
    const size_t n = from->k;
    float *x = malloc(n * sizeof *x);
    (void)w, (void)chunk;
    if (!x) return fail(e, E_MEMORY, "no memory for %zu values", n);
    from->read(from, 0, x);
    for (size_t i = 0; factors && i < n; i++) x[i] *= factors[i];
    size_t i = 0;
    while (i < n && isfinite(x[i])) i++;
    if (i < n) note_bad(r, &(place){it->index, i, x[i]});
    const status result = qbin_write(r->job->writer, it->index, 0, x, n * sizeof *x, e);
    free(x);
    return result;
}

/* A piece of a tensor that is taken over as it is. */
static status copy_chunk(run *r, worker *w, const item *it, size_t chunk, error *e) {
    const uint64_t at = chunk * it->chunk_bytes, left = it->entry->bytes - at;
    (void)w;
    return qbin_write(r->job->writer, it->index, at, it->todo->copy + at, left < it->chunk_bytes ? left : it->chunk_bytes, e);
}

static uint64_t source_bytes(const item *it, size_t chunk) {
    const uint64_t begin = chunk * it->chunk_bytes, all = it->todo->from.bytes;
    const uint64_t left = begin < all ? all - begin : 0;
    return left < it->chunk_bytes ? left : it->chunk_bytes;
}

static void run_chunk(run *r, worker *w, item *it, size_t chunk) {
    error e = {0};
    const double start = now();
    const status result = it->chunk(r, w, it, chunk, &e);
    r->tallies[it->first_chunk + chunk].seconds += now() - start;
    if (result != OK) note_failure(r, result, &e);
    chunk_ended(r, it, source_bytes(it, chunk));
}

/* ---- a batch ---- */

/* What the groups share has its place in the tensor too. */
static status write_shared(const run *r, const item *it, error *e) {
    const format *f = &it->en.format;
    const float side[2] = {it->shared.at.scale, it->shared.at.min};
    if (f->scope == SCOPE_TENSOR) TRY(qbin_write(r->job->writer, it->index, 0, it->shared.book.stored, it->shared.book.entries, e));
    if (f->grain != GRAIN_TENSOR) return OK;
    return qbin_write(r->job->writer, it->index, it->en.layout.side, side, (f->has_min ? 2 : 1) * sizeof *side, e);
}

static void learn_item(run *r, item *it) {
    const row_source from = {fill_rows, group_done, it->todo};
    error e = {0};
    if (it->chunk != matrix_chunk || !learn_wanted(&it->en.format) || !chunk_wanted(r, it, 0)) return;
    const double start = now();
    status result = learn_tensor(&it->en, &from, &it->shared, &e);
    it->todo->from.done(&it->todo->from, 0, it->todo->from.rows);
    if (result == OK) result = write_shared(r, it, &e);
    if (result != OK) note_failure(r, result, &e);
    it->en.shared = &it->shared;
    r->tallies[it->first_chunk].seconds += now() - start;
}

static item *item_of(run *r, size_t chunk) {
    size_t i = 0;
    while (chunk >= r->items[i].first_chunk + r->items[i].chunks) i++;
    return &r->items[i];
}

static void run_batch(run *r) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(r->job->threads)
    for (size_t i = 0; i < r->n_items; i++) learn_item(r, &r->items[i]);
#pragma omp parallel num_threads(r->job->threads)
    {
        worker w = {0};
#pragma omp for schedule(dynamic, 1)
        for (size_t chunk = 0; chunk < r->n_chunks; chunk++) {
            item *it = item_of(r, chunk);
            if (chunk_wanted(r, it, chunk - it->first_chunk)) run_chunk(r, &w, it, chunk - it->first_chunk);
        }
        worker_close(&w);
    }
}

static void note_results(const run *r) {
    for (size_t i = 0; i < r->n_items; i++) {
        const item *it = &r->items[i];
        tally sum = {0};
        for (size_t c = it->first_chunk; c < it->first_chunk + it->chunks; c++) {
            losses_add(&sum.lost, &r->tallies[c].lost);
            sum.seconds += r->tallies[c].seconds;
        }
        it->todo->result.seconds = sum.seconds;
        if (it->chunk == copy_chunk) continue;
        it->todo->result.error = sum.lost.power > 0 ? sum.lost.error / sum.lost.power : 0;
        it->todo->result.weighted = sum.lost.weighted_power > 0 ? sum.lost.weighted_error / sum.lost.weighted_power : 0;
        it->todo->result.clipped = it->chunk == matrix_chunk ? (double)sum.lost.clipped / ((double)it->entry->rows * (double)it->entry->k) : 0;
        it->entry->error = (float)it->todo->result.error;
    }
}

/* What a method that compensates walks along. */
static status find_factor(run *r, item *it, error *e) {
    const quantize_job *job = r->job;
    if (!job->method->compensates || it->todo->keep || !it->todo->products || it->en.format.family->plain) return OK;
    input_products p;
    if (factors_get(&r->factors, it->todo->products, it->todo->column_factors, it->en.k, job->threads, &p, e) != OK)
        return fail_in(e, it->entry->name);
    it->en.factor = p.u;
    it->en.products = p.h;
    return OK;
}

static void row_codes(const void *from, size_t row, uint8_t *codes, grid *grids) {
    const reader *r = from;
    r->codes(r, row, codes, grids);
}

static status open_matrix(run *r, item *it, error *e) {
    const reader *from = &it->todo->from;
    if (!encoder_make(&it->en, &it->entry->format, r->job->method, it->entry->rows, it->entry->k, it->todo->importance)) {
        return fail(e, E_FILE, "%s: tensor '%s': its shape is not possible", from->file->path, from->name);
    }
    const uint64_t row_bytes = (from->bytes + from->rows - 1) / from->rows, group_bytes = TILE_ROWS * row_bytes;
    if (it->todo->keep && !it->todo->row_factors && !it->todo->column_factors) {
        it->en.method = &method_keep;
        it->en.coded = row_codes;
        it->en.coded_from = from;
    }
    it->chunk = matrix_chunk;
    it->chunk_groups = group_bytes < CHUNK_BYTES ? CHUNK_BYTES / group_bytes : 1;
    it->chunk_bytes = it->chunk_groups * group_bytes;
    it->chunks = (it->en.layout.groups + it->chunk_groups - 1) / it->chunk_groups;
    return find_factor(r, it, e);
}

static status add_item(run *r, size_t index, error *e) {
    const quantize_job *job = r->job;
    item *it = &r->items[r->n_items];
    *it = (item){.index = index, .entry = &job->entries[index], .todo = &job->tensors[index], .chunk = vector_chunk, .first_chunk = r->n_chunks};
    it->chunks = 1;
    it->chunk_bytes = it->todo->from.bytes;
    if (it->todo->copy) {
        it->chunk = copy_chunk;
        it->chunk_bytes = CHUNK_BYTES;
        it->chunks = (it->entry->bytes + CHUNK_BYTES - 1) / CHUNK_BYTES;
    } else if (it->entry->ndim == 2) {
        TRY(open_matrix(r, it, e));
    }
    it->chunks_left = it->chunks;
    r->n_chunks += it->chunks;
    r->n_items++;
    return OK;
}

static status fail_bad(const run *r, error *e) {
    const place *at = &r->first_bad;
    const reader *s = &r->job->tensors[at->tensor].from;
    const qbin_entry *entry = &r->job->entries[at->tensor];
    if (isfinite(at->value)) {
        return fail(e, E_FILE, "%s: tensor '%s': %g at [%" PRIu64 ", %" PRIu64 "] is too large for %s; choose bf16 or f32", s->file->path, s->name,
                    (double)at->value, at->index / entry->k, at->index % entry->k, entry->format.family->prefix);
    }
    return fail(e, E_FILE, "%s: tensor '%s': %s at [%" PRIu64 ", %" PRIu64 "]; --allow-nonfinite converts it nevertheless", s->file->path, s->name,
                isnan(at->value) ? "NaN" : "infinity", at->index / entry->k, at->index % entry->k);
}

/* Tensors from *next on until there is enough for all threads. */
static status next_batch(run *r, size_t *next, error *e) {
    uint64_t bytes = 0;
    r->n_items = r->n_chunks = 0;
    factors_clear(&r->factors);
    for (; *next < r->job->n && r->n_items < BATCH_ITEMS && bytes < BATCH_BYTES; (*next)++) {
        if (!r->job->tensors[*next].from.read) continue;
        TRY(add_item(r, *next, e));
        bytes += r->job->tensors[*next].from.bytes;
    }
    return OK;
}

static status run_next(run *r, size_t *next, error *e) {
    TRY(next_batch(r, next, e));
    r->tallies = calloc(r->n_chunks + 1, sizeof *r->tallies);
    if (!r->tallies) return fail(e, E_MEMORY, "no memory for %zu chunks", r->n_chunks);
    run_batch(r);
    note_results(r);
    free(r->tallies);
    if (r->failed && e) *e = r->why;
    if (r->failed) return r->failed;
    return r->bad ? fail_bad(r, e) : OK;
}

status quantize_run(const quantize_job *job, error *e) {
    run *r = calloc(1, sizeof *r);
    if (!r) return fail(e, E_MEMORY, "no memory");
    r->job = job;
    for (size_t i = 0; i < job->n; i++) r->total += job->tensors[i].from.bytes;
    status result = OK;
    for (size_t next = 0; next < job->n && result == OK;) result = run_next(r, &next, e);
    factors_clear(&r->factors);
    free(r);
    return result;
}
