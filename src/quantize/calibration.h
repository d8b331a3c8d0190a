/* calibration.h: what is known of the inputs of a model's matrices, from a text that the model has read: a .qbin file of the kind "calibration", which is
 * read, checked and asked here. Refuses models, files that are damaged anywhere (all hashes are checked at opening), and another model's calibration.
 *
 * The file has, for each input (file/input.h), vectors named after it: ".mean" E[x], ".square" E[x^2], ".min", ".max", ".low" and ".high" of each channel, and
 * ".histogram" of all its values: for each bin a pair (a, b) of whole numbers below 2^24, the count a + b * 2^24. "low" and "high" are exponential
 * moving averages of the least and largest value of a window with momentum 0.01; the first hundred windows are averaged alike. Its metadata has the
 * spec of the model and an object "calibration": "model" (identity), "momentum", "texts" (file, bytes, xxh3, context, windows, skip, bos) and "inputs"
 * (name, tokens, windows, and low and high of the whole input). If that object says "products": true, each input also has a vector ".products", the triangle
 * (factor.h) of x_i x_j as products.h sums them over all tokens, skipped ones too, by "tokens": large, and wanted by methods that compensate errors. */
#ifndef QBIN_QUANTIZE_CALIBRATION_H
#define QBIN_QUANTIZE_CALIBRATION_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "file/input.h"
#include "file/qbin.h"
#include "quantize/histogram.h"

#define CALIBRATION_MOMENTUM 0.01

typedef struct calibration_input {
    char name[INPUT_NAME];
    size_t k;
    uint64_t tokens, windows;
    const float *mean, *square, *min, *max, *ema_low, *ema_high; /* [k], borrowed from the file */
    float low, high;                                             /* moving average of the range of all channels */
    uint64_t *histogram;                                         /* [HISTOGRAM_BINS], owned */
    const float *products;                                       /* triangle of E[x_i x_j] (factor.h), borrowed; NULL: not there */
    size_t silent;                                               /* channels that were never anything but zero */
} calibration_input;

typedef struct calibration {
    qbin file;
    uint64_t model;
    calibration_input *inputs; /* [n], by number */
    size_t n;
    const json_t *texts; /* array, borrowed */
    bool has_products;
} calibration;

/* E_FILE names file and input. calibration_close takes {0} too. */
status calibration_open(calibration *c, const char *path, error *e);
void calibration_close(calibration *c);

/* The input that the matrix of that name multiplies; NULL if it multiplies none (calibration_find(c, "embed") is the head's if they are tied). */
const calibration_input *calibration_find(const calibration *c, const char *name);

/* What tells models apart: XXH3 of the sorted hashes of the weight files (*.safetensors) in a list like meta.sources, so that a folder and every .qbin made of
 * it are one model. False if there is none. */
bool calibration_identity(const json_t *sources, uint64_t *identity);
/* The same of a file; one whose sources are not known is identified by the hashes of its own tensors. One that was smoothed is another model: its inputs are
 * other ones. */
uint64_t calibration_identity_of(const qbin *model);
/* Was it, or the file that it was made of, smoothed (meta.recipe.smooth, meta.recipe.before.smooth ...)? */
bool calibration_smoothed(const qbin *model);

/* E_FILE if the calibration is of another model. */
status calibration_check(const calibration *c, uint64_t identity, error *e);

/* w[k] = E[x^2], the weight of each input channel's squared error. Channels without data get the mean of the others (all of them 1 if there is no other);
 * returns how many, for the caller to name. */
size_t calibration_importance(const calibration_input *input, float *w);

#endif
