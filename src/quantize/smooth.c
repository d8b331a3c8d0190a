#include "quantize/smooth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VECTORS = 6 };

typedef struct smoothed { /* one input */
    size_t k, made;       /* channels; rows of what makes it: fewer if heads share them */
    float *weight;        /* [k] largest magnitude of each column of its readers */
    float *columns;       /* [k] the factors */
    float *rows;          /* [made] 1 / the factors */
    calibration_input input;
    float *vectors; /* [VECTORS][k] of the input, made when asked for */
} smoothed;

struct smoothing {
    const calibration *calibration;
    const spec *spec;
    smoothed *inputs; /* [layers * LAYER_INPUTS] */
    size_t n;
};

/* What makes an input: its vectors and the rows of its matrices are divided. */
static const struct maker {
    const char *names[2];
} makers[LAYER_INPUTS] = {
    [INPUT_ATTN] = {{"attn_norm", "attn_norm_bias"}},
    [INPUT_HEADS] = {{"v", "v_bias"}},
    [INPUT_MLP] = {{"mlp_norm", "mlp_norm_bias"}},
    [INPUT_INNER] = {{"up", "up_bias"}},
};

/* Is the input its maker's result times numbers, and is that maker its own? Else dividing one and multiplying the other would not be the same model. */
static bool is_smoothed(const spec *s, size_t index) {
    const bool normed = s->norm_place != NORM_AFTER && s->residual != RESIDUAL_SHARED;
    const bool linear = !s->plain_mlp && s->activation != ACTIVATION_SWIGLU_SHIFTED && s->mlp_limit == 0;
    const bool can[LAYER_INPUTS] = {
        [INPUT_ATTN] = normed,
        [INPUT_HEADS] = s->clip_qkv == 0,
        [INPUT_MLP] = normed && !s->n_experts,
        [INPUT_INNER] = linear && !s->n_experts,
    };
    return can[index % LAYER_INPUTS];
}

/* The row that makes channel `channel` of input `index`. */
static size_t maker_of(const smoothing *s, size_t index, size_t channel) {
    const size_t dim = s->spec->head_dim, shared = s->spec->heads / s->spec->kv_heads;
    return index % LAYER_INPUTS == INPUT_HEADS ? channel / dim / shared * dim + channel % dim : channel;
}

status smoothing_open(smoothing **out, const calibration *c, error *e) {
    smoothing *s = calloc(1, sizeof *s);
    *out = s;
    if (!s) return fail(e, E_MEMORY, "no memory for smoothing");
    s->calibration = c;
    s->spec = &c->file.spec;
    s->n = (size_t)s->spec->layers * LAYER_INPUTS;
    s->inputs = calloc(s->n, sizeof *s->inputs);
    bool ok = s->inputs;
    for (size_t i = 0; i < s->n && ok; i++) {
        smoothed *in = &s->inputs[i];
        in->k = input_width(s->spec, i);
        in->made = maker_of(s, i, in->k - 1) + 1;
        in->weight = calloc(3 * in->k, sizeof *in->weight);
        in->columns = in->weight + in->k;
        in->rows = in->columns + in->k;
        ok = in->weight;
    }
    if (ok) return OK;
    smoothing_close(out);
    return fail(e, E_MEMORY, "no memory for the factors of %zu inputs", s->n);
}

void smoothing_close(smoothing **s) {
    if (!*s) return;
    for (size_t i = 0; (*s)->inputs && i < (*s)->n; i++) {
        free((*s)->inputs[i].weight);
        free((*s)->inputs[i].vectors);
        free((*s)->inputs[i].input.histogram);
    }
    free((*s)->inputs);
    free(*s);
    *s = NULL;
}

/* The input that a matrix reads, if it is one that is smoothed. */
static smoothed *read_by(const smoothing *s, const char *name) {
    size_t index;
    return input_of_tensor(s->spec, name, &index) && index < s->n && is_smoothed(s->spec, index) ? &s->inputs[index] : NULL;
}

void smoothing_weigh(smoothing *s, const char *name, const float *row) {
    smoothed *in = read_by(s, name);
    for (size_t i = 0; in && i < in->k; i++) in->weight[i] = fmaxf(in->weight[i], fabsf(row[i]));
}

/* ---- factors ---- */

/* rows[made]: the largest magnitudes of all channels that a row makes; then their factor. */
static void solve(const smoothing *s, size_t index, double alpha, float *weight, float *rows) {
    smoothed *in = &s->inputs[index];
    const calibration_input *x = &s->calibration->inputs[index];
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < in->made; i++) rows[i] = weight[i] = 0;
    for (size_t i = 0; i < in->k; i++) {
        const size_t row = maker_of(s, index, i);
        rows[row] = fmaxf(rows[row], fmaxf(fabsf(x->min[i]), fabsf(x->max[i])));
        weight[row] = fmaxf(weight[row], in->weight[i]);
    }
    for (size_t i = 0; i < in->made; i++) {
        const bool known = rows[i] > 0 && weight[i] > 0;
        rows[i] = known ? (float)(alpha * log2((double)rows[i]) - (1 - alpha) * log2((double)weight[i])) : NAN;
        if (known) sum += (double)rows[i];
        n += known;
    }
    for (size_t i = 0; i < in->made; i++) {
        const double power = isnan(rows[i]) ? 0 : fmin(10, fmax(-10, (double)rows[i] - sum / (double)n));
        rows[i] = (float)exp2(power);
    }
}

