#include "tools/conversion_calibration.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "quantize/factor.h"

/* ---- smoothing ---- */

static status weigh_rows(smoothing *s, const char *name, const reader *from, error *e) {
    float *row = malloc(from->k * sizeof *row);
    if (!row) return fail(e, E_MEMORY, "no memory for a row of %" PRIu64 " values", from->k);
    for (uint64_t r = 0; r < from->rows; r++) {
        from->read(from, r, row);
        smoothing_weigh(s, name, row);
    }
    from->done(from, 0, from->rows);
    free(row);
    return OK;
}

/* A tensor that would have been copied is now read, since its numbers change. */
static void fold(const smoothing *s, conversion *c, size_t i) {
    quantize_tensor *todo = &c->todo[i];
    todo->row_factors = smoothing_rows(s, c->entries[i].name);
    todo->column_factors = c->entries[i].ndim == 2 ? smoothing_columns(s, c->entries[i].name) : NULL;
    if (!todo->row_factors && !todo->column_factors) return;
    todo->copy = NULL;
    c->entries[i].hash = 0;
}

static status smooth(calibrated *d, conversion *c, error *e) {
    if (!d->file.n) return fail(e, E_USAGE, "--smooth wants a calibration: --calibration FILE or --calibrate TEXT");
    if (c->set->only) return fail(e, E_USAGE, "--smooth changes all matrices and cannot be used with --only");
    if (c->recipe.keeps) return fail(e, E_USAGE, "--smooth changes all matrices, and 'keep' is to leave them as they are; name a format");
    TRY(smoothing_open(&d->smooth, &d->file, e));
    for (size_t i = 0; i < c->n; i++) {
        if (c->entries[i].ndim == 2) TRY(weigh_rows(d->smooth, c->entries[i].name, &c->todo[i].from, e));
    }
    smoothing_solve(d->smooth, c->set->smooth);
    for (size_t i = 0; i < c->n; i++) fold(d->smooth, c, i);
    return OK;
}

/* ---- importance ---- */

/* The input as the stored matrix will meet it. */
static const calibration_input *input_of(const calibrated *d, const char *name) {
    return d->smooth ? smoothing_input(d->smooth, name) : calibration_find(&d->file, name);
}

static const struct weighed *find_weighed(const calibrated *d, const calibration_input *input) {
    size_t i = 0;
    while (i < d->n && d->weighed[i].input != input) i++;
    return i < d->n ? &d->weighed[i] : NULL;
}

static status weigh_input(calibrated *d, const calibration_input *input, bool quiet, error *e) {
    float *w = malloc(input->k * sizeof *w);
    if (!w) return fail(e, E_MEMORY, "no memory for %zu channels", input->k);
    d->weighed[d->n++] = (struct weighed){input, w};
    const size_t silent = calibration_importance(input, w);
    if (!silent || quiet) return OK;
    fprintf(stderr, "warning: %s: %zu of %zu channels have no data; they count like the mean of the others\n", input->name, silent, input->k);
    return OK;
}

/* NULL if they are all zero (those of the smallest inputs are): nothing makes up for errors that meet only zeros. */
static const float *products_of(const calibration_input *input) {
    size_t i = 0;
    while (input->products && i < input->k && !(input->products[triangle_at(input->k, i) + i] > 0)) i++;
    return i < input->k ? input->products : NULL;
}

static status weigh_tensor(calibrated *d, conversion *c, size_t i, error *e) {
    const qbin_entry *t = &c->entries[i];
    const calibration_input *input = input_of(d, t->name);
    if (!input) return OK;
    if (input->k != t->k) {
        return fail(e, E_FILE, "%s: '%s' has %zu channels, tensor '%s' has %" PRIu64, d->file.file.map.path, input->name, input->k, t->name, t->k);
    }
    if (!find_weighed(d, input)) TRY(weigh_input(d, input, c->set->quiet, e));
    c->todo[i].importance = find_weighed(d, input)->importance;
    c->todo[i].products = products_of(calibration_find(&d->file, t->name)); /* before smoothing: the column factors follow */
    if (!c->set->method && c->todo[i].products) c->method = &method_gptq;
    return OK;
}

/* ---- static activations ---- */

