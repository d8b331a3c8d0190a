/* Observers on planted distributions: each against brute force over the samples themselves, and each where it should win. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quantize/divergence.h"
#include "quantize/observers.h"

enum { SAMPLES = 200000, CHANNELS = 8, WINDOW = SAMPLES / CHANNELS / 20 };

typedef struct planted {
    calibration_input in;
    float x[SAMPLES];
    float min[CHANNELS], max[CHANNELS], square[CHANNELS];
    uint64_t histogram[HISTOGRAM_BINS];
} planted;

static uint64_t state;

static double uniform(void) { /* (0, 1) */
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(state >> 11) + 0.5) / 0x1p53;
}

static double normal(void) {
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

/* ---- distributions ---- */

static double plain(size_t i) {
    (void)i;
    return normal();
}

static double even(size_t i) {
    (void)i;
    return 2 * uniform() - 1;
}

static double with_outliers(size_t i) { /* one of 20,000 is far away */
    return i % 20011 == 17 ? 400 * (i % 2 ? 1 : -1) : normal();
}

static double skewed(size_t i) { /* like what SiLU gives: a tail on one side, little on the other */
    (void)i;
    const double x = 2 * normal();
    return x / (1 + exp(-x));
}

static double far(size_t i) { /* all on one side of zero */
    (void)i;
    return 5 + 0.3 * normal();
}

static double one_bad_window(size_t i) {
    return normal() * (i / (CHANNELS * WINDOW) == 7 ? 50 : 1);
}

static double small(size_t i) {
    (void)i;
    return 1e-3 * normal();
}

typedef double sample_fn(size_t i);
static sample_fn *const all[] = {plain, even, with_outliers, skewed, far, one_bad_window, small};
enum { ALL = sizeof all / sizeof *all };

static planted *plant(sample_fn *sample) {
    planted *p = calloc(1, sizeof *p);
    float low = 0, high = 0;
    double lows = 0, highs = 0;
    size_t windows = 0;
    state = 42;
    for (size_t i = 0; i < SAMPLES; i++) {
        const float x = p->x[i] = (float)sample(i);
        const size_t c = i % CHANNELS;
        p->min[c] = i < CHANNELS || x < p->min[c] ? x : p->min[c];
        p->max[c] = i < CHANNELS || x > p->max[c] ? x : p->max[c];
        p->histogram[histogram_bin(x)]++;
        low = i % (CHANNELS * WINDOW) ? fminf(low, x) : x;
        high = i % (CHANNELS * WINDOW) ? fmaxf(high, x) : x;
        if (i % (CHANNELS * WINDOW) == CHANNELS * WINDOW - 1) {
            lows += (double)low, highs += (double)high;
            windows++;
        }
    }
    p->in = (calibration_input){.k = CHANNELS, .tokens = SAMPLES / CHANNELS, .windows = windows, .min = p->min, .max = p->max};
    p->in.square = p->square;
    p->in.histogram = p->histogram;
    p->in.low = (float)(lows / (double)windows);
    p->in.high = (float)(highs / (double)windows);
    return p;
}

/* The mean squared error of the samples themselves. */
static double true_error(const planted *p, act_range r) {
    double sum = 0;
    for (size_t i = 0; i < SAMPLES; i++) {
        const double u = ((double)p->x[i] - (double)r.center) / (double)r.scale, code = fmin(127, fmax(-127, rint(u)));
        sum += (u - code) * (u - code);
    }
    return sum / SAMPLES * (double)r.scale * (double)r.scale;
}

static act_range chosen(const planted *p, const char *name, bool asymmetric) {
    const act_wish wish = {.asymmetric = asymmetric};
    const act_range r = calibration_range(&p->in, range_observer_find(name), &wish);
    cr_assert(isfinite(r.scale) && r.scale > 0 && isfinite(r.center), "%s", name);
    cr_assert(asymmetric || r.center == 0, "%s", name);
    const double zero = -(double)r.center / (double)r.scale;
    cr_assert_float_eq(zero, rint(zero), 1e-4, "%s: zero is a level", name);
    return r;
}

static double error_with(const planted *p, const char *name, bool asymmetric) {
    return true_error(p, chosen(p, name, asymmetric));
}

static void above(double a, double b, double times, const char *what) {
    cr_assert_gt(a, times * b, "%s: %g is not %g times %g", what, a, times, b);
}

TestSuite(observers, .timeout = 300);

/* ---- the error that the search minimises ---- */

Test(observers, the_expected_error_is_that_of_the_samples) {
    for (size_t i = 0; i < ALL; i++) {
        planted *p = plant(all[i]);
        for (const range_observer *const *o = range_observers; *o; o++) {
            for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
                const act_wish wish = {.asymmetric = asymmetric};
                const act_range r = calibration_range(&p->in, *o, &wish);
                const double told = act_error(&p->in, &wish, r), is = true_error(p, r);
                cr_assert_float_eq(told, is, 0.1 * is, "%s on distribution %zu: %g, not %g", (*o)->name, i, told, is);
            }
        }
        free(p);
    }
}

/* ---- each against its definition ---- */

