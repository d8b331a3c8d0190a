/* observers.h: ways to choose the range of a static encoding of activations from what calibration has seen. Owns the list of them; knows histograms and moving
 * averages, no text and no model. An encoding of b bits has the levels center + scale * i for |i| < 2^(b-1); what lies outside is clamped. */
#ifndef QBIN_QUANTIZE_OBSERVERS_H
#define QBIN_QUANTIZE_OBSERVERS_H

#include <stdbool.h>

#include "quantize/calibration.h"

typedef struct act_wish { /* what kind of encoding is wanted */
    unsigned bits;        /* 2 to 8; 0 means 8 */
    bool asymmetric;      /* the centre is chosen too; else it is 0 */
    double percentile;    /* of values that a "percentile" leaves inside; 0 means the observer's own */
} act_wish;

typedef struct act_range {
    float scale, center; /* scale > 0, both finite; the centre is a multiple of the scale, 0 if the wish is symmetric */
} act_range;

typedef struct span { /* of values that are not clamped */
    double low, high;
} span;

typedef struct range_observer {
    const char *name, *summary;
    span (*choose)(const calibration_input *in, const act_wish *wish); /* symmetric: low == -high */
    double percentile;                                                 /* of one that clamps a share of the values; else 0 */
} range_observer;

extern const range_observer *const range_observers[]; /* NULL-terminated; the list */
const range_observer *range_observer_find(const char *name);

/* An input that was always zero has scale 1. */
act_range calibration_range(const calibration_input *in, const range_observer *how, const act_wish *wish);

/* Expected squared error of a value of the input encoded so, values being spread evenly over each bin of the histogram. */
double act_error(const calibration_input *in, const act_wish *wish, act_range range);

#endif
