/* gguf_types.h: the numbers that a GGUF file may store tensors as: each is one const source_type and one line of the list. Owns the layouts of the
 * blocks; what a file says about them is gguf.h's. Types that are known by name alone are refused with that name. */
#ifndef QBIN_FILE_GGUF_TYPES_H
#define QBIN_FILE_GGUF_TYPES_H

#include <stdint.h>

#include "file/safetensors.h"

typedef struct gguf_type {
    uint32_t id; /* in the file */
    const source_type *as;
} gguf_type;
extern const gguf_type gguf_types[]; /* ended by a NULL */

/* The type of that number; NULL if it cannot be read. */
const gguf_type *gguf_type_find(uint32_t id);

/* What others call a type that cannot be read here; NULL if nobody does. */
const char *gguf_type_name(uint32_t id);

#endif
