#include "file/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/half.h"

enum { NAME_MAX_BYTES = 512, SHAPE_TEXT = 128, MX_BLOCK = 32, MX_BYTES = 16 };

/* ---- codes that are no dtype of their own ---- */

static void widen_e2m1(float *out, const uint8_t *in, size_t n) {
    static const float values[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};
    for (size_t i = 0; i < n; i++) out[i] = values[in[i / 2] >> (i % 2 ? 4 : 0) & 15];
}

static void widen_e8m0(float *out, const uint8_t *in, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint32_t bits = in[i] == 255 ? 0x7fc00000u : in[i] ? (uint32_t)in[i] << 23 : 0x00400000u; /* NaN; 2^-127 is a denormal */
        out[i] = float_of_bits(bits);
    }
}

static const source_type type_mxfp4 = {.name = "MXFP4", .bytes = MX_BYTES, .widen = widen_e2m1, .block = MX_BLOCK};
static const source_type type_e8m0 = {.name = "E8M0", .bytes = 1, .widen = widen_e8m0, .block = 1};

/* ---- opening ---- */

static void print_shape(char text[SHAPE_TEXT], const uint64_t *shape, size_t n) {
    size_t used = (size_t)snprintf(text, SHAPE_TEXT, "[");
    for (size_t i = 0; i < n && used < 100; i++) used += (size_t)snprintf(text + used, SHAPE_TEXT - used, "%s%" PRIu64, i ? ", " : "", shape[i]);
    snprintf(text + used, SHAPE_TEXT - used, "]");
}

static status check_shape(const source *t, const uint64_t *wanted, size_t n, error *e) {
    if (t->ndim == n && memcmp(t->shape, wanted, n * sizeof *wanted) == 0) return OK;
    char is[SHAPE_TEXT], should[SHAPE_TEXT];
    print_shape(is, t->shape, t->ndim);
    print_shape(should, wanted, n);
    return fail(e, E_FILE, "%s: tensor '%s' has the shape %s, %s is wanted", t->file->path, t->name, is, should);
}

static const source *find_beside(const checkpoint *c, const char *name, const char *more) {
    char full[NAME_MAX_BYTES];
    const int length = snprintf(full, sizeof full, "%s%s", name, more);
    return (size_t)length < sizeof full ? checkpoint_find(c, full) : NULL;
}

/* Rows of the tensor that the slice is a part of. */
static status find_stored(view *v, error *e) {
    const slice *p = &v->slice;
    v->stored = v->rows;
    const bool fits =
        !p->take || (v->rows % p->take == 0 && size_inside(p->first, p->take, p->group) && size_mul(v->rows / p->take, p->group, &v->stored));
    if (fits && (!p->stack || p->element < p->stack)) return OK;
    return fail(e, E_FILE, "tensor '%s': %" PRIu64 " rows cannot be taken from it", v->numbers->name, v->rows);
}

static uint64_t blocks_in(uint64_t n, uint64_t block) {
    return (n + block - 1) / block;
}

static uint64_t scales_in(const view *v) {
    const uint64_t rows = v->slice.turned ? v->k : v->stored, columns = v->slice.turned ? v->stored : v->k;
    return blocks_in(rows, v->scale_rows) * blocks_in(columns, v->scale_columns);
}

static status open_plain(view *v, error *e) {
    uint64_t wanted[3];
    size_t n = 0;
    if (v->slice.stack) wanted[n++] = v->slice.stack;
    if (v->k && v->slice.turned) wanted[n++] = v->k;
    wanted[n++] = v->stored;
    if (v->k && !v->slice.turned) wanted[n++] = v->k;
    v->type = v->numbers->type;
    if (v->type) return check_shape(v->numbers, wanted, n, e);
    return fail(e, E_FILE, "%s: tensor '%s': dtype %s cannot be read (only F32, F16, BF16, F8_E4M3)", v->numbers->file->path, v->numbers->name,
                v->numbers->dtype);
}

