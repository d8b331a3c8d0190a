#include "quantize/calibration.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/json.h"
#include "quantize/calibration_names.h"
#include "quantize/factor.h"

const char *const calibration_names[CALIBRATION_PARTS] = {"mean", "square", "min", "max", "low", "high", "histogram", "products"};

enum { HEX = 16 };

/* ---- which model ---- */

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_weights(const json_t *source) {
    static const char ending[] = ".safetensors";
    const char *file = json_string_value(json_object_get(source, "file")), *hash = json_string_value(json_object_get(source, "xxh3"));
    const size_t n = file ? strlen(file) : 0, m = strlen(ending);
    return n >= m && hash && strlen(hash) == HEX && strcmp(file + n - m, ending) == 0;
}

bool calibration_identity(const json_t *sources, uint64_t *identity) {
    size_t i, n = 0;
    json_t *source;
    const char **hashes = calloc(json_array_size(sources) + 1, sizeof *hashes);
    XXH3_state_t *state = XXH3_createState();
    if (hashes && state) {
        json_array_foreach((json_t *)(uintptr_t)sources, i, source) {
            if (is_weights(source)) hashes[n++] = json_string_value(json_object_get(source, "xxh3"));
        }
        qsort(hashes, n, sizeof *hashes, by_text);
        XXH3_64bits_reset(state);
        for (i = 0; i < n; i++) XXH3_64bits_update(state, hashes[i], HEX);
        *identity = XXH3_64bits_digest(state);
    }
    XXH3_freeState(state);
    free(hashes);
    return n > 0;
}

/* A smoothed model has other inputs than the one it was made of, however often it was quantized again (recipe.before) since then. */
static uint64_t smoothed_identity(const json_t *recipe, uint64_t identity) {
    const json_t *before = json_object_get(recipe, "before"), *smooth = json_object_get(recipe, "smooth");
    if (before) identity = smoothed_identity(before, identity); /* no deeper than JSON may be */
    if (!json_is_number(smooth)) return identity;
    const double alpha = json_number_value(smooth);
    char *texts = json_dumps(json_object_get(json_object_get(recipe, "calibration"), "texts"), JSON_COMPACT | JSON_SORT_KEYS);
    identity = XXH3_64bits_withSeed(&alpha, sizeof alpha, identity);
    if (texts) identity = XXH3_64bits_withSeed(texts, strlen(texts), identity);
    free(texts);
    return identity;
}

bool calibration_smoothed(const qbin *model) {
    const json_t *recipe = json_object_get(model->meta, "recipe");
    while (recipe && !json_is_number(json_object_get(recipe, "smooth"))) recipe = json_object_get(recipe, "before");
    return recipe;
}

uint64_t calibration_identity_of(const qbin *model) {
    uint64_t identity = 0;
    if (calibration_identity(json_object_get(model->meta, "sources"), &identity)) {
        return smoothed_identity(json_object_get(model->meta, "recipe"), identity);
    }
    for (size_t i = 0; i < model->n_tensors; i++) identity = XXH3_64bits_withSeed(&model->tensors[i].hash, sizeof(uint64_t), identity);
    return identity;
}

status calibration_check(const calibration *c, uint64_t identity, error *e) {
    if (c->model == identity) return OK;
    return fail(e, E_FILE, "%s: is a calibration of another model (%016" PRIx64 ", not %016" PRIx64 ")", c->file.map.path, c->model, identity);
}

/* ---- reading ---- */

static status read_vector(const calibration *c, const calibration_input *in, size_t which, size_t rows, const float **out, error *e) {
    char name[TENSOR_NAME];
    snprintf(name, sizeof name, "%s.%s", in->name, calibration_names[which]);
    const tensor *t = qbin_tensor(&c->file, name);
    if (!t || t->ndim != 1 || t->rows != rows) return fail(e, E_FILE, "the vector %s of %zu numbers is missing", name, rows);
    *out = (const float *)(const void *)t->data;
    for (size_t i = 0; i < rows; i++) {
        if (!isfinite((*out)[i])) return fail(e, E_FILE, "%s: number %zu is not finite", name, i);
    }
    return OK;
}

static bool is_limb(float x) {
    return x >= 0 && x < CALIBRATION_LIMB && x == truncf(x);
}

static status read_histogram(const calibration *c, calibration_input *in, error *e) {
    const float *pairs = NULL;
    uint64_t sum = 0;
    TRY(read_vector(c, in, CALIBRATION_HISTOGRAM, 2 * HISTOGRAM_BINS, &pairs, e));
    in->histogram = malloc(HISTOGRAM_BINS * sizeof *in->histogram);
    if (!in->histogram) return fail(e, E_MEMORY, "no memory for a histogram");
    for (size_t i = 0; i < HISTOGRAM_BINS; i++) {
        const float a = pairs[2 * i], b = pairs[2 * i + 1];
        if (!is_limb(a) || !is_limb(b)) return fail(e, E_FILE, "%s.histogram: bin %zu holds no count", in->name, i);
        in->histogram[i] = (uint64_t)a + (uint64_t)b * CALIBRATION_LIMB;
        sum += in->histogram[i];
    }
    if (sum == in->tokens * in->k) return OK;
    return fail(e, E_FILE, "%s.histogram: counts %" PRIu64 " values, not those of %" PRIu64 " tokens", in->name, sum, in->tokens);
}

