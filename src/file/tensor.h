/* tensor.h: a named view of weights in a mapped file. Borrowed, immutable, proven in range when the file was opened. */
#ifndef QBIN_FILE_TENSOR_H
#define QBIN_FILE_TENSOR_H

#include <stdint.h>

#include "quant_formats/format.h"

enum { TENSOR_NAME = 112 }; /* bytes with the NUL */

typedef struct tensor {
    const char *name;
    format format;
    uint32_t ndim;       /* 1: a vector [rows], contiguous f32;  2: a matrix [rows, k], tiled */
    uint64_t rows, k;    /* k is 1 for a vector */
    layout layout;       /* of a matrix */
    const uint8_t *data; /* layout.bytes or rows * 4 bytes, aligned to 64 */
    uint64_t bytes, offset;
    uint64_t hash;               /* XXH3-64 of the bytes */
    float error;                 /* relative squared error recorded at conversion; NaN if not known */
    float act_scale, act_center; /* of ACT_STATIC_*: its activations are act_scale * int8 + act_center; scale > 0, both finite. Else both 0 */
} tensor;

#endif
