#include "quantize/statistics.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/version.h"
#include "quantize/calibration_names.h"
#include "quantize/factor.h"

typedef struct gathered { /* of one input */
    size_t k;
    uint64_t tokens, windows;
    double *sum, *square;                  /* [k] */
    float *min, *max, *ema_low, *ema_high; /* [k] */
    float *window_min, *window_max;        /* [k] of the window that is being read */
    float low, high;
    _Atomic uint64_t *histogram; /* [HISTOGRAM_BINS] */
    void *memory;
} gathered;

struct statistics {
    const spec *spec;
    uint64_t identity;
    gathered *inputs;
    size_t n;
    uint32_t (*bins)[HISTOGRAM_BINS]; /* [threads]: counts of one call */
    json_t *texts;
    bool text_lost;     /* one could not be described */
    products *products; /* borrowed, or NULL */
};

/* ---- memory ---- */

static void reset_window(gathered *g) {
    for (size_t i = 0; i < g->k; i++) {
        g->window_min[i] = INFINITY;
        g->window_max[i] = -INFINITY;
    }
}

static bool gathered_open(gathered *g, size_t k) {
    enum { DOUBLES = 2, FLOATS = 6 };
    g->k = k;
    g->memory = calloc(k, DOUBLES * sizeof(double) + FLOATS * sizeof(float));
    g->histogram = calloc(HISTOGRAM_BINS, sizeof *g->histogram);
    if (!g->memory || !g->histogram) return false;
    g->sum = g->memory;
    g->square = g->sum + k;
    float *const floats = (float *)(void *)(g->square + k);
    float **const places[FLOATS] = {&g->min, &g->max, &g->ema_low, &g->ema_high, &g->window_min, &g->window_max};
    for (size_t i = 0; i < FLOATS; i++) *places[i] = floats + i * k;
    reset_window(g);
    return true;
}

status statistics_open(statistics **out, const spec *sp, uint64_t identity, int threads, error *e) {
    statistics *s = calloc(1, sizeof *s);
    *out = s;
    if (!s) return fail(e, E_MEMORY, "no memory for statistics");
    s->spec = sp;
    s->identity = identity;
    s->n = input_count(sp);
    s->inputs = calloc(s->n, sizeof *s->inputs);
    s->bins = calloc((size_t)threads, sizeof *s->bins);
    s->texts = json_array();
    bool ok = s->inputs && s->bins && s->texts;
    for (size_t i = 0; i < s->n && ok; i++) ok = gathered_open(&s->inputs[i], input_width(sp, i));
    if (ok) return OK;
    statistics_close(out);
    return fail(e, E_MEMORY, "no memory for statistics of %zu inputs", input_count(sp));
}

void statistics_close(statistics **s) {
    if (!*s) return;
    for (size_t i = 0; (*s)->inputs && i < (*s)->n; i++) {
        free((*s)->inputs[i].memory);
        free((*s)->inputs[i].histogram);
    }
    free((*s)->inputs);
    free((*s)->bins);
    json_decref((*s)->texts);
    free(*s);
    *s = NULL;
}

/* ---- values ---- */

static void take_row(gathered *g, size_t channel, const float *x, size_t n) {
    double *sum = g->sum + channel, *square = g->square + channel;
    float *min = g->window_min + channel, *max = g->window_max + channel;
    for (size_t i = 0; i < n; i++) {
        sum[i] += (double)x[i];
        square[i] += (double)x[i] * (double)x[i];
        min[i] = x[i] < min[i] ? x[i] : min[i];
        max[i] = x[i] > max[i] ? x[i] : max[i];
    }
}

void statistics_take(statistics *s, int thread, const sighting *seen) {
    gathered *g = &s->inputs[seen->input];
    uint32_t *bins = s->bins[thread];
    for (size_t t = 0; t < seen->tokens; t++) {
        const float *x = seen->x + t * seen->ld;
        take_row(g, seen->channel, x, seen->channels);
        for (size_t i = 0; i < seen->channels; i++) bins[histogram_bin(x[i])]++;
    }
    for (size_t i = 0; i < HISTOGRAM_BINS; i++) { /* whole numbers: their order does not matter */
        if (bins[i]) atomic_fetch_add_explicit(&g->histogram[i], bins[i], memory_order_relaxed);
        bins[i] = 0;
    }
}

/* The first windows count alike, until their share is the momentum's. */
static float moved(float old, float now, uint64_t windows) {
    const double share = fmax(CALIBRATION_MOMENTUM, 1.0 / ((double)windows + 1));
    return (float)((double)old + share * ((double)now - (double)old));
}

