#include "kernel_data.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/cpu.h"
#include "base/half.h"
#include "encode.h"

bool table_runs(const kernels *t) {
    return (t->needs & ~cpu_features()) == 0;
}

/* ---- contents ---- */

static float plain_value(uint64_t *random) {
    return random_uniform(random);
}
static float one_value(uint64_t *random) {
    (void)random;
    return 1.0f;
}
static float sign_value(uint64_t *random) {
    return random_uniform(random) < 0 ? -1.0f : 1.0f;
}
static float zero_value(uint64_t *random) {
    return random_uniform(random) < 0 ? -0.0f : 0.0f;
}
static float huge_value(uint64_t *random) {
    return 60000.0f * random_uniform(random);
}
static float tiny_value(uint64_t *random) {
    return 0x1p-20f * random_uniform(random);
}
static float denormal_value(uint64_t *random) {
    return 0x1p-140f * random_uniform(random);
}
static float wide_value(uint64_t *random) {
    return ldexpf(random_uniform(random), (int)(60.0f * random_uniform(random)));
}
static float infinite_value(uint64_t *random) {
    const float x = random_uniform(random);
    return x > 0.97f ? INFINITY : x < -0.97f ? -INFINITY : x;
}
static float nan_value(uint64_t *random) {
    const float x = random_uniform(random);
    return x > 0.97f ? NAN : x;
}

const content contents[] = {
    {"random", plain_value, -1, true},     {"ones, all bits", one_value, 0xff, true},
    {"ones, no bits", one_value, 0, true}, {"signs, all bits", sign_value, 0xff, true},
    {"zeros", zero_value, -1, true},       {"huge", huge_value, 0xff, true},
    {"tiny", tiny_value, -1, true},        {"denormal", denormal_value, -1, true},
    {"wide", wide_value, -1, true},        {"infinite", infinite_value, -1, false},
    {"NaN", nan_value, -1, false},         {.name = NULL},
};

const content *content_named(const char *name) {
    for (const content *c = contents; c->name; c++) {
        if (!strcmp(c->name, name)) return c;
    }
    cr_assert(0, "no content %s", name);
    return NULL;
}

/* ---- formats ---- */

bool format_next(format *f, size_t *descriptor) {
    act_code act = ACT_F32;
    if (*descriptor == 0)
        format_nth((*descriptor)++, f);
    else
        act = f->act + 1;
    for (;; act = ACT_F32) {
        for (; act < ACT_CODES; act++) {
            f->act = act;
            if (format_valid(f)) return true;
        }
        if (!format_nth((*descriptor)++, f)) return false;
    }
}

const char *name_of(const format *f) {
    static char name[FORMAT_NAME];
    format_name(f, name);
    return name;
}

format format_named(const char *name) {
    format f;
    error e = {0};
    cr_assert_eq(format_parse(&f, name, &e), OK, "%s", e.text);
    return f;
}

/* ---- matrices ---- */

void *aligned_zeros(size_t bytes) {
    void *p = aligned_alloc(64, round_up(bytes, 64) + 64);
    cr_assert_not_null(p);
    memset(p, 0, round_up(bytes, 64) + 64);
    return p;
}

static void fill_halves(uint8_t *at, size_t count, const content *what, uint64_t *random) {
    for (size_t i = 0; i < count; i++) {
        const uint16_t half = f16_of_f32(what->value(random));
        memcpy(at + 2 * i, &half, sizeof half);
    }
}

static void fill_floats(uint8_t *at, size_t count, const content *what, uint64_t *random) {
    for (size_t i = 0; i < count; i++) {
        const float x = what->value(random);
        memcpy(at + i * sizeof x, &x, sizeof x);
    }
}

sample sample_of(format f, size_t rows, size_t k, const content *what, uint64_t seed) {
    sample m = {.format = f, .rows = rows, .k = k};
    cr_assert(format_layout(&m.format, rows, k, &m.layout));
    m.data = aligned_zeros(m.layout.bytes);
    const layout *l = &m.layout;
    if (m.format.family->plain) {
        const size_t bytes = m.format.bits / 8;
        for (size_t i = 0; i < l->groups * l->tiles * TILE_ROWS * TILE_K; i++)
            m.format.family->store(m.data + l->codes + i * bytes, what->value(&seed));
        return m;
    }
    for (size_t i = 0; i < l->side; i++)
        m.data[i] = what->code < 0 || i < l->codes ? (uint8_t)(random_uniform(&seed) * 128.0f + 128.0f) : (uint8_t)what->code;
    const size_t side = l->bytes - l->side;
    if (f.grain == GRAIN_BLOCK)
        fill_halves(m.data + l->side, side / sizeof(uint16_t), what, &seed);
    else
        fill_floats(m.data + l->side, side / sizeof(float), what, &seed);
    return m;
}

