#include "quantize/restore.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { CHUNK_VALUES = 1 << 18 }; /* that a thread decodes at once */

typedef struct part { /* rows of a tensor */
    size_t tensor;
    uint64_t row, rows;
} part;

/* What was stored is read again: a number that became an infinity did not fit. */
static status store_row(const source_type *type, const reader *from, uint64_t row, const float *x, float *again, uint8_t *out, error *e) {
    type->store(out, x, from->k);
    type->widen(again, out, from->k);
    for (uint64_t i = 0; i < from->k; i++) {
        if (!isfinite(x[i]) || isfinite(again[i])) continue;
        return fail(e, E_FILE, "%s: tensor '%s': %g at [%" PRIu64 ", %" PRIu64 "] is too large for %s; choose bf16 or f32", from->file->path,
                    from->name, (double)x[i], row, i, type->name);
    }
    return OK;
}

static status restore_part(const restore_job *job, const part *p, error *e) {
    const reader *from = &job->readers[p->tensor];
    const source_type *type = job->types[p->tensor];
    const size_t row_bytes = from->k / type->block * type->bytes;
    float *x = calloc(2 * from->k, sizeof *x);
    uint8_t *out = malloc(p->rows * row_bytes);
    status s = x && out ? OK : fail(e, E_MEMORY, "no memory for the rows of a tensor");
    for (uint64_t r = 0; r < p->rows && s == OK; r++) {
        from->read(from, p->row + r, x);
        s = store_row(type, from, p->row + r, x, x + from->k, out + r * row_bytes, e);
    }
    if (s == OK) s = job->write(job->file, p->tensor, p->row * row_bytes, out, p->rows * row_bytes, e);
    free(x);
    free(out);
    from->done(from, p->row, p->rows);
    return s;
}

/* The first failure in the order of the parts wins. */
static status run_tensor(const restore_job *job, size_t i, error *e) {
    const reader *from = &job->readers[i];
    const uint64_t rows = from->k < CHUNK_VALUES ? CHUNK_VALUES / from->k : 1, parts = (from->rows + rows - 1) / rows;
    status failed = OK;
    uint64_t first = UINT64_MAX;
#pragma omp parallel for schedule(dynamic, 1) num_threads(job->threads)
    for (uint64_t p = 0; p < parts; p++) {
        const uint64_t left = from->rows - p * rows;
        error why = {0};
        const bool stop = job->stopped && job->stopped();
        const status s = stop ? fail(&why, E_INTERRUPT, "interrupted") : restore_part(job, &(part){i, p * rows, rows < left ? rows : left}, &why);
#pragma omp critical(restore)
        if (s != OK && p < first) {
            failed = s;
            first = p;
            if (e) *e = why;
        }
    }
    return failed;
}

status restore_run(const restore_job *job, error *e) {
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < job->n; i++) total += job->readers[i].bytes;
    for (size_t i = 0; i < job->n; i++) {
        TRY(run_tensor(job, i, e));
        done += job->readers[i].bytes;
        progress_step(job->progress, job->readers[i].name, done, total);
    }
    return OK;
}