static status open_mxfp4(view *v, error *e) {
    uint64_t wanted[4];
    size_t n = 0;
    if (v->slice.stack) wanted[n++] = v->slice.stack;
    wanted[n++] = v->stored;
    wanted[n++] = v->k / MX_BLOCK;
    wanted[n++] = MX_BYTES;
    const source *const both[] = {v->numbers, v->scales};
    for (size_t i = 0; i < 2; i++) {
        if (strcmp(both[i]->dtype, "U8"))
            return fail(e, E_FILE, "%s: tensor '%s': dtype %s is not U8", both[i]->file->path, both[i]->name, both[i]->dtype);
    }
    if (!v->k || v->k % MX_BLOCK)
        return fail(e, E_FILE, "%s: tensor '%s': %" PRIu64 " columns are no blocks of %d", v->numbers->file->path, v->numbers->name, v->k, MX_BLOCK);
    TRY(check_shape(v->numbers, wanted, n, e));
    TRY(check_shape(v->scales, wanted, n - 1, e));
    v->type = &type_mxfp4;
    v->scale_type = &type_e8m0;
    v->slice.turned = false;
    v->scale_rows = 1;
    v->scale_columns = MX_BLOCK;
    v->scales_of_an_element = scales_in(v);
    return OK;
}

/* Shape [scale rows, scale columns] of the scales of a matrix; 0 and 0: none that is known. */
static void find_scale_blocks(view *v, const uint64_t *shape, size_t n, const scale_blocks *blocks) {
    const uint64_t rows = v->slice.turned ? v->k : v->stored, columns = v->slice.turned ? v->stored : v->k;
    uint64_t count = 1;
    for (size_t i = 0; i < n; i++) count *= shape[i]; /* was checked when the file was opened */
    if (count == 1) {
        v->scale_rows = rows;
        v->scale_columns = columns;
    } else if (count == rows && shape[0] == rows) {
        v->scale_rows = 1;
        v->scale_columns = columns;
    } else if (blocks->rows && n == 2 && shape[0] == blocks_in(rows, blocks->rows) && shape[1] == blocks_in(columns, blocks->columns)) {
        v->scale_rows = blocks->rows;
        v->scale_columns = blocks->columns;
    }
}

/* Of each element of a stack, or the same for all. */
static status check_scales(view *v, const scale_blocks *blocks, error *e) {
    const source *s = v->scales;
    const bool each = v->slice.stack && s->ndim && s->shape[0] == v->slice.stack;
    find_scale_blocks(v, s->shape + each, s->ndim - each, blocks);
    if (!v->scale_rows) {
        char text[SHAPE_TEXT];
        print_shape(text, s->shape, s->ndim);
        return fail(e, E_FILE, "%s: tensor '%s' has the shape %s, which fits no scales of '%s'", s->file->path, s->name, text, v->numbers->name);
    }
    if (each) v->scales_of_an_element = scales_in(v);
    return OK;
}

static status open_scales(view *v, const checkpoint *c, const scale_blocks *blocks, error *e) {
    if (strcmp(v->numbers->dtype, "F8_E4M3")) return OK;
    v->scales = find_beside(c, v->numbers->name, "_scale_inv");
    if (!v->scales) v->scales = find_beside(c, v->numbers->name, "_scale");
    if (!v->scales && !blocks->needed) return OK;
    if (!v->scales) return fail(e, E_FILE, "%s: tensor '%s' is F8_E4M3, but has no scales", v->numbers->file->path, v->numbers->name);
    v->scale_type = strcmp(v->scales->dtype, "F8_E8M0") ? v->scales->type : &type_e8m0;
    if (!v->scale_type)
        return fail(e, E_FILE, "%s: tensor '%s': dtype %s is none of scales", v->scales->file->path, v->scales->name, v->scales->dtype);
    return v->k ? check_scales(v, blocks, e) : fail(e, E_FILE, "%s: tensor '%s' is a vector with scales", v->numbers->file->path, v->numbers->name);
}

status view_open(view *v, const checkpoint *c, const char *name, uint64_t rows, uint64_t k, const slice *part, const scale_blocks *blocks, error *e) {
    *v = (view){.numbers = checkpoint_find(c, name), .rows = rows, .k = k, .slice = *part};
    const bool plain = v->numbers;
    if (!plain) v->numbers = find_beside(c, name, "_blocks");
    if (!plain) v->scales = find_beside(c, name, "_scales");
    if (!v->numbers || (!plain && !v->scales)) return fail(e, E_FILE, "%s: tensor '%s' is missing", c->files[0].path, name);
    TRY(find_stored(v, e));
    TRY(plain ? open_plain(v, e) : open_mxfp4(v, e));
    if (plain) TRY(open_scales(v, c, blocks, e));
    return OK;
}