void sample_free(sample *m) {
    free(m->data);
    *m = (sample){0};
}

matrix sample_matrix(const sample *m) {
    return (matrix){&m->format, &m->layout, m->data};
}

/* ---- activations ---- */

const float static_scale = 0.01f, static_center = 0.125f;

void input_encode(input *in, const kernels *t, act_code code) {
    size_t values, scales, sums;
    acts_bytes(code, in->n, in->k, &values, &scales, &sums);
    free(in->acts.values);
    free(in->acts.scales);
    free(in->acts.sums);
    const size_t tiles = (in->k + TILE_K - 1) / TILE_K;
    in->acts = (acts){.code = code, .n = in->n, .tiles = tiles, .width = in->n < t->panel ? in->n : t->panel};
    in->acts.act_scale = in->act_scale;
    in->acts.act_center = in->act_center;
    in->acts.values = aligned_zeros(values);
    in->acts.scales = aligned_zeros(scales);
    in->acts.sums = aligned_zeros(sums);
    t->encode[code](&in->acts, in->x, in->ldx, in->k, 0, in->n, 0, tiles);
}

input input_of(const kernels *t, act_code code, size_t n, size_t k, const content *what, uint64_t seed) {
    input in = {.n = n, .k = k, .ldx = round_up(k, 16), .act_scale = static_scale, .act_center = static_center};
    in.x = aligned_zeros(n * in.ldx * sizeof(float));
    for (size_t i = 0; i < n * in.ldx; i++) in.x[i] = i % in.ldx < k ? what->value(&seed) : NAN;
    input_encode(&in, t, code);
    return in;
}

void input_free(input *in) {
    free(in->x);
    free(in->acts.values);
    free(in->acts.scales);
    free(in->acts.sums);
    *in = (input){0};
}

typedef struct seat { /* where a token stands in its panel */
    size_t before, width, column;
} seat;

static seat seat_of(const acts *a, size_t token) {
    const size_t panel = token / a->width;
    return (seat){panel * a->width, acts_panel_tokens(a, panel), token % a->width};
}

float act_value(const acts *a, size_t token, size_t k) {
    const seat s = seat_of(a, token);
    if (a->code == ACT_F32) return ((const float *)a->values)[s.before * a->tiles * TILE_K + k * s.width + s.column];
    return ((const int8_t *)a->values)[s.before * a->tiles * TILE_K + (k / 4 * s.width + s.column) * 4 + k % 4];
}

static size_t block_at(const acts *a, size_t token, size_t k) {
    const seat s = seat_of(a, token);
    const size_t block = acts_like(a->code) == ACT_I8_32 ? 32 : 64;
    return s.before * a->tiles * (TILE_K / block) + k / block * s.width + s.column;
}

float act_scale(const acts *a, size_t token, size_t k) {
    return a->code == ACT_F32 ? 1.0f : a->scales[block_at(a, token, k)];
}

int32_t act_sum(const acts *a, size_t token, size_t k) {
    return a->sums[block_at(a, token, k)];
}

/* ---- buffers ---- */

enum { GUARD = 64 }; /* floats on each side */
const float untouched = -123456.789f;

float *guarded(size_t n) {
    float *p = aligned_zeros((n + 2 * GUARD) * sizeof *p);
    for (size_t i = 0; i < n + 2 * GUARD; i++) p[i] = untouched;
    return p + GUARD;
}

bool guards_whole(const float *p, size_t n) {
    for (size_t i = 0; i < GUARD; i++) {
        if (p[n + i] != untouched || *(p - 1 - i) != untouched) return false;
    }
    return true;
}

void guarded_free(float *p) {
    free(p - GUARD);
}

size_t first_difference(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (isnan(a[i]) && isnan(b[i])) continue;
        if (bits_of_float(a[i]) != bits_of_float(b[i])) return i;
    }
    return n;
}