Test(observers, minmax_clamps_nothing_and_wastes_nothing) {
    for (size_t i = 0; i < ALL; i++) {
        planted *p = plant(all[i]);
        float low = p->x[0], high = p->x[0];
        for (size_t n = 0; n < SAMPLES; n++) {
            low = fminf(low, p->x[n]);
            high = fmaxf(high, p->x[n]);
        }
        const act_range even_one = chosen(p, "minmax", false), odd_one = chosen(p, "minmax", true);
        cr_assert_float_eq(127 * even_one.scale, fmaxf(-low, high), 1e-5f * even_one.scale * 127);
        cr_assert_float_eq(odd_one.center + 127 * odd_one.scale, high, 0.51f * odd_one.scale);
        cr_assert_float_eq(odd_one.center - 127 * odd_one.scale, low, 0.51f * odd_one.scale);
        free(p);
    }
}

static int by_value(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

Test(observers, percentile_leaves_that_share_inside) {
    static const double shares[] = {99, 99.9, 99.99};
    for (size_t i = 0; i < ALL; i++) {
        planted *p = plant(all[i]);
        for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) {
            for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
                const act_wish wish = {.asymmetric = asymmetric, .percentile = shares[s]};
                const act_range r = calibration_range(&p->in, range_observer_find("percentile"), &wish);
                const double outside = SAMPLES * (1 - shares[s] / 100);
                const double low = (double)r.center - 127 * (double)r.scale, high = (double)r.center + 127 * (double)r.scale;
                size_t far_out = 0, out = 0; /* of values beyond a bin more, a bin less */
                for (size_t n = 0; n < SAMPLES; n++) {
                    const double x = (double)p->x[n], bin = 1.0 / HISTOGRAM_OCTAVE;
                    far_out += x < low - fabs(low) * bin || x > high + fabs(high) * bin;
                    out += x < low + fabs(low) * bin || x > high - fabs(high) * bin;
                }
                cr_assert((double)far_out <= outside + 8 && (double)out >= outside - 8, "distribution %zu, %g %%", i, shares[s]);
            }
        }
        free(p);
    }
    planted *p = plant(skewed);
    const act_range r = chosen(p, "percentile", true);
    qsort(p->x, SAMPLES, sizeof *p->x, by_value);
    cr_assert_float_eq(r.center - 127 * r.scale, p->x[SAMPLES / 2000], 0.01f, "half of it on each side");
    cr_assert_float_eq(r.center + 127 * r.scale, p->x[SAMPLES - 1 - SAMPLES / 2000], 0.2f);
    free(p);
}

Test(observers, ema_is_the_moving_average) {
    planted *p = plant(one_bad_window);
    cr_assert_float_eq(127 * chosen(p, "ema", false).scale, fmaxf(-p->in.low, p->in.high), 1e-4f);
    cr_assert_float_eq(chosen(p, "ema", true).center, (p->in.low + p->in.high) / 2, 0.51f * chosen(p, "ema", true).scale);
    above(error_with(p, "minmax", false), error_with(p, "minmax", false) * 0.99, 1, "minmax");
    cr_assert_lt(chosen(p, "ema", false).scale, 0.2f * chosen(p, "minmax", false).scale, "one window moves it little");
    free(p);
}

Test(observers, mse_finds_the_least_error_of_all_ranges) {
    for (size_t i = 0; i < ALL; i++) {
        planted *p = plant(all[i]);
        const float top = chosen(p, "minmax", false).scale;
        const act_range odd_top = chosen(p, "minmax", true);
        double least = INFINITY, odd_least = INFINITY;
        for (int n = 0; n < 100; n++) {
            const double e = true_error(p, (act_range){top * exp2f(-(float)n / 10), 0});
            least = fmin(least, e);
        }
        for (int n = 0; n < 400; n++) { /* both ends between the outermost and a thousandth, coarsely */
            const float low = odd_top.center - 127 * odd_top.scale, high = odd_top.center + 127 * odd_top.scale, wide = high - low;
            const float a = i == 2 ? low * exp2f(-(float)(n / 20) / 2) : low + wide * (float)(n / 20) / 25;
            const float b = i == 2 ? high * exp2f(-(float)(n % 20) / 2) : high - wide * (float)(n % 20) / 25;
            if (b > a) odd_least = fmin(odd_least, true_error(p, (act_range){(b - a) / 254, (a + b) / 2}));
        }
        const double found = error_with(p, "mse", false), odd_found = error_with(p, "mse", true);
        cr_assert_leq(found, 1.02 * least, "distribution %zu: %g, but %g is possible", i, found, least);
        cr_assert_leq(odd_found, 1.02 * odd_least, "asymmetric, distribution %zu: %g, but %g is possible", i, odd_found, odd_least);
        cr_assert_leq(odd_found, 1.02 * found, "distribution %zu: a centre can only help", i);
        for (const range_observer *const *o = range_observers; *o; o++) {
            cr_assert_leq(found, 1.02 * error_with(p, (*o)->name, false), "distribution %zu: %s is better", i, (*o)->name);
        }
        free(p);
    }
}

