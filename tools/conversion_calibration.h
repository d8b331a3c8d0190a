/* conversion_calibration.h: what a calibration changes about a conversion: the weight of each input channel's error. Refuses a calibration of another
 * model. */
#ifndef QBIN_TOOLS_CONVERSION_CALIBRATION_H
#define QBIN_TOOLS_CONVERSION_CALIBRATION_H

#include "quantize/calibration.h"
#include "tools/conversion.h"

typedef struct calibrated {
    calibration file;
    float **importance; /* [file.n] of each input, owned */
} calibrated;

/* Opens the calibration at `path`, which must be of the model with this identity, and gives every matrix of the conversion its importance. Inputs with channels
 * without data are named on stderr. Borrowed by the conversion; calibrated_close takes {0} and what a failed call left. */
status calibrated_open(calibrated *d, const char *path, uint64_t identity, conversion *c, error *e);
void calibrated_close(calibrated *d);

/* Adds {"file", "texts"} to the recipe of the metadata, if there is a calibration. */
void calibrated_record(const calibrated *d, json_t *meta);

#endif
