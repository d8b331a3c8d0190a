/* learn.h: codebooks from the data of a tensor. Takes a sample of blocks once, then alternates between the scales of the blocks and the levels, all in
 * memory and in one thread: tensors are learned side by side. */
#ifndef QBIN_QUANTIZE_LEARN_H
#define QBIN_QUANTIZE_LEARN_H

#include "quantize/encode.h"

/* Most values of a tensor that levels are learned from: sixteen levels need no more (measured: four times as many change the error by less than a
 * hundredth). */
enum { LEARN_VALUES = 1 << 18 };

/* Learns the codebook of a format with one per tensor: en->books is not looked at. *book becomes ready for fits. E_MEMORY. Values that are not finite
 * are treated as in group_read. */
status learn_book(const encoder *en, const row_source *from, codebook *book, error *e);

#endif