static status find_observer(const range_observer **out, const char *wish, error *e) {
    const char *name = wish ? wish : "mse";
    char known[128] = "";
    nearest near = {.word = name};
    *out = range_observer_find(name);
    if (*out) return OK;
    for (const range_observer *const *o = range_observers; *o; o++) {
        nearest_offer(&near, (*o)->name);
        snprintf(known + strlen(known), sizeof known - strlen(known), " %s", (*o)->name);
    }
    if (near.best) return fail(e, E_USAGE, "unknown observer '%s'; did you mean '%s'?", name, near.best);
    return fail(e, E_USAGE, "unknown observer '%s'; known are%s", name, known);
}

/* Matrices with one input have the same encoding, since it comes from the input alone. */
static status encode_tensor(calibrated *d, conversion *c, size_t i, error *e) {
    const act_wish wish = {.asymmetric = c->set->asymmetric};
    const qbin_entry *t = &c->entries[i];
    if (!act_is_static(t->format.act) || c->todo[i].copy) return OK;
    const calibration_input *input = d->file.n ? input_of(d, t->name) : NULL;
    if (!input && t->act_scale > 0) return OK; /* as it was in the file that is quantized again */
    if (!input) return fail(e, E_USAGE, "tensor '%s': static activations want a calibration: --calibration FILE or --calibrate TEXT", t->name);
    const act_range range = calibration_range(input, d->observer, &wish);
    d->measured = true;
    return conversion_static(c, i, range.scale, range.center, e);
}

/* A wish about static activations where none are measured does not do what was meant. */
static status check_ranges(const calibrated *d, const conversion_flags *set, error *e) {
    if (d->measured || (!set->observer && !set->asymmetric)) return OK;
    return fail(e, E_USAGE, "%s is about static activations that are measured, and there are none: ask for --activations static",
                set->observer ? "--observer" : "--asymmetric-activations");
}

/* The engine refuses a file in which they differ: some may be taken over as they are while others change. */
static status check_shared(const calibrated *d, const conversion *c, size_t n, error *e) {
    for (size_t i = 0; d->file.n && i < n; i++) {
        const qbin_entry *t = &c->entries[i];
        const calibration_input *input = act_is_static(t->format.act) ? calibration_find(&d->file, t->name) : NULL;
        for (size_t j = 0; input && j < i; j++) {
            const qbin_entry *other = &c->entries[j];
            if (!act_is_static(other->format.act) || calibration_find(&d->file, other->name) != input) continue;
            if (t->act_scale == other->act_scale && t->act_center == other->act_center) continue;
            return fail(e, E_USAGE, "'%s' and '%s' have the same input but would have static activations of different scales: change both",
                        other->name, t->name);
        }
    }
    return OK;
}

/* ---- both ---- */

static status open_file(calibrated *d, const char *path, uint64_t identity, error *e) {
    TRY(calibration_open(&d->file, path, e));
    TRY(calibration_check(&d->file, identity, e));
    d->weighed = calloc(d->file.n, sizeof *d->weighed);
    return d->weighed ? OK : fail(e, E_MEMORY, "no memory");
}

status calibrated_open(calibrated *d, const char *path, uint64_t identity, conversion *c, error *e) {
    const size_t n = c->n; /* shifts are added behind them */
    *d = (calibrated){0};
    TRY(find_observer(&d->observer, c->set->observer, e));
    if (path) TRY(open_file(d, path, identity, e));
    if (c->set->smooth >= 0) TRY(smooth(d, c, e));
    for (size_t i = 0; i < n; i++) {
        if (c->entries[i].ndim == 1) continue;
        if (path) TRY(weigh_tensor(d, c, i, e));
        TRY(encode_tensor(d, c, i, e));
    }
    TRY(check_ranges(d, c->set, e));
    return check_shared(d, c, n, e);
}

void calibrated_close(calibrated *d) {
    for (size_t i = 0; i < d->n; i++) free(d->weighed[i].importance);
    free(d->weighed);
    smoothing_close(&d->smooth);
    calibration_close(&d->file);
    *d = (calibrated){0};
}

void calibrated_record(const calibrated *d, const conversion_flags *set, json_t *meta) {
    const char *path = d->file.file.map.path, *slash = path ? strrchr(path, '/') : NULL;
    if (!path) return;
    json_t *said = json_pack("{s:s*, s:O, s:s, s:b}", "file", slash ? slash + 1 : path, "texts", d->file.texts, "observer", d->observer->name,
                             "asymmetric", set->asymmetric);
    json_object_set_new(json_object_get(meta, "recipe"), "calibration", said);
    if (d->smooth) json_object_set_new(json_object_get(meta, "recipe"), "smooth", json_real(set->smooth));
}
