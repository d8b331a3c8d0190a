/* conversion_calibration.h: what a calibration changes about a conversion: the weight of each input channel's error, scale and centre of static
 * activations, and the factors of smoothing. Refuses a calibration of another model, and static activations without one. */
#ifndef QBIN_TOOLS_CONVERSION_CALIBRATION_H
#define QBIN_TOOLS_CONVERSION_CALIBRATION_H

#include "quantize/calibration.h"
#include "quantize/observers.h"
#include "quantize/smooth.h"
#include "tools/conversion.h"

typedef struct calibrated {
    calibration file;
    smoothing *smooth; /* NULL: none */
    struct weighed {   /* [n] what each input weighs */
        const calibration_input *input;
        float *importance; /* [input->k], owned */
    } * weighed;
    size_t n;
    const range_observer *observer;
    bool measured; /* a matrix has static activations of a range that the observer chose */
} calibrated;

/* With all matrices added: opens the calibration at `path` (NULL: none), which must be of the model with this identity, and gives every matrix its importance
 * and, if its format has static activations, their encoding; with --smooth all tensors get their factors first. Inputs with channels without data are named on
 * stderr. Borrowed by the conversion; calibrated_close takes {0} and what a failed call left. E_USAGE for static activations or smoothing without a
 * calibration, and for wishes about static activations where none are measured. */
status calibrated_open(calibrated *d, const char *path, uint64_t identity, conversion *c, error *e);
void calibrated_close(calibrated *d);

/* Adds file, texts and the choices made with them to the recipe of the metadata, if there is a calibration. */
void calibrated_record(const calibrated *d, const conversion_flags *set, json_t *meta);

#endif
