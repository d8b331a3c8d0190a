/* gguf_inputs.h: a GGUF file as what convert reads: the checkpoint, and the files that would lie beside it, made in memory. Owns nothing afterwards; what a
 * GGUF file means is models/gguf.h's. */
#ifndef QBIN_TOOLS_GGUF_INPUTS_H
#define QBIN_TOOLS_GGUF_INPUTS_H

#include "file/safetensors.h"
#include "tools/convert_inputs.h"

/* Opens `model`, a GGUF file. E_FILE names what is malformed or not supported; a tokenizer that is not supported fails only if it is `wanted`. The caller
 * closes both, also after a failure. */
status gguf_inputs_open(inputs *in, checkpoint *weights, const char *model, bool wanted, error *e);

/* Fills *block as tokenizer_compile does, from the tokenizer of a GGUF file. */
status gguf_compile_tokenizer(const char *model, uint8_t **block, size_t *bytes, error *e);

#endif
