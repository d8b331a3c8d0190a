/* Smoothing changes what is encoded, not what is computed. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/session.h"
#include "files.h"
#include "quantize/observers.h"
#include "quantize/smooth.h"
#include "quantize/statistics.h"
#include "tiny.h"

enum { N = 60, WINDOWS = 3 };

TestSuite(smooth, .init = folder_open, .fini = folder_close, .timeout = 300);

static void take(void *context, int thread, const observation *o) {
    statistics_take(context, thread, &(sighting){o->input, o->n, o->channel, o->channels, o->x, o->ld});
}

static model *opened(const char *name) {
    model *m;
    error e = {0};
    cr_assert_eq(model_open(&m, folder_path(name), &e), OK, "%s", e.text);
    return m;
}

/* Calibrates on a few ids; keeps the logits of the last of them. */
static float *calibrate(const model *m, const char *name) {
    const size_t bytes = model_spec(m)->vocab * sizeof(float);
    statistics *s;
    session *run;
    error e = {0};
    int32_t ids[N];
    float *logits = malloc(WINDOWS * bytes);
    cr_assert_eq(statistics_open(&s, model_spec(m), calibration_identity_of(&m->file), 2, &e), OK, "%s", e.text);
    const observer watching = {take, s};
    cr_assert_eq(session_open(&run, m, &(session_options){.threads = 2, .observer = &watching}, &e), OK, "%s", e.text);
    for (uint32_t w = 0; w < WINDOWS; w++) {
        tiny_ids(ids, N, model_spec(m)->vocab, w);
        session_rewind(run, 0);
        cr_assert_eq(session_eval(run, ids, N, NULL, &e), OK, "%s", e.text);
        cr_assert_eq(statistics_end_window(s, N, &e), OK, "%s", e.text);
        memcpy(logits + w * model_spec(m)->vocab, session_logits(run), bytes);
    }
    cr_assert_eq(statistics_write(s, folder_path(name), &e), OK, "%s", e.text);
    session_close(&run);
    statistics_close(&s);
    return logits;
}

/* ---- a smoothed copy of an f32 model ---- */

static void write_matrix(qbin_writer *w, size_t index, const tensor *t, const float *rows, const float *columns) {
    const layout *l = &t->layout;
    const size_t width = l->tiles * TILE_K;
    float *x = calloc(TILE_ROWS * width, sizeof *x);
    uint8_t *out = calloc(l->tiles, l->tile_codes);
    for (size_t g = 0; g < l->groups; g++) {
        for (size_t r = 0; r < TILE_ROWS; r++) {
            const size_t row = g * TILE_ROWS + r;
            for (size_t i = 0; i < width; i++) x[r * width + i] = 0;
            if (row >= t->rows) continue;
            format_decode_row(&t->format, l, t->data, row, t->k, x + r * width);
            for (size_t i = 0; i < t->k; i++) x[r * width + i] *= (rows ? rows[row] : 1) * (columns ? columns[i] : 1);
        }
        group_pack_plain(&t->format, l, x, out);
        cr_assert_eq(qbin_write(w, index, l->codes + g * l->tiles * l->tile_codes, out, l->tiles * l->tile_codes, NULL), OK);
    }
    free(x), free(out);
}

static void write_vector(qbin_writer *w, size_t index, const tensor *t, const float *rows) {
    float *x = malloc(t->bytes);
    memcpy(x, t->data, t->bytes);
    for (size_t i = 0; i < t->rows && rows; i++) x[i] *= rows[i];
    cr_assert_eq(qbin_write(w, index, 0, x, t->bytes, NULL), OK);
    free(x);
}

static void write_smoothed(const model *m, const smoothing *s, const char *name) {
    const qbin *q = &m->file;
    qbin_entry *entries = calloc(q->n_tensors, sizeof *entries);
    qbin_writer *w;
    error e = {0};
    char *meta = json_dumps(q->meta, JSON_COMPACT);
    for (size_t i = 0; i < q->n_tensors; i++) {
        const tensor *t = &q->tensors[i];
        entries[i] = (qbin_entry){.format = t->format, .ndim = t->ndim, .rows = t->rows, .k = t->k, .error = NAN};
        strcpy(entries[i].name, t->name);
    }
    cr_assert_eq(qbin_create(&w, folder_path(name), entries, q->n_tensors, strlen(meta), 0, &e), OK, "%s", e.text);
    for (size_t i = 0; i < q->n_tensors; i++) {
        const tensor *t = &q->tensors[i];
        if (t->ndim == 2) {
            write_matrix(w, i, t, smoothing_rows(s, t->name), smoothing_columns(s, t->name));
        } else {
            write_vector(w, i, t, smoothing_rows(s, t->name));
        }
    }
    cr_assert_eq(qbin_commit(&w, meta, NULL, &e), OK, "%s", e.text);
    free(meta);
    free(entries);
}

