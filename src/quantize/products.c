/* The sums are a matrix product, so the kernels for f32 weights make them: the channels of a window are the rows of a "weight" [k][tokens], and once more
 * the "tokens" of an activation. */
#include "quantize/products.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "kernels/kernels.h"
#include "quantize/factor.h"

enum {
    PANELS = 8,    /* of channels, that a thread takes at once */
    PANEL_MAX = 8, /* channels of a panel */
    PART_ROWS = 256,
    LINE = 64, /* alignment of what kernels read */
};

struct products {
    const spec *spec;
    const kernels *kernels;
    linear_fn *multiply;
    format format; /* f32 */
    size_t window, n;
    float sink; /* that values of a window's first token are multiplied by where it will be attended to */
    int threads;
    float **values; /* [n] of [window][k] */
    float **sums;   /* [n] of triangles */
};

typedef struct worker { /* what a thread owns: the values of one input as the kernels take them */
    float *weight;      /* [k padded to 16 / 16][window padded to 64][16] */
    float *panels;      /* the same as panels of channels */
} worker;

static size_t padded_tokens(const products *p) {
    return round_up(p->window, TILE_K);
}

static size_t widest(const products *p) {
    size_t most = 0;
    for (size_t i = 0; i < p->n; i++) most = input_width(p->spec, i) > most ? input_width(p->spec, i) : most;
    return round_up(most, TILE_ROWS);
}

static float *take_floats(uint64_t rows, uint64_t columns) {
    uint64_t values, bytes, rounded;
    if (!size_mul(rows, columns, &values) || !size_mul(values, sizeof(float), &bytes) || !size_round(bytes, LINE, &rounded)) return NULL;
    float *x = aligned_alloc(LINE, rounded);
    if (x) memset(x, 0, rounded);
    return x;
}

static uint64_t bytes_wanted(const products *p) {
    uint64_t total = 0;
    for (size_t i = 0; i < p->n; i++) total += triangle_size(input_width(p->spec, i)) + input_width(p->spec, i) * p->window;
    return total * sizeof(float);
}

static status take_memory(products *p, error *e) {
    bool good = true;
    p->values = calloc(p->n, sizeof *p->values);
    p->sums = calloc(p->n, sizeof *p->sums);
    for (size_t i = 0; p->values && p->sums && good && i < p->n; i++) {
        const size_t k = input_width(p->spec, i);
        p->values[i] = take_floats(p->window, k);
        p->sums[i] = take_floats(1, triangle_size(k));
        good = p->values[i] && p->sums[i];
    }
    good = good && p->values && p->sums;
    return good ? OK : fail(e, E_MEMORY, "no memory for the %llu MB of products of all inputs", (unsigned long long)(bytes_wanted(p) >> 20));
}

status products_open(products **out, const spec *s, size_t window, int threads, error *e) {
    products *p = calloc(1, sizeof *p);
    if (!p) return fail(e, E_MEMORY, "no memory");
    *p = (products){.spec = s, .window = window, .n = input_count(s), .sink = sqrtf((float)window) / 2, .threads = threads};
    status result = kernels_choose(&p->kernels, NULL, e);
    if (result == OK) result = format_parse(&p->format, "f32", e);
    if (result == OK) p->multiply = kernels_linear(p->kernels, &p->format);
    if (result == OK) result = take_memory(p, e);
    if (result != OK) products_close(&p);
    *out = p;
    return result;
}

void products_close(products **p) {
    if (!*p) return;
    for (size_t i = 0; i < (*p)->n; i++) {
        if ((*p)->values) free((*p)->values[i]);
        if ((*p)->sums) free((*p)->sums[i]);
    }
    free((*p)->values);
    free((*p)->sums);
    free(*p);
    *p = NULL;
}

void products_take(products *p, const glimpse *seen) {
    const size_t k = input_width(p->spec, seen->input);
    float *to = p->values[seen->input] + seen->channel;
    for (size_t t = 0; t < seen->tokens && seen->first + t < p->window; t++) {
        memcpy(to + (seen->first + t) * k, seen->x + t * seen->ld, seen->channels * sizeof *seen->x);
    }
    if (seen->first > 0 || !seen->tokens || !input_is(p->spec, seen->input, INPUT_ATTN)) return;
    for (size_t i = 0; i < seen->channels; i++) to[i] *= p->sink;
}