void smoothing_solve(smoothing *s, double alpha) {
    for (size_t index = 0; index < s->n; index++) {
        smoothed *in = &s->inputs[index];
        solve(s, index, alpha, in->columns, in->rows);
        for (size_t i = 0; i < in->k; i++) in->columns[i] = in->rows[maker_of(s, index, i)];
        for (size_t i = 0; i < in->made; i++) in->rows[i] = 1 / in->rows[i];
    }
}

const float *smoothing_columns(const smoothing *s, const char *name) {
    const smoothed *in = read_by(s, name);
    return in ? in->columns : NULL;
}

const float *smoothing_rows(const smoothing *s, const char *name) {
    unsigned layer;
    int length = 0;
    if (sscanf(name, "layers.%u.%n", &layer, &length) != 1 || !length || layer >= s->spec->layers) return NULL;
    for (size_t i = 0; i < LAYER_INPUTS; i++) {
        for (size_t n = 0; n < 2 && makers[i].names[n]; n++) {
            if (strcmp(name + length, makers[i].names[n]) != 0) continue;
            return is_smoothed(s->spec, i) ? s->inputs[input_index(layer, (layer_input)i)].rows : NULL;
        }
    }
    return NULL;
}

/* ---- the input after it ---- */

/* The share of a Laplace distribution below x. */
static double below(double x, double mean, double deviation) {
    const double tail = 0.5 * exp(-M_SQRT2 * fabs(x - mean) / deviation);
    return x < mean ? tail : 1 - tail;
}

/* Adds tokens of a Laplace distribution within [min, max]; what rounding leaves over goes to the bin of the mean. */
static void add_laplace(uint64_t *histogram, uint64_t tokens, double mean, double deviation, float min, float max) {
    const size_t first = histogram_bin(min), last = histogram_bin(max), middle = histogram_bin((float)fmin((double)max, fmax((double)min, mean)));
    uint64_t left = tokens;
    const double low = below((double)min, mean, deviation), all = below((double)max, mean, deviation) - low;
    for (size_t i = first; i <= last && deviation > 0 && all > 0; i++) {
        const double from = fmax((double)min, histogram_edge(i)), to = fmin((double)max, histogram_edge(i + 1));
        const double share = (below(to, mean, deviation) - below(from, mean, deviation)) / all;
        uint64_t here = (uint64_t)fmax(0, (double)tokens * share);
        if (!here && (i == first || i == last)) here = 1; /* the extremes were seen */
        if (here > left) here = left;
        histogram[i] += here;
        left -= here;
    }
    histogram[middle] += left;
}

/* The moving average of the whole input's end, which is farther out than that of any channel, as much farther as it was before. `side`: -1 low, 1 high; what
 * is returned is times the side. */
static float range_after(float end, const float *before, const float *after, size_t k, float side) {
    float was = before[0] * side, is = after[0] * side;
    for (size_t i = 1; i < k; i++) {
        was = fmaxf(was, before[i] * side);
        is = fmaxf(is, after[i] * side);
    }
    return was > 0 ? is * end * side / was : is;
}

static void divide(smoothed *in, const calibration_input *x) {
    const float *const from[VECTORS] = {x->mean, x->square, x->min, x->max, x->ema_low, x->ema_high};
    in->input = (calibration_input){.k = x->k, .tokens = x->tokens, .windows = x->windows, .silent = x->silent, .histogram = in->input.histogram};
    memcpy(in->input.name, x->name, sizeof x->name);
    const float **const to[VECTORS] = {&in->input.mean, &in->input.square, &in->input.min, &in->input.max, &in->input.ema_low, &in->input.ema_high};
    for (size_t i = 0; i < x->k; i++) {
        const float s = in->columns[i];
        for (size_t v = 0; v < VECTORS; v++) in->vectors[v * x->k + i] = from[v][i] / s / (from[v] == x->square ? s : 1);
    }
    for (size_t v = 0; v < VECTORS; v++) *to[v] = in->vectors + v * x->k;
    in->input.low = -range_after(x->low, x->ema_low, in->input.ema_low, x->k, -1);
    in->input.high = range_after(x->high, x->ema_high, in->input.ema_high, x->k, 1);
    for (size_t i = 0; i < x->k; i++) {
        const double mean = (double)in->input.mean[i], variance = (double)in->input.square[i] - mean * mean;
        add_laplace(in->input.histogram, x->tokens, mean, sqrt(fmax(0, variance)), in->input.min[i], in->input.max[i]);
    }
}

const calibration_input *smoothing_input(smoothing *s, const char *name) {
    const calibration_input *x = calibration_find(s->calibration, name);
    smoothed *in = read_by(s, name);
    if (!x || !in || in->vectors) return in && in->vectors ? &in->input : x;
    in->vectors = malloc(VECTORS * x->k * sizeof *in->vectors);
    in->input.histogram = calloc(HISTOGRAM_BINS, sizeof *in->input.histogram);
    if (!in->vectors || !in->input.histogram) return NULL;
    divide(in, x);
    return &in->input;
}