/* ---- reading ---- */

/* The row of the tensor, or of the element of the stack, where a row lies. */
static uint64_t place_of(const view *v, uint64_t row) {
    const slice *p = &v->slice;
    return source_place(v->numbers, p->take ? row / p->take * p->group + p->first + row % p->take : row, v->stored);
}

/* Numbers that follow each other in the tensor from number `at` on, at the start of a block. */
static void read_run(const view *v, uint64_t at, float *out, uint64_t n) {
    v->type->widen(out, v->numbers->data + at / v->type->block * v->type->bytes, n);
}

static float scale_at(const view *v, uint64_t line, uint64_t column) {
    const uint64_t of_a_line = blocks_in(v->slice.turned ? v->stored : v->k, v->scale_columns);
    const uint64_t at = v->slice.element * v->scales_of_an_element + line / v->scale_rows * of_a_line + column / v->scale_columns;
    float scale;
    v->scale_type->widen(&scale, v->scales->data + at * v->scale_type->bytes, 1);
    return scale;
}

static void multiply_scales(const view *v, uint64_t place, float *out) {
    for (uint64_t j = 0; j < v->k;) {
        const bool turned = v->slice.turned;
        const float scale = turned ? scale_at(v, j, place) : scale_at(v, place, j);
        const uint64_t step = turned ? v->scale_rows : v->scale_columns, next = (j / step + 1) * step, end = next < v->k ? next : v->k;
        for (; j < end; j++) out[j] *= scale;
    }
}

static void read_row(const view *v, uint64_t row, float *out) {
    const uint64_t place = place_of(v, row), start = v->slice.element * v->stored * v->k;
    if (v->slice.turned) {
        for (uint64_t j = 0; j < v->k; j++) read_run(v, start + j * v->stored + place, out + j, 1);
    } else {
        read_run(v, start + place * v->k, out, v->k);
    }
    if (v->scales) multiply_scales(v, place, out);
}

static void read_vector(const view *v, float *out) {
    const uint64_t start = v->slice.element * v->stored;
    for (uint64_t r = 0; r < v->rows; r++) read_run(v, start + place_of(v, r), out + r, 1);
}

void view_read(const view *v, uint64_t row, float *out) {
    const uint64_t n = v->k ? v->k : v->rows;
    if (v->k) {
        read_row(v, row, out);
    } else {
        read_vector(v, out);
    }
    const float plus = v->slice.plus + v->numbers->plus;
    for (uint64_t i = 0; plus != 0 && i < n; i++) out[i] += plus;
}

const char *view_keep(const view *v) {
    const bool as_they_are = !v->scales && v->slice.plus + v->numbers->plus == 0;
    return as_they_are && (!v->type->codes || !v->slice.turned) ? v->type->keep : NULL;
}

void view_codes(const view *v, uint64_t row, uint8_t *codes, grid *grids) {
    const uint64_t at = (v->slice.element * v->stored + place_of(v, row)) * v->k;
    v->type->codes(codes, grids, v->numbers->data + at / v->type->block * v->type->bytes, v->k);
}

/* The rows of the tensor that have been used: those rows if they lie together, all if all have been. */
static bool used_rows(const view *v, uint64_t row, uint64_t n, uint64_t *first, uint64_t *end) {
    const bool all = n == v->rows, turned = v->slice.turned;
    *first = turned ? 0 : place_of(v, row);
    *end = turned ? v->stored : place_of(v, row + n - 1) + 1;
    return all || (!turned && *end - *first == n);
}

void view_done(const view *v, uint64_t row, uint64_t n) {
    const uint64_t k = v->k ? v->k : 1, start = v->slice.element * v->stored * k;
    const source_type *t = v->type;
    uint64_t first, end;
    if (!n || !used_rows(v, v->k ? row : 0, v->k ? n : v->rows, &first, &end)) return;
    const size_t data = (size_t)(v->numbers->data - v->numbers->file->data);
    map_done(v->numbers->file, data + (start + first * k) / t->block * t->bytes, (end - first) * k / t->block * t->bytes);
}

uint64_t view_bytes(const view *v) {
    return v->rows * (v->k ? v->k : 1) / v->type->block * v->type->bytes;
}