/* The values of `n` channels from `first` on as [tokens padded to 64][width]; what is missing is zero. */
static void pack_channels(const products *p, const float *x, size_t k, size_t tokens, size_t first, size_t n, size_t width, float *out) {
    memset(out, 0, padded_tokens(p) * width * sizeof *out);
    for (size_t t = 0; t < tokens; t++) memcpy(out + t * width, x + t * k + first, n * sizeof *out);
}

static void pack_input(const products *p, const worker *w, size_t input, size_t tokens) {
    const size_t k = input_width(p->spec, input), width = p->kernels->panel, length = padded_tokens(p);
    const float *x = p->values[input];
    for (size_t c = 0; c < k; c += TILE_ROWS) {
        pack_channels(p, x, k, tokens, c, k - c < TILE_ROWS ? k - c : TILE_ROWS, TILE_ROWS, w->weight + c * length);
    }
    for (size_t c = 0; c < k; c += width) {
        const size_t n = k - c < width ? k - c : width;
        pack_channels(p, x, k, tokens, c, n, n, w->panels + c * length);
    }
}

typedef struct strip { /* rows [first, first + n) of an input's sums */
    float *sums;
    size_t k, first, n;
} strip;

/* Adds the window's products of the strip's channels with those of the row groups [begin, end). */
static void add_part(const products *p, const worker *own, const layout *l, const strip *s, size_t begin, size_t end) {
    _Alignas(LINE) float part[PANELS * PANEL_MAX * PART_ROWS];
    const matrix w = {&p->format, l, (const uint8_t *)own->weight};
    const acts a = {.code = ACT_F32, .n = s->n, .tiles = l->tiles, .width = p->kernels->panel, .values = own->panels + s->first * padded_tokens(p)};
    /* The kernel counts rows from the first group of all: a pointer to where that would be is formed as an integer. */
    float *origin = (float *)((uintptr_t)part - begin * TILE_ROWS * sizeof *part);
    p->multiply(&w, &a, begin, end, origin, PART_ROWS, NULL);
    for (size_t i = 0; i < s->n; i++) {
        const size_t from = s->first + i > begin * TILE_ROWS ? s->first + i : begin * TILE_ROWS;
        float *row = s->sums + triangle_at(s->k, s->first + i);
        for (size_t j = from; j < end * TILE_ROWS && j < s->k; j++) row[j] += part[i * PART_ROWS + j - begin * TILE_ROWS];
    }
}

/* All of the strip from the diagonal on. */
static void add_strip(const products *p, const worker *w, const layout *l, const strip *s) {
    const size_t step = PART_ROWS / TILE_ROWS;
    for (size_t g = s->first / TILE_ROWS; g < l->groups; g += step) add_part(p, w, l, s, g, g + step < l->groups ? g + step : l->groups);
}

static void add_input(const products *p, const worker *w, size_t input, size_t tokens) {
    const size_t k = input_width(p->spec, input), rows = PANELS * p->kernels->panel;
    layout l;
    format_layout(&p->format, k, padded_tokens(p), &l); /* of a size that memory was found for */
    pack_input(p, w, input, tokens);
    for (size_t first = 0; first < k; first += rows) add_strip(p, w, &l, &(strip){p->sums[input], k, first, k - first < rows ? k - first : rows});
}

status products_end_window(products *p, size_t tokens, error *e) {
    bool good = true;
#pragma omp parallel num_threads(p->threads)
    {
        const worker w = {take_floats(widest(p), padded_tokens(p)), take_floats(widest(p), padded_tokens(p))};
        const bool ready = w.weight && w.panels;
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < p->n; i++) {
            if (ready) add_input(p, &w, i, tokens);
        }
        free(w.weight);
        free(w.panels);
        if (!ready) {
#pragma omp atomic write
            good = false;
        }
    }
    return good ? OK : fail(e, E_MEMORY, "no memory for the products of an input");
}

void products_add(products *p, size_t input, const float *sums, double by) {
    for (size_t i = 0; i < triangle_size(input_width(p->spec, input)); i++) p->sums[input][i] += (float)(by * (double)sums[i]);
}

const float *products_of(const products *p, size_t input) {
    return p->sums[input];
}
