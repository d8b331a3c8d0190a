#include "quantize/observers.h"

#include <math.h>
#include <string.h>

#include "quantize/divergence.h"

static double levels_of(const act_wish *wish) {
    return (double)((1 << ((wish->bits ? wish->bits : 8) - 1)) - 1);
}

static span symmetric(span s) {
    const double top = fmax(fabs(s.low), fabs(s.high));
    return (span){-top, top};
}

static span wished(const act_wish *wish, span s) {
    return wish->asymmetric ? s : symmetric(s);
}

/* The centre is a multiple of the scale: zero is a level. Most values of many inputs are far smaller than a step, and what they would all be wrong by alike
 * adds up over a row: on SmolLM2-135M with the centre in the very middle, minmax loses everything (perplexity 1.5 million instead of 31). */
static act_range range_of(const act_wish *wish, span s) {
    const double half = (s.high - s.low) / 2, scale = half / levels_of(wish);
    if (!(scale > 0x1p-100)) return (act_range){1, wish->asymmetric ? (float)s.low : 0};
    return (act_range){(float)scale, wish->asymmetric ? (float)(rint((s.high + s.low) / 2 / scale) * scale) : 0};
}

/* ---- the histogram as intervals ---- */

static span all_values(const calibration_input *in) {
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < in->k; i++) {
        low = fminf(low, in->min[i]);
        high = fmaxf(high, in->max[i]);
    }
    return (span){(double)low, (double)high};
}

/* Where the values of bin i lie: within its edges and within what was seen. */
static span bin_span(size_t i, span all) {
    const span s = {fmax(histogram_edge(i), all.low), fmin(histogram_edge(i + 1), all.high)};
    return s.low < s.high ? s : (span){s.low, s.low}; /* also the outermost bins, whose values may lie beyond the edge */
}

/* ---- squared error ---- */

/* Integral of the squared distance to the nearest whole number from -1/2 to u. */
static double rounding_integral(double u) {
    const double n = floor(u + 0.5), r = u - n;
    return n / 12 + (r * r * r + 0.125) / 3;
}

static double cube(double x) {
    return x * x * x;
}

/* Mean squared error over u in [a, b] when whole numbers in [-top, top] are the levels. */
static double interval_error(double a, double b, double top) {
    if (b - a < 1e-9 * fmax(1, fabs(a))) {
        const double nearest = fmin(top, fmax(-top, rint(a)));
        return (a - nearest) * (a - nearest);
    }
    double sum = 0;
    const double from = fmax(a, -top), to = fmin(b, top);
    if (a < -top) sum += (cube(fmin(b, -top) + top) - cube(a + top)) / 3;
    if (b > top) sum += (cube(b - top) - cube(fmax(a, top) - top)) / 3;
    if (from < to) sum += rounding_integral(to) - rounding_integral(from);
    return sum / (b - a);
}

double act_error(const calibration_input *in, const act_wish *wish, act_range range) {
    const double scale = (double)range.scale, center = (double)range.center, top = levels_of(wish);
    const span all = all_values(in);
    double sum = 0, count = 0;
    for (size_t i = 0; i < HISTOGRAM_BINS; i++) {
        if (!in->histogram[i]) continue;
        const span s = bin_span(i, all);
        sum += (double)in->histogram[i] * interval_error((s.low - center) / scale, (s.high - center) / scale, top);
        count += (double)in->histogram[i];
    }
    return count > 0 ? sum / count * scale * scale : 0;
}

/* ---- the observers ---- */

static span choose_minmax(const calibration_input *in, const act_wish *wish) {
    return wished(wish, all_values(in));
}

static span choose_ema(const calibration_input *in, const act_wish *wish) {
    return wished(wish, (span){(double)in->low, (double)in->high});
}

