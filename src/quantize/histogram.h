/* histogram.h: counts of values over the whole range of activations. Owns the edges of the bins and nothing else: HISTOGRAM_OCTAVE equal bins for each power
 * of two and sign, and one bin about zero for what is smaller than the least of them. The edges are fixed, so histograms of any parts of the data are added
 * exactly, and a bin is at most 1/32 of its values wide wherever they lie: outliers a thousand times as large as the rest cost no resolution. */
#ifndef QBIN_QUANTIZE_HISTOGRAM_H
#define QBIN_QUANTIZE_HISTOGRAM_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    HISTOGRAM_OCTAVE = 32,
    HISTOGRAM_TOP = 20, /* magnitudes from 2^-20 to 2^20; larger ones are counted in the outermost bin */
    HISTOGRAM_SIDE = 2 * HISTOGRAM_TOP * HISTOGRAM_OCTAVE,
    HISTOGRAM_ZERO = HISTOGRAM_SIDE, /* the bin about zero; in order of value, negative numbers lie before it */
    HISTOGRAM_BINS = 2 * HISTOGRAM_SIDE + 1,
};

/* The bin of a finite x: exponent and the five upper bits of the fraction, as they stand in the number. */
static inline size_t histogram_bin(float x) {
    enum { SHIFT = 18, FIRST = (127 - HISTOGRAM_TOP) * HISTOGRAM_OCTAVE };
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int at = (int)((bits & 0x7fffffffu) >> SHIFT) - FIRST + 1;
    at = at < 0 ? 0 : at > HISTOGRAM_SIDE ? HISTOGRAM_SIDE : at;
    return (size_t)(HISTOGRAM_ZERO + (bits >> 31 ? -at : at));
}

/* Where bin i begins, counted from -2^20 up; edge HISTOGRAM_BINS is the end of the last. An edge belongs to the bin that is farther from zero. */
static inline double histogram_edge(size_t i) {
    const int n = i > HISTOGRAM_ZERO ? (int)i - HISTOGRAM_ZERO - 1 : HISTOGRAM_ZERO - (int)i;
    const double size = ldexp(1 + (double)(n % HISTOGRAM_OCTAVE) / HISTOGRAM_OCTAVE, n / HISTOGRAM_OCTAVE - HISTOGRAM_TOP);
    return i > HISTOGRAM_ZERO ? size : -size;
}

#endif
