/* quantization.h: quantization_config of a config.json: in what codes a checkpoint is stored. Owns the methods that can be read as sources (F8_E4M3 with
 * scales, MXFP4); every other one is refused by name. */
#ifndef QBIN_MODELS_QUANTIZATION_H
#define QBIN_MODELS_QUANTIZATION_H

#include <jansson.h>

#include "base/error.h"
#include "file/view.h"

/* `object`: the value of quantization_config; NULL: none, and no blocks. */
status quantization_read(scale_blocks *out, const json_t *object, error *e);

/* Tensors of such checkpoints that only say how activations or caches were coded; NULL-terminated extended regular expressions. */
extern const char *const quantization_ignored[];

#endif