static smoothing *solved(const calibration *c, const model *m, double alpha) {
    smoothing *s;
    error e = {0};
    cr_assert_eq(smoothing_open(&s, c, &e), OK, "%s", e.text);
    for (size_t i = 0; i < m->file.n_tensors; i++) {
        const tensor *t = &m->file.tensors[i];
        float *row = malloc(t->k * sizeof *row);
        for (size_t r = 0; r < t->rows && t->ndim == 2; r++) {
            format_decode_row(&t->format, &t->layout, t->data, r, t->k, row);
            smoothing_weigh(s, t->name, row);
        }
        free(row);
    }
    smoothing_solve(s, alpha);
    return s;
}

static void check_same_logits(spec sp, double alpha) {
    tiny_write(folder_path("plain.qbin"), &sp, &(tiny){.seed = 4});
    model *m = opened("plain.qbin");
    const size_t n = WINDOWS * sp.vocab;
    error e = {0};
    calibration c;
    float *before = calibrate(m, "before.cal");
    cr_assert_eq(calibration_open(&c, folder_path("before.cal"), &e), OK, "%s", e.text);
    smoothing *s = solved(&c, m, alpha);
    write_smoothed(m, s, "smooth.qbin");
    model *smoothed = opened("smooth.qbin");
    float *after = calibrate(smoothed, "after.cal");
    double most = 0, worst = 0, moved = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)before[i]));
        worst = fmax(worst, fabs((double)before[i] - (double)after[i]));
    }
    cr_assert_leq(worst, 1e-5 * most, "alpha %g: %g of %g", alpha, worst, most);
    for (size_t i = 0; i < sp.hidden; i++) moved = fmax(moved, fabs(1 - (double)smoothing_columns(s, "layers.0.q")[i]));
    cr_assert_gt(moved, 0.01, "factors of 1 would prove nothing");
    free(before), free(after);
    smoothing_close(&s);
    calibration_close(&c);
    model_close(&m);
    model_close(&smoothed);
    spec_free(&sp);
}

Test(smooth, changes_no_logits) {
    spec s = tiny_spec();
    s.attention_bias = s.output_bias = s.mlp_bias = true;
    check_same_logits(s, 0.5);
    s = tiny_spec();
    s.kv_heads = 1;
    check_same_logits(s, 0.8);
    s = tiny_spec();
    s.kv_heads = s.heads;
    s.tied = true;
    check_same_logits(s, 0.2);
    s = tiny_spec();
    s.norm = NORM_LAYER;
    s.norm_bias = s.attention_bias = true;
    check_same_logits(s, 0.5);
    s = tiny_spec();
    s.norm_place = NORM_AROUND;
    s.qk_norm = QK_NORM_HEAD;
    s.plain_mlp = true;
    check_same_logits(s, 0.5);
}

/* Inputs that nothing makes but a norm of two, or an activation, are left as they are. */
Test(smooth, leaves_what_it_cannot_divide) {
    static const char *const left[] = {"layers.0.q", "layers.1.up", "layers.1.down"};
    spec sp = tiny_spec();
    sp.residual = RESIDUAL_SHARED;
    sp.plain_mlp = true;
    tiny_write(folder_path("plain.qbin"), &sp, &(tiny){.seed = 5});
    model *m = opened("plain.qbin");
    free(calibrate(m, "a.cal"));
    calibration c;
    cr_assert_eq(calibration_open(&c, folder_path("a.cal"), NULL), OK);
    smoothing *s = solved(&c, m, 0.7);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) cr_expect_null(smoothing_columns(s, left[i]), "%s", left[i]);
    cr_expect_null(smoothing_rows(s, "layers.0.attn_norm"));
    cr_expect_not_null(smoothing_columns(s, "layers.0.o"));
    smoothing_close(&s);
    calibration_close(&c);
    model_close(&m);
    spec_free(&sp);
}