static status check_channels(calibration_input *in, error *e) {
    for (size_t i = 0; i < in->k; i++) {
        if (in->square[i] < 0 || in->min[i] > in->max[i] || in->ema_low[i] > in->ema_high[i]) {
            return fail(e, E_FILE, "%s: the statistics of channel %zu are not possible", in->name, i);
        }
        in->silent += in->square[i] == 0;
    }
    return in->low <= in->high ? OK : fail(e, E_FILE, "%s: the range %g to %g is not possible", in->name, (double)in->low, (double)in->high);
}

/* They are of at least the tokens of the squares. */
static status check_products(const calibration_input *in, error *e) {
    bool some = false, wanted = false;
    for (size_t i = 0; i < in->k; i++) {
        const float own = in->products[triangle_at(in->k, i) + i];
        if (own < 0) return fail(e, E_FILE, "%s.products: a channel's product with itself is negative", in->name);
        some = some || own > 0;
        wanted = wanted || in->square[i] >= FLT_MIN;
    }
    return some || !wanted ? OK : fail(e, E_FILE, "%s.products: are all zero, but the squares are not", in->name);
}

static status read_input(calibration *c, size_t index, const json_t *said, error *e) {
    calibration_input *in = &c->inputs[index];
    const char *name;
    double low, high;
    const float **const vectors[CALIBRATION_VECTORS] = {&in->mean, &in->square, &in->min, &in->max, &in->ema_low, &in->ema_high};
    input_name(&c->file.spec, index, in->name);
    in->k = input_width(&c->file.spec, index);
    TRY(json_to_text(json_object_get(said, "name"), "name", &name, e));
    if (strcmp(name, in->name) != 0) return fail(e, E_FILE, "input %zu is '%.40s', not '%s'", index, name, in->name);
    TRY(json_to_uint(json_object_get(said, "tokens"), "tokens", 0, CALIBRATION_TOKENS, &in->tokens, e));
    TRY(json_to_uint(json_object_get(said, "windows"), "windows", in->tokens > 0, in->tokens, &in->windows, e));
    TRY(json_to_number(json_object_get(said, "low"), "low", -FLT_MAX, FLT_MAX, &low, e));
    TRY(json_to_number(json_object_get(said, "high"), "high", -FLT_MAX, FLT_MAX, &high, e));
    in->low = (float)low;
    in->high = (float)high;
    for (size_t v = 0; v < CALIBRATION_VECTORS; v++) TRY(read_vector(c, in, v, in->k, vectors[v], e));
    TRY(check_channels(in, e));
    if (c->has_products) {
        TRY(read_vector(c, in, CALIBRATION_PRODUCTS, triangle_size(in->k), &in->products, e));
        TRY(check_products(in, e));
    }
    return read_histogram(c, in, e);
}

static status read_identity(const json_t *said, uint64_t *out, error *e) {
    const char *text;
    TRY(json_to_text(json_object_get(said, "model"), "model", &text, e));
    if (strspn(text, "0123456789abcdef") != HEX || text[HEX]) return fail(e, E_FILE, "'model' is not %d hexadecimal digits", HEX);
    *out = strtoull(text, NULL, 16);
    return OK;
}

static status read_parts(calibration *c, error *e) {
    const json_t *said = json_object_get(c->file.meta, "calibration"), *inputs;
    size_t n;
    TRY(json_to_object(said, "calibration", e));
    TRY(read_identity(said, &c->model, e));
    if (json_object_get(said, "products")) TRY(json_to_bool(json_object_get(said, "products"), "products", &c->has_products, e));
    c->texts = json_object_get(said, "texts");
    TRY(json_to_array(c->texts, "texts", SIZE_MAX, &n, e));
    inputs = json_object_get(said, "inputs");
    TRY(json_to_array(inputs, "inputs", SIZE_MAX, &n, e));
    c->n = input_count(&c->file.spec);
    if (n != c->n) return fail(e, E_FILE, "there are %zu inputs instead of %zu", n, c->n);
    c->inputs = calloc(c->n, sizeof *c->inputs);
    if (!c->inputs) return fail(e, E_MEMORY, "no memory for %zu inputs", c->n);
    for (size_t i = 0; i < c->n; i++) TRY(read_input(c, i, json_array_get(inputs, i), e));
    return OK;
}

/* The file is small, and what it says decides about every weight: all of it is checked. */
status calibration_open(calibration *c, const char *path, error *e) {
    *c = (calibration){0};
    TRY(qbin_open(&c->file, path, e));
    status code = qbin_expect(&c->file, &qbin_calibration, e);
    if (code == OK) code = qbin_verify(&c->file, NULL, e);
    if (code == OK && (code = read_parts(c, e)) != OK) fail_in(e, path);
    if (code != OK) calibration_close(c);
    return code;
}

void calibration_close(calibration *c) {
    for (size_t i = 0; c->inputs && i < c->n; i++) free(c->inputs[i].histogram);
    free(c->inputs);
    qbin_close(&c->file);
    *c = (calibration){0};
}

/* ---- asking ---- */

const calibration_input *calibration_find(const calibration *c, const char *name) {
    size_t index;
    return input_of_tensor(&c->file.spec, name, &index) ? &c->inputs[index] : NULL;
}

size_t calibration_importance(const calibration_input *input, float *w) {
    double sum = 0;
    size_t missing = 0;
    for (size_t i = 0; i < input->k; i++) {
        sum += (double)input->square[i];
        missing += input->square[i] == 0;
    }
    const float mean = missing < input->k ? (float)(sum / (double)(input->k - missing)) : 1;
    for (size_t i = 0; i < input->k; i++) w[i] = input->square[i] > 0 ? input->square[i] : mean;
    return missing;
}