/* The value below which `wanted` of the counts lie, coming from the end that `step` leads away from. */
static double quantile(const calibration_input *in, double wanted, bool from_above) {
    const span all = all_values(in);
    double left = wanted;
    for (size_t n = 0; n < HISTOGRAM_BINS; n++) {
        const size_t i = from_above ? HISTOGRAM_BINS - 1 - n : n;
        const double count = (double)in->histogram[i];
        const span s = bin_span(i, all);
        const double share = count > 0 ? left / count : 0;
        if (count > 0 && share <= 1) return from_above ? s.high - share * (s.high - s.low) : s.low + share * (s.high - s.low);
        left -= count;
    }
    return from_above ? all.low : all.high;
}

/* Half of what is clamped lies on each side; symmetric: all of it beyond one magnitude. */
static span choose_percentile(const calibration_input *in, const act_wish *wish) {
    const double outside = (double)in->tokens * (double)in->k * fmax(0, 1 - wish->percentile / 100);
    if (wish->asymmetric) return (span){quantile(in, outside / 2, false), quantile(in, outside / 2, true)};
    double count = 0;
    const span all = all_values(in), widest = symmetric(all);
    for (size_t n = HISTOGRAM_SIDE; n > 0; n--) { /* from the outermost magnitude inwards */
        const double here = (double)in->histogram[HISTOGRAM_ZERO + n] + (double)in->histogram[HISTOGRAM_ZERO - n];
        const double low = histogram_edge(HISTOGRAM_ZERO + n), high = fmax(low, fmin(histogram_edge(HISTOGRAM_ZERO + n + 1), widest.high));
        if (here > 0 && count + here >= outside) return symmetric((span){0, high - (outside - count) / here * (high - low)});
        count += here;
    }
    return widest;
}

enum { STEPS_OCTAVE = 8, OCTAVES = 12, FINER = 8, SWEEPS = 3 };

/* The end of the span that leaves the least error, if the other one stays (or follows, when symmetric); two passes, the second finer. */
static span best_end(const calibration_input *in, const act_wish *wish, span now, bool high) {
    span best = now;
    double least = act_error(in, wish, range_of(wish, now)), step = 1.0 / STEPS_OCTAVE;
    for (int pass = 0; pass < 2; pass++) {
        const span middle = best;
        const int from = pass ? -FINER : 0, to = pass ? FINER : OCTAVES * STEPS_OCTAVE;
        for (int i = from; i <= to; i++) {
            const double by = exp2(-step * i), anchor = wish->asymmetric ? (high ? middle.low : middle.high) : 0;
            const double end = anchor + ((high ? middle.high : middle.low) - anchor) * by;
            span tried = high ? (span){middle.low, end} : (span){end, middle.high};
            if (!wish->asymmetric) tried = (span){-end, end};
            const double missed = act_error(in, wish, range_of(wish, tried));
            if (missed >= least) continue;
            least = missed;
            best = tried;
        }
        step /= FINER;
    }
    return best;
}

/* From both ends in turn, beginning with all that was seen and with the symmetric answer. */
static span choose_mse(const calibration_input *in, const act_wish *wish) {
    const act_wish even = {.bits = wish->bits};
    const span all = all_values(in), symmetric_best = best_end(in, &even, symmetric(all), true);
    if (!wish->asymmetric) return symmetric_best;
    span starts[] = {all, {fmax(all.low, symmetric_best.low), fmin(all.high, symmetric_best.high)}}, best = symmetric_best;
    double least = act_error(in, wish, range_of(wish, best));
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        for (int sweep = 0; sweep < SWEEPS; sweep++) starts[i] = best_end(in, wish, best_end(in, wish, starts[i], true), false);
        const double missed = act_error(in, wish, range_of(wish, starts[i]));
        if (missed >= least) continue;
        least = missed;
        best = starts[i];
    }
    return best;
}

/* ---- kl ---- */

/* Spreads a count evenly over what [low, high] covers of bins of `width` from `origin` on. */
static void spread(double *bins, double origin, double width, double low, double high, double count) {
    const double last = DIVERGENCE_BINS - 1;
    const double a = fmin(DIVERGENCE_BINS, fmax(0, (low - origin) / width)), b = fmin(DIVERGENCE_BINS, fmax(0, (high - origin) / width));
    const size_t from = (size_t)fmin(last, floor(a)), to = (size_t)fmin(last, floor(b));
    for (size_t i = from; i <= to; i++) {
        const double covered = fmin(b, (double)i + 1) - fmax(a, (double)i);
        bins[i] += from == to ? count : count * fmax(0, covered) / (b - a);
    }
}

