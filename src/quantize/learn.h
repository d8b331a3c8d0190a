/* learn.h: what is learned from the data before it is encoded: codebooks, and the scale of a tensor that has one. For a tensor takes a sample once, then
 * alternates between the scales of the blocks and the levels, all in memory and in one thread: tensors are learned side by side. */
#ifndef QBIN_QUANTIZE_LEARN_H
#define QBIN_QUANTIZE_LEARN_H

#include "quantize/encode.h"

/* Most values of a tensor that levels are learned from: sixteen levels need no more (measured: four times as many change the error by less than a
 * hundredth). */
enum { LEARN_VALUES = 1 << 18 };

/* Has the format something that all groups share? */
bool learn_wanted(const format *f);

/* Learns it; en->shared is not looked at. A scale of the tensor comes from the same sample and from the smallest and the largest of all values. E_MEMORY.
 * Values that are not finite are treated as in group_read. */
status learn_tensor(const encoder *en, const row_source *from, shared *out, error *e);

/* The codebooks of a group that has been read, in g->books; and the scales of rows that have a codebook of their own, in g->grids. */
void learn_group(const encoder *en, group *g);

#endif