Test(smooth, factors_are_those_of_the_paper) {
    spec sp = tiny_spec();
    tiny_write(folder_path("plain.qbin"), &sp, &(tiny){.seed = 5});
    model *m = opened("plain.qbin");
    free(calibrate(m, "a.cal"));
    calibration c;
    cr_assert_eq(calibration_open(&c, folder_path("a.cal"), NULL), OK);
    smoothing *s = solved(&c, m, 0.7);
    const tensor *readers[] = {m->layers[1].mlp.gate.w, m->layers[1].mlp.up.w};
    const calibration_input *x = calibration_find(&c, "layers.1.up");
    float row[128];
    double wanted[128], sum = 0;
    for (size_t i = 0; i < sp.hidden; i++) {
        float top = 0;
        for (size_t t = 0; t < 2; t++) {
            for (size_t r = 0; r < readers[t]->rows; r++) {
                format_decode_row(&readers[t]->format, &readers[t]->layout, readers[t]->data, r, sp.hidden, row);
                top = fmaxf(top, fabsf(row[i]));
            }
        }
        wanted[i] = pow((double)fmaxf(-x->min[i], x->max[i]), 0.7) / pow((double)top, 0.3);
        sum += log(wanted[i]);
    }
    for (size_t i = 0; i < sp.hidden; i++) {
        const double factor = wanted[i] / exp(sum / sp.hidden);
        cr_assert_float_eq((double)smoothing_columns(s, "layers.1.gate")[i], factor, 1e-5 * factor);
        cr_assert_float_eq((double)smoothing_rows(s, "layers.1.mlp_norm")[i], 1 / factor, 1e-5 / factor);
    }
    cr_assert_eq(smoothing_columns(s, "layers.1.gate"), smoothing_columns(s, "layers.1.up"));
    cr_assert_null(smoothing_rows(s, "layers.1.gate"));
    cr_assert_null(smoothing_rows(s, "final_norm"));
    cr_assert_null(smoothing_columns(s, "head"));
    cr_assert_null(smoothing_columns(s, "embed"));
    smoothing_close(&s);
    calibration_close(&c);
    model_close(&m);
    spec_free(&sp);
}

/* What is told of an input after smoothing is what calibrating the smoothed model finds; the histogram only about. */
Test(smooth, the_input_after_it_is_known) {
    static const char *const observers[] = {"minmax", "ema", "mse"}; /* the others look at the very ends of the histogram, of which little is known */
    static const char *const names[] = {"layers.0.q", "layers.1.o", "layers.2.up", "layers.2.down", "head"};
    spec sp = tiny_spec();
    tiny_write(folder_path("plain.qbin"), &sp, &(tiny){.seed = 6});
    model *m = opened("plain.qbin");
    free(calibrate(m, "before.cal"));
    calibration before, after;
    cr_assert_eq(calibration_open(&before, folder_path("before.cal"), NULL), OK);
    smoothing *s = solved(&before, m, 0.5);
    write_smoothed(m, s, "smooth.qbin");
    model *smoothed = opened("smooth.qbin");
    free(calibrate(smoothed, "after.cal"));
    cr_assert_eq(calibration_open(&after, folder_path("after.cal"), NULL), OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const calibration_input *told = smoothing_input(s, names[i]), *is = calibration_find(&after, names[i]);
        uint64_t sum = 0;
        cr_assert(told && told->k == is->k);
        for (size_t c = 0; c < is->k; c++) {
            cr_assert_float_eq(told->square[c], is->square[c], 1e-4f * is->square[c]);
            cr_assert_float_eq(told->max[c], is->max[c], 1e-4f * fabsf(is->max[c]));
            cr_assert_float_eq(told->min[c], is->min[c], 1e-4f * fabsf(is->min[c]));
        }
        for (size_t b = 0; b < HISTOGRAM_BINS; b++) sum += told->histogram[b];
        cr_assert_eq(sum, told->tokens * told->k);
        const act_wish wish = {0};
        for (size_t o = 0; o < sizeof observers / sizeof *observers; o++) {
            const range_observer *how = range_observer_find(observers[o]);
            const double a = act_error(is, &wish, calibration_range(told, how, &wish)), b = act_error(is, &wish, calibration_range(is, how, &wish));
            cr_assert_leq(a, 1.5 * b + 1e-12, "%s of %s: %g, where %g is possible", observers[o], names[i], a, b);
        }
    }
    smoothing_close(&s);
    calibration_close(&before);
    calibration_close(&after);
    model_close(&m);
    model_close(&smoothed);
    spec_free(&sp);
}
