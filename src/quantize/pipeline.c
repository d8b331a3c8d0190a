#include "quantize/pipeline.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quantize/learn.h"

enum { CHUNK_BYTES = 1 << 20 }; /* of source, that a thread takes at once: large enough to write, small enough to share */

typedef struct run { /* one matrix under way; shared by the threads */
    const quantize_job *job;
    size_t index;
    encoder en;
    codebook book;
    size_t chunk_groups, chunks;
    double *missed, *power; /* [chunks] */
    uint64_t before, total; /* source bytes of the tensors before this one, and of all */
    uint64_t done, first_bad;
    float bad_value;
    status failed;
    error why;
} run;

typedef struct worker { /* what a thread owns */
    group group;
    uint8_t *codes, *side;
} worker;

static void fill_rows(const row_source *from, const encoder *en, group *g) {
    const source *s = from->context;
    for (size_t r = 0; r < g->rows; r++) {
        s->type->widen(group_row(g, en, r), s->data + (g->index * TILE_ROWS + r) * en->k * s->type->bytes, en->k);
    }
}

static row_source rows_of(const source *s) {
    return (row_source){fill_rows, s};
}

static void rows_done(const source *s, uint64_t begin, uint64_t bytes) {
    map_done(s->file, (size_t)(s->data - s->file->data) + begin, bytes);
}

/* ---- a thread ---- */

static status worker_open(worker *w, const run *r, error *e) {
    const layout *l = &r->en.layout;
    *w = (worker){0};
    TRY(group_open(&w->group, &r->en, e));
    w->codes = malloc(r->chunk_groups * l->tiles * l->tile_codes);
    w->side = malloc(r->chunk_groups * l->group_side + 1);
    return w->codes && w->side ? OK : fail(e, E_MEMORY, "no memory");
}

static void worker_close(worker *w) {
    group_close(&w->group);
    free(w->codes);
    free(w->side);
}

static void note_failure(run *r, status failed, const error *why) {
#pragma omp critical(run)
    if (!r->failed) {
        r->failed = failed;
        r->why = *why;
    }
}

/* Chunks are handed out in order, so the first bad value of the tensor is known when the chunks begun have ended. */
static bool chunk_wanted(run *r, size_t chunk) {
    bool wanted;
    if (r->job->stopped && r->job->stopped()) note_failure(r, E_INTERRUPT, &(error){.code = E_INTERRUPT, .text = "interrupted"});
#pragma omp critical(run)
    wanted = !r->failed && (r->first_bad == UINT64_MAX || chunk * r->chunk_groups * TILE_ROWS * r->en.k < r->first_bad);
    return wanted;
}

static void chunk_ended(run *r, uint64_t bytes, uint64_t first_bad, float bad_value) {
#pragma omp critical(run)
    {
        r->done += bytes;
        if (first_bad < r->first_bad) {
            r->first_bad = first_bad;
            r->bad_value = bad_value;
        }
        progress_step(r->job->progress, r->job->entries[r->index].name, r->before + r->done, r->total);
    }
}

static status write_chunk(const run *r, const worker *w, size_t first, size_t groups, error *e) {
    const layout *l = &r->en.layout;
    const size_t group_codes = l->tiles * l->tile_codes;
    TRY(qbin_write(r->job->writer, r->index, l->codes + first * group_codes, w->codes, groups * group_codes, e));
    if (!l->group_side) return OK;
    return qbin_write(r->job->writer, r->index, l->side + first * l->group_side, w->side, groups * l->group_side, e);
}

static void run_chunk(run *r, worker *w, size_t chunk) {
    const layout *l = &r->en.layout;
    const source *s = r->job->sources[r->index];
    const row_source from = rows_of(s);
    const size_t first = chunk * r->chunk_groups;
    const size_t groups = r->chunk_groups < l->groups - first ? r->chunk_groups : l->groups - first;
    uint64_t first_bad = UINT64_MAX, rows = 0;
    float bad_value = 0;
    for (size_t i = 0; i < groups; i++) {
        group *g = &w->group;
        group_read(g, &r->en, &from, first + i);
        group_encode(g, &r->en, w->codes + i * l->tiles * l->tile_codes, w->side + i * l->group_side);
        r->missed[chunk] += g->error;
        r->power[chunk] += g->power;
        rows += g->rows;
        if (first_bad == UINT64_MAX) {
            first_bad = g->first_bad;
            bad_value = g->bad_value;
        }
    }
    const uint64_t row_bytes = r->en.k * s->type->bytes;
    rows_done(s, first * TILE_ROWS * row_bytes, rows * row_bytes);
    error e = {0};
    const status wrote = write_chunk(r, w, first, groups, &e);
    if (wrote != OK) note_failure(r, wrote, &e);
    chunk_ended(r, rows * row_bytes, r->job->allow_nonfinite ? UINT64_MAX : first_bad, bad_value);
}

