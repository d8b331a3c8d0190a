/* calibration_names.h: the vectors of an input in a calibration file. Shared by its reader and its writer, and by nobody else. */
#ifndef QBIN_QUANTIZE_CALIBRATION_NAMES_H
#define QBIN_QUANTIZE_CALIBRATION_NAMES_H

enum {
    CALIBRATION_VECTORS = 6, /* [k] each; then the histogram, and the products if there are any */
    CALIBRATION_HISTOGRAM = CALIBRATION_VECTORS,
    CALIBRATION_PRODUCTS,
    CALIBRATION_PARTS,
    CALIBRATION_LIMB = 1 << 24,         /* whole numbers below it are exact in f32 */
    CALIBRATION_TOKENS = (1 << 26) - 1, /* at most: times the widest input, counts stay below CALIBRATION_LIMB squared */
};

extern const char *const calibration_names[CALIBRATION_PARTS];

#endif
