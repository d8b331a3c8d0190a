#include "quantize/reader.h"

#include <string.h>

/* ---- a tensor of a checkpoint ---- */

static void read_view(const reader *r, uint64_t row, float *out) {
    view_read(r->from, row, out);
}

static void done_with_view(const reader *r, uint64_t row, uint64_t n) {
    view_done(r->from, row, n);
}

static void codes_of_view(const reader *r, uint64_t row, uint8_t *codes, grid *grids) {
    view_codes(r->from, row, codes, grids);
}

reader reader_of_view(const view *v) {
    const uint64_t rows = v->k ? v->rows : 1, k = v->k ? v->k : v->rows;
    const char *keep = v->k ? view_keep(v) : NULL;
    return (reader){v->numbers->name,
                    v->numbers->file,
                    rows,
                    k,
                    view_bytes(v),
                    v,
                    read_view,
                    done_with_view,
                    v->type->name,
                    keep,
                    keep && v->type->codes ? codes_of_view : NULL};
}

/* ---- a tensor of a .qbin ---- */

static void vector_read(const reader *r, uint64_t row, float *out) {
    const tensor *t = r->from;
    (void)row;
    memcpy(out, t->data, r->k * sizeof *out);
}

static void vector_done(const reader *r, uint64_t row, uint64_t n) {
    (void)r, (void)row, (void)n;
}

static void matrix_read(const reader *r, uint64_t row, float *out) {
    const tensor *t = r->from;
    format_decode_row(&t->format, &t->layout, t->data, row, r->k, out);
}

/* The groups that lie whole in those rows. */
static void matrix_done(const reader *r, uint64_t row, uint64_t n) {
    const tensor *t = r->from;
    const layout *l = &t->layout;
    const size_t at = (size_t)(t->data - r->file->data), codes = l->tiles * l->tile_codes;
    const size_t first = (row + TILE_ROWS - 1) / TILE_ROWS, end = row + n == r->rows ? l->groups : (row + n) / TILE_ROWS;
    if (end <= first) return;
    map_done(r->file, at + l->codes + first * codes, (end - first) * codes);
    map_done(r->file, at + l->side + first * l->group_side, (end - first) * l->group_side);
}

reader reader_of_tensor(const tensor *t, const map *file) {
    if (t->ndim == 1) return (reader){t->name, file, 1, t->rows, t->bytes, t, vector_read, vector_done, NULL, NULL, NULL};
    return (reader){t->name, file, t->rows, t->k, t->bytes, t, matrix_read, matrix_done, NULL, NULL, NULL};
}