/* ---- a tensor ---- */

static status fail_bad(const run *r, error *e) {
    const source *s = r->job->sources[r->index];
    const uint64_t at = r->first_bad;
    if (isfinite(r->bad_value)) {
        return fail(e, E_FILE, "%s: tensor '%s': %g at [%" PRIu64 ", %" PRIu64 "] is too large for %s; choose bf16 or f32", s->file->path, s->name,
                    (double)r->bad_value, at / r->en.k, at % r->en.k, r->en.format.family->prefix);
    }
    return fail(e, E_FILE, "%s: tensor '%s': %s at [%" PRIu64 ", %" PRIu64 "]; --allow-nonfinite converts it nevertheless", s->file->path, s->name,
                isnan(r->bad_value) ? "NaN" : "infinity", at / r->en.k, at % r->en.k);
}

static status run_chunks(run *r, error *e) {
    r->missed = calloc(2 * r->chunks, sizeof *r->missed);
    r->power = r->missed + r->chunks;
    if (!r->missed) return fail(e, E_MEMORY, "no memory");
#pragma omp parallel num_threads(r->job->threads)
    {
        worker w;
        error why = {0};
        const status opened = worker_open(&w, r, &why);
        if (opened != OK) note_failure(r, opened, &why);
#pragma omp for schedule(dynamic, 1)
        for (size_t chunk = 0; chunk < r->chunks; chunk++) {
            if (chunk_wanted(r, chunk)) run_chunk(r, &w, chunk);
        }
        worker_close(&w);
    }
    double missed = 0, power = 0;
    for (size_t i = 0; i < r->chunks; i++) {
        missed += r->missed[i];
        power += r->power[i];
    }
    free(r->missed);
    r->job->entries[r->index].error = (float)(power > 0 ? missed / power : 0);
    if (r->failed) {
        if (e) *e = r->why;
        return r->failed;
    }
    return r->first_bad == UINT64_MAX ? OK : fail_bad(r, e);
}

static status run_matrix(run *r, error *e) {
    const quantize_job *job = r->job;
    const qbin_entry *entry = &job->entries[r->index];
    const source *s = job->sources[r->index];
    if (!encoder_make(&r->en, &entry->format, job->method, entry->rows, entry->k, NULL)) {
        return fail(e, E_FILE, "%s: tensor '%s': impossible shape", s->file->path, s->name);
    }
    if (entry->format.scope == SCOPE_TENSOR) {
        const row_source from = rows_of(s);
        TRY(learn_book(&r->en, &from, job->threads, &r->book, e));
        r->en.books = &r->book;
        TRY(qbin_write(job->writer, r->index, 0, r->book.stored, r->book.entries, e));
        rows_done(s, 0, s->bytes);
    }
    const uint64_t group_bytes_in = TILE_ROWS * entry->k * s->type->bytes;
    r->chunk_groups = group_bytes_in < CHUNK_BYTES ? CHUNK_BYTES / group_bytes_in : 1;
    r->chunks = (r->en.layout.groups + r->chunk_groups - 1) / r->chunk_groups;
    const status result = run_chunks(r, e);
    rows_done(s, 0, s->bytes);
    return result;
}

/* A vector is stored as it is, in f32. */
static status run_vector(run *r, error *e) {
    const quantize_job *job = r->job;
    const source *s = job->sources[r->index];
    const size_t n = job->entries[r->index].rows;
    float *x = malloc(n * sizeof *x);
    if (!x) return fail(e, E_MEMORY, "no memory for %zu values", n);
    s->type->widen(x, s->data, n);
    status result = OK;
    for (size_t i = 0; i < n && !job->allow_nonfinite && result == OK; i++) {
        if (isfinite(x[i])) continue;
        r->en.k = 1;
        r->first_bad = i;
        r->bad_value = x[i];
        result = fail_bad(r, e);
    }
    if (result == OK) result = qbin_write(job->writer, r->index, 0, x, n * sizeof *x, e);
    job->entries[r->index].error = 0;
    free(x);
    return result;
}

status quantize_run(const quantize_job *job, error *e) {
    uint64_t total = 0, before = 0;
    for (size_t i = 0; i < job->n; i++) total += job->sources[i]->bytes;
    for (size_t i = 0; i < job->n; i++) {
        run r = {.job = job, .index = i, .before = before, .total = total, .first_bad = UINT64_MAX};
        TRY(job->entries[i].ndim == 1 ? run_vector(&r, e) : run_matrix(&r, e));
        before += job->sources[i]->bytes;
        progress_step(job->progress, job->entries[i].name, before, total);
    }
    return OK;
}