static void end_window(gathered *g, uint64_t tokens) {
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < g->k; i++) {
        const float min = g->window_min[i], max = g->window_max[i];
        g->ema_low[i] = moved(g->ema_low[i], min, g->windows);
        g->ema_high[i] = moved(g->ema_high[i], max, g->windows);
        g->min[i] = g->windows && g->min[i] < min ? g->min[i] : min;
        g->max[i] = g->windows && g->max[i] > max ? g->max[i] : max;
        low = fminf(low, min);
        high = fmaxf(high, max);
    }
    g->low = moved(g->low, low, g->windows);
    g->high = moved(g->high, high, g->windows);
    g->windows++;
    g->tokens += tokens;
    reset_window(g);
}

status statistics_end_window(statistics *s, uint64_t tokens, error *e) {
    for (size_t i = 0; i < s->n && tokens; i++) {
        gathered *g = &s->inputs[i];
        for (size_t c = 0; c < g->k; c++) {
            if (isfinite(g->square[c])) continue;
            char name[INPUT_NAME];
            input_name(s->spec, i, name);
            return fail(e, E_RUN, "channel %zu of the input %s has values that are not finite", c, name);
        }
        end_window(g, tokens);
    }
    return OK;
}

void statistics_add_text(statistics *s, json_t *text) {
    if (json_array_append_new(s->texts, text)) s->text_lost = true;
}

void statistics_keep_products(statistics *s, products *p) {
    s->products = p;
}

/* ---- other calibrations ---- */

static float weighted(float a, uint64_t weight_a, float b, uint64_t weight_b) {
    return (float)(((double)a * (double)weight_a + (double)b * (double)weight_b) / ((double)weight_a + (double)weight_b));
}

static void add_input(gathered *g, const calibration_input *in) {
    if (!in->windows) return;
    for (size_t i = 0; i < g->k; i++) {
        g->sum[i] += (double)in->mean[i] * (double)in->tokens;
        g->square[i] += (double)in->square[i] * (double)in->tokens;
        g->min[i] = g->windows && g->min[i] < in->min[i] ? g->min[i] : in->min[i];
        g->max[i] = g->windows && g->max[i] > in->max[i] ? g->max[i] : in->max[i];
        g->ema_low[i] = weighted(g->ema_low[i], g->windows, in->ema_low[i], in->windows);
        g->ema_high[i] = weighted(g->ema_high[i], g->windows, in->ema_high[i], in->windows);
    }
    g->low = weighted(g->low, g->windows, in->low, in->windows);
    g->high = weighted(g->high, g->windows, in->high, in->windows);
    for (size_t i = 0; i < HISTOGRAM_BINS; i++) g->histogram[i] += in->histogram[i];
    g->tokens += in->tokens;
    g->windows += in->windows;
}

status statistics_add(statistics *s, const calibration *c, error *e) {
    size_t i;
    json_t *text;
    TRY(calibration_check(c, s->identity, e));
    for (i = 0; i < s->n; i++) {
        if (i >= c->n || c->inputs[i].k != s->inputs[i].k) return fail(e, E_FILE, "%s: is a calibration of another model", c->file.map.path);
    }
    if (s->products && !c->has_products) return fail(e, E_FILE, "%s: has no products of inputs to add", c->file.map.path);
    for (i = 0; i < s->n; i++) {
        add_input(&s->inputs[i], &c->inputs[i]);
        if (s->products) products_add(s->products, i, c->inputs[i].products, (double)c->inputs[i].tokens);
    }
    json_array_foreach(c->texts, i, text) json_array_append(s->texts, text);
    return OK;
}

void statistics_silent(const statistics *s, void (*say)(void *context, const char *input, size_t channels, size_t of), void *context) {
    for (size_t i = 0; i < s->n; i++) {
        size_t silent = 0;
        for (size_t c = 0; c < s->inputs[i].k; c++) silent += s->inputs[i].square[c] == 0;
        char name[INPUT_NAME];
        input_name(s->spec, i, name);
        if (silent) say(context, name, silent, s->inputs[i].k);
    }
}

/* ---- the file ---- */

static json_t *describe(const statistics *s) {
    json_t *inputs = json_array();
    for (size_t i = 0; i < s->n; i++) {
        const gathered *g = &s->inputs[i];
        char name[INPUT_NAME];
        input_name(s->spec, i, name);
        json_array_append_new(inputs, json_pack("{s:s, s:I, s:I, s:f, s:f}", "name", name, "tokens", (json_int_t)g->tokens, "windows",
                                                (json_int_t)g->windows, "low", (double)g->low, "high", (double)g->high));
    }
    char model[17];
    snprintf(model, sizeof model, "%016" PRIx64, s->identity);
    return json_pack("{s:o, s:[s], s:s, s:{s:s, s:f, s:b, s:O, s:o}, s:s}", "spec", spec_to_json(s->spec), "requires", qbin_calibration.name, "kind",
                     qbin_calibration.name, "calibration", "model", model, "momentum", CALIBRATION_MOMENTUM, "products", s->products != NULL, "texts",
                     s->texts, "inputs", inputs, "producer", "qbin " QBIN_VERSION);
}

