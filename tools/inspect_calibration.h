/* inspect_calibration.h: what inspect prints of a calibration file. */
#ifndef QBIN_TOOLS_INSPECT_CALIBRATION_H
#define QBIN_TOOLS_INSPECT_CALIBRATION_H

#include "base/error.h"

/* Texts, then a row for each input. Checks the whole file before. */
status inspect_calibration(const char *path, error *e);

#endif