/* Counts in even bins over the span; `fold`: of magnitudes. */
static void even_bins(double bins[DIVERGENCE_BINS], const calibration_input *in, span over, bool fold) {
    const span all = all_values(in);
    const double width = (over.high - over.low) / DIVERGENCE_BINS;
    for (size_t i = 0; i < DIVERGENCE_BINS; i++) bins[i] = 0;
    for (size_t i = 0; i < HISTOGRAM_BINS; i++) {
        if (!in->histogram[i]) continue;
        const span s = bin_span(i, all);
        const double count = (double)in->histogram[i];
        if (!fold) {
            spread(bins, over.low, width, s.low, s.high, count);
        } else if (i == HISTOGRAM_ZERO) {
            bins[0] += count;
        } else {
            spread(bins, 0, width, fmin(fabs(s.low), fabs(s.high)), fmax(fabs(s.low), fabs(s.high)), count);
        }
    }
}

/* The best end (begin) of [begin, end) when the other stays, of those that leave at least one bin for a level. */
static size_t best_cut(const double *bins, size_t begin, size_t end, size_t levels, bool high) {
    enum { STRIDE = 4 };
    size_t best = high ? end : begin;
    double least = divergence_of(bins, DIVERGENCE_BINS, begin, end, levels);
    for (size_t width = end - begin; width >= levels; width = width > STRIDE ? width - STRIDE : 0) {
        const double d = divergence_of(bins, DIVERGENCE_BINS, high ? begin : end - width, high ? begin + width : end, levels);
        if (d >= least) continue;
        least = d;
        best = high ? begin + width : end - width;
    }
    return best;
}

static span choose_kl(const calibration_input *in, const act_wish *wish) {
    double bins[DIVERGENCE_BINS];
    const span all = all_values(in), over = wish->asymmetric ? all : (span){0, symmetric(all).high};
    const double width = (over.high - over.low) / DIVERGENCE_BINS;
    const size_t side = (size_t)levels_of(wish) + 1;
    if (!(width > 0)) return wished(wish, all);
    even_bins(bins, in, over, !wish->asymmetric);
    if (!wish->asymmetric) {
        const double top = width * (double)best_cut(bins, 0, DIVERGENCE_BINS, side, true);
        return (span){-top, top};
    }
    const size_t end = best_cut(bins, 0, DIVERGENCE_BINS, 2 * side - 1, true);
    const size_t begin = best_cut(bins, 0, end, 2 * side - 1, false);
    return (span){over.low + width * (double)begin, over.low + width * (double)end};
}

/* ---- the list ---- */

static const range_observer minmax = {"minmax", "all that was seen", choose_minmax, 0};
static const range_observer ema = {"ema", "the moving average of the windows' ranges", choose_ema, 0};
static const range_observer percentile = {"percentile", "all but the outermost 0.1 percent", choose_percentile, 99.9};
static const range_observer percentile_more = {"percentile-99.99", "all but the outermost 0.01 percent", choose_percentile, 99.99};
static const range_observer percentile_most = {"percentile-99.999", "all but the outermost 0.001 percent", choose_percentile, 99.999};
static const range_observer mse = {"mse", "the range of least squared error", choose_mse, 0};
static const range_observer kl = {"kl", "the range whose histogram loses least by Kullback-Leibler divergence", choose_kl, 0};

const range_observer *const range_observers[] = {&minmax, &ema, &percentile, &percentile_more, &percentile_most, &mse, &kl, NULL};

const range_observer *range_observer_find(const char *name) {
    for (const range_observer *const *o = range_observers; *o; o++) {
        if (strcmp((*o)->name, name) == 0) return *o;
    }
    return NULL;
}

act_range calibration_range(const calibration_input *in, const range_observer *how, const act_wish *wish) {
    act_wish exact = *wish;
    if (!(exact.percentile > 0)) exact.percentile = how->percentile;
    return range_of(wish, how->choose(in, &exact));
}