static status write_input(const gathered *g, qbin_writer *w, size_t first, float *room, error *e) {
    const double tokens = g->tokens ? (double)g->tokens : 1;
    const float *const vectors[CALIBRATION_VECTORS] = {NULL, NULL, g->min, g->max, g->ema_low, g->ema_high};
    for (size_t v = 0; v < CALIBRATION_VECTORS; v++) {
        const double *sums = v ? g->square : g->sum;
        for (size_t i = 0; i < g->k && !vectors[v]; i++) room[i] = (float)(sums[i] / tokens);
        TRY(qbin_write(w, first + v, 0, vectors[v] ? vectors[v] : room, g->k * sizeof(float), e));
    }
    for (size_t i = 0; i < HISTOGRAM_BINS; i++) {
        room[2 * i] = (float)(g->histogram[i] % CALIBRATION_LIMB);
        room[2 * i + 1] = (float)(g->histogram[i] / CALIBRATION_LIMB);
    }
    return qbin_write(w, first + CALIBRATION_HISTOGRAM, 0, room, 2 * HISTOGRAM_BINS * sizeof(float), e);
}

/* Row by row of the triangle, each as a mean. */
static status write_products(const gathered *g, const float *sums, qbin_writer *w, size_t entry, float *room, error *e) {
    const double tokens = g->tokens ? (double)g->tokens : 1;
    for (size_t i = 0; i < g->k; i++) {
        const size_t from = triangle_at(g->k, i) + i, n = g->k - i;
        for (size_t j = 0; j < n; j++) room[j] = (float)((double)sums[from + j] / tokens);
        TRY(qbin_write(w, entry, from * sizeof *room, room, n * sizeof *room, e));
    }
    return OK;
}

/* How many vectors an input has. */
static size_t parts_of(const statistics *s) {
    return s->products ? CALIBRATION_PARTS : CALIBRATION_PRODUCTS;
}

static status write_all(const statistics *s, const char *path, qbin_entry *entries, const char *meta, float *room, error *e) {
    qbin_writer *w;
    const size_t each = parts_of(s);
    status code = qbin_create(&w, path, entries, s->n * each, strlen(meta), 0, e);
    for (size_t i = 0; i < s->n && code == OK; i++) {
        code = write_input(&s->inputs[i], w, i * each, room, e);
        if (!s->products || code != OK) continue;
        code = write_products(&s->inputs[i], products_of(s->products, i), w, i * each + CALIBRATION_PRODUCTS, room, e);
    }
    if (code == OK) return qbin_commit(&w, meta, NULL, e);
    qbin_abandon(&w);
    return code;
}

static status plan_entries(const statistics *s, qbin_entry *entries, size_t *widest, error *e) {
    format f32;
    TRY(format_parse(&f32, "f32", e));
    *widest = 2 * HISTOGRAM_BINS;
    for (size_t i = 0; i < s->n; i++) {
        const size_t k = s->inputs[i].k;
        if (k > *widest) *widest = k;
        char name[INPUT_NAME];
        input_name(s->spec, i, name);
        const size_t lengths[CALIBRATION_PARTS] = {k, k, k, k, k, k, 2 * HISTOGRAM_BINS, triangle_size(k)};
        for (size_t v = 0; v < parts_of(s); v++) {
            qbin_entry *t = entries++;
            *t = (qbin_entry){.format = f32, .ndim = 1, .rows = lengths[v], .k = 1, .error = NAN};
            snprintf(t->name, sizeof t->name, "%s.%s", name, calibration_names[v]);
        }
    }
    return OK;
}

status statistics_write(const statistics *s, const char *path, error *e) {
    if (s->text_lost) return fail(e, E_MEMORY, "no memory for the description of a text");
    for (size_t i = 0; i < s->n; i++) {
        if (s->inputs[i].tokens > CALIBRATION_TOKENS) return fail(e, E_RUN, "a calibration has room for %d tokens", CALIBRATION_TOKENS);
    }
    qbin_entry *entries = calloc(s->n * CALIBRATION_PARTS, sizeof *entries);
    json_t *meta = describe(s);
    char *text = meta ? json_dumps(meta, JSON_COMPACT) : NULL;
    float *room = NULL;
    size_t widest = 0;
    status code = entries && text ? plan_entries(s, entries, &widest, e) : fail(e, E_MEMORY, "no memory for the metadata");
    if (code == OK) room = malloc(widest * sizeof *room);
    if (code == OK && !room) code = fail(e, E_MEMORY, "no memory");
    if (code == OK) code = write_all(s, path, entries, text, room, e);
    free(room);
    free(text);
    json_decref(meta);
    free(entries);
    return code;
}
