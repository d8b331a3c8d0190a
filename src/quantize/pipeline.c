#include "quantize/pipeline.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quantize/learn.h"

enum {
    CHUNK_BYTES = 1 << 20,  /* of source, that a thread takes at once: large enough to write, small enough to share */
    BATCH_BYTES = 64 << 20, /* of source, whose codebooks are learned together before its chunks are encoded */
    BATCH_ITEMS = 64,
};

typedef struct item { /* a tensor of the batch */
    size_t index;
    encoder en; /* of a matrix */
    codebook book;
    size_t chunk_groups, first_chunk, chunks;
    size_t chunks_left;
} item;

typedef struct place { /* of a value in the checkpoint */
    size_t tensor;
    uint64_t index;
    float value;
} place;

typedef struct run { /* shared by the threads */
    const quantize_job *job;
    item items[BATCH_ITEMS];
    size_t n_items, n_chunks;
    double *missed, *power; /* [n_chunks] of the batch */
    uint64_t done, total;   /* source bytes */
    bool bad;
    place first_bad; /* the first value that cannot be stored */
    status failed;
    error why;
} run;

typedef struct worker { /* what a thread owns, made for one tensor at a time */
    const item *of;
    group group;
    uint8_t *codes, *side;
} worker;

static void fill_rows(const row_source *from, const encoder *en, group *g) {
    const source *s = from->context;
    for (size_t r = 0; r < g->rows; r++) {
        s->type->widen(group_row(g, en, r), s->data + (g->index * TILE_ROWS + r) * en->k * s->type->bytes, en->k);
    }
}

static void rows_done(const source *s, uint64_t begin, uint64_t bytes) {
    map_done(s->file, (size_t)(s->data - s->file->data) + begin, bytes);
}

static void group_done(const row_source *from, const encoder *en, const group *g) {
    const source *s = from->context;
    const uint64_t row_bytes = en->k * s->type->bytes;
    rows_done(s, g->index * TILE_ROWS * row_bytes, g->rows * row_bytes);
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
        progress_step(r->job->progress, r->job->entries[it->index].name, r->done, r->total);
    }
    const source *s = r->job->sources[it->index];
    if (last) rows_done(s, 0, s->bytes); /* pages that two chunks share */
}

/* ---- chunks ---- */

static void worker_close(worker *w) {
    group_close(&w->group);
    free(w->codes);
    free(w->side);
    *w = (worker){0};
}

static status worker_open(worker *w, const item *it, error *e) {
    const layout *l = &it->en.layout;
    if (w->of == it) return OK;
    worker_close(w);
    TRY(group_open(&w->group, &it->en, e));
    w->codes = malloc(it->chunk_groups * l->tiles * l->tile_codes);
    w->side = malloc(it->chunk_groups * l->group_side + 1);
    if (!w->codes || !w->side) return fail(e, E_MEMORY, "no memory for the rows of a tensor");
    w->of = it;
    return OK;
}

static status encode_chunk(run *r, worker *w, const item *it, size_t chunk, error *e) {
    const layout *l = &it->en.layout;
    const source *s = r->job->sources[it->index];
    const row_source from = {fill_rows, NULL, s};
    const size_t first = chunk * it->chunk_groups, group_codes = l->tiles * l->tile_codes;
    const size_t groups = it->chunk_groups < l->groups - first ? it->chunk_groups : l->groups - first;
    for (size_t i = 0; i < groups; i++) {
        group *g = &w->group;
        group_read(g, &it->en, &from, first + i);
        if (g->first_bad != UINT64_MAX) note_bad(r, &(place){it->index, g->first_bad, g->bad_value});
        group_encode(g, &it->en, w->codes + i * group_codes, w->side + i * l->group_side);
        r->missed[it->first_chunk + chunk] += g->error;
        r->power[it->first_chunk + chunk] += g->power;
    }
    TRY(qbin_write(r->job->writer, it->index, l->codes + first * group_codes, w->codes, groups * group_codes, e));
    if (!l->group_side) return OK;
    return qbin_write(r->job->writer, it->index, l->side + first * l->group_side, w->side, groups * l->group_side, e);
}

static void run_chunk(run *r, worker *w, item *it, size_t chunk) {
    const source *s = r->job->sources[it->index];
    error e = {0};
    status result = worker_open(w, it, &e);
    if (result == OK) result = encode_chunk(r, w, it, chunk, &e);
    if (result != OK) note_failure(r, result, &e);
    const uint64_t chunk_bytes = it->chunk_groups * TILE_ROWS * it->en.k * s->type->bytes, begin = chunk * chunk_bytes;
    const uint64_t bytes = chunk_bytes < s->bytes - begin ? chunk_bytes : s->bytes - begin;
    rows_done(s, begin, bytes);
    chunk_ended(r, it, bytes);
}