/* The divergence written as its definition says, with the two distributions side by side. */
static double plain_divergence(const double *counts, size_t n, size_t begin, size_t end, size_t levels) {
    double p[DIVERGENCE_BINS] = {0}, q[DIVERGENCE_BINS] = {0}, p_sum = 0, q_sum = 0, kl = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t at = i < begin ? begin : i >= end ? end - 1 : i;
        p[at] += counts[i];
        p_sum += counts[i];
    }
    for (size_t level = 0; level < levels; level++) {
        const size_t from = begin + level * (end - begin) / levels, to = begin + (level + 1) * (end - begin) / levels;
        double sum = 0, used = 0;
        for (size_t i = from; i < to; i++) {
            sum += counts[i];
            used += counts[i] > 0;
        }
        for (size_t i = from; i < to; i++) q[i] = counts[i] > 0 ? sum / used : 0;
        q_sum += sum;
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] > 0) kl += p[i] / p_sum * log(p[i] / p_sum / fmax(1e-12, q[i] / q_sum));
    }
    return kl;
}

Test(observers, the_divergence_is_its_definition) {
    double counts[DIVERGENCE_BINS];
    state = 7;
    for (size_t i = 0; i < DIVERGENCE_BINS; i++) counts[i] = i % 9 == 4 ? 0 : floor(1000 * uniform() * exp(-(double)i / 300));
    static const size_t rows[][3] = {{0, 2048, 128}, {0, 128, 128}, {0, 1000, 128}, {100, 1900, 255}, {700, 955, 255}, {3, 1111, 100}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const double a = divergence_of(counts, DIVERGENCE_BINS, rows[i][0], rows[i][1], rows[i][2]);
        const double b = plain_divergence(counts, DIVERGENCE_BINS, rows[i][0], rows[i][1], rows[i][2]);
        cr_assert_float_eq(a, b, 1e-3 * (1e-3 + fabs(b)), "row %zu: %g, not %g", i, a, b);
    }
}

/* ---- each where it should win ---- */

Test(observers, outliers_are_clamped_by_all_but_minmax) {
    planted *p = plant(with_outliers);
    const double all_of_it = error_with(p, "minmax", false), by_mse = error_with(p, "mse", false);
    above(chosen(p, "minmax", false).scale, chosen(p, "percentile", false).scale, 20, "percentile");
    above(chosen(p, "minmax", false).scale, chosen(p, "kl", false).scale, 5, "kl");
    above(all_of_it, by_mse, 1.0001, "mse");
    free(p);
}

/* Without the few that are clamped, what is left is told far better: that is what clamping buys. */
Test(observers, what_is_not_an_outlier_gains_by_clamping) {
    planted *p = plant(with_outliers);
    double errors[3] = {0};
    static const char *const names[] = {"minmax", "percentile", "kl"};
    for (size_t n = 0; n < 3; n++) {
        const act_range r = chosen(p, names[n], false);
        for (size_t i = 0; i < SAMPLES; i++) {
            const double u = (double)p->x[i] / (double)r.scale, code = fmin(127, fmax(-127, rint(u)));
            if (fabsf(p->x[i]) < 10) errors[n] += (u - code) * (u - code) * (double)r.scale * (double)r.scale;
        }
    }
    above(errors[0], errors[1], 50, "percentile");
    above(errors[0], errors[2], 10, "kl");
    free(p);
}

Test(observers, a_heavy_tail_is_cut_where_that_pays) {
    planted *p = plant(one_bad_window);
    above(error_with(p, "minmax", false), error_with(p, "mse", false), 1.05, "mse");
    free(p);
}

Test(observers, even_values_need_their_whole_range) {
    planted *p = plant(even);
    cr_assert_leq(error_with(p, "minmax", false), 1.001 * error_with(p, "mse", false));
    above(error_with(p, "percentile", false), error_with(p, "minmax", false), 0.999, "percentile");
    free(p);
}

Test(observers, a_centre_pays_where_values_lie_on_one_side) {
    for (const range_observer *const *o = range_observers; *o; o++) {
        planted *p = plant(far);
        above(error_with(p, (*o)->name, false), error_with(p, (*o)->name, true), 3, (*o)->name);
        free(p);
    }
    planted *p = plant(skewed);
    above(error_with(p, "mse", false), error_with(p, "mse", true), 1.5, "mse");
    free(p);
}

Test(observers, inputs_without_a_range_have_a_scale_nevertheless) {
    const float zero[CHANNELS] = {0};
    uint64_t histogram[HISTOGRAM_BINS] = {[HISTOGRAM_ZERO] = 800};
    const calibration_input in = {.k = CHANNELS, .tokens = 100, .windows = 1, .min = zero, .max = zero, .square = zero, .histogram = histogram};
    for (const range_observer *const *o = range_observers; *o; o++) {
        for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
            const act_range r = calibration_range(&in, *o, &(act_wish){.asymmetric = asymmetric});
            cr_assert(r.scale == 1 && r.center == 0, "%s", (*o)->name);
        }
    }
    cr_assert_null(range_observer_find("magic"));
}
