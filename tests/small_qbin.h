/* small_qbin.h: a small .qbin that tests make: a vector (and padding after it), two matrices and a tokenizer that is none. */
#ifndef QBIN_TESTS_SMALL_QBIN_H
#define QBIN_TESTS_SMALL_QBIN_H

#include <stddef.h>
#include <stdint.h>

#include "file/qbin.h"

enum { SMALL_TENSORS = 3, SMALL_TOKENS = 16 };

extern const char small_meta[], small_tokens[SMALL_TOKENS];

qbin_entry small_entry(const char *name, const char *format_text, uint32_t ndim, uint64_t rows, uint64_t k);
void small_entries(qbin_entry entries[SMALL_TENSORS]);

/* Byte j of tensor i. */
uint8_t small_content(size_t i, uint64_t j);

/* Writes it in steps of at most 4096 bytes, the last tensor first. */
status small_write(const char *path, uint64_t step, error *e);

/* model.qbin in the folder of the test. */
const char *small_made(void);

#endif