/* A vector is stored as it is, in f32. */
static void run_vector(run *r, item *it) {
    const source *s = r->job->sources[it->index];
    const size_t n = r->job->entries[it->index].rows;
    float *x = malloc(n * sizeof *x);
    error e = {0};
    status result = x ? OK : fail(&e, E_MEMORY, "no memory for %zu values", n);
    if (x) {
        s->type->widen(x, s->data, n);
        size_t i = 0;
        while (i < n && isfinite(x[i])) i++;
        if (i < n) note_bad(r, &(place){it->index, i, x[i]});
        result = qbin_write(r->job->writer, it->index, 0, x, n * sizeof *x, &e);
    }
    free(x);
    if (result != OK) note_failure(r, result, &e);
    chunk_ended(r, it, s->bytes);
}

/* ---- a batch ---- */

static void learn_item(run *r, item *it) {
    const source *s = r->job->sources[it->index];
    const row_source from = {fill_rows, group_done, s};
    error e = {0};
    if (it->en.format.scope != SCOPE_TENSOR || !chunk_wanted(r, it, 0)) return;
    status result = learn_book(&it->en, &from, &it->book, &e);
    rows_done(s, 0, s->bytes);
    if (result == OK) result = qbin_write(r->job->writer, it->index, 0, it->book.stored, it->book.entries, &e);
    if (result != OK) note_failure(r, result, &e);
    it->en.books = &it->book;
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
            if (!chunk_wanted(r, it, chunk - it->first_chunk)) continue;
            if (r->job->entries[it->index].ndim == 1) {
                run_vector(r, it);
            } else {
                run_chunk(r, &w, it, chunk - it->first_chunk);
            }
        }
        worker_close(&w);
    }
}

static void note_errors(const run *r) {
    for (size_t i = 0; i < r->n_items; i++) {
        double missed = 0, power = 0;
        for (size_t c = r->items[i].first_chunk; c < r->items[i].first_chunk + r->items[i].chunks; c++) {
            missed += r->missed[c];
            power += r->power[c];
        }
        r->job->entries[r->items[i].index].error = (float)(power > 0 ? missed / power : 0);
    }
}

static status add_item(run *r, size_t index, error *e) {
    const quantize_job *job = r->job;
    const qbin_entry *entry = &job->entries[index];
    const source *s = job->sources[index];
    item *it = &r->items[r->n_items];
    *it = (item){.index = index, .first_chunk = r->n_chunks, .chunks = 1, .chunk_groups = 1};
    if (entry->ndim == 2) {
        if (!encoder_make(&it->en, &entry->format, job->method, entry->rows, entry->k, NULL)) {
            return fail(e, E_FILE, "%s: tensor '%s': its shape is not possible", s->file->path, s->name);
        }
        const uint64_t group_source = TILE_ROWS * entry->k * s->type->bytes;
        it->chunk_groups = group_source < CHUNK_BYTES ? CHUNK_BYTES / group_source : 1;
        it->chunks = (it->en.layout.groups + it->chunk_groups - 1) / it->chunk_groups;
    }
    it->chunks_left = it->chunks;
    r->n_chunks += it->chunks;
    r->n_items++;
    return OK;
}

static status fail_bad(const run *r, error *e) {
    const place *at = &r->first_bad;
    const source *s = r->job->sources[at->tensor];
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
    for (; *next < r->job->n && r->n_items < BATCH_ITEMS && bytes < BATCH_BYTES; (*next)++) {
        TRY(add_item(r, *next, e));
        bytes += r->job->sources[*next]->bytes;
    }
    return OK;
}

static status run_next(run *r, size_t *next, error *e) {
    TRY(next_batch(r, next, e));
    r->missed = calloc(2 * r->n_chunks, sizeof *r->missed);
    if (!r->missed) return fail(e, E_MEMORY, "no memory for %zu chunks", r->n_chunks);
    r->power = r->missed + r->n_chunks;
    run_batch(r);
    note_errors(r);
    free(r->missed);
    if (r->failed && e) *e = r->why;
    if (r->failed) return r->failed;
    return r->bad ? fail_bad(r, e) : OK;
}

status quantize_run(const quantize_job *job, error *e) {
    run *r = calloc(1, sizeof *r);
    if (!r) return fail(e, E_MEMORY, "no memory");
    r->job = job;
    for (size_t i = 0; i < job->n; i++) r->total += job->sources[i]->bytes;
    status result = OK;
    for (size_t next = 0; next < job->n && result == OK;) result = run_next(r, &next, e);
    free(r);
    return result;
}
