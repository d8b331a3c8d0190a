/* calibrate_step.h: calibrate as a step of a conversion: a calibration that is made beside the output, used once and removed. */
#ifndef QBIN_TOOLS_CALIBRATE_STEP_H
#define QBIN_TOOLS_CALIBRATE_STEP_H

#include "tools/conversion_flags.h"

typedef struct calibrate_step {
    char *model, *calibration; /* paths of temporary files, owned; model NULL: none was needed */
} calibrate_step;

/* Names the temporary files beside `output`. E_USAGE if the flags name a calibration too. */
status calibrate_step_open(calibrate_step *s, const conversion_flags *set, const char *output, error *e);

/* Reads the flags' text with the .qbin at `model` and writes s->calibration. `context` is the model's. */
status calibrate_step_run(const calibrate_step *s, const conversion_flags *set, const char *model, uint32_t context, error *e);

/* Removes the files. Takes {0} and what a failed call left. */
void calibrate_step_close(calibrate_step *s);

#endif
